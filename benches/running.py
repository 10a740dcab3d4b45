"""Starting a container: `brasm run` beside `podman run` of the same image, and what the runtime alone takes.

podman has the image in its storage already; brasm unpacks it every time, and removes it again. All use runc.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from typing import TYPE_CHECKING, Final

from benches.contest import Contender, Ratio, again, calibration, compete, rows
from benches.measure import measure
from benches.programs import BRASM
from benches.record import Table
from benches.section import Measured, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benches.section import Bench

OWN: Final = "brasm run"
PODMAN: Final = "podman run"
RUNC: Final = "runc run"

_LIMITS: Final = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000")
"""What podman wants as root of a machine that may not raise limits."""


def section(bench: Bench) -> Measured:
    """Measure all."""
    root = bench.inputs.root("python")
    with _storage(bench) as folder:
        image = f"{folder}/shell.tar"
        measure((BRASM, "pack", "-q", "shell", "--source", root, "-o", image), folder)
        peers, left_out = bench.able(_peers(folder))
        _ready(image, folder, [one.name for one in peers])
        own = Contender(OWN, (BRASM, "run", "-q", "--runtime=runc", image, "--", "true"), peer=False)
        outcome = compete([own, again(own), *peers], 2 * bench.rounds, f"{folder}/run", bench.say)
        size = os.path.getsize(image)
    ratios = [Ratio("wall", PODMAN, "wall / podman"), Ratio("wall", RUNC, "wall / runc")]
    return Measured(
        about=f"`true` in an image of the recipe `shell` ({size / 1e6:.1f} MB), to its end; twice the rounds of the "
        "others. brasm unpacks the image before and removes it after; podman has it unpacked in its storage; runc is "
        "given a bundle that is there.",
        tables=(Table("", "", rows(outcome.runs, ratios), calibration(outcome.runs, OWN)),),
        left_out={**left_out, **outcome.failed},
    )


def _peers(folder: str) -> list[Contender]:
    how = ("run", "--rm", "--network=none", "--read-only", *_LIMITS)
    return [
        Contender(PODMAN, (*_podman(folder), *how, "shell:1.0", "true"), ("podman",), root=True),
        Contender(RUNC, ("runc", f"--root={folder}/state", "run", f"--bundle={folder}/bundle", "bench"), ("runc",)),
    ]


def _podman(folder: str) -> tuple[str, ...]:
    store = (f"--root={folder}/podman", f"--runroot={folder}/podman-run", "--storage-driver=vfs")
    return ("podman", *store, "--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=none")


def _ready(image: str, folder: str, names: list[str]) -> None:
    """Have the image where each peer wants it."""
    if PODMAN in names:
        measure((*_podman(folder), "load", "-q", "-i", image), folder)
    os.makedirs(f"{folder}/bundle")
    measure((BRASM, "copy", "-q", image, f"dir:{folder}/bundle/rootfs"), folder)
    measure(("runc", "spec", f"--bundle={folder}/bundle"), folder)
    with open(f"{folder}/bundle/config.json", "r+", encoding="utf-8") as file:
        spec = json.load(file)
        spec["process"] |= {"terminal": False, "args": ["true"]}
        del spec["process"]["rlimits"]
        file.seek(0)
        file.truncate()
        json.dump(spec, file)


@contextlib.contextmanager
def _storage(bench: Bench) -> Iterator[str]:
    """Give a folder in which podman may keep images, and empty its storage afterwards."""
    try:
        yield bench.scratch
    finally:
        if bench.here["podman"].version is not None:
            subprocess.run((*_podman(bench.scratch), "rmi", "--all", "--force"), capture_output=True, check=False)


SECTION: Final = Section(
    name="run",
    title="Starting a container",
    programs=("runc", "podman"),
    measure=section,
    needs=("runc",),
    root=True,
)
