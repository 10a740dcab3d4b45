"""Which libc a program has, by the loader that it asks for; and for a library, by what the root has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.paths import name
from assembler.graph.loaders.base import compatible
from assembler.graph.loaders.glibc import Glibc
from assembler.graph.loaders.musl import Musl
from assembler.graph.loaders.uclibc import Uclibc
from assembler.tree import Found

if TYPE_CHECKING:
    from assembler.elf.machine import Machine
    from assembler.elf.types import ElfFile
    from assembler.graph.facts import Facts
    from assembler.graph.loaders.base import Loader
    from assembler.tree import Tree

DIRECTORIES: Final = ("/lib64", "/lib", "/lib32", "/libx32", "/usr/lib64", "/usr/lib")
"""Where ABIs put their loaders."""


class Loaders:
    """The loaders of a root: each is made when the first file asks for it."""

    def __init__(self, tree: Tree, facts: Facts) -> None:
        """Take the root."""
        self._tree = tree
        self._facts = facts
        self._known: dict[tuple[str, int, str | None], Loader | None] = {}

    def of(self, elf: ElfFile) -> Loader | None:
        """Return the loader of a file; None where the root has none."""
        key = (str(elf.machine), elf.machine.abi, elf.interp)
        if key not in self._known:
            self._known[key] = loader_for(self._tree, self._facts, elf.machine, elf.interp)
        return self._known[key]


def loader_for(tree: Tree, facts: Facts, machine: Machine, interp: str | None) -> Loader | None:
    """Return the loader that PT_INTERP names; without one, the root's own for that machine; None where it has none.

    musl and uClibc-ng are known by the names of their loaders (`ld-musl-$ARCH.so.1`, `ld-uClibc.so.0`, with `ld64-` on
    64-bit machines), musl also by what the file says.
    """
    path = interp or default_interp(tree, facts, machine)
    if path is None:
        return None
    at = tree.walk(path)
    data = facts.whole(at.path) if isinstance(at, Found) else b""
    if name(path).startswith("ld-musl-") or b"musl libc (" in data:
        return Musl(tree, facts, machine, path)
    if "-uClibc" in name(path) or "-uClibc" in name(at.path):
        return Uclibc(tree, facts, machine, path)
    return Glibc(tree, facts, machine, at.path)


def default_interp(tree: Tree, facts: Facts, machine: Machine) -> str | None:
    """Find a loader for a machine in the directories where ABIs put them."""
    for directory in DIRECTORIES:
        at = tree.walk(directory)
        for child in tree.children(at.path):
            if child.startswith(("ld-linux", "ld64.so", "ld.so.1", "ld-musl-", "ld-uClibc", "ld64-uClibc")):
                path = f"{directory}/{child}"
                found = tree.walk(path)
                if isinstance(found, Found) and _is_for(facts.machine(found.path), machine):
                    return path
    return None


def _is_for(one: Machine | None, machine: Machine) -> bool:
    return one is not None and compatible(one, machine)
