"""`brasm tune` as a user meets it: the same results whoever does the work, interrupted or not, and clear refusals."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from rich.console import Console

from assembler.cli.trials import print_trials
from tests.experiments.trials import EXACT, Counting, base_of, matrix_of, ran, writer
from tests.roots import debian
from tests.tools import BRASM, attempt, environment, need, need_root, run, wait_for
from tests.trees import make_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIED: Final = (
    "layers.compression=gzip,zstd",
    "layers.level=1,3,6",
    "layers.split=single,runtime+app,package",
    "strip.mode=none,debug,unneeded",
    "select.dlopen=recommended,required",
    "layers.hardlinks=true,false",
)
"""216 trials of the machine's own python3."""

SMALL: Final = ("layers.compression=gzip,zstd", "layers.level=1..9", "layers.split=single,runtime+app")


def tune(*words: str, vary: Sequence[str] = SMALL, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = attempt(*BRASM, "tune", *words, *(word for text in vary for word in ("--vary", text)), cwd=cwd)
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    return done


def records(path: Path, kind: str = "trial") -> list[dict[str, Any]]:
    return [record for record in map(json.loads, path.read_bytes().splitlines()) if record["kind"] == kind]


def exactly(path: Path) -> list[tuple[object, ...]]:
    """Return what of the trials in a file does not depend on where and when they ran."""
    keys = ("id", "number", "options", "recipe", "source", "outcome", "error", "image", "root", "command", "check")
    rows = []
    for one in sorted(records(path), key=lambda one: one["number"]):
        measures = {name: value for name, value in one["measures"].items() if name in EXACT}
        layers = [{key: value for key, value in row.items() if "seconds" not in key} for row in one["layers"]]
        tests = [(row["name"], row["problems"]) for row in one["tests"]]
        rows.append((*(one[key] for key in keys), measures, layers, tests))
    return rows


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small root with a recipe beside it whose tests look at files alone."""
    folder = tmp_path_factory.mktemp("small")
    lines = [f"/usr/share/app/{number} file 0644 0:0 {'some text ' * 99}{number}" for number in range(40)]
    make_folder([*lines, "/etc/app.conf file 0644 0:0 answer"], folder / "root")
    (folder / "recipe.toml").write_text(
        'name = "app"\n[source]\ndirectory = "root"\n[select]\nmode = "prune"\n[image]\nplatform = "linux/amd64"\n'
    )
    return folder


def test_two_hundred_trials_of_python_come_to_the_same_in_one_process_and_in_four(tmp_path: Path) -> None:
    need("python3", "strip")
    tune("python", "-o", "four.jsonl", "-j", "4", "--no-tests", vary=VARIED, cwd=tmp_path)
    tune("python", "-o", "one.jsonl", "-j", "1", "--no-tests", vary=VARIED, cwd=tmp_path)
    one = exactly(tmp_path / "one.jsonl")
    assert len(one) == 216
    assert one == exactly(tmp_path / "four.jsonl")
    assert {row[5] for row in one} == {"untested"}
    _check_work_was_shared(tmp_path / "one.jsonl")


def _check_work_was_shared(path: Path) -> None:
    """Look in the logs for who compressed what: of the same bytes at the same level, one trial did."""
    done = [line for one in records(path) for line in one["log"] if line.startswith("layer ") and ": done by " in line]
    squeezed = {(row["diff_id"], row["media_type"], row["level"]) for one in records(path) for row in one["layers"]}
    assert len(done) == len(squeezed)
    rows = sum(len(one["layers"]) for one in records(path))
    assert rows > 2 * len(squeezed), "trials share layers"
    assert len([1 for one in records(path) for line in one["log"] if line.startswith("planned in")]) == 12


def test_trials_are_gated_by_tests_and_reproduced_by_their_commands(tmp_path: Path) -> None:
    need("runc")
    need_root()
    vary = ("layers.compression=gzip,zstd", "select.drop=[[], ['/usr/lib/python3*/asyncio'], ['/etc/ssl']]")
    tune("python", "--runtime", "runc", "-o", "r.jsonl", vary=vary, cwd=tmp_path)
    found = records(tmp_path / "r.jsonl")
    outcomes = {json.dumps(one["options"]["select.drop"]): one["outcome"] for one in found}
    assert outcomes == {"[]": "passed", '["/usr/lib/python3*/asyncio"]': "failed", '["/etc/ssl"]': "passed"}
    bad = next(one for one in found if one["outcome"] == "failed")
    assert "asyncio" in bad["error"]
    assert bad["image"] is None
    for one in found:
        if one["outcome"] == "passed":
            command = shlex.split(one["command"])
            assert command[0] == "brasm"
            done = json.loads(run(*BRASM, *command[1:], "--json", cwd=tmp_path))
            assert done["digest"] == one["image"]
            assert done["size"] == one["measures"]["transferred"]


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_an_interrupt_loses_nothing_and_repeats_nothing(jobs: str, root: Path, tmp_path: Path) -> None:
    grid = (
        "layers.compression=gzip,zstd",
        "layers.level=1..12",
        "layers.split=single,runtime+app",
        "select.mode=all,prune",
    )
    recipe, path = str(root / "recipe.toml"), tmp_path / "r.jsonl"
    command = (
        *BRASM,
        "tune",
        recipe,
        "-o",
        "r.jsonl",
        "-j",
        jobs,
        *(word for text in grid for word in ("--vary", text)),
    )
    process = subprocess.Popen(
        ("env", "--default-signal=INT", *command), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: path.exists() and path.read_bytes().count(b'"kind":"trial"') >= 10, "some trials are done")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    kept = len(records(path))
    if process.returncode == 0:
        pytest.skip("it was done before the signal came")
    assert process.returncode == 130
    assert f"r.jsonl has {kept} trials: the same command goes on from there" in errors
    tune(recipe, "-o", "r.jsonl", "-j", jobs, vary=grid, cwd=tmp_path)
    tune(recipe, "-o", "whole.jsonl", "-j", jobs, vary=grid, cwd=tmp_path)
    assert len(records(path)) == len(records(tmp_path / "whole.jsonl")) == 96
    assert exactly(path) == exactly(tmp_path / "whole.jsonl")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_while_processes_start(number: signal.Signals, root: Path, tmp_path: Path) -> None:
    """As a terminal's ^C reaches all processes: none says anything, and no file is left."""
    (tmp_path / "tmp").mkdir()
    varied = ("--vary", "layers.compression=zstd", "--vary", "layers.level=1..22")
    process = subprocess.Popen(
        ("env", "--default-signal=INT", *BRASM, "tune", str(root), "-o", "r.jsonl", "-j", "32", *varied),
        cwd=tmp_path,
        env={**environment(), "TMPDIR": str(tmp_path / "tmp")},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        children = f"/proc/{process.pid}/task/{process.pid}/children"
        wait_for(lambda: len(Path(children).read_text().split()) >= 3, "processes are started")
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 128 + number, errors
    assert "Traceback" not in errors
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_table_that_is_too_wide_has_fewer_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = base_of(tmp_path)
    with writer(tmp_path / "r.jsonl") as out:
        found = ran(base, Counting(), out, matrix_of(base, "layers.compression=gzip,zstd").candidates)
    for width, headings in ((160, ["tests", "outcome"]), (60, ["files", "outcome"]), (30, ["compressed", "outcome"])):
        monkeypatch.setattr("assembler.cli.trials.console", lambda width=width: Console(width=width))
        print_trials(found, "best by compressed")
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 4, "a line each"
        assert "…" not in "".join(lines)
        words = lines[1].split()
        assert words[words.index(headings[0]) : words.index(headings[0]) + 2] == headings


def test_what_cannot_be_combined_is_left_out_and_told(root: Path, tmp_path: Path) -> None:
    vary = ("layers.compression=gzip,none", "layers.level=-,12,13")
    done = tune(str(root), "-o", "r.jsonl", vary=vary, cwd=tmp_path)
    assert "note: 1 of 6 combinations left out: layers.level: 13: gzip goes to 12\n" in done.stderr
    assert "note: 2 of 6 combinations left out: layers.level: 12: none has no levels\n" in done.stderr
    assert len(records(tmp_path / "r.jsonl")) == 3


REFUSED: Final = [
    (
        ("layers.compression=none", "layers.level=1,2"),
        2,
        "no combination is a recipe: layers.level: 1: none has no levels",
    ),
    (("layers.level=9..1",), 2, "--vary layers.level: 9..1: the range is empty"),
    (("layers.level=",), 2, "--vary layers.level: no value is given"),
    (("layers.level=1,1",), 2, "--vary layers.level: 1 is given twice"),
    (("layers.level=1", "layers.level=2"), 2, "--vary layers.level: given twice"),
    (("layers.levle=1",), 2, "--vary layers.levle: the recipe has no such key"),
    (("layers.compression=lzma",), 2, "--vary layers.compression"),
    ((), 2, "nothing is varied"),
]


@pytest.mark.parametrize(("vary", "code", "message"), REFUSED)
def test_a_grid_that_is_none_is_refused(
    vary: tuple[str, ...], code: int, message: str, root: Path, tmp_path: Path
) -> None:
    done = tune(str(root), vary=vary, cwd=tmp_path, expect=code)
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing is written"


WORDS: Final = [
    (("--minimize", "compresed"), "--minimize compresed: no such measure", "did you mean 'compressed'?"),
    (("--budget", "soon"), "'soon'", ""),
    (("--share", "oci:x"), "--share: only for --scheduler", ""),
    (("--patch", "x"), "--attempts, --patch and --apply are of a search", "--subject-to tests"),
    (("--subject-to", "tests"), "--subject-to: a search tries drops, and no options", ""),
    (("--no-tests", "--subject-to", "tests"), "--no-tests: a search needs tests", ""),
    (
        ("--strategy", "grid", "--trials", "3"),
        "--strategy grid: --trials and --seed are of random",
        "--strategy random",
    ),
    (("--seed", "3"), "--strategy grid: --trials and --seed are of random", "--strategy random"),
    (("--scheduler", "tcp://127.0.0.1:1", "--jobs", "2"), "--jobs: a cluster's workers decide", ""),
]


@pytest.mark.parametrize(("words", "message", "hint"), WORDS)
def test_words_that_do_not_go_together(
    words: tuple[str, ...], message: str, hint: str, root: Path, tmp_path: Path
) -> None:
    done = tune(str(root), *words, cwd=tmp_path, expect=2)
    assert message in done.stderr
    assert hint in done.stderr


def test_a_scheduler_that_is_not_there(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    done = tune(str(root), "--scheduler", "tcp://127.0.0.1:1", "-o", "r.jsonl", cwd=tmp_path, expect=6)
    assert done.stderr.count("error: ") == 1
    assert "tcp://127.0.0.1:1" in done.stderr


def test_a_file_that_was_cut_goes_on(root: Path, tmp_path: Path) -> None:
    tune(str(root), "-o", "r.jsonl", cwd=tmp_path)
    whole = exactly(tmp_path / "r.jsonl")
    path = tmp_path / "r.jsonl"
    path.write_bytes(path.read_bytes()[:-100])
    done = tune(str(root), "-o", "r.jsonl", cwd=tmp_path)
    assert "note: r.jsonl: the last line was not finished: it is removed\n" in done.stderr
    assert exactly(path) == whole


def test_files_that_are_no_results_of_this_recipe(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    for text, code, message in (
        ("not results\n", 4, "r.jsonl"),
        ('{"kind":"results","version":99,"brasm":"9","recipe":"app"}\n', 4, "version 99"),
        ('{"kind":"results","version":1,"brasm":"0","recipe":"other"}\n', 5, "other"),
    ):
        path.write_text(text)
        done = tune(str(root), "-o", "r.jsonl", cwd=tmp_path, expect=code)
        assert message in done.stderr
        assert path.read_text() == text, "it is left as it is"


def test_two_runs_do_not_write_one_file(root: Path, tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / "r.jsonl"
    tune(str(root), "-o", "r.jsonl", vary=("layers.level=1",), cwd=tmp_path)
    before = path.read_bytes()
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = tune(str(root), "-o", "r.jsonl", cwd=tmp_path, expect=5)
    assert f"process {os.getpid()}" in done.stderr
    assert path.read_bytes() == before


def test_no_room_for_results_or_tars(root: Path, tmp_path: Path) -> None:
    need("unshare")
    need_root()
    script = 'mount -t tmpfs -o size=16k tmpfs "$0" && cd "$0" && "$@"'
    varied = [word for text in SMALL for word in ("--vary", text)]
    (tmp_path / "small").mkdir()
    command = (*BRASM, "tune", str(root), "-q", *varied)
    done = attempt("unshare", "--mount", "sh", "-c", script, tmp_path / "small", *command)
    assert done.returncode == 5, done.stderr
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
    done = attempt(
        "unshare",
        "--mount",
        "sh",
        "-c",
        script,
        tmp_path / "small",
        "env",
        f"TMPDIR={tmp_path}/small",
        *command,
        "-o",
        str(tmp_path / "r.jsonl"),
    )
    assert done.returncode == 5, done.stderr
    assert "No space left" in done.stderr


def test_a_dry_run_lists_and_writes_nothing(root: Path, tmp_path: Path) -> None:
    done = tune(str(root), "--dry-run", vary=("layers.level=-,1",), cwd=tmp_path)
    assert done.stdout.splitlines() == ["    1  the recipe as it is", "    2  layers.level=1"]
    done = tune(str(root), "--trials", "5", "--seed", "3", "--dry-run", "--json", cwd=tmp_path)
    listed = json.loads(done.stdout)
    assert [one["number"] for one in listed] == [1, 2, 3, 4, 5]
    again = tune(str(root), "--trials", "5", "--seed", "3", "--dry-run", "--json", cwd=tmp_path)
    assert again.stdout == done.stdout
    assert list(tmp_path.iterdir()) == []


def test_json_has_the_best_and_the_front(root: Path, tmp_path: Path) -> None:
    done = json.loads(tune(str(root), "--json", "-o", "r.jsonl", cwd=tmp_path).stdout)
    found = records(tmp_path / "r.jsonl")
    least = min(one["measures"]["compressed"] for one in found)
    assert done["best"]["measures"]["compressed"] == least
    assert done["untested"] == len(found) == 36
    assert done["front"]
    assert (done["earlier"], done["missing"]) == (0, 0)


def test_the_modes_of_a_debian_root(tmp_path: Path) -> None:
    need("mmdebstrap", "strip")
    need_root()
    debian(str(tmp_path / "debian"))
    vary = ("select.mode=closure,prune,all", "strip.mode=none,unneeded")
    tune("python", "-s", str(tmp_path / "debian"), "--no-tests", "-o", "r.jsonl", vary=vary, cwd=tmp_path)
    found = records(tmp_path / "r.jsonl")
    size = {(one["options"]["select.mode"], one["options"]["strip.mode"]): one["measures"]["unpacked"] for one in found}
    assert size["closure", "none"] < size["prune", "none"] < size["all", "none"]
    for root_record in records(tmp_path / "r.jsonl", "root"):
        saved = sum(step["size"] for step in root_record["steps"])
        assert root_record["source_size"] - saved == root_record["unpacked"]
        assert root_record["unpacked"] == sum(row[1] for row in root_record["files"])
    assert len({one["source"] for one in found}) == 1, "whatever the mode, it is one source"
    assert any(row[2] == "libc6" for one in records(tmp_path / "r.jsonl", "root") for row in one["files"])
