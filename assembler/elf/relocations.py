"""How many relocations a loader works on when it maps a file.

In: a content. Out: a number. Those of the tables that the dynamic section names: DT_RELA, DT_REL, DT_JMPREL (lazy ones
too: the loader adds the load address to each) and DT_RELR. The global offset table of MIPS, which is bound without
relocations, is not counted. Sources: System V ABI (gABI), "Dynamic Section" and "Relocation", "Relative Relocation
Table"; glibc `elf/dynamic-link.h` (`_ELF_DYNAMIC_DO_RELOC`, `elf_dynamic_do_relr`).
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from assembler.base.errors import ElfError
from assembler.elf import dynamic as dt
from assembler.elf.dynamic import Dynamic
from assembler.elf.headers import PT_DYNAMIC, Headers, opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.base.content import Content

_DT_RELRSZ: Final = 35


def count_relocations(content: Content, path: str) -> int:
    """Return the number of a file's dynamic relocations; `path` is what an error calls it.

    A file without a dynamic section has none: what the start code of a static program does by itself is no loader's.

    Raises:
        ElfError: it is no ELF file, damaged or truncated.
        SourceError: it cannot be read.
    """
    with opened(content, path) as headers:
        if headers.type == "ET_REL" or next(headers.of_type(PT_DYNAMIC), None) is None:
            return 0
        values = Dynamic(headers).values
        for tag in (dt.DT_RELASZ, dt.DT_RELSZ, dt.DT_PLTRELSZ, _DT_RELRSZ):
            if values.get(tag, 0) > content.size:
                raise ElfError(f"a table of relocations of {values[tag]} bytes")
        return sum(_entries(headers, values)) + _packed(headers, values)


def _entries(headers: Headers, values: Mapping[int, int]) -> Iterator[int]:
    """Yield the entries of each table; those of the PLT that are in another one too are that one's (dynamic-link.h)."""
    word = headers.layout.size
    plt, plt_end = _range(values, dt.DT_JMPREL, dt.DT_PLTRELSZ)
    plt_is_rela = values.get(dt.DT_PLTREL) == dt.DT_RELA
    for tag, size_tag, is_rela in ((dt.DT_RELA, dt.DT_RELASZ, True), (dt.DT_REL, dt.DT_RELSZ, False)):
        start, end = _range(values, tag, size_tag)
        entry = word * (3 if is_rela else 2)
        yield (end - start) // entry
        if is_rela == plt_is_rela:
            yield (plt_end - plt - max(0, min(end, plt_end) - max(start, plt))) // entry


def _range(values: Mapping[int, int], tag: int, size_tag: int) -> tuple[int, int]:
    start = values.get(tag, 0)
    return start, start + (values.get(size_tag, 0) if tag in values else 0)


def _packed(headers: Headers, values: Mapping[int, int]) -> int:
    """Return how many relative relocations DT_RELR stands for.

    An even word is the address of one; an odd one is a bitmap of those that follow, its lowest bit set as its mark.
    """
    address, size = values.get(dt.DT_RELR), values.get(_DT_RELRSZ, 0)
    if address is None or not size:
        return 0
    word = Struct(headers.layout.order + headers.layout.word)
    data = headers.mapped(address, size, "the table of relative relocations")
    whole = data[: len(data) - len(data) % word.size]
    return sum(value.bit_count() - 1 if value & 1 else 1 for (value,) in word.iter_unpack(whole))
