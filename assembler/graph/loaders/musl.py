"""musl's loader: which files `ld-musl-$ARCH.so.1` would map.

In: a program of a tree. Out: `Load`. Source: musl `ldso/dynlink.c` (`load_library`, `load_deps`, `fixup_rpath`).
The loader is libc itself; objects are known by the name that was searched, not by their soname; the first file that
opens is taken, and one that cannot be mapped is an error.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

from assembler.base.paths import from_bytes, name, parent
from assembler.graph.loaders.base import ABSENT, Hit, Load, Object, Search, SymbolRules, tried
from assembler.tree import Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.elf.machine import Machine
    from assembler.elf.types import ElfFile
    from assembler.graph.facts import Facts
    from assembler.graph.types import EdgeKind
    from assembler.tree import Tree

_OWN: Final = re.compile(r"lib(?:c|pthread|rt|m|dl|util|xnet)\.so.*")
_DEFAULT: Final = ("/lib", "/usr/local/lib", "/usr/lib")
_ORIGIN: Final = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})")


class Musl:
    """The loader of a root filesystem with musl."""

    symbols: SymbolRules = "default versions"

    def __init__(self, tree: Tree, facts: Facts, machine: Machine, interp: str) -> None:
        """Take the root and its loader's path, as PT_INTERP names it (`/lib/ld-musl-x86_64.so.1`)."""
        self._tree = tree
        self._facts = facts
        self._machine = machine
        self._interp = interp
        self._directories = self._read_path_file()

    @property
    def directories(self) -> tuple[str, ...]:
        """See `Loader.directories`."""
        return self._directories

    def load(self, program: str, elf: ElfFile, env: Mapping[str, str], workdir: str = "/") -> Load:
        """See `Loader.load`."""
        search = Search(self._tree, self._facts, self._machine)
        return _Run(search, Object(program, program, elf), self._interp, self._directories, env, workdir).run()

    def find(self, by: Object, name: str, env: Mapping[str, str], workdir: str = "/") -> tuple[Hit, str] | None:
        """See `Loader.find`."""
        search = Search(self._tree, self._facts, self._machine)
        return _Run(search, by.program, self._interp, self._directories, env, workdir).find(by, name)

    def _read_path_file(self) -> tuple[str, ...]:
        """Read `<prefix>/etc/ld-musl-$ARCH.path`; prefix is PT_INTERP less two components."""
        prefix = parent(parent(self._interp)).rstrip("/")
        file = f"{prefix}/etc/{name(self._interp).removesuffix('.so.1')}.path"
        at = self._tree.walk(file)
        if not isinstance(at, Found):
            return _DEFAULT
        return tuple(filter(None, re.split("[:\n]", from_bytes(self._facts.whole(at.path)))))


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
        self._workdir = workdir.rstrip("/")
        self._library_path = tuple(filter(None, re.split("[:\n]", env.get("LD_LIBRARY_PATH", ""))))
        self._preloads = tuple(filter(None, re.split(r"[\s:]", env.get("LD_PRELOAD", ""))))
        self._objects = [program]
        self._queue = deque(self._objects)
        self._by_search: dict[str, Object] = {}
        self._by_identity: dict[str | int, Object] = {}
        self._libc: Object | str = "no such file or directory"

    def run(self) -> Load:
        """Follow all needs breadth first."""
        entry = self._search.tree[self._program.path]
        self._by_identity[entry.inode or self._program.path] = self._program
        self._map_loader()
        for preload in self._preloads:
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
        """Count the loader, which is libc, as mapped."""
        hit = self._search.open(self._interp)
        if isinstance(hit, Hit):
            libc = Object(hit.path, hit.name, hit.elf, self._program)
            self._libc = self._by_identity[hit.identity] = libc
            if self._program.elf.interp is not None:
                self._search.needed(self._program, hit, "interp", self._interp, "absolute name")
        else:
            self._libc = hit
            if self._program.elf.interp is not None:
                self._search.missing(self._program, "interp", self._interp, [tried(self._interp, hit)])

    def _map(self, needer: Object, needed: str, kind: EdgeKind) -> None:
        if _OWN.fullmatch(needed) or needed == name(self._interp):
            self._need_libc(needer, needed, kind)
            return
        known = self._by_search.get(needed)
        if known is not None:
            self._search.again(needer, known, kind, needed)
            return
        places: list[str] = []
        for path, why in self._candidates(needer, needed):
            opened = self._search.open(path)
            if isinstance(opened, Hit):
                self._take(needer, opened, needed, kind, why)
                return
            places.append(f"{why}: {tried(path, opened)}")
            if opened not in ABSENT:
                break  # what opens and cannot be mapped ends the search
        if kind == "preload":
            self._search.hazard(needer.path, f"{needed} is to be preloaded and is not found: musl goes on without")
        else:
            self._search.missing(needer, kind, needed, places)

    def _need_libc(self, needer: Object, needed: str, kind: EdgeKind) -> None:
        libc = self._libc
        if not isinstance(libc, Object):
            self._search.missing(needer, kind, needed, [tried(self._interp, libc)])
            return
        via = self._search.tree.walk(libc.name).via
        hit = Hit(libc.path, libc.name, libc.elf, via)
        self._search.needed(needer, hit, kind, needed, "musl's loader is its libc")
        if libc not in self._objects:
            self._objects.append(libc)

    def _take(self, needer: Object, hit: Hit, needed: str, kind: EdgeKind, why: str) -> None:
        self._search.needed(needer, hit, kind, needed, why)
        known = self._by_identity.get(hit.identity)
        if known is None:
            known = Object(hit.path, hit.name, hit.elf, needer)
            self._by_identity[hit.identity] = known
            self._objects.append(known)
            self._queue.append(known)
        if "/" not in needed:
            self._by_search.setdefault(needed, known)

    def _candidates(self, needer: Object, needed: str) -> Iterator[tuple[str, str]]:
        if "/" in needed:
            yield self._absolute(needed), "absolute name"
            return
        for directory in self._library_path:
            yield f"{self._absolute(directory)}/{needed}", "LD_LIBRARY_PATH"
        for above in needer.chain():
            kind = "rpath" if above.elf.runpath is None else "runpath"
            for directory in self._rpath(above):
                yield f"{directory}/{needed}", f"{kind} of {above.path}"
        for directory in self._directories:
            yield f"{self._absolute(directory)}/{needed}", f"musl path {directory}"

    def _absolute(self, path: str) -> str:
        return path if path.startswith("/") else f"{self._workdir}/{path}"

    def _rpath(self, of: Object) -> Iterator[str]:
        """Yield a run path, RUNPATH before RPATH; any `$` but `$ORIGIN` voids the whole of it (`fixup_rpath`)."""
        text = of.elf.rpath if of.elf.runpath is None else of.elf.runpath
        if text is None or "$" in _ORIGIN.sub("", text):
            return
        origin = parent(of.path if of is self._program else of.name)
        for element in re.split("[:\n]", _ORIGIN.sub(lambda _: origin, text)):
            if not element:
                continue  # `path_open` passes over empty elements
            if not element.startswith("/"):
                self._search.hazard(of.path, f"run path has {element!r}: the current directory decides")
            yield self._absolute(element)
