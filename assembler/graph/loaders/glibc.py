"""glibc's loader: which files `ld.so` would map.

In: a program of a tree. Out: `Load`. Sources: glibc `elf/dl-load.c` (`_dl_map_object`, `open_path`,
`fillin_rpath`), `elf/dl-deps.c` (`_dl_map_object_deps`), `elf/get-dynamic-info.h`, `elf/dl-cache.c`.

What depends on the processor (`glibc-hwcaps`) is kept for all of them: the plain directory's file is what is
resolved, and the others are edges beside it.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

from assembler.base.paths import from_bytes, is_below, parent
from assembler.elf.read import DF_1_NODEFLIB, ElfFile
from assembler.graph.loaders.base import Hit, Load, Object, Search, tried
from assembler.graph.loaders.glibc_cache import CACHE, read_cache
from assembler.graph.loaders.tokens import expand

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from assembler.elf.machine import Machine
    from assembler.graph.facts import Facts
    from assembler.graph.types import EdgeKind
    from assembler.tree import Tree

_HWCAPS: Final = "glibc-hwcaps"
_DIRECTORIES: Final = re.compile(rb"(?:/[A-Za-z0-9_.+/-]*lib[A-Za-z0-9_.+/-]*/\0){2,}")
_PRELOAD: Final = "/etc/ld.so.preload"
_PLATFORMS: Final = {"EM_X86_64": "x86_64", "EM_386": "i686", "EM_AARCH64": "aarch64", "EM_S390": "z900"}

Place = tuple[str, str]
"""A directory to look in, and how evidence calls it."""

Candidate = tuple[Hit | None, str]
"""What can be mapped, or None for what ends the search; and how evidence calls the place."""

_ABSENT: Final = ("no such file or directory", "not a directory", "too many levels of symbolic links")


class Glibc:
    """The loader of a root filesystem with glibc."""

    def __init__(self, tree: Tree, facts: Facts, machine: Machine, interp: str) -> None:
        """Take the root and its loader's path."""
        self._tree = tree
        self._facts = facts
        self._machine = machine
        self._interp = interp
        self._directories = _system_directories(facts.whole(interp), machine)
        self._cache = read_cache(facts.whole(CACHE)) if CACHE in tree else {}
        self._hwcaps: dict[str, tuple[str, ...]] = {}

    @property
    def directories(self) -> tuple[str, ...]:
        """See `Loader.directories`."""
        return self._directories

    def load(self, program: str, elf: ElfFile, env: Mapping[str, str]) -> Load:
        """See `Loader.load`."""
        search = Search(self._tree, self._facts, self._machine)
        return _Run(self, search, Object(program, program, elf), env).run()

    def interp_of(self, elf: ElfFile) -> str:
        """Return the name by which the program asks for the loader, else the loader's own path."""
        return elf.interp or self._interp

    def hwcaps(self, directory: str) -> tuple[str, ...]:
        """Return the names below `glibc-hwcaps` in a directory; most have none."""
        if directory not in self._hwcaps:
            at = self._tree.walk(f"{directory}/{_HWCAPS}")
            self._hwcaps[directory] = tuple(self._tree.children(at.path))
        return self._hwcaps[directory]

    def cached(self, name: str) -> tuple[tuple[str, bool], ...]:
        """Return the paths that ld.so.cache has for a name, and whether each is for some processors only."""
        return self._cache.get(name, ())

    def tokens(self, origin: str) -> dict[str, str | None]:
        """Return what `$ORIGIN`, `$LIB` and `$PLATFORM` stand for (`DL_DST_LIB` is the system directory's name)."""
        return {
            "ORIGIN": origin,
            "LIB": self._directories[0].lstrip("/"),
            "PLATFORM": _PLATFORMS.get(self._machine.name),
        }


class _Run:
    """One program being loaded: what is mapped so far, and under which names."""

    def __init__(self, loader: Glibc, search: Search, program: Object, env: Mapping[str, str]) -> None:
        self._loader = loader
        self._search = search
        self._program = program
        self._objects = [program]
        self._queue = deque(self._objects)
        self._by_name: dict[str, Object] = {}
        self._by_path: dict[str, Object] = {program.path: program}
        self._library_path = tuple(re.split("[:;]", env["LD_LIBRARY_PATH"])) if env.get("LD_LIBRARY_PATH") else ()
        self._preloads = _words(env.get("LD_PRELOAD", ""))

    def run(self) -> Load:
        """Follow all needs breadth first."""
        self._map_loader()
        self._preload()
        while self._queue:
            needer = self._queue.popleft()
            for kind, names in _needs(needer.elf):
                for name in names:
                    self._map(needer, name, kind)
        return self._search.result(self._objects)

    def _map_loader(self) -> None:
        """Count ld.so as mapped, under the name that PT_INTERP gives it and under its soname."""
        name = self._loader.interp_of(self._program.elf)
        hit = self._search.open(name)
        if isinstance(hit, Hit):
            loader = Object(hit.path, name, hit.elf, self._program)
            self._remember(name, loader)
            if self._program.elf.interp is not None:
                self._search.needed(self._program, hit, "interp", name, "absolute name")
        elif self._program.elf.interp is not None:
            self._search.missing(self._program, "interp", name, [tried(name, hit)])

    def _preload(self) -> None:
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
        hit, found = next(self._candidates(needer, name, places), (None, ""))
        if hit is not None:
            self._take(needer, hit, name, kind, found)
        elif kind != "auxiliary":
            self._search.missing(needer, kind, name, places)

    def _reuse(self, needer: Object, known: Object, name: str, kind: EdgeKind) -> None:
        if known.path != needer.path:
            hit = Hit(known.path, known.name, known.elf, self._search.tree.walk(known.name).via)
            self._search.needed(needer, hit, kind, name, f"loaded already, for {(known.needer or needer).path}")

    def _take(self, needer: Object, hit: Hit, name: str, kind: EdgeKind, found: str) -> None:
        self._search.needed(needer, hit, kind, name, found)
        known = self._by_path.get(hit.path)
        if known is None:
            known = Object(hit.path, hit.name, hit.elf, needer)
            self._objects.append(known)
            self._queue.append(known)
        self._remember(name, known)

    def _remember(self, name: str, known: Object) -> None:
        self._by_path.setdefault(known.path, known)
        self._by_name.setdefault(name, known)
        self._by_name.setdefault(known.name, known)
        if known.elf.soname:
            self._by_name.setdefault(known.elf.soname, known)

    def _candidates(self, needer: Object, name: str, places: list[str]) -> Iterator[Candidate]:
        """Yield what can be mapped for a name, the first being what glibc takes; note where nothing is."""
        if "/" in name:
            path = expand(name, self._loader.tokens(self._origin(needer)))
            yield from self._try(path or name, "absolute name", places)
            return
        for directory, why in self._before_cache(needer):
            yield from self._in_directory(directory, name, why, needer, places)
        yield from self._in_cache(needer, name, places)
        if not needer.elf.flags_1 & DF_1_NODEFLIB:
            for directory in self._loader.directories:
                yield from self._in_directory(directory, name, f"system dir {directory}", needer, places)

    def _before_cache(self, needer: Object) -> Iterator[Place]:
        if needer.elf.runpath is None:
            for above in needer.chain():
                yield from self._rpath(above)
            if self._program not in needer.chain():
                yield from self._rpath(self._program)
        for directory in self._library_path:
            yield self._directory(directory, self._program, "LD_LIBRARY_PATH")
        if needer.elf.runpath is not None:
            yield from self._path(needer.elf.runpath, needer, "runpath")

    def _rpath(self, of: Object) -> Iterator[Place]:
        """Yield an object's DT_RPATH; one that has a DT_RUNPATH too has, for glibc, none (get-dynamic-info.h)."""
        if of.elf.rpath is not None and of.elf.runpath is None:
            yield from self._path(of.elf.rpath, of, "rpath")

    def _path(self, text: str, of: Object, kind: str) -> Iterator[Place]:
        for element in text.split(":"):
            path = expand(element, self._loader.tokens(self._origin(of)))
            if path is not None:
                yield self._directory(path, of, f"{kind} of {of.path}")

    def _directory(self, path: str, of: Object, why: str) -> Place:
        if not path.startswith("/"):
            what = repr(path) if path else "an empty element"
            self._search.hazard(of.path, f"{why.partition(' of ')[0]} has {what}: the current directory decides")
        return path, why

    def _origin(self, of: Object) -> str:
        return parent(of.path if of is self._program else of.name)

    def _in_directory(
        self, directory: str, name: str, why: str, needer: Object, places: list[str]
    ) -> Iterator[Candidate]:
        if not directory.startswith("/"):
            return
        base = directory.rstrip("/")
        special = [hit for cap in self._loader.hwcaps(base) for hit in self._try(f"{base}/{_HWCAPS}/{cap}/{name}", cap)]
        plain = list(self._try(f"{base}/{name}", why, places))
        self._note_special(needer, name, special, plain_found=bool(plain))
        yield from plain or special

    def _in_cache(self, needer: Object, name: str, places: list[str]) -> Iterator[Candidate]:
        nodeflib = bool(needer.elf.flags_1 & DF_1_NODEFLIB)
        special: list[Candidate] = []
        plain: list[Candidate] = []
        for path, only_some in self._loader.cached(name):
            if nodeflib and any(is_below(parent(path), directory) for directory in self._loader.directories):
                continue
            hits = list(self._try(path, "ld.so.cache", places))
            (special if only_some else plain).extend(hits)
        self._note_special(needer, name, special, plain_found=bool(plain))
        yield from plain or special

    def _note_special(self, needer: Object, name: str, special: Sequence[Candidate], *, plain_found: bool) -> None:
        """Keep what only some processors take beside what all do, and what it needs in turn."""
        for hit, cap in special:
            if hit is None:
                continue
            if plain_found:
                self._search.needed(needer, hit, "needed", name, f"{_HWCAPS}: on processors with {cap}")
                if hit.path not in self._by_path:
                    extra = Object(hit.path, hit.name, hit.elf, needer)
                    self._by_path[hit.path] = extra
                    self._queue.append(extra)
            else:
                self._search.hazard(needer.path, f"{name} is found only on some processors: {hit.path}")

    def _try(self, path: str, why: str, places: list[str] | None = None) -> Iterator[Candidate]:
        """Yield a candidate that can be mapped, or the end of the search: ld.so dies of what opens and is no library.

        What is not there is passed over, and so is what is for another machine (`open_verify` in dl-load.c).
        """
        hit = self._search.open(path)
        if isinstance(hit, Hit):
            yield hit, why
            return
        if places is not None:
            places.append(f"{why}: {tried(path, hit)}")
        if hit not in _ABSENT and not hit.startswith("is for "):
            yield None, why


def _needs(elf: ElfFile) -> Iterator[tuple[EdgeKind, Iterable[str]]]:
    yield "filter", elf.filters
    yield "auxiliary", elf.auxiliaries
    yield "needed", elf.needed


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s:]+", text) if word]


def _system_directories(loader: bytes, machine: Machine) -> tuple[str, ...]:
    """Return the directories that are compiled into ld.so (`system_dirs` in dl-load.c), else the usual ones."""
    runs = [match[0] for match in _DIRECTORIES.finditer(loader) if b"/usr/lib" in match[0]]
    if runs:
        found = (part.decode().rstrip("/") for part in runs[0].split(b"\0") if part)
        return tuple(dict.fromkeys(found))
    wide = ("/lib64", "/usr/lib64") if machine.bits64 else ()
    return (*wide, "/lib", "/usr/lib")
