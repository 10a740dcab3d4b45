"""glibc's loader: which files `ld.so` would map.

In: a program of a tree. Out: `Load`. Sources: glibc `elf/dl-load.c` (`_dl_map_object`, `open_path`,
`fillin_rpath`), `elf/dl-deps.c` (`_dl_map_object_deps`), `elf/get-dynamic-info.h`, `elf/dl-cache.c`,
`elf/dl-hwcaps_split.c`.

What depends on the processor (`glibc-hwcaps`) is kept for all of them: the file that every processor can use is what
is resolved, and the others are edges beside it.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from assembler.base.paths import from_bytes, is_below, parent
from assembler.elf.types import DF_1_NODEFLIB, DF_1_PIE, ElfFile
from assembler.graph.loaders.base import ABSENT, Hit, Load, Object, Search, SymbolRules, tried
from assembler.graph.loaders.glibc_root import GlibcRoot
from assembler.graph.loaders.tokens import expand

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from assembler.elf.machine import Machine
    from assembler.graph.facts import Facts
    from assembler.graph.types import EdgeKind
    from assembler.tree import Tree

_PRELOAD: Final = "/etc/ld.so.preload"
_BEFORE: Final = ("filter", "auxiliary")
"""What is put into the order of loading before what needs it."""

Place = tuple[str, str]
"""A directory to look in, and how evidence calls it."""


class Candidate(NamedTuple):
    """A file that a name leads to.

    Attributes:
        hit: what can be mapped; None for what opens and cannot, which ends the search.
        found: how evidence calls the place.
        only_on: the processors that look there, where not all do: `x86-64-v3`.
    """

    hit: Hit | None
    found: str
    only_on: str | None = None


class Glibc:
    """The loader of a root filesystem with glibc."""

    symbols: SymbolRules = "versioned"

    def __init__(self, tree: Tree, facts: Facts, machine: Machine, interp: str) -> None:
        """Take the root and its loader's path."""
        self._root = GlibcRoot(tree, facts, machine, interp)

    @property
    def directories(self) -> tuple[str, ...]:
        """See `Loader.directories`."""
        return self._root.directories

    def load(self, program: str, elf: ElfFile, env: Mapping[str, str], workdir: str = "/") -> Load:
        """See `Loader.load`."""
        search = Search(self._root.tree, self._root.facts, self._root.machine)
        return _Run(self._root, search, Object(program, program, elf), env, workdir).run()

    def find(self, by: Object, name: str, env: Mapping[str, str], workdir: str = "/") -> tuple[Hit, str] | None:
        """See `Loader.find`."""
        search = Search(self._root.tree, self._root.facts, self._root.machine)
        return _Run(self._root, search, by.program, env, workdir).find(by, name)


class _Run:
    """One program being loaded: what is mapped so far, and under which names."""

    def __init__(self, root: GlibcRoot, search: Search, program: Object, env: Mapping[str, str], workdir: str) -> None:
        self._root = root
        self._search = search
        self._program = program
        self._workdir = workdir
        self._objects = [program]
        self._queue = deque(self._objects)
        self._by_name: dict[str, Object] = {}
        self._by_identity: dict[str | int, Object] = {}
        self._mapped = {program.path}
        self._special: deque[Object] = deque()
        self._only_some = False
        self._library_path = tuple(re.split("[:;]", env["LD_LIBRARY_PATH"])) if env.get("LD_LIBRARY_PATH") else ()
        self._preloads = _words(env.get("LD_PRELOAD", ""))

    def run(self) -> Load:
        """Follow all needs breadth first."""
        entry = self._search.tree[self._program.path]
        self._by_identity[entry.inode or self._program.path] = self._program
        if self._program.elf.soname:
            self._by_name[self._program.elf.soname] = self._program
        self._map_loader()
        self._preload()
        self._follow()
        self._queue, self._only_some = self._special, True
        self._follow()
        return self._search.result(self._objects)

    def find(self, by: Object, name: str) -> tuple[Hit, str] | None:
        """Return what a name leads to, whoever has loaded what."""
        first = next(self._candidates(by, name, []), None)
        return None if first is None or first.hit is None else (first.hit, first.found)

    def _follow(self) -> None:
        while self._queue:
            needer = self._queue.popleft()
            for kind, names in _needs(needer.elf):
                for name in names:
                    self._map(needer, name, kind)

    def _map_loader(self) -> None:
        """Count ld.so as mapped, under the name that PT_INTERP gives it and under its soname."""
        name = self._program.elf.interp or self._root.interp
        hit = self._search.open(name)
        if isinstance(hit, Hit):
            self._remember(name, Object(hit.path, name, hit.elf, self._program), hit.identity)
            if self._program.elf.interp is not None:
                self._search.needed(self._program, hit, "interp", name, "absolute name")
        elif self._program.elf.interp is not None:
            self._search.missing(self._program, "interp", name, [tried(name, hit)])

    def _preload(self) -> None:
        """Map what the environment and ld.so.preload name; ld.so says what it does not find, and goes on."""
        text = from_bytes(self._search.facts.whole(_PRELOAD))
        lines = [line.partition("#")[0] for line in text.splitlines()]
        for name in (*self._preloads, *_words("\n".join(lines))):
            self._map(self._program, name, "preload")

    def _map(self, needer: Object, name: str, kind: EdgeKind) -> None:
        known = self._by_name.get(name)
        if known is not None:
            self._reuse(needer, known, name, kind)
            return
        places: list[str] = []
        special: list[Candidate] = []
        for candidate in self._candidates(needer, name, places):
            if candidate.only_on is None:
                self._keep_special(needer, special, name, kind)
                if candidate.hit is not None:
                    self._take(needer, candidate.hit, name, kind, candidate.found)
                else:
                    self._fail(needer, name, kind, places)
                return
            special.append(candidate)
        self._take_special(needer, special, name, kind, places)

    def _reuse(self, needer: Object, known: Object, name: str, kind: EdgeKind) -> None:
        if known.path != needer.path:
            self._search.again(needer, known, kind, name)
            self._append(known, needer, kind)

    def _take(self, needer: Object, hit: Hit, name: str, kind: EdgeKind, found: str) -> None:
        self._search.needed(needer, hit, kind, name, found)
        known = self._by_identity.get(hit.identity)
        if known is None:
            known = Object(hit.path, hit.name, hit.elf, needer)
            (self._queue.appendleft if kind in _BEFORE else self._queue.append)(known)
        self._append(known, needer, kind)
        self._remember(name, known, hit.identity)

    def _append(self, known: Object, needer: Object, kind: EdgeKind) -> None:
        """Put an object into the order of loading: last, but a filtee before its filter."""
        if known.path in self._mapped or self._only_some:
            return
        self._mapped.add(known.path)
        at = self._objects.index(needer) if kind in _BEFORE and needer in self._objects else len(self._objects)
        self._objects.insert(at, known)

    def _remember(self, name: str, known: Object, identity: str | int) -> None:
        self._by_identity.setdefault(identity, known)
        self._by_name.setdefault(name, known)
        self._by_name.setdefault(known.name, known)
        if known.elf.soname:
            self._by_name.setdefault(known.elf.soname, known)

    def _fail(self, needer: Object, name: str, kind: EdgeKind, places: list[str]) -> None:
        if kind == "preload":
            self._search.hazard(needer.path, f"{name} is to be preloaded and is not found: ld.so says so and goes on")
        elif kind != "auxiliary":
            place = self._root.waiting_for_ldconfig(name) if "/" not in name else None
            if place is not None:
                why = f"{name} is in {place}, which ld.so.conf names and ld.so.cache does not: the image wants ldconfig"
                self._search.hazard(needer.path, why)
                places.append(f"ld.so.conf: {place}/{name} (not in ld.so.cache: ldconfig = true in the recipe)")
            self._search.missing(needer, kind, name, places)

    def _keep_special(self, needer: Object, special: list[Candidate], name: str, kind: EdgeKind) -> None:
        """Keep what only some processors take beside what all do, and what it needs in turn."""
        for hit, found, only_on in special:
            if hit is not None:
                self._search.needed(needer, hit, kind, name, f"{found}: on processors with {only_on}")
                if hit.identity not in self._by_identity:
                    extra = Object(hit.path, hit.name, hit.elf, needer)
                    self._by_identity[hit.identity] = extra
                    self._special.append(extra)

    def _take_special(
        self, needer: Object, special: list[Candidate], name: str, kind: EdgeKind, places: list[str]
    ) -> None:
        """Take what only some processors find: the last, which the most of them do."""
        found = [one for one in special if one.hit is not None]
        if not found:
            self._fail(needer, name, kind, places)
            return
        self._keep_special(needer, found[:-1], name, kind)
        hit, place, only_on = found[-1]
        if hit is not None:
            self._search.hazard(needer.path, f"{name} is found only on processors with {only_on}: {hit.path}")
            self._take(needer, hit, name, kind, f"{place}: on processors with {only_on}")

    # Where candidates are

    def _candidates(self, needer: Object, name: str, places: list[str]) -> Iterator[Candidate]:
        """Yield what a name leads to; the first that all processors find is what glibc takes."""
        if "/" in name:
            path = expand(name, self._root.tokens(self._origin(needer)))
            yield from self._try(self._absolute(path or name), "absolute name", places)
            return
        for directory, why in self._before_cache(needer):
            yield from self._in_directory(directory, name, why, places)
        yield from self._in_cache(needer, name, places)
        if not needer.elf.flags_1 & DF_1_NODEFLIB:
            for directory in self._root.directories:
                yield from self._in_directory(directory, name, f"system dir {directory}", places)

    def _before_cache(self, needer: Object) -> Iterator[Place]:
        if needer.elf.runpath is None:
            for above in needer.chain():
                yield from self._rpath(above)
            if self._program not in needer.chain():
                yield from self._rpath(self._program)
        yield from self._path(self._library_path, self._program, "LD_LIBRARY_PATH")
        if needer.elf.runpath is not None:
            yield from self._path(needer.elf.runpath.split(":"), needer, "runpath")

    def _rpath(self, of: Object) -> Iterator[Place]:
        """Yield an object's DT_RPATH; one that has a DT_RUNPATH too has, for glibc, none (get-dynamic-info.h)."""
        if of.elf.rpath is not None and of.elf.runpath is None:
            yield from self._path(of.elf.rpath.split(":"), of, "rpath")

    def _path(self, elements: Iterable[str], of: Object, kind: str) -> Iterator[Place]:
        why = f"{kind} of {of.path}" if kind != "LD_LIBRARY_PATH" else kind
        for element in elements:
            path = expand(element, self._root.tokens(self._origin(of)))
            if path is None:
                continue
            if not path.startswith("/"):
                what = repr(path) if path else "an empty element"
                self._search.hazard(of.path, f"{kind} has {what}: the current directory decides")
            yield self._absolute(path), why

    def _absolute(self, path: str) -> str:
        return path if path.startswith("/") else f"{self._workdir.rstrip('/')}/{path}"

    def _origin(self, of: Object) -> str:
        return parent(of.path if of is self._program else of.name)

    def _in_directory(self, directory: str, name: str, why: str, places: list[str]) -> Iterator[Candidate]:
        base = directory.rstrip("/")
        for folder, only_on in self._root.hwcaps(base):
            for candidate in self._try(f"{base}/{folder}/{name}", why):
                yield candidate._replace(only_on=only_on)
        yield from self._try(f"{base}/{name}", why, places)

    def _in_cache(self, needer: Object, name: str, places: list[str]) -> Iterator[Candidate]:
        nodeflib = bool(needer.elf.flags_1 & DF_1_NODEFLIB)
        for path, only_some in self._root.cached(name):
            if nodeflib and any(is_below(parent(path), directory) for directory in self._root.directories):
                continue
            only_on = parent(path).rpartition("/")[2] if only_some else None
            for candidate in self._try(path, "ld.so.cache", places):
                yield candidate._replace(only_on=only_on)

    def _try(self, path: str, why: str, places: list[str] | None = None) -> Iterator[Candidate]:
        """Yield a candidate that can be mapped, or the end of the search: ld.so dies of what opens and is no library.

        What is not there is passed over, and so is what is for another machine (`open_verify` in dl-load.c).
        """
        hit = self._search.open(path)
        if isinstance(hit, Hit) and (hit.elf.type != "ET_DYN" or hit.elf.flags_1 & DF_1_PIE):
            hit = "a program, which cannot be loaded as a library"
        if isinstance(hit, Hit):
            yield Candidate(hit, why)
            return
        if places is not None:
            places.append(f"{why}: {tried(path, hit)}")
        if hit not in ABSENT and not hit.startswith("is for "):
            yield Candidate(None, why)


def _needs(elf: ElfFile) -> Iterator[tuple[EdgeKind, Iterable[str]]]:
    yield "needed", elf.needed
    yield "filter", elf.filters
    yield "auxiliary", elf.auxiliaries


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s:]+", text) if word]
