"""musl's loader: which files `ld-musl-$ARCH.so.1` would map.

In: a program of a tree. Out: `Load`. Source: musl `ldso/dynlink.c` (`load_library`, `load_deps`, `fixup_rpath`).
The loader is libc itself; objects are known by the name that was searched, not by their soname; the first file that
opens is taken, and one that cannot be mapped is an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from assembler.base.paths import from_bytes, name, parent
from assembler.graph.loaders.base import ABSENT, Hit, Object, Search, SymbolRules, tried
from assembler.graph.loaders.plain import PlainLoader, PlainRun, Start
from assembler.tree import Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.elf.machine import Machine
    from assembler.graph.facts import Facts
    from assembler.graph.types import EdgeKind
    from assembler.tree import Tree

_OWN: Final = re.compile(r"lib(?:c|pthread|rt|m|dl|util|xnet)\.so.*")
_DEFAULT: Final = ("/lib", "/usr/local/lib", "/usr/lib")
_ORIGIN: Final = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})")


class Musl(PlainLoader):
    """The loader of a root filesystem with musl."""

    symbols: SymbolRules = "default versions"

    def __init__(self, tree: Tree, facts: Facts, machine: Machine, interp: str) -> None:
        """Take the root and its loader's path, as PT_INTERP names it (`/lib/ld-musl-x86_64.so.1`)."""
        super().__init__(tree, facts, machine, interp)
        self._directories = self._read_path_file()

    @property
    def directories(self) -> tuple[str, ...]:
        """See `Loader.directories`."""
        return self._directories

    def run_of(self, search: Search, program: Object, start: Start) -> PlainRun:
        """See `PlainLoader.run_of`."""
        return _Run(search, program, start)

    def _read_path_file(self) -> tuple[str, ...]:
        """Read `<prefix>/etc/ld-musl-$ARCH.path`; prefix is PT_INTERP less two components."""
        prefix = parent(parent(self._interp)).rstrip("/")
        file = f"{prefix}/etc/{name(self._interp).removesuffix('.so.1')}.path"
        at = self._tree.walk(file)
        if not isinstance(at, Found):
            return _DEFAULT
        return tuple(filter(None, re.split("[:\n]", from_bytes(self._facts.whole(at.path)))))


class _Run(PlainRun):
    """One program being loaded."""

    def __init__(self, search: Search, program: Object, start: Start) -> None:
        """Begin with the program alone."""
        super().__init__(search, program, start)
        self._library_path = tuple(filter(None, re.split("[:\n]", self.start.env.get("LD_LIBRARY_PATH", ""))))
        self._by_search: dict[str, Object] = {}

    def preloads(self) -> Iterable[str]:
        """Return LD_PRELOAD's names."""
        return filter(None, re.split(r"[\s:]", self.start.env.get("LD_PRELOAD", "")))

    def ends_search(self, reason: str) -> bool:
        """What opens and cannot be mapped is an error."""
        return reason not in ABSENT

    def map(self, needer: Object, needed: str, kind: EdgeKind) -> None:
        """Find what an object needs: libc is the loader; what was searched for before is known by that name."""
        if _OWN.fullmatch(needed) or needed == name(self.start.interp):
            self._need_libc(needer, needed, kind)
            return
        known = self._by_search.get(needed)
        if known is not None:
            self.search.again(needer, known, kind, needed)
        else:
            super().map(needer, needed, kind)

    def take(self, needer: Object, hit: Hit, needed: str, kind: EdgeKind, why: str) -> Object:
        """Map what was found, and remember the name that was searched."""
        known = super().take(needer, hit, needed, kind, why)
        if "/" not in needed:
            self._by_search.setdefault(needed, known)
        return known

    def fail(self, needer: Object, needed: str, kind: EdgeKind, places: list[str]) -> None:
        """Note what is not found; what was to be preloaded is done without."""
        if kind == "preload":
            self.search.hazard(needer.path, f"{needed} is to be preloaded and is not found: musl goes on without")
        else:
            super().fail(needer, needed, kind, places)

    def _need_libc(self, needer: Object, needed: str, kind: EdgeKind) -> None:
        hit = self.search.open(self.start.interp)
        if isinstance(hit, Hit):
            libc = Object(hit.path, hit.name, hit.elf, self.program)
            self.search.needed(needer, hit, kind, needed, "musl's loader is its libc")
            self.append(libc)
        else:
            self.search.missing(needer, kind, needed, [tried(self.start.interp, hit)])

    def candidates(self, needer: Object, needed: str) -> Iterator[tuple[str, str]]:
        if "/" in needed:
            yield self.absolute(needed), "absolute name"
            return
        for directory in self._library_path:
            yield f"{self.absolute(directory)}/{needed}", "LD_LIBRARY_PATH"
        for above in needer.chain():
            kind = "rpath" if above.elf.runpath is None else "runpath"
            for directory in self._rpath(above):
                yield f"{directory}/{needed}", f"{kind} of {above.path}"
        for directory in self.start.directories:
            yield f"{self.absolute(directory)}/{needed}", f"musl path {directory}"

    def _rpath(self, of: Object) -> Iterator[str]:
        """Yield a run path, RUNPATH before RPATH; any `$` but `$ORIGIN` voids the whole of it (`fixup_rpath`)."""
        text = of.elf.rpath if of.elf.runpath is None else of.elf.runpath
        if text is None or "$" in _ORIGIN.sub("", text):
            return
        origin = parent(of.path if of is self.program else of.name)
        for element in re.split("[:\n]", _ORIGIN.sub(lambda _: origin, text)):
            if not element:
                continue  # `path_open` passes over empty elements
            if not element.startswith("/"):
                self.search.hazard(of.path, f"run path has {element!r}: the current directory decides")
            yield self.absolute(element)
