"""Which libc a program has, by the loader that it asks for; and for a library, by what the root has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.paths import name
from assembler.graph.loaders.glibc import Glibc
from assembler.graph.loaders.musl import Musl
from assembler.tree import Found

if TYPE_CHECKING:
    from assembler.elf.machine import Machine
    from assembler.graph.facts import Facts
    from assembler.graph.loaders.base import Loader
    from assembler.tree import Tree

_DIRECTORIES: Final = ("/lib64", "/lib", "/lib32", "/libx32", "/usr/lib64", "/usr/lib")


def loader_for(tree: Tree, facts: Facts, machine: Machine, interp: str | None) -> Loader | None:
    """Return the loader that PT_INTERP names; without one, the root's own for that machine; None where it has none.

    musl is known by the name of its loader, which is fixed (`ld-musl-$ARCH.so.1`), or by its file.
    """
    path = interp or default_interp(tree, facts, machine)
    if path is None:
        return None
    at = tree.walk(path)
    data = facts.whole(at.path) if isinstance(at, Found) else b""
    if name(path).startswith("ld-musl-") or b"musl libc (" in data:
        return Musl(tree, facts, machine, path)
    return Glibc(tree, facts, machine, at.path)


def default_interp(tree: Tree, facts: Facts, machine: Machine) -> str | None:
    """Find a loader for a machine in the directories where ABIs put them."""
    for directory in _DIRECTORIES:
        at = tree.walk(directory)
        for child in tree.children(at.path):
            if child.startswith(("ld-linux", "ld64.so", "ld.so.1", "ld-musl-")):
                path = f"{directory}/{child}"
                found = tree.walk(path)
                if isinstance(found, Found) and _same(facts.machine(found.path), machine):
                    return path
    return None


def _same(one: Machine | None, other: Machine) -> bool:
    return one is not None and (one.name, one.bits64, one.little_endian) == (
        other.name,
        other.bits64,
        other.little_endian,
    )
