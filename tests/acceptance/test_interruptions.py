"""What happens in the middle: a full disk, a signal, another pack into the same layout."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.tools import BRASM, attempt, environment, need, need_root, run, wait_for
from tests.trees import make_folder


@pytest.mark.parametrize(
    "output", ["x.tar", "oci:layout:1", "oci-archive:x.oci:1", "docker-archive:x.docker:x:1", "dir:x"]
)
def test_a_full_disk(output: str, out: Path, tmp_path: Path) -> None:
    need("unshare")
    need_root()
    root = make_folder("/app file 0755", tmp_path / "root")
    (tmp_path / "root/noise").write_bytes(os.urandom(3 << 20))
    script = 'mount -t tmpfs -o size=1M tmpfs "$0" && cd "$0" && { "$@"; code=$?; ls -A; exit $code; }'
    command = ("pack", "-q", "-s", root, "--mode", "all", "--set", "image.platform=linux/amd64", "-o", output)
    done = attempt("unshare", "--mount", "sh", "-c", script, out, *BRASM, *command)
    assert done.returncode == 5, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("output", ["x.tar", "oci:layout:1", "dir:root"])
def test_a_signal_in_the_middle(number: signal.Signals, code: int, output: str, out: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    make_folder("/app file 0755", root)
    with (root / "endless").open("wb") as endless:
        endless.truncate(1 << 36)
    command = (*BRASM, "pack", "-s", str(root), "--mode", "all", "--set", "image.platform=linux/amd64", "-o", output)
    # Whoever starts the tests in the background has them ignore SIGINT, and what they start as well.
    heeding = ("env", "--default-signal=INT,HUP", *command)
    process = subprocess.Popen(heeding, cwd=out, env=environment(), stderr=subprocess.PIPE, text=True)
    counters = Path(f"/proc/{process.pid}/io")
    try:
        wait_for(lambda: _read_so_far(counters) > 100 << 20, "it reads the big file")
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code
    assert errors.strip() in {"error: interrupted", "error: terminated"}
    assert list(out.iterdir()) == []


def _read_so_far(counters: Path) -> int:
    return int(counters.read_text().split()[1])


def test_packs_into_one_layout_at_once(static: Path, out: Path) -> None:
    need("skopeo", "umoci")
    tags = [f"t{number}" for number in range(6)]
    command = (*BRASM, "pack", "-q", "-s", str(static), "-e", "/bin/sh", "--set")
    processes = [
        subprocess.Popen(
            (*command, f"image.labels={{tag = '{tag}'}}", "-o", f"oci:layout:{tag}"),
            cwd=out,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for tag in tags
    ]
    digests = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(tags)
    assert sorted(run("umoci", "list", "--layout", out / "layout").split()) == tags
    for tag, digest in zip(tags, digests, strict=True):
        assert run("skopeo", "inspect", "--format", "{{.Digest}}", f"oci:{out}/layout:{tag}").strip() == digest
    known = {"blobs", "index.json", "oci-layout"}
    assert {path.name for path in (out / "layout").iterdir() if not path.name.startswith(".")} == known
