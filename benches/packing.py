"""Packing a root filesystem whole: brasm beside tar with gzip, umoci and buildah, each set up as its own users would.

And what a large root, many files and the start alone take.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from benches import trees
from benches.contest import Contender, Outcome, Ratio, again, calibration, compete, ratio, rows, run_once, spread
from benches.measure import Failed, measure
from benches.programs import BRASM
from benches.record import Table, Target
from benches.section import Measured, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benches.section import Bench

GZIP: Final = "tar --sort=name \\| gzip -6n"
UMOCI: Final = "umoci insert"
DEFAULT: Final = "brasm pack, default level"

PLATFORM: Final = ("--set", "image.platform=linux/" + {"aarch64": "arm64"}.get(platform.machine(), "amd64"))
"""What an image of files that are no programs is for."""

LARGE: Final = 2 * 10**9
FILES: Final = (10**4, 10**5)
MOST_MEMORY: Final = 200
"""MB that brasm may take for anything."""

RATIOS: Final = (
    Ratio("wall", GZIP, "wall / gzip"),
    Ratio("wall", UMOCI, "wall / umoci"),
    Ratio("size", UMOCI, "bytes / umoci"),
)
_SCALE: Final = (Ratio("wall", UMOCI, "wall / umoci"), Ratio("peak", UMOCI, "peak / umoci"))


def brasm(root: str, level: int | None = None) -> Contender:
    """Pack everything into an image layout; level None is the default."""
    how = ("--set", f"layers.level={level}") if level is not None else ()
    return Contender(
        name=f"brasm pack, level {level}" if level is not None else DEFAULT,
        command=(BRASM, "pack", "-q", "-s", root, "--mode", "all", *PLATFORM, *how, "-o", "oci:layout:x"),
        peer=False,
        size=layer_size,
    )


def tar_gzip(root: str) -> Contender:
    """GNU tar in sorted order through gzip at level 6: a layer and nothing else."""
    pipe = 'tar --sort=name --numeric-owner --xattrs -C "$1" -cf - . | gzip -6n > layer.tar.gz'
    return Contender(
        name=GZIP,
        command=("sh", "-c", pipe, "sh", root),
        programs=("tar", "gzip"),
        size=lambda folder: os.path.getsize(f"{folder}/layer.tar.gz"),
    )


def umoci(root: str, *, rootless: bool = False) -> Contender:
    """`umoci insert` into an empty image."""

    def prepare(folder: str) -> None:
        measure(("umoci", "init", "--layout", "layout"), folder)
        measure(("umoci", "new", "--image", "layout:x"), folder)

    how = ("--rootless",) if rootless else ()
    return Contender(
        name=UMOCI,
        command=("umoci", "insert", *how, "--image", "layout:x", root, "/"),
        programs=("umoci",),
        prepare=prepare,
        size=layer_size,
    )


def buildah(root: str) -> Contender:
    """`buildah copy` and `commit` to a layout, in storage of its own."""
    private = "buildah --root storage --runroot run --storage-driver overlay"

    def prepare(folder: str) -> None:
        measure(("sh", "-c", f"{private} from --name x scratch"), folder)

    job = f'{private} copy --quiet x "$1" / && {private} commit --quiet --disable-compression=false x oci:layout:x'
    return Contender(
        name="buildah copy + commit",
        command=("sh", "-c", job, "sh", root),
        programs=("buildah",),
        root=True,
        prepare=prepare,
        size=layer_size,
    )


def layer_size(folder: str) -> int:
    """Return the bytes of the layers of the last image of the layout in a folder."""

    def blob(digest: str) -> str:
        return f"{folder}/layout/blobs/{digest.replace(':', '/')}"

    with open(f"{folder}/layout/index.json", encoding="utf-8") as file:
        index = json.load(file)
    with open(blob(index["manifests"][-1]["digest"]), encoding="utf-8") as file:
        manifest = json.load(file)
    return sum(int(layer["size"]) for layer in manifest["layers"])


def level_for(root: str, size: int, folder: str) -> Contender:
    """Return brasm at its lowest level whose layer has at most that size."""
    for level in range(1, 12):
        one = brasm(root, level)
        if (run_once(one, folder).size or 0) <= size:
            return one
    return brasm(root, 12)


def section(bench: Bench) -> Measured:
    """Measure all."""
    root = bench.inputs.root("debian")
    whole, whole_targets, left_out = _whole(root, bench)
    scale, scale_targets = _scale(root, bench)
    start, start_target = _start(bench)
    return Measured(
        about=f"Everything of a root filesystem (mode `all`) into one gzip layer: {trees.entry_count(root):,} entries, "
        f"{trees.content_size(root) / 1e6:.0f} MB of content. All write what they make beside it.",
        tables=(whole, scale, start),
        targets=(*whole_targets, *scale_targets, start_target),
        left_out=left_out,
    )


def _whole(root: str, bench: Bench) -> tuple[Table, list[Target], dict[str, str]]:
    """Let all peers compete, with brasm at its default level, and at the lowest with which it is not above umoci."""
    folder = f"{bench.scratch}/run"
    peers, left_out = bench.able([tar_gzip(root), umoci(root, rootless=not bench.root), buildah(root)])
    own = [brasm(root), again(brasm(root))]
    level = None
    rival = next((one for one in peers if one.name == UMOCI), None)
    if rival is not None:
        try:
            level = level_for(root, run_once(rival, folder).size or 0, folder)
        except Failed as error:
            left_out[UMOCI] = error.reason
            peers.remove(rival)
    outcome = compete([*peers, *own, *([level] if level else [])], bench.rounds, folder, bench.say)
    table = Table(
        "A whole root", "", rows(outcome.runs, RATIOS), calibration(outcome.runs, DEFAULT), (_same_level(level),)
    )
    return table, _whole_targets(outcome, level), {**left_out, **outcome.failed}


def _same_level(level: Contender | None) -> str:
    if level is None:
        return "umoci is not here, so no level was looked for that makes a layer of its size."
    return f"`{level.name}` is the lowest level whose layer is no larger than umoci's."


def _whole_targets(outcome: Outcome, level: Contender | None) -> list[Target]:
    def over(name: str, peer: str, measure: str) -> float | None:
        if peer not in outcome.runs or name not in outcome.runs:
            return None
        return ratio(outcome.runs, name, peer, "wall" if measure == "wall" else "size").median

    name = level.name if level is not None else "the level for that"
    peak = spread(run.sample.peak for run in outcome.runs[DEFAULT].values()).median
    return [
        Target(f"wall time of umoci, with a layer no larger ({name})", 0.7, over(name, UMOCI, "wall")),
        Target("wall time of gzip -6, default level", 0.22, over(DEFAULT, GZIP, "wall")),
        Target("bytes of gzip -6, default level", 1, over(DEFAULT, GZIP, "size")),
        Target("peak memory, this root", MOST_MEMORY, peak / 1e6, "MB"),
    ]


def _scale(root: str, bench: Bench) -> tuple[Table, list[Target]]:
    """Pack ten times the bytes, and many files."""
    found: list[tuple[str, Outcome]] = []
    for name, rounds, folder in _large_roots(root, bench):
        peers = [one for one in (umoci(folder, rootless=not bench.root),) if bench.here["umoci"].version is not None]
        outcome = compete([brasm(folder), *peers], rounds, f"{bench.scratch}/run", bench.say)
        found.append((name, outcome))
    shown = [replace(row, name=f"{name}: {row.name}") for name, outcome in found for row in rows(outcome.runs, _SCALE)]
    large, few, many = (outcome.runs[DEFAULT] for _, outcome in found)
    peak = spread(run.sample.peak for run in large.values()).median
    cpus = [spread(run.sample.cpu for run in each.values()).median for each in (few, many)]
    return Table("More bytes, more files", "", tuple(shown)), [
        Target(f"peak memory, {LARGE / 1e9:.0f} GB", MOST_MEMORY, peak / 1e6, "MB"),
        Target(f"CPU time of {FILES[1]:,} files over that of {FILES[0]:,}", 10, cpus[1] / cpus[0]),
    ]


def _large_roots(root: str, bench: Bench) -> Iterator[tuple[str, int, str]]:
    """Yield name, rounds and folder of each, which is there until the next is asked for."""
    makers = [
        (f"{LARGE / 1e9:.0f} GB, that root copied", 1, partial(trees.copies, root, size=LARGE)),
        *(
            (f"{count:,} files of 1 KiB", min(3, bench.rounds), partial(trees.small_files, count=count))
            for count in FILES
        ),
    ]
    for name, rounds, make in makers:
        with trees.temporary(f"{bench.scratch}/large") as folder:
            bench.say(f"making {name}")
            make(folder=folder)
            yield name, rounds, folder


def _start(bench: Bench) -> tuple[Table, Target]:
    bare = "`python -c pass`"
    jobs = [
        Contender(bare, (sys.executable, "-c", "pass")),
        Contender("`brasm --help`", (BRASM, "--help"), peer=False),
        again(Contender("", (BRASM, "--help"), peer=False)),
    ]
    outcome = compete(jobs, 2 * bench.rounds + 1, f"{bench.scratch}/run", bench.say)
    table = Table(
        "The start alone",
        "",
        rows(outcome.runs, [Ratio("wall", bare, "wall / python")]),
        calibration(outcome.runs, jobs[1].name),
    )
    return table, Target(
        "`brasm --help`", 0.15, spread(r.sample.wall for r in outcome.runs[jobs[1].name].values()).median, "s"
    )


SECTION: Final = Section(name="pack", title="Packing", programs=("tar", "gzip", "umoci", "buildah"), measure=section)
