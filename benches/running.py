"""Starting a container: `brasm run` beside `podman run` of the same image, and what the runtime alone takes.

podman has the image in its storage already; brasm unpacks it every time, and removes it again. Both use runc.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

from benches import report
from benches.contenders import BRASM
from benches.measure import Sample, measure, median

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000")
"""What podman wants as root of a machine that may not raise limits."""


def section(rounds: int) -> str:
    """Measure, and return a section of the record."""
    with _folder() as folder:
        image = f"{folder}/shell.tar"
        measure((BRASM, "pack", "-q", "shell", "-o", image), folder)
        jobs = {
            "brasm run": (BRASM, "run", "-q", "--runtime=runc", image, "--", "true"),
            "podman run": (
                *_podman(folder),
                "run",
                "--rm",
                "--network=none",
                "--read-only",
                *_LIMITS,
                "shell:1.0",
                "true",
            ),
            "runc run": ("runc", f"--root={folder}/state", "run", f"--bundle={folder}/bundle", "bench"),
        }
        measure((*_podman(folder), "load", "-q", "-i", image), folder)
        _bundle(image, folder)
        samples: dict[str, list[Sample]] = {name: [] for name in jobs}
        for _ in range(rounds):
            for name, command in jobs.items():
                samples[name].append(measure(command, folder))
        size = os.path.getsize(image)
    medians = {name: median(runs) for name, runs in samples.items()}
    peer = medians["podman run"]
    rows = [
        [name, f"{one.wall:.3f}", f"{one.cpu:.3f}", f"{one.peak / 1e6:.0f}", f"{one.wall / peer.wall:.2f}"]
        for name, one in medians.items()
    ]
    return (
        "## Starting a container\n\n"
        f"`true` in the image of the recipe `shell` ({size / 1e6:.1f} MB), to its end; medians of {rounds} runs, which "
        "alternate. brasm unpacks the image before and removes it after; podman has it unpacked in its storage; runc "
        "is given a bundle that is there.\n\n"
        + report.table(["", "wall, s", "CPU, s", "peak, MB", "wall / podman"], rows)
    )


def _podman(folder: str) -> tuple[str, ...]:
    store = (f"--root={folder}/podman", f"--runroot={folder}/podman-run", "--storage-driver=vfs")
    return ("podman", *store, "--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=none")


def _bundle(image: str, folder: str) -> None:
    measure((BRASM, "copy", "-q", image, f"dir:{folder}/bundle/rootfs"), _made(f"{folder}/bundle"))
    measure(("runc", "spec", f"--bundle={folder}/bundle"), folder)
    with open(f"{folder}/bundle/config.json", "r+", encoding="utf-8") as file:
        spec = json.load(file)
        spec["process"] |= {"terminal": False, "args": ["true"]}
        del spec["process"]["rlimits"]
        file.seek(0)
        file.truncate()
        json.dump(spec, file)


def _made(folder: str) -> str:
    os.makedirs(folder)
    return folder


@contextlib.contextmanager
def _folder() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="brasm-running-")
    try:
        yield folder
    finally:
        subprocess.run((*_podman(folder), "rmi", "--all", "--force"), capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
