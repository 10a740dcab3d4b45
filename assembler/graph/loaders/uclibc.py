"""uClibc-ng's loader: which files `ld-uClibc.so` would map.

In: a program of a tree. Out: `Load`. Source: uClibc-ng `ldso/ldso/dl-elf.c` (`_dl_load_shared_library`,
`search_for_named_library`, `_dl_load_elf_shared_library`), `ldso/ldso/ldso.c` (the order of loading, ld.so.preload). It
has no cache of directories in the form that Buildroot configures, no hwcaps and no filters; an object is known by its
inode.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from assembler.base.paths import from_bytes, name, parent
from assembler.graph.loaders.plain import PlainLoader, PlainRun, Start

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.graph.loaders.base import Object, Search, SymbolRules

_PRELOAD: Final = "/etc/ld.so.preload"
_SYSTEM: Final = ("/lib", "/usr/lib", "/usr/X11R6/lib")
"""UCLIBC_RUNTIME_PREFIX is `/` in every image that Buildroot makes."""
_ORIGIN: Final = "$ORIGIN"


class Uclibc(PlainLoader):
    """The loader of a root filesystem with uClibc-ng."""

    symbols: SymbolRules = "names"

    @property
    def directories(self) -> tuple[str, ...]:
        """See `Loader.directories`: the loader's own, then the fixed ones."""
        return tuple(dict.fromkeys((parent(self._interp), *_SYSTEM)))

    def run_of(self, search: Search, program: Object, start: Start) -> PlainRun:
        """See `PlainLoader.run_of`."""
        return _Run(search, program, start)


class _Run(PlainRun):
    """One program being loaded."""

    def preloads(self) -> Iterable[str]:
        """Return LD_PRELOAD's names, then those of /etc/ld.so.preload, which has no comments."""
        file = from_bytes(self.search.facts.whole(_PRELOAD))
        return [*filter(None, re.split("[: ]", self.start.env.get("LD_PRELOAD", ""))), *file.replace(":", " ").split()]

    def ends_search(self, reason: str) -> bool:
        """Never: it says what it cannot map, and goes on looking."""
        return False

    def candidates(self, needer: Object, needed: str) -> Iterator[tuple[str, str]]:
        """Yield where a library may be, in order; a name with a slash first as it is, then by its last component."""
        if "/" in needed:
            yield self.absolute(needed), "absolute name"
            needed = name(needed)
        program = self.program
        yield from self._in_path(needer.elf.rpath, needed, f"rpath of {needer.path}", needer)
        yield from self._in_path(self.start.env.get("LD_LIBRARY_PATH"), needed, "LD_LIBRARY_PATH", None)
        yield from self._in_path(needer.elf.runpath, needed, f"runpath of {needer.path}", None)
        if needer is not program:
            yield from self._in_path(program.elf.rpath, needed, f"rpath of {program.path}", None)
        for directory in self.start.directories:
            yield f"{directory.rstrip('/')}/{needed}", f"system dir {directory}"
        if needer is not program:
            yield from self._in_path(program.elf.runpath, needed, f"runpath of {program.path}", None)

    def _in_path(self, text: str | None, needed: str, why: str, origin_of: Object | None) -> Iterator[tuple[str, str]]:
        """Yield a library's places in a list of directories; `$ORIGIN` is known only in the needer's own RPATH."""
        for element in _elements(text) if text is not None else ():
            directory = element
            if element.startswith(_ORIGIN):
                if origin_of is None:
                    continue
                directory = parent(origin_of.name) + element.removeprefix(_ORIGIN)
            if not directory.startswith("/"):
                what, kind = repr(directory) if directory else "an empty element", why.partition(" of ")[0]
                where = (origin_of or self.program).path
                self.search.hazard(where, f"{kind} has {what}: the current directory decides")
            yield f"{self.absolute(directory).rstrip('/')}/{needed}", why


def _elements(text: str) -> Iterator[str]:
    """Split a list of directories as `search_for_named_library` does: a colon that begins an element belongs to it."""
    at = 0
    while at >= 0:
        end = text.find(":", at + 1)
        yield text[at:] if end < 0 else text[at:end]
        at = end + 1 if end >= 0 else -1
