"""Hazards of single files: what works here and is likely to fail, or to be an open door, on another machine.

In: what is known of an ELF file, and what the image's machine must be. Out: one line each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.tree import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.elf.types import ElfFile
    from assembler.tree import Tree

_BUILD_FOLDER: Final = re.compile(
    r"/(?:home|root|tmp|var/tmp|build|builds|builddir|workspace|usr/src)/"
    r"|/(?:staging|sysroot|per-package|output|host|\.libs)(?:/|$)"
    r"|/buildroot[^/]*/"
)
"""Folders that are on the machine that builds and on no other."""


class Limits(Struct, frozen=True):
    """The least machine that an image is to run on.

    Attributes:
        isa_level: its x86-64 level, 1 to 4; None for any.
        kernel: its Linux, as (major, minor, patch); None for any.
    """

    isa_level: int | None = None
    kernel: tuple[int, int, int] | None = None


def file_hazards(path: str, elf: ElfFile, tree: Tree, limits: Limits) -> Iterator[str]:
    """Yield what is worth a look about one ELF file."""
    yield from elf.faults
    yield from _beyond_limits(path, elf, limits)
    if not elf.dynamic:
        return
    for kind, text in (("rpath", elf.rpath), ("runpath", elf.runpath)):
        for element in (text or "").split(":"):
            if _BUILD_FOLDER.search(element) and not isinstance(tree.walk(element), Found):
                yield f"{kind} points into a build folder: {element}"
    if elf.exec_stack:
        yield "asks for an executable stack"
    if elf.text_relocations:
        yield "has text relocations: its code is written to when it is loaded"
    if elf.relro == "none":
        yield "has no RELRO: its relocated data stays writable"


def _beyond_limits(path: str, elf: ElfFile, limits: Limits) -> Iterator[str]:
    level, kernel = elf.isa_level, elf.kernel
    by_choice = "/glibc-hwcaps/" in path  # only processors that have the level look there
    if level is not None and limits.isa_level is not None and level > limits.isa_level and not by_choice:
        yield f"needs x86-64-v{level}, and image.cpu is {_level_name(limits.isa_level)}"
    if kernel is not None and limits.kernel is not None and kernel > limits.kernel:
        yield f"needs Linux {_version(kernel)}, and image.kernel is {_version(limits.kernel)}"


def _level_name(level: int) -> str:
    return "x86-64" if level == 1 else f"x86-64-v{level}"


def _version(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version if version[2] else version[:2]))
