"""Stripping: symbols and debug sections that nothing at run time reads, removed by the toolchain's own `strip`.

In: decisions. Out: decisions with the stripped bytes, and warnings. It runs while planning, since only its result
tells how large a file will be, and whether it may be taken: never if the loadable segments or the dynamic section
differ from before. Results are kept in the user's cache, by digest of input, tool and flags.
Source of which files get which flags: Buildroot, `Makefile`, `target-finalize`.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from assembler.base import digest as digests
from assembler.base.content import Bytes, Content, FileContent, SharedFile, Span, read
from assembler.base.errors import ElfError, ProgramError
from assembler.base.paths import name, show
from assembler.base.program import run
from assembler.base.threads import threads
from assembler.elf.identify import HEAD, identify
from assembler.elf.sections import has_symbols, loaded_image
from assembler.plan.cache import cached, remember
from assembler.tree import Regular

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.elf.machine import Machine
    from assembler.plan.types import Decision
    from assembler.recipe import Recipe

STRIPPED: Final = "; stripped ("
"""What the rule of a file that was stripped goes on with, before the flags."""

_DEBUG_ONLY: Final = re.compile(r"(?:ld-.*|ld64|libpthread.*)\.so.*")
"""Debuggers of threads need their symbols; Buildroot strips them of debug sections only."""
_NEVER: Final = re.compile(r".*\.(?:ko|o|a)(?:\..*)?")
_FLAGS: Final = {
    "unneeded": ("--strip-unneeded", "--remove-section=.comment"),
    "debug": ("--strip-debug",),
}
_TRIPLETS: Final = {
    "amd64": "x86_64",
    "386": "i686",
    "arm64": "aarch64",
    "arm": "arm",
    "riscv64": "riscv64",
    "ppc64le": "powerpc64le",
    "s390x": "s390x",
    "mips64le": "mips64el",
    "loong64": "loongarch64",
}
_ABIS: Final = ("linux-gnu", "linux-gnueabihf", "linux-gnueabi", "linux-musl", "buildroot-linux-gnu")


class _Tool(Struct, frozen=True):
    """A strip program and what identifies it."""

    path: str
    digest: str


def strip_entries(
    decisions: Mapping[str, Decision], recipe: Recipe, machine: Machine
) -> tuple[dict[str, Decision], list[str]]:
    """Strip what is kept and has something to strip; return the decisions, and what could not be done.

    Raises:
        ProgramError: the recipe names a strip program that is not there.
    """
    found = dict(decisions)
    candidates = [decision for decision in decisions.values() if _is_candidate(decision)]
    if not candidates:
        return found, []
    tool = _find_tool(recipe.strip.tool, machine)
    if tool is None:
        return found, [f"{len(candidates)} files could be stripped, but no strip for {machine} is installed"]
    spool = SharedFile.temporary()
    offset = 0
    with threads(len(os.sched_getaffinity(0))) as pool:
        for decision, data in pool.map(lambda one: _strip(one, tool, recipe.strip_mode), candidates):
            found[decision.entry.path] = decision
            if data is not None:
                spool.write(data)
                found[decision.entry.path] = _stripped(decision, Span(spool, offset, len(data)))
                offset += len(data)
    return found, []


def _is_candidate(decision: Decision) -> bool:
    entry = decision.result
    if not isinstance(entry, Regular) or _NEVER.fullmatch(name(entry.path)):
        return False
    with entry.content.open() as stream:
        if identify(stream.read(HEAD)) is None:
            return False
        try:
            return has_symbols(stream)
        except ElfError:
            return False  # data that begins like an ELF file


def _stripped(decision: Decision, content: Span) -> Decision:
    if not isinstance(decision.result, Regular):
        return decision
    return replace(decision, verdict="transform", result=replace(decision.result, content=content, inode=0))


def _strip(decision: Decision, tool: _Tool, mode: str) -> tuple[Decision, bytes | None]:
    """Strip one file; return the decision with what is to be said of it, and the new bytes, None where it stays."""
    entry = decision.result
    if not isinstance(entry, Regular):
        return decision, None
    flags = _FLAGS["debug" if _DEBUG_ONLY.fullmatch(name(entry.path)) else mode]
    key = digests.sha256("\0".join((digests.of_chunks(entry.content.chunks()), tool.digest, *flags)).encode())
    stripped = cached("strip", key)
    if stripped is None:
        try:
            stripped = _run_strip(entry.content, tool, flags)
        except ProgramError as error:
            return replace(decision, rule=f"{decision.rule}; not stripped: {error.message}"), None
        remember("strip", key, stripped)
    if not _same_image(entry.content, stripped):
        return replace(decision, rule=f"{decision.rule}; not stripped: its loadable segments would change"), None
    if len(stripped) >= entry.content.size:
        return decision, None
    return replace(decision, rule=f"{decision.rule}{STRIPPED}{' '.join(flags)})"), stripped


def _run_strip(content: Content, tool: _Tool, flags: tuple[str, ...]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="brasm-strip-") as folder:
        before, after = os.path.join(folder, "before"), os.path.join(folder, "after")
        with open(before, "wb") as file:
            file.writelines(content.chunks())
        run([tool.path, *flags, "-o", after, before], timeout=600)
        return read(FileContent.of(os.fsencode(after), os.lstat(after)))


def _same_image(content: Content, stripped: bytes) -> bool:
    with content.open() as before, Bytes(stripped).open() as after:
        try:
            return loaded_image(before) == loaded_image(after)
        except ElfError:
            return False


def _find_tool(given: str | None, machine: Machine) -> _Tool | None:
    """Find a strip for a machine: the recipe's, one with its triplet, the native one, LLVM's, which takes all."""
    if given is not None:
        path = shutil.which(given)
        if path is None:
            raise ProgramError(
                f"strip.tool: {show(given)}: not installed", hint="give the path of the toolchain's strip"
            )
        return _tool(path)
    triplet = _TRIPLETS.get(machine.architecture or "")
    native = triplet == os.uname().machine
    names = [f"{triplet}-{abi}-strip" for abi in _ABIS if triplet] + ["strip"] * native + ["llvm-strip"]
    return next((_tool(path) for path in map(shutil.which, names) if path is not None), None)


def _tool(path: str) -> _Tool:
    real = os.path.realpath(path)
    return _Tool(path, digests.of_chunks(FileContent.of(os.fsencode(real), os.lstat(real)).chunks()))
