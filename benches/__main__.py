"""`make bench`: measures brasm against its peers on a Debian root and writes benches/RESULTS.md.

Needs root (a root filesystem has device nodes and owners), umoci, buildah, skopeo, podman, docker-registry,
libtree, lddtree (pax-utils) and mmdebstrap.
Runs alternate between the contenders, so that a disturbance meets all of them; medians count.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING

from benches import contenders, report, resolving, running, transfers, trees
from benches.contenders import BRASM, Contender, fresh
from benches.measure import Sample, measure, median
from benches.report import Row, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = os.path.dirname(os.path.abspath(__file__))


def main() -> None:
    """Measure all, write the record."""
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("--root", help="the root filesystem to pack; default: a Debian one is made")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each contender (default: 5)")
    parser.add_argument("--output", default=os.path.join(HERE, "RESULTS.md"), help="the record to write")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("only root can copy a root filesystem with its owners and devices")
    scratch = tempfile.mkdtemp(prefix="brasm-bench-")
    try:
        text = record(options.root or debian(scratch), options.rounds, scratch)
    finally:
        shutil.rmtree(scratch)
    with open(options.output, "w", encoding="utf-8") as file:
        file.write(text + real_builds())
    print(text)


def real_builds() -> str:
    """Return the record of real Buildroot builds, which `python -m benches.buildroot` writes where there are some."""
    path = os.path.join(HERE, "BUILDROOT.md")
    if not os.path.isfile(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return f"\n{file.read()}"


def debian(scratch: str) -> str:
    """Make the Debian root that the tests use as well."""
    from tests.roots import debian

    folder = os.path.join(scratch, "debian")
    debian(folder)
    return folder


def large_debian(scratch: str) -> str:
    """Make the Debian root with many ELF files that the tests use as well."""
    from tests.roots import big_debian

    folder = os.path.join(scratch, "large-debian")
    big_debian(folder)
    return folder


def record(root: str, rounds: int, scratch: str) -> str:
    """Measure and return the text of the record."""
    machine = report.machine()
    rows = compete(root, rounds, scratch)
    gzip, umoci, _, default, level = rows
    memory = repeat(contenders.brasm(trees.copies(root, f"{scratch}/large", 2 * 10**9)), 1, scratch)
    large = trees.content_size(f"{scratch}/large")
    shutil.rmtree(f"{scratch}/large")
    few, many = (
        repeat(contenders.brasm(trees.small_files(f"{scratch}/n{count}", count)), 3, scratch)
        for count in (10**4, 10**5)
    )
    start, bare = starts(scratch)
    resolving_text, resolving_targets = resolving.section(large_debian(scratch), rounds, scratch)
    transfers_text, transfers_targets = transfers.section(root, rounds)
    reached = [
        Target(
            f"wall time of umoci, with a layer no larger ({level.name})", 0.7, level.sample.wall / umoci.sample.wall
        ),
        Target("wall time of gzip -6, default level", 0.22, default.sample.wall / gzip.sample.wall),
        Target("bytes of gzip -6, default level", 1, default.size / gzip.size),
        Target("peak memory, this root", 200, default.sample.peak / 1e6, "MB"),
        Target(f"peak memory, {large / 1e9:.1f} GB", 200, memory.peak / 1e6, "MB"),
        Target("CPU time of 100,000 files over that of 10,000", 10, many.cpu / few.cpu),
        Target("`brasm --help`", 0.15, start.wall, "s"),
        *resolving_targets,
        *transfers_targets,
    ]
    return (
        "# Measured\n\n"
        f"Written by `make bench`. One root filesystem, {trees.entry_count(root):,} entries, "
        f"{trees.content_size(root) / 1e6:.0f} MB of content, packed whole (mode `all`) by each; medians of {rounds} "
        "runs, which alternate; caches warm.\n\n"
        f"{machine}\n{report.comparison(rows, gzip, umoci)}\n## Targets\n\n{report.targets(reached)}\n"
        f"{resolving_text}\n{transfers_text}\n{running.section(2 * rounds)}\n## More\n\n"
        + report.table(
            ["", "wall, s", "CPU, s", "peak, MB"],
            [
                _figures("10,000 files of 1 KiB", few),
                _figures("100,000 files of 1 KiB", many),
                _figures(f"{large / 1e9:.1f} GB: that root, copied", memory),
                _figures("`brasm --help`", start),
                _figures("`python -c pass`", bare),
            ],
        )
    )


def _figures(name: str, sample: Sample) -> tuple[str, ...]:
    return name, f"{sample.wall:.3f}", f"{sample.cpu:.3f}", f"{sample.peak / 1e6:.0f}"


def compete(root: str, rounds: int, scratch: str) -> list[Row]:
    """Measure all contenders by turns: tar, umoci, buildah, brasm at its default, brasm at umoci's size."""
    peers = [contenders.tar_gzip(root), contenders.umoci(root), contenders.buildah(root), contenders.brasm(root)]
    all_of_them = [*peers, level_for(root, _size(peers[1], scratch), scratch)]
    samples: dict[str, list[Sample]] = {one.name: [] for one in all_of_them}
    sizes: dict[str, int] = {}
    for number in range(rounds):
        for one in all_of_them:
            folder = fresh(f"{scratch}/run")
            one.prepare(folder)
            samples[one.name].append(measure(one.command, folder))
            sizes[one.name] = one.size(folder)
            said = samples[one.name][-1]
            print(f"round {number + 1}: {one.name}: {said.wall:.2f} s, {said.cpu:.2f} s CPU", file=sys.stderr)
    return [_row(name, runs, sizes[name]) for name, runs in samples.items()]


def _row(name: str, runs: Sequence[Sample], size: int) -> Row:
    walls = [run.wall for run in runs]
    return Row(name, median(runs), min(walls), max(walls), size)


def level_for(root: str, size: int, scratch: str) -> Contender:
    """Return brasm at its lowest level whose layer has at most that size."""
    for level in range(1, 12):
        one = contenders.brasm(root, level)
        if _size(one, scratch) <= size:
            return one
    return contenders.brasm(root, 12)


def _size(one: Contender, scratch: str) -> int:
    folder = fresh(f"{scratch}/run")
    one.prepare(folder)
    measure(one.command, folder)
    return one.size(folder)


def repeat(one: Contender, rounds: int, scratch: str) -> Sample:
    """Return the medians of one contender alone."""
    return median([measure(one.command, fresh(f"{scratch}/run")) for _ in range(rounds)])


def starts(scratch: str) -> tuple[Sample, Sample]:
    """Return what `brasm --help` costs, and what Python itself does."""
    helps, bares = [], []
    for _ in range(11):
        helps.append(measure((BRASM, "--help"), scratch))
        bares.append(measure((sys.executable, "-c", "pass"), scratch))
    return median(helps), median(bares)


if __name__ == "__main__":
    main()
