"""Resolving every ELF file of a root: brasm beside ldd, libtree and lddtree, in the same run.

ldd and libtree run in a chroot and are told all files at once; lddtree reads the root from outside; brasm finds the
files itself. All write what they found to a file.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple

from assembler.base.progress import Silent
from assembler.graph.dependencies import elf_files
from assembler.graph.facts import Facts
from assembler.sources.open import open_root
from benches import report
from benches.contenders import BRASM, fresh
from benches.measure import Sample, measure, median
from benches.report import Target

if TYPE_CHECKING:
    from collections.abc import Callable

_ANY_ANSWER = (0, 1, 4, 14, 123)
"""Exit codes of programs that say that something is missing, which is so in this root; xargs makes them 123."""


class Contender(NamedTuple):
    """A way to resolve all files: its name, what makes it ready (not counted), the command."""

    name: str
    prepare: Callable[[], object]
    command: tuple[str, ...]


def section(root: str, rounds: int, scratch: str) -> tuple[str, list[Target]]:
    """Measure, and return a section of the record with its targets."""
    files = _files(root, f"{scratch}/files")
    samples = _compete(_contenders(root, scratch), rounds, scratch)
    ldd, ldd_r = samples["ldd, in the chroot"], samples["ldd -r, in the chroot"]
    symbols = samples["brasm deps --all --symbols, again"]
    cold, warm = samples["brasm deps --all, first run"], samples["brasm deps --all, again"]
    rows = [
        [name, f"{one.wall:.3f}", f"{one.cpu:.3f}", f"{one.peak / 1e6:.0f}", f"{one.wall / ldd.wall:.3f}"]
        for name, one in samples.items()
    ]
    text = (
        f"## Resolving {files:,} ELF files\n\n"
        "Of a Debian root with python3, nginx, git, perl, openssl, curl and systemd; "
        f"medians of {rounds} runs (lddtree: one), which alternate; caches of the machine warm.\n\n"
        + report.table(["", "wall, s", "CPU, s", "peak, MB", "wall / ldd"], rows)
        + "\nWhere the time of brasm goes, in one process, second run:\n\n"
        + report.table(["", "s"], _parts(root, scratch))
        + "\nlibtree is a C program that opens what it is told and nothing else: it is not asked which of the root's "
        "files are ELF, and keeps no evidence. Of brasm's time half is the start of Python and the walk of the root.\n"
    )
    targets = [
        Target("wall time of ldd, resolving every ELF file, first run", 0.3, cold.wall / ldd.wall),
        Target("wall time of ldd, again, with the cache of facts", 0.1, warm.wall / ldd.wall),
        Target(
            "wall time of ldd -r, symbols too, again",
            0.3,
            symbols.wall / ldd_r.wall,
        ),
    ]
    return text, targets


def _files(root: str, path: str) -> int:
    source = open_root(root, lazy=False, progress=Silent())
    files = list(elf_files(source.tree, Facts(source.tree)))
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{one}\n" for one in files)
    with open(f"{path}-outside", "w", encoding="utf-8") as file:
        file.writelines(f"{root}{one}\n" for one in files)
    return len(files)


def _contenders(root: str, scratch: str) -> list[Contender]:
    shutil.copy("/usr/bin/libtree", f"{root}/usr/bin/libtree")
    inside = ("xargs", "-a", f"{scratch}/files", "chroot", root)
    cache = f"XDG_CACHE_HOME={scratch}/cache"
    brasm = ("env", cache, BRASM, "deps", "--quiet", "--root", root, "--all")

    def forget() -> None:
        shutil.rmtree(f"{scratch}/cache", ignore_errors=True)

    def nothing() -> None:
        """Leave all as it is."""

    return [
        Contender("ldd, in the chroot", nothing, (*inside, "ldd")),
        Contender("libtree, in the chroot", nothing, (*inside, "libtree", "-vvv")),
        Contender("lddtree -R", nothing, ("xargs", "-a", f"{scratch}/files", "lddtree", "-R", root)),
        Contender("brasm deps --all, first run", forget, brasm),
        Contender("brasm deps --all, again", nothing, brasm),
        Contender("ldd -r, in the chroot", nothing, (*inside, "ldd", "-r")),
        Contender("brasm deps --all --symbols, first run", forget, (*brasm, "--symbols")),
        Contender("brasm deps --all --symbols, again", nothing, (*brasm, "--symbols")),
    ]


def _compete(contenders: list[Contender], rounds: int, scratch: str) -> dict[str, Sample]:
    samples: dict[str, list[Sample]] = {one.name: [] for one in contenders}
    for number in range(rounds):
        for one in contenders:
            if number and one.name.startswith("lddtree"):
                continue
            one.prepare()
            samples[one.name].append(measure(one.command, fresh(f"{scratch}/run"), _ANY_ANSWER))
            print(f"round {number + 1}: {one.name}: {samples[one.name][-1].wall:.2f} s", file=sys.stderr)
    return {name: median(runs) for name, runs in samples.items()}


def _parts(root: str, scratch: str) -> list[list[str]]:
    """Time the steps of `brasm deps --all` by a script of its own, so that imports are counted as well."""
    env = {**os.environ, "XDG_CACHE_HOME": f"{scratch}/cache"}
    import subprocess

    done = subprocess.run([sys.executable, "-c", _STEPS, root], env=env, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


_STEPS = """
import sys, time
began = time.perf_counter()
def step(name):
    global began
    now = time.perf_counter()
    print(f"{name}\\t{now - began:.3f}")
    began = time.perf_counter()
import gc
gc.disable()
from assembler.cli.deps import _text
from assembler.base.progress import Silent
from assembler.graph.dependencies import Resolver, elf_files
from assembler.graph.facts import Facts
from assembler.sources.open import open_root
step("imports")
tree = open_root(sys.argv[1], lazy=False, progress=Silent()).tree
step("walking the root")
facts = Facts(tree, remember=True)
files = list(elf_files(tree, facts))
step("facts from the cache")
resolver = Resolver(tree, facts, {})
found = [resolver.resolve(path, symbols=False) for path in files]
step("resolving")
"".join(_text(found, color=False))
step("writing the trees")
"""
