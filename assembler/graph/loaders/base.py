"""What all loaders share: the objects that are loaded, the evidence that is gathered, and looking for a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

from msgspec import Struct

from assembler.base.paths import show
from assembler.elf.types import ElfFile
from assembler.graph.facts import Broken, Facts
from assembler.graph.types import Edge, EdgeKind, Unresolved
from assembler.tree import Found, Regular, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.elf.machine import Machine


SymbolRules = Literal["versioned", "default versions", "names"]
"""How references find definitions: by name and version (glibc); by name, hidden versions left out (musl); by name."""


class Object(Struct, frozen=True):
    """A mapped ELF file.

    Attributes:
        path: where it stands, all symlinks followed: its identity.
        name: the path by which it was found, symlinks and all; `$ORIGIN` of a library is its directory.
        elf: what is known of it.
        needer: the object that made the loader map it first; None for the program and for preloads.
    """

    path: str
    name: str
    elf: ElfFile
    needer: Object | None = None

    def chain(self) -> Iterator[Object]:
        """Yield the object itself, then its needer, and so on up to the program."""
        at: Object | None = self
        while at is not None:
            yield at
            at = at.needer

    @property
    def program(self) -> Object:
        """The last of the chain."""
        return list(self.chain())[-1]


class Load(Struct, frozen=True):
    """What a loader would do for one program.

    Attributes:
        objects: what is mapped, the program first, in load order; the loader itself where something needs it.
        needs: who needs whom, met or not, in the order in which they were followed.
        hazards: (path, message).
    """

    objects: tuple[Object, ...]
    needs: tuple[Edge | Unresolved, ...]
    hazards: tuple[tuple[str, str], ...] = ()

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The needs that are met."""
        return tuple(need for need in self.needs if isinstance(need, Edge))

    @property
    def unresolved(self) -> tuple[Unresolved, ...]:
        """The needs that are not met."""
        return tuple(need for need in self.needs if isinstance(need, Unresolved))


class Loader(Protocol):
    """The dynamic loader of one root filesystem."""

    @property
    def directories(self) -> tuple[str, ...]:
        """Where libraries are looked for by default, in order."""

    @property
    def symbols(self) -> SymbolRules:
        """How it binds symbols to each other."""

    def load(self, program: str, elf: ElfFile, env: Mapping[str, str], workdir: str = "/") -> Load:
        """Return what would be mapped for a program, or for a library as `dlopen` would map it.

        Args:
            program: its path, all symlinks followed.
            elf: what is known of it.
            env: its environment.
            workdir: the directory that it is started in: what relative names in run paths are relative to.
        """

    def find(self, by: Object, name: str, env: Mapping[str, str], workdir: str = "/") -> tuple[Hit, str] | None:
        """Return what `dlopen` would map for a name that an object gives it, and how it is found; None for nothing."""


class Hit(Struct, frozen=True):
    """A candidate that can be mapped.

    Attributes:
        path: where it stands, all symlinks followed.
        name: the path by which it was found.
        elf: what is known of it.
        via: the symlinks that were crossed.
        inode: the number that hard links to it share; 0 where there are none.
    """

    path: str
    name: str
    elf: ElfFile
    via: tuple[str, ...]
    inode: int = 0

    @property
    def identity(self) -> str | int:
        """What tells that two names are one file, as device and inode do."""
        return self.inode or self.path


class Search:
    """Looks at candidates, and gathers what was found and where nothing was. One for each program."""

    def __init__(self, tree: Tree, facts: Facts, machine: Machine) -> None:
        self.tree = tree
        self.facts = facts
        self.machine = machine
        self._needs: dict[Edge | Unresolved, None] = {}
        self._hazards: dict[tuple[str, str], None] = {}

    def open(self, name: str) -> Hit | str:
        """Look at a candidate: return what can be mapped, or why not, in words."""
        at = self.tree.walk(name)
        if not isinstance(at, Found):
            return at.reason
        if not isinstance(at.entry, Regular):
            return "not a file"
        elf = self.facts.elf(at.path)
        if elf is None:
            return "not an ELF file"
        if isinstance(elf, Broken):
            machine = self.facts.machine(at.path)
            foreign = machine is not None and not compatible(machine, self.machine)
            return f"is for {machine}" if foreign else elf.message
        if not compatible(elf.machine, self.machine):
            return f"is for {elf.machine}"
        if elf.machine.abi != self.machine.abi and elf.machine.name == "EM_ARM":
            self.hazard(at.path, "has another float ABI than what loads it, which no loader checks")
        return Hit(at.path, name, elf, at.via, at.entry.inode)

    def needed(self, needer: Object, hit: Hit, kind: EdgeKind, name: str, found: str) -> None:
        """Note that a need was met."""
        self._needs[Edge(needer.path, hit.path, kind, name, found, hit.via)] = None

    def again(self, needer: Object, known: Object, kind: EdgeKind, name: str) -> None:
        """Note that a need was met by what is mapped already."""
        at = self.tree.walk(known.name)
        found = f"loaded already, for {(known.needer or known).path}"
        self._needs[Edge(needer.path, known.path, kind, name, found, at.via)] = None

    def missing(self, needer: Object, kind: EdgeKind, name: str, tried: list[str]) -> None:
        """Note that a need was not met."""
        self._needs[Unresolved(needer.path, kind, name, tuple(tried))] = None

    def hazard(self, path: str, message: str) -> None:
        """Note something that works but is likely to fail or surprise elsewhere."""
        self._hazards[path, message] = None

    def result(self, objects: list[Object]) -> Load:
        """Close the search."""
        return Load(tuple(objects), tuple(self._needs), tuple(self._hazards))


def compatible(one: Machine, other: Machine) -> bool:
    """Say whether a loader maps two ELF files into one process: class, byte order, machine, calling convention.

    ARM's float ABI is not compared, since no loader does; a 64-bit PowerPC file that names no ABI goes with any.
    Source: `elf_machine_matches_host` of glibc's sysdeps/*/dl-machine.h.
    """
    if (one.name, one.bits64, one.little_endian) != (other.name, other.bits64, other.little_endian):
        return False
    if one.abi == other.abi or one.name == "EM_ARM":
        return True
    return one.name == "EM_PPC64" and 0 in {one.abi, other.abi}


ABSENT: Final = ("no such file or directory", "not a directory", "too many levels of symbolic links")
"""Why a candidate is passed over by every loader: there is nothing to open."""


def tried(place: str, why: str) -> str:
    """Word a place where nothing was found."""
    return show(place) if why == "no such file or directory" else f"{show(place)} ({why})"
