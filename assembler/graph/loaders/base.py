"""What all loaders share: the objects that are loaded, the evidence that is gathered, and looking for a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from assembler.base.paths import show
from assembler.elf.read import ElfFile
from assembler.graph.facts import Broken, Facts
from assembler.graph.types import Edge, EdgeKind, Unresolved
from assembler.tree import Found, Regular, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.elf.machine import Machine


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


class Load(Struct, frozen=True):
    """What a loader would do for one program.

    Attributes:
        objects: what is mapped, the program first, in load order.
        edges: who needs whom, in the order in which they were followed.
        unresolved: what is not found.
        hazards: (path, message).
    """

    objects: tuple[Object, ...]
    edges: tuple[Edge, ...]
    unresolved: tuple[Unresolved, ...]
    hazards: tuple[tuple[str, str], ...] = ()


class Loader(Protocol):
    """The dynamic loader of one root filesystem."""

    @property
    def directories(self) -> tuple[str, ...]:
        """Where libraries are looked for by default, in order."""

    def load(self, program: str, elf: ElfFile, env: Mapping[str, str]) -> Load:
        """Return what would be mapped for a program, or for a library as `dlopen` would map it."""


class Hit(Struct, frozen=True):
    """A candidate that can be mapped."""

    path: str
    name: str
    elf: ElfFile
    via: tuple[str, ...]


class Search:
    """Looks at candidates, and gathers what was found and where nothing was. One for each program."""

    def __init__(self, tree: Tree, facts: Facts, machine: Machine) -> None:
        self.tree = tree
        self.facts = facts
        self.machine = machine
        self.edges: list[Edge] = []
        self.unresolved: list[Unresolved] = []
        self.hazards: list[tuple[str, str]] = []

    def open(self, name: str) -> Hit | str:
        """Look at a candidate: return what can be mapped, or why not, in words."""
        at = self.tree.walk(name)
        if not isinstance(at, Found):
            return at.reason
        if not isinstance(at.entry, Regular):
            return "not a file"
        machine = self.facts.machine(at.path)
        if machine is None:
            return "not an ELF file"
        if not compatible(machine, self.machine):
            return f"is for {machine}"
        elf = self.facts.elf(at.path)
        if isinstance(elf, ElfFile):
            return Hit(at.path, name, elf, at.via)
        return elf.message if isinstance(elf, Broken) else "not an ELF file"

    def needed(self, needer: Object, hit: Hit, kind: EdgeKind, name: str, found: str) -> None:
        """Note that a need was met."""
        self.edges.append(Edge(needer.path, hit.path, kind, name, found, hit.via))

    def missing(self, needer: Object, kind: EdgeKind, name: str, tried: list[str]) -> None:
        """Note that a need was not met."""
        self.unresolved.append(Unresolved(needer.path, kind, name, tuple(tried)))

    def hazard(self, path: str, message: str) -> None:
        """Note something that works but is likely to fail or surprise elsewhere."""
        if (path, message) not in self.hazards:
            self.hazards.append((path, message))

    def result(self, objects: list[Object]) -> Load:
        """Close the search."""
        return Load(tuple(objects), tuple(self.edges), tuple(self.unresolved), tuple(self.hazards))


def compatible(one: Machine, other: Machine) -> bool:
    """Say whether two ELF files can be in one process, as far as class, byte order and machine tell."""
    return (one.name, one.bits64, one.little_endian) == (other.name, other.bits64, other.little_endian)


def tried(place: str, why: str) -> str:
    """Word a place where nothing was found."""
    return show(place) if why == "no such file or directory" else f"{show(place)} ({why})"
