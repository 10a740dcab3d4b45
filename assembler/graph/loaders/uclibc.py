"""uClibc-ng's loader: which files `ld-uClibc.so` would map.

In: a program of a tree. Out: `Load`. Source: uClibc-ng `ldso/ldso/dl-elf.c` (`_dl_load_shared_library`,
`search_for_named_library`, `_dl_load_elf_shared_library`), `ldso/ldso/ldso.c` (the order of loading, ld.so.preload). It
has no cache of directories in the form that Buildroot configures, no hwcaps and no filters; an object is known by its
inode.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

from assembler.base.paths import from_bytes, name, parent
from assembler.graph.loaders.base import ABSENT, Hit, Load, Object, Search, SymbolRules, tried

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.elf.machine import Machine
    from assembler.elf.types import ElfFile
    from assembler.graph.facts import Facts
    from assembler.graph.types import EdgeKind
    from assembler.tree import Tree

_PRELOAD: Final = "/etc/ld.so.preload"
_SYSTEM: Final = ("/lib", "/usr/lib", "/usr/X11R6/lib")
"""UCLIBC_RUNTIME_PREFIX is `/` in every image that Buildroot makes."""
_ORIGIN: Final = "$ORIGIN"


class Uclibc:
    """The loader of a root filesystem with uClibc-ng."""

    symbols: SymbolRules = "names"

    def __init__(self, tree: Tree, facts: Facts, machine: Machine, interp: str) -> None:
        """Take the root and its loader's path, as PT_INTERP names it (`/lib/ld-uClibc.so.0`)."""
        self._tree = tree
        self._facts = facts
        self._machine = machine
        self._interp = interp

    @property
    def directories(self) -> tuple[str, ...]:
        """See `Loader.directories`: the loader's own, then the fixed ones."""
        return tuple(dict.fromkeys((parent(self._interp), *_SYSTEM)))

    def load(self, program: str, elf: ElfFile, env: Mapping[str, str], workdir: str = "/") -> Load:
        """See `Loader.load`."""
        search = Search(self._tree, self._facts, self._machine)
        return _Run(search, Object(program, program, elf), self._interp, self.directories, env, workdir).run()

    def find(self, by: Object, name: str, env: Mapping[str, str], workdir: str = "/") -> tuple[Hit, str] | None:
        """See `Loader.find`."""
        search = Search(self._tree, self._facts, self._machine)
        return _Run(search, by.program, self._interp, self.directories, env, workdir).find(by, name)


class _Run:
    """One program being loaded."""

    def __init__(
        self,
        search: Search,
        program: Object,
        interp: str,
        directories: tuple[str, ...],
        env: Mapping[str, str],
        workdir: str,
    ) -> None:
        self._search = search
        self._program = program
        self._interp = program.elf.interp or interp
        self._directories = directories
        self._env = env
        self._workdir = workdir.rstrip("/")
        self._objects = [program]
        self._queue = deque(self._objects)
        self._by_identity: dict[str | int, Object] = {}

    def run(self) -> Load:
        """Follow all needs breadth first."""
        entry = self._search.tree[self._program.path]
        self._by_identity[entry.inode or self._program.path] = self._program
        self._map_loader()
        for preload in self._preloads():
            self._map(self._program, preload, "preload")
        while self._queue:
            needer = self._queue.popleft()
            for needed in needer.elf.needed:
                self._map(needer, needed, "needed")
        return self._search.result(self._objects)

    def find(self, by: Object, needed: str) -> tuple[Hit, str] | None:
        """Return what a name leads to, whoever has loaded what."""
        for path, found in self._candidates(by, needed):
            opened = self._search.open(path)
            if isinstance(opened, Hit):
                return opened, found
        return None

    def _map_loader(self) -> None:
        hit = self._search.open(self._interp)
        if isinstance(hit, Hit):
            self._by_identity[hit.identity] = Object(hit.path, hit.name, hit.elf, self._program)
        if self._program.elf.interp is None:
            return
        if isinstance(hit, Hit):
            self._search.needed(self._program, hit, "interp", self._interp, "absolute name")
        else:
            self._search.missing(self._program, "interp", self._interp, [tried(self._interp, hit)])

    def _preloads(self) -> Iterator[str]:
        """Yield what is to be preloaded: LD_PRELOAD, then /etc/ld.so.preload, which has no comments."""
        yield from filter(None, re.split("[: ]", self._env.get("LD_PRELOAD", "")))
        yield from (
            re.split(r"[\s:]+", from_bytes(self._search.facts.whole(_PRELOAD)).strip()) if self._has_file() else ()
        )

    def _has_file(self) -> bool:
        return bool(self._search.facts.whole(_PRELOAD).strip())

    def _map(self, needer: Object, needed: str, kind: EdgeKind) -> None:
        places: list[str] = []
        for path, why in self._candidates(needer, needed):
            opened = self._search.open(path)
            if isinstance(opened, Hit):
                self._take(needer, opened, needed, kind, why)
                return
            places.append(f"{why}: {tried(path, opened)}")
            if opened not in ABSENT and not opened.startswith("is for "):
                continue  # it says that it cannot map the file, and goes on looking
        if kind == "preload":
            self._search.hazard(needer.path, f"{needed} is to be preloaded and is not found: the program dies")
        self._search.missing(needer, kind, needed, places)

    def _take(self, needer: Object, hit: Hit, needed: str, kind: EdgeKind, why: str) -> None:
        known = self._by_identity.get(hit.identity)
        if known is None:
            known = Object(hit.path, hit.name, hit.elf, needer)
            self._by_identity[hit.identity] = known
            self._queue.append(known)
        if known not in self._objects:
            self._objects.append(known)
        if known.path != needer.path:
            self._search.needed(needer, hit, kind, needed, why)

    def _candidates(self, needer: Object, needed: str) -> Iterator[tuple[str, str]]:
        """Yield where a library may be, in order; a name with a slash first as it is, then by its last component."""
        if "/" in needed:
            yield self._absolute(needed), "absolute name"
            needed = name(needed)
        program = self._program
        yield from self._in_path(needer.elf.rpath, needed, f"rpath of {needer.path}", needer)
        yield from self._in_path(self._env.get("LD_LIBRARY_PATH"), needed, "LD_LIBRARY_PATH", None)
        yield from self._in_path(needer.elf.runpath, needed, f"runpath of {needer.path}", None)
        if needer is not program:
            yield from self._in_path(program.elf.rpath, needed, f"rpath of {program.path}", None)
        for directory in self._directories:
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
                where = (origin_of or self._program).path
                self._search.hazard(where, f"{kind} has {what}: the current directory decides")
            yield f"{self._absolute(directory).rstrip('/')}/{needed}", why

    def _absolute(self, path: str) -> str:
        return path if path.startswith("/") else f"{self._workdir}/{path}"


def _elements(text: str) -> Iterator[str]:
    """Split a list of directories as `search_for_named_library` does: a colon that begins an element belongs to it."""
    at = 0
    while at >= 0:
        end = text.find(":", at + 1)
        yield text[at:] if end < 0 else text[at:end]
        at = end + 1 if end >= 0 else -1
