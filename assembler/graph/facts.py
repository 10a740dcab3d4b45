"""What is known of the files of a tree: each is opened at most once, and only when it is asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct

from assembler.base.errors import ElfError
from assembler.elf.identify import identify
from assembler.elf.read import read_elf
from assembler.elf.symbols import read_symbols
from assembler.tree import Regular

if TYPE_CHECKING:
    from collections.abc import Callable

    from assembler.base.content import Content
    from assembler.elf.machine import Machine
    from assembler.elf.symbols import SymbolTable
    from assembler.elf.types import ElfFile
    from assembler.tree import Tree

Fact = TypeVar("Fact")

HEAD: Final = 256
"""Bytes that tell what a file is; Linux reads as many (`BINPRM_BUF_SIZE`) to find an interpreter."""


class Broken(Struct, frozen=True):
    """A file that begins as ELF and cannot be read as such."""

    message: str


class Facts:
    """Memory of what was read."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._heads: dict[str, bytes] = {}
        self._elves: dict[str, ElfFile | Broken | None] = {}
        self._symbols: dict[str, SymbolTable | Broken | None] = {}

    def head(self, path: str) -> bytes:
        """Return the first bytes of a regular file; none of anything else."""
        if path not in self._heads:
            entry = self._tree.get(path)
            self._heads[path] = _head(entry) if isinstance(entry, Regular) else b""
        return self._heads[path]

    def machine(self, path: str) -> Machine | None:
        """Return what the first bytes say that a file runs on; None for what is no ELF file."""
        return identify(self.head(path))

    def elf(self, path: str) -> ElfFile | Broken | None:
        """Return what is known of an ELF file; None for what is none."""
        if path not in self._elves:
            self._elves[path] = self._read(path, read_elf)
        return self._elves[path]

    def symbols(self, path: str) -> SymbolTable | Broken | None:
        """Return the dynamic symbols of an ELF file; None for what is none."""
        if path not in self._symbols:
            self._symbols[path] = self._read(path, read_symbols)
        return self._symbols[path]

    def whole(self, path: str) -> bytes:
        """Return all bytes of a regular file, of which only few are asked about: loaders and configuration."""
        from assembler.base.content import read

        entry = self._tree.get(path)
        return read(entry.content) if isinstance(entry, Regular) else b""

    def _read(self, path: str, reader: Callable[[Content, str], Fact]) -> Fact | Broken | None:
        entry = self._tree.get(path)
        if not self.head(path).startswith(b"\x7fELF") or not isinstance(entry, Regular):
            return None
        try:
            return reader(entry.content, path)
        except ElfError as error:
            return Broken(error.message)


def _head(entry: Regular) -> bytes:
    if not entry.content.size:
        return b""
    with entry.content.open() as stream:
        return stream.read(HEAD)
