"""The dynamic symbol table: what a file defines for others, and what its relocations refer to.

In: a content. Out: `SymbolTable`. Sources: System V ABI, "Symbol Table", "Relocation", "Hash Table"; glibc
`elf/dl-lookup.c` (`do_lookup_x`: which symbols count) and `elf/do-rel.h` (which relocations are looked up).
"""

from __future__ import annotations

from struct import Struct as Layout
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.errors import ElfError
from assembler.elf import dynamic as dt
from assembler.elf.dynamic import Dynamic
from assembler.elf.headers import PT_DYNAMIC, Headers, opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.base.content import Content

_MAX_TABLE: Final = 1 << 27
_HIDDEN: Final = 0x8000
_GLOBALS: Final = frozenset({1, 2, 10})  # STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE
_TYPES: Final = frozenset({0, 1, 2, 5, 6, 10})  # STT_NOTYPE, OBJECT, FUNC, COMMON, TLS, GNU_IFUNC
_STB_LOCAL, _STB_WEAK, _STT_TLS = 0, 2, 6
_OWN: Final = frozenset({1, 2})  # STV_INTERNAL, STV_HIDDEN: bound to the file itself
_SHN_ABS: Final = 0xFFF1
_COPY: Final = {
    "EM_386": 5,
    "EM_X86_64": 5,
    "EM_ARM": 20,
    "EM_AARCH64": 1024,
    "EM_RISCV": 4,
    "EM_PPC": 19,
    "EM_PPC64": 19,
    "EM_S390": 9,
    "EM_SPARCV9": 19,
    "EM_LOONGARCH": 4,
}
"""R_*_COPY: its symbol is looked for in all objects but the program."""


class Wanted(Struct, frozen=True, gc=False):
    """A symbol that a relocation refers to.

    Attributes:
        name: of the symbol.
        version: that it must have; None where any will do.
        weak: it may be missing.
        copied: by a copy relocation: its own definition does not count.
    """

    name: str
    version: str | None = None
    weak: bool = False
    copied: bool = False


class Defined(Struct, frozen=True, gc=False):
    """A symbol that others can be bound to.

    Attributes:
        name: of the symbol.
        version: its version; None for the base.
        hidden: only references to that version find it (`name@VERSION`, not `name@@VERSION`).
        index: of the version in the file; glibc gives the first ones to references without a version.
    """

    name: str
    version: str | None = None
    hidden: bool = False
    index: int = 1


class SymbolTable(Struct, frozen=True):
    """The dynamic symbols of a file.

    Attributes:
        wanted: what its relocations refer to, each once, in the order of the symbol table.
        defined: what it offers.
        versioned: whether its symbols have versions (DT_VERSYM).
    """

    wanted: tuple[Wanted, ...] = ()
    defined: tuple[Defined, ...] = ()
    versioned: bool = False


def read_symbols(content: Content, path: str) -> SymbolTable:
    """Read a file's dynamic symbols; `path` is what an error calls it.

    Raises:
        ElfError: it is damaged or truncated.
        SourceError: it cannot be read.
    """
    with opened(content, path) as headers:
        if next(headers.of_type(PT_DYNAMIC), None) is None:
            return SymbolTable()
        return _Reader(headers, Dynamic(headers)).read()


class _Reader:
    """Reads the tables that the dynamic section names."""

    def __init__(self, headers: Headers, dynamic: Dynamic) -> None:
        self._headers = headers
        self._dynamic = dynamic
        self._values = dynamic.values
        self._order = headers.layout.order
        self._bits64 = headers.machine.bits64

    def read(self) -> SymbolTable:
        """Return the table; empty for a file that has none."""
        if dt.DT_SYMTAB not in self._values:
            return SymbolTable()
        referred = self._referred()
        count = max(self._count(), max(referred, default=-1) + 1)
        symbols = self._symbols(count)
        versions = self._versym(len(symbols))
        if self._headers.machine.name == "EM_MIPS":  # its global offset table is bound without relocations
            referred |= {index: False for index in range(1, len(symbols)) if index not in referred}
        names = {index: name for index, name, base in self._dynamic.defined_versions() if not base}
        asked = {**names, **{index: need.version for index, need in self._dynamic.needed_versions()}}
        return SymbolTable(
            tuple(self._wanted(symbols, versions, referred, asked)),
            tuple(self._defined(symbols, versions, names)),
            bool(versions),
        )

    def _wanted(
        self,
        symbols: list[tuple[int, int, int, int, int]],
        versions: tuple[int, ...],
        referred: dict[int, bool],
        names: dict[int, str],
    ) -> Iterator[Wanted]:
        for index in sorted(referred):
            name, info, other, _, _ = symbols[index]
            if info >> 4 == _STB_LOCAL or other & 3 in _OWN:
                continue
            version = names.get(versions[index] & 0x7FFF) if versions else None
            yield Wanted(self._dynamic.string(name), version, info >> 4 == _STB_WEAK, referred[index])

    def _defined(
        self, symbols: list[tuple[int, int, int, int, int]], versions: tuple[int, ...], names: dict[int, str]
    ) -> Iterator[Defined]:
        string = self._dynamic.string
        for index, (name, info, other, section, value) in enumerate(symbols):
            if info >> 4 not in _GLOBALS or info & 15 not in _TYPES or other & 3 in _OWN or section == 0:
                continue
            if value == 0 and section != _SHN_ABS and info & 15 != _STT_TLS:
                continue
            at = versions[index] if versions else 1
            yield Defined(string(name), names.get(at & 0x7FFF), bool(at & _HIDDEN), at & 0x7FFF)

    def _symbols(self, count: int) -> list[tuple[int, int, int, int, int]]:
        """Return name, info, other, section index and value of all symbols."""
        record = Layout(self._order + ("IBBHQQ" if self._bits64 else "IIIBBH"))
        data = self._table(dt.DT_SYMTAB, count * record.size, "the dynamic symbol table")
        if len(data) < count * record.size:
            raise ElfError("the dynamic symbol table leads out of its segment")
        if self._bits64:
            return [fields[:5] for fields in record.iter_unpack(data)]
        return [
            (name, info, other, section, value) for name, value, _, info, other, section in record.iter_unpack(data)
        ]

    def _versym(self, count: int) -> tuple[int, ...]:
        if dt.DT_VERSYM not in self._values:
            return ()
        data = self._table(dt.DT_VERSYM, 2 * count, "the table of symbol versions")
        if len(data) < 2 * count:
            raise ElfError("the table of symbol versions leads out of its segment")
        return Layout(f"{self._order}{count}H").unpack(data)

    def _referred(self) -> dict[int, bool]:
        """Return the indices of the symbols that relocations refer to, and whether by a copy relocation."""
        found: dict[int, bool] = {}
        copy = _COPY.get(self._headers.machine.name)
        plt_is_rela = self._values.get(dt.DT_PLTREL) == dt.DT_RELA
        tables = ((dt.DT_RELA, dt.DT_RELASZ, True), (dt.DT_REL, dt.DT_RELSZ, False))
        for tag, size, addends in (*tables, (dt.DT_JMPREL, dt.DT_PLTRELSZ, plt_is_rela)):
            if self._values.get(tag) and self._values.get(size):
                for index, kind in self._relocations(tag, self._values[size], addends=addends):
                    if index:
                        found[index] = found.get(index, False) or kind == copy
        return found

    def _relocations(self, tag: int, size: int, *, addends: bool) -> Iterable[tuple[int, int]]:
        """Return symbol index and type of each relocation of a table."""
        word = self._headers.layout.word
        record = Layout(f"{self._order}{word * (3 if addends else 2)}")
        data = self._table(tag, size, "a table of relocations")
        infos = {fields[1] for fields in record.iter_unpack(data[: len(data) - len(data) % record.size])}
        if not self._bits64:
            return [(info >> 8, info & 0xFF) for info in infos]
        if self._headers.machine.name == "EM_MIPS" and self._order == "<":
            return [(info & 0xFFFFFFFF, info >> 56) for info in infos]  # the symbol comes first, in any byte order
        return [(info >> 32, info & 0xFFFFFFFF) for info in infos]

    def _count(self) -> int:
        """Return the number of symbols, as far as a hash table tells: those before its first are only wanted."""
        if dt.DT_HASH in self._values:
            # Alpha and 64-bit s390 have entries of eight bytes (System V ABI supplements).
            wide = self._headers.machine.name == "EM_S390" and self._bits64
            record = Layout(f"{self._order}2{'Q' if wide else 'I'}")
            return int(record.unpack(self._table(dt.DT_HASH, record.size, "the hash table"))[1])
        return self._count_by_gnu_hash() if dt.DT_GNU_HASH in self._values else 0

    def _count_by_gnu_hash(self) -> int:
        head = Layout(f"{self._order}4I")
        data = self._table(dt.DT_GNU_HASH, _MAX_TABLE, "the GNU hash table")
        buckets, first, bloom, _ = head.unpack_from(data)
        at = head.size + bloom * self._headers.layout.size
        if at + 4 * buckets > len(data):
            raise ElfError("the GNU hash table leads out of its segment")
        last = max(Layout(f"{self._order}{buckets}I").unpack_from(data, at), default=0)
        if last < first:
            return int(first)
        chain, entry = at + 4 * buckets - 4 * first, Layout(f"{self._order}I")
        while not entry.unpack_from(data, chain + 4 * last)[0] & 1:
            last += 1
        return int(last) + 1

    def _table(self, tag: int, size: int, what: str) -> bytes:
        if size > _MAX_TABLE:
            raise ElfError(f"{what} of {size} bytes")
        return self._headers.mapped(self._values[tag], size, what)
