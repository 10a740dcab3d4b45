"""What the simple loaders share, musl's and uClibc-ng's: breadth first, the first file that opens is taken.

In: a search and a program. Out: `Load`. Each loader says where candidates are, and what ends a search.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.graph.loaders.base import Hit, Load, Object, Search, tried

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.elf.machine import Machine
    from assembler.elf.types import ElfFile
    from assembler.graph.facts import Facts
    from assembler.graph.types import EdgeKind
    from assembler.tree import Tree


class Start(Struct, frozen=True):
    """How a program is started, and what the loader's root says.

    Attributes:
        interp: the loader's path.
        directories: where libraries are looked for by default, in order.
        env: the program's environment.
        workdir: the directory that it is started in.
    """

    interp: str
    directories: tuple[str, ...]
    env: Mapping[str, str]
    workdir: str


class PlainLoader(ABC):
    """The loader of a root filesystem; subclasses say where libraries are by default, and how a program is loaded."""

    def __init__(self, tree: Tree, facts: Facts, machine: Machine, interp: str) -> None:
        """Take the root and its loader's path, as PT_INTERP names it."""
        self._tree = tree
        self._facts = facts
        self._machine = machine
        self._interp = interp

    @property
    @abstractmethod
    def directories(self) -> tuple[str, ...]:
        """See `Loader.directories`."""

    @abstractmethod
    def run_of(self, search: Search, program: Object, start: Start) -> PlainRun:
        """Return the run of a program."""

    def load(self, program: str, elf: ElfFile, env: Mapping[str, str], workdir: str = "/") -> Load:
        """See `Loader.load`."""
        return self._run(Object(program, program, elf), env, workdir).run()

    def find(self, by: Object, name: str, env: Mapping[str, str], workdir: str = "/") -> tuple[Hit, str] | None:
        """See `Loader.find`."""
        return self._run(by.program, env, workdir).find(by, name)

    def _run(self, program: Object, env: Mapping[str, str], workdir: str) -> PlainRun:
        search = Search(self._tree, self._facts, self._machine)
        interp = program.elf.interp or self._interp
        return self.run_of(search, program, Start(interp, self.directories, env, workdir))


class PlainRun(ABC):
    """One program being loaded. Subclasses say the rest."""

    def __init__(self, search: Search, program: Object, start: Start) -> None:
        """Begin with the program alone."""
        self.search = search
        self.program = program
        self.start = start
        self._objects = [program]
        self._queue = deque(self._objects)
        entry = search.tree[program.path]
        self._by_identity: dict[str | int, Object] = {entry.inode or program.path: program}

    def run(self) -> Load:
        """Follow all needs breadth first."""
        self._map_loader()
        for preload in self.preloads():
            self.map(self.program, preload, "preload")
        while self._queue:
            needer = self._queue.popleft()
            for needed in needer.elf.needed:
                self.map(needer, needed, "needed")
        return self.search.result(self._objects)

    def find(self, by: Object, needed: str) -> tuple[Hit, str] | None:
        """Return what a name leads to, whoever has loaded what."""
        for path, found in self.candidates(by, needed):
            opened = self.search.open(path)
            if isinstance(opened, Hit):
                return opened, found
        return None

    # What loaders differ in

    @abstractmethod
    def preloads(self) -> Iterable[str]:
        """Return the names of what is mapped before all needs."""

    @abstractmethod
    def candidates(self, needer: Object, needed: str) -> Iterator[tuple[str, str]]:
        """Yield the paths where a name may be, and how evidence calls each place."""

    @abstractmethod
    def ends_search(self, reason: str) -> bool:
        """Say whether nothing more is tried after a candidate that cannot be mapped."""

    # What they do alike

    def map(self, needer: Object, needed: str, kind: EdgeKind) -> None:
        """Find what an object needs, and map it."""
        places: list[str] = []
        for path, why in self.candidates(needer, needed):
            opened = self.search.open(path)
            if isinstance(opened, Hit):
                self.take(needer, opened, needed, kind, why)
                return
            places.append(f"{why}: {tried(path, opened)}")
            if self.ends_search(opened):
                break
        self.fail(needer, needed, kind, places)

    def take(self, needer: Object, hit: Hit, needed: str, kind: EdgeKind, why: str) -> Object:
        """Map what was found, if it is not mapped yet."""
        if hit.path != needer.path:
            self.search.needed(needer, hit, kind, needed, why)
        known = self._by_identity.get(hit.identity)
        if known is None:
            known = Object(hit.path, hit.name, hit.elf, needer)
            self._by_identity[hit.identity] = known
            self._queue.append(known)
        self.append(known)
        return known

    def append(self, known: Object) -> None:
        """Put an object into the order of loading, where it is not there yet."""
        if all(one.path != known.path for one in self._objects):
            self._objects.append(known)

    def fail(self, needer: Object, needed: str, kind: EdgeKind, places: list[str]) -> None:
        """Note what is not found."""
        self.search.missing(needer, kind, needed, places)

    def absolute(self, path: str) -> str:
        """Return a path as seen from where the program is started."""
        return path if path.startswith("/") else f"{self.start.workdir.rstrip('/')}/{path}"

    def _map_loader(self) -> None:
        """Count the loader as known, under its file."""
        hit = self.search.open(self.start.interp)
        if isinstance(hit, Hit):
            self._by_identity[hit.identity] = Object(hit.path, hit.name, hit.elf, self.program)
        if self.program.elf.interp is None:
            return
        if isinstance(hit, Hit):
            self.search.needed(self.program, hit, "interp", self.start.interp, "absolute name")
        else:
            self.search.missing(self.program, "interp", self.start.interp, [tried(self.start.interp, hit)])
