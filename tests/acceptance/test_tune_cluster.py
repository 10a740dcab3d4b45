"""Trials on a cluster as README.md shows them, typed as they stand there, but for the port."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.experiments.trials import EXACT
from tests.tools import ROOT, SEARCH_PATH, Service, attempt, lack, need, need_root, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

_EXAMPLE: Final = re.compile(r"```console\n(\$ dask scheduler .*?)```", re.DOTALL)
_PATH: Final = f"{os.path.dirname(sys.executable)}:{SEARCH_PATH}"


def example(port: int) -> list[list[str]]:
    """Return the commands of the example, each split into words; the first ones end with `&`."""
    found = _EXAMPLE.search(Path(ROOT, "README.md").read_text())
    assert found is not None, "README.md has no example of a cluster"
    lines = found[1].replace("\\\n", " ").splitlines()
    return [shlex.split(line[2:].replace("8786", str(port)), comments=True) for line in lines if line.startswith("$ ")]


def service(words: Sequence[str], log: Path) -> Service:
    return Service(["env", f"PATH={_PATH}", *words], str(log))


def exact(path: Path) -> list[tuple[Any, ...]]:
    """Return what of the trials in a file is the same on every machine."""
    records = [record for record in map(json.loads, path.read_bytes().splitlines()) if record["kind"] == "trial"]
    keys = ("number", "id", "options", "outcome", "image", "root")
    return [
        (*(one[key] for key in keys), {name: one["measures"].get(name) for name in sorted(EXACT)})
        for one in sorted(records, key=lambda one: one["number"])
    ]


def test_the_example_of_two_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("runc", "strip")
    need_root()
    if find_spec("distributed") is None:
        lack("distributed is not installed: pip install 'brasm[cluster]'")
    monkeypatch.chdir(tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    *services, tune = example(port)
    assert [words[:2] for words in services] == [["dask", "scheduler"], ["dask", "worker"], ["dask", "worker"]]
    assert all(words[-1] == "&" for words in services)
    with ExitStack() as stack:
        for number, words in enumerate(services):
            log = tmp_path / f"{number}.log"
            started = service(words[:-1], log)
            stack.callback(started.stop)
            ready = b"Scheduler at:" if number == 0 else b"Registered to:"
            started.wait(lambda log=log, ready=ready: ready in log.read_bytes())  # type: ignore[misc]
        run(*tune, cwd=tmp_path, env={"PATH": _PATH}, timeout=600)
    (results,) = tmp_path.glob("*.jsonl")
    at = tune.index("--scheduler")
    run(*tune[:at], *tune[at + 2 :], "-o", "local.jsonl", cwd=tmp_path, env={"PATH": _PATH}, timeout=600)
    assert exact(results) == exact(tmp_path / "local.jsonl")
    assert {one[3] for one in exact(results)} == {"passed"}


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    if find_spec("distributed") is None:
        lack("distributed is not installed: pip install 'brasm[cluster]'")
    done = attempt(
        sys.executable, "-m", "assembler", "tune", "shell", "--vary", "layers.level=1,2",
        "--scheduler", "tcp://127.0.0.1:1", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 6
    assert done.stderr.splitlines()[-2:] == [
        "error: tcp://127.0.0.1:1: no scheduler answers: Timed out trying to connect to tcp://127.0.0.1:1 after 5 s",
        "hint: on one machine: dask scheduler, which tells its address",
    ]
