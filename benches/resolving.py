"""Resolving every ELF file of a root: brasm beside ldd, libtree and lddtree.

ldd and libtree run in a chroot and are told all files at once; lddtree reads the root from outside; brasm finds the
files itself. All write what they found to a file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from benches.contest import Contender, Outcome, Ratio, again, calibration, compete, ratio, rows, run_once
from benches.inputs import elf_list
from benches.measure import LOG, Failed
from benches.programs import BRASM
from benches.record import Listing, Table, Target
from benches.section import Measured, Section

if TYPE_CHECKING:
    from collections.abc import Callable

    from benches.section import Bench

_ANY_ANSWER: Final = (0, 1, 4, 14, 123)
"""Exit codes of programs that say that something is missing, which is so in this root; xargs makes them 123."""

_LIBTREE: Final = (
    "libtree is a C program that opens what it is told and nothing else: it is not asked which of the root's files are "
    "ELF, and keeps no evidence."
)

LDD: Final = "ldd, in the chroot"
LDD_R: Final = "ldd -r, in the chroot"
FIRST: Final = "brasm deps --all, first run"
AGAIN: Final = "brasm deps --all, again"
SYMBOLS: Final = "brasm deps --all --symbols, again"


def section(bench: Bench) -> Measured:
    """Measure all."""
    root = bench.inputs.root("many")
    if bench.root and bench.here["libtree"].version is not None:
        shutil.copy(shutil.which("libtree") or "/usr/bin/libtree", f"{root}/usr/bin/libtree")
    files = _list(root, f"{bench.scratch}/files")
    peers, left_out = bench.able(_peers(root, f"{bench.scratch}/files", files))
    own = _own(root, bench.scratch, files)
    for one in own:
        if one.name.endswith("again"):  # its cache is filled here
            run_once(one, f"{bench.scratch}/run")
    warm = next(one for one in own if one.name == AGAIN)
    outcome = compete([*peers, *own, again(warm)], bench.rounds, f"{bench.scratch}/run", bench.say)
    base = next((name for name in (LDD, *(one.name for one in peers)) if name in outcome.runs), "")
    ratios = [Ratio("wall", base, f"wall / {base.split(',')[0]}"), Ratio("peak", base, f"peak / {base.split(',')[0]}")]
    table = Table("", "", rows(outcome.runs, ratios), calibration(outcome.runs, AGAIN), _notes(bench))
    return Measured(
        about=f"All {files:,} ELF files of a Debian root with python3, nginx, git, perl, openssl, curl and systemd "
        "(lddtree: one round). ldd and libtree run in a chroot and are told all files at once, lddtree from outside; "
        "brasm finds them. `first run` has no cache of facts, `again` has one.",
        tables=(table,),
        targets=_targets(outcome),
        listings=(Listing("Where the time of `again` goes, in one process:", ("", "s"), _parts(root, bench.scratch)),),
        left_out={**left_out, **outcome.failed},
    )


def _notes(bench: Bench) -> tuple[str, ...]:
    if bench.here["libtree"].version is None:
        return ()
    return (_LIBTREE,)


def _list(root: str, path: str) -> int:
    found = elf_list(root)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{one}\n" for one in found)
    return len(found)


def answered(files: int) -> Callable[[str], None]:
    """Return a check that a line was written for each file: a program that cannot do its job does it fast."""

    def check(folder: str) -> None:
        with open(f"{folder}/{LOG}", "rb") as log:
            lines = sum(1 for _ in log)
        if lines < files:
            raise Failed(("resolving",), 0, f"it wrote {lines:,} lines about {files:,} files")

    return check


def _peers(root: str, listed: str, files: int) -> list[Contender]:
    inside = ("xargs", "-a", listed, "chroot", root)

    def one(name: str, command: tuple[str, ...], *programs: str, root: bool = True, most: int = 0) -> Contender:
        return Contender(
            name=name,
            command=command,
            programs=("xargs", *programs),
            root=root,
            check=answered(files),
            allowed=_ANY_ANSWER,
            most=most,
        )

    return [
        one(LDD, (*inside, "ldd"), "chroot"),
        one("libtree, in the chroot", (*inside, "libtree", "-vvv"), "chroot", "libtree"),
        one("lddtree -R", ("xargs", "-a", listed, "lddtree", "-R", root), "lddtree", root=False, most=1),
        one(LDD_R, (*inside, "ldd", "-r"), "chroot"),
    ]


def _own(root: str, scratch: str, files: int) -> list[Contender]:
    """Return brasm with a cache of facts that is emptied every time, and with one that is kept."""
    cold, warm = f"{scratch}/cold", f"{scratch}/warm"

    def forget(folder: str) -> None:
        del folder
        shutil.rmtree(cold, ignore_errors=True)

    plain = Contender(
        name=AGAIN,
        command=(BRASM, "deps", "--quiet", "--root", root, "--all"),
        peer=False,
        check=answered(files),
        allowed=_ANY_ANSWER,
        environment={"XDG_CACHE_HOME": warm},
    )
    first = replace(plain, name=FIRST, prepare=forget, environment={"XDG_CACHE_HOME": cold})
    symbols = (*plain.command, "--symbols")
    return [
        first,
        plain,
        replace(first, name="brasm deps --all --symbols, first run", command=symbols),
        replace(plain, name=SYMBOLS, command=symbols),
    ]


def _targets(outcome: Outcome) -> tuple[Target, ...]:
    def over(name: str, peer: str) -> float | None:
        return ratio(outcome.runs, name, peer, "wall").median if peer in outcome.runs else None

    return (
        Target("wall time of ldd, resolving every ELF file, first run", 0.3, over(FIRST, LDD)),
        Target("wall time of ldd, again, with the cache of facts", 0.1, over(AGAIN, LDD)),
        Target("wall time of ldd -r, symbols too, again", 0.3, over(SYMBOLS, LDD_R)),
    )


def _parts(root: str, scratch: str) -> tuple[tuple[str, ...], ...]:
    """Time the steps of `brasm deps --all` by a script of its own, so that imports are counted as well."""
    env = {**os.environ, "XDG_CACHE_HOME": f"{scratch}/warm"}
    done = subprocess.run([sys.executable, "-c", _STEPS, root], env=env, capture_output=True, text=True, check=True)
    return tuple(tuple(line.split("\t")) for line in done.stdout.splitlines())


_STEPS: Final = """
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


SECTION: Final = Section(
    name="resolve",
    title="Resolving ELF files",
    programs=("xargs", "chroot", "ldd", "libtree", "lddtree"),
    measure=section,
    needs=("xargs",),
)
