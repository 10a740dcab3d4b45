"""What is known of the files of a tree: each is opened at most once, and only when it is asked about."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from msgspec import Struct

from assembler import __version__
from assembler.base.content import FileContent
from assembler.base.errors import ElfError
from assembler.elf.dynamic import CALLS
from assembler.elf.identify import MAGIC, identify
from assembler.elf.machine import Machine
from assembler.elf.read import read_elf
from assembler.elf.strings import Strings, read_strings
from assembler.elf.symbols import Defined, SymbolTable, Wanted, read_symbols
from assembler.elf.types import DlopenNote, ElfFile, VersionNeed
from assembler.tree import Regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    from assembler.base.content import Content
    from assembler.graph.fact_cache import FactCache
    from assembler.tree import Entry, Tree

Fact = TypeVar("Fact", bound=Struct)

HEAD: Final = 256
"""Bytes that tell what a file is; Linux reads as many (`BINPRM_BUF_SIZE`) to find an interpreter."""

_READERS: Final = 1
"""To be raised when a reader comes to say something else of the same bytes."""
_FEW: Final = 64
"""ELF files that are read without the cache: for fewer it costs more than it saves."""


class Broken(Struct, frozen=True):
    """A file that begins as ELF and cannot be read as such."""

    message: str


class Facts:
    """Memory of what was read, and of what earlier runs have read."""

    def __init__(self, tree: Tree, *, remember: bool = False) -> None:
        """Take a tree; `remember` uses the user's cache as soon as it pays."""
        self._tree = tree
        self._heads: dict[str, bytes] = {}
        self._elves: dict[str, ElfFile | Broken | None] = {}
        self._symbols: dict[str, SymbolTable | Broken | None] = {}
        self._strings: dict[str, Strings] = {}
        self._left = _FEW if remember else -1
        self._cache: FactCache | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what is worth remembering, but not on the way out of a failure."""
        if self._cache is not None:
            (self._cache.close if kind is None else self._cache.leave)()
            self._cache = None

    def expect(self, entries: Iterable[Entry]) -> None:
        """Get ready to be asked about many files."""
        if self._left >= 0:
            self._open_cache().expect(entry.content for entry in entries if isinstance(entry, Regular))

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
            self._elves[path] = self._learn(path, ElfFile, read_elf)
        return self._elves[path]

    def symbols(self, path: str) -> SymbolTable | Broken | None:
        """Return the dynamic symbols of an ELF file; None for what is none."""
        if path not in self._symbols:
            self._symbols[path] = self._learn(path, SymbolTable, read_symbols)
        return self._symbols[path]

    def strings(self, path: str) -> Strings:
        """Return the names and paths that an ELF file holds; none for what is no ELF file."""
        if path not in self._strings:
            found = self._learn(path, Strings, read_strings)
            self._strings[path] = found if isinstance(found, Strings) else Strings()
        return self._strings[path]

    def whole(self, path: str) -> bytes:
        """Return all bytes of a regular file, of which only few are asked about: loaders and configuration."""
        from assembler.base.content import read

        entry = self._tree.get(path)
        return read(entry.content) if isinstance(entry, Regular) else b""

    def _learn(self, path: str, kind: type[Fact], reader: Callable[[Content, str], Fact]) -> Fact | Broken | None:
        """Return a fact: from an earlier run, else read."""
        entry = self._tree.get(path)
        if not isinstance(entry, Regular):
            return None
        cache = self._cache_for(entry, kind)
        if path not in self._heads and cache is not None and cache.is_plain(entry.content):
            return None
        if cache is not None:
            data = cache.fact(entry.content, kind.__name__, worth_hashing=kind is not ElfFile)
            with contextlib.suppress(msgspec.MsgspecError):  # of another version, by its look the same
                if data is not None:
                    return msgspec.msgpack.decode(data, type=kind)
        if not self.head(path).startswith(MAGIC):
            if cache is not None:
                cache.note_plain(entry.content)
            return None
        try:
            fact = reader(entry.content, path)
        except ElfError as error:
            return Broken(error.message)
        if cache is not None:
            cache.keep(entry.content, kind.__name__, msgspec.msgpack.encode(fact))
        return fact

    def _cache_for(self, entry: Regular, kind: type[Struct]) -> FactCache | None:
        """Return the cache, where it pays.

        Not for the first few files, which are read sooner than it is opened; nor for what of a tarball or image is
        read sooner than a digest is made of it.
        """
        if kind is ElfFile and not isinstance(entry.content, FileContent):
            return None
        if self._cache is None and self._left > 0:
            self._left -= 1
            if self._left == 0:
                return self._open_cache()
        return self._cache

    def _open_cache(self) -> FactCache:
        if self._cache is None:
            from assembler.graph.fact_cache import FactCache, signature

            salt = f"{__version__} {_READERS} {sorted(CALLS)}"
            form = signature(
                ElfFile, Machine, VersionNeed, DlopenNote, SymbolTable, Wanted, Defined, Strings, salt=salt
            )
            self._cache = FactCache(form)
        return self._cache


def _head(entry: Regular) -> bytes:
    if not entry.content.size:
        return b""
    with entry.content.open() as stream:
        return stream.read(HEAD)
