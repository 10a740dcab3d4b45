"""The ELF header and the program headers: where in a file what a loader maps stands.

In: an open file. Out: `Headers`, through which all else is read, within bounds: whatever a damaged file says, no more
is read than the file has, nor more at a time than the limits here. Sources: System V ABI, "ELF Header" and "Program
Header"; Linux `fs/binfmt_elf.c`. Why pyelftools does not do this: `decisions/0008-reading-elf.md`.
"""

from __future__ import annotations

from contextlib import contextmanager
from struct import Struct
from struct import error as StructError  # noqa: N812  (it is an exception, whatever the module calls it)
from typing import TYPE_CHECKING, Final, NamedTuple

from assembler.base.errors import ElfError
from assembler.base.paths import show
from assembler.elf.identify import HEAD, identify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from assembler.base.content import Content
    from assembler.elf.machine import Machine

PT_LOAD: Final = 1
PT_DYNAMIC: Final = 2
PT_INTERP: Final = 3
PT_NOTE: Final = 4
PT_GNU_STACK: Final = 0x6474E551
PT_GNU_RELRO: Final = 0x6474E552
PF_X: Final = 1

MAX_HEADERS: Final = 1024
"""Program headers that are read; Linux refuses more than 64 KiB of them."""
MAX_PART: Final = 1 << 27
"""Bytes that are read of any one table."""

_FIRST: Final = 4096
"""Bytes that are read at once: the headers, the loader's name and most notes are among them."""
_TYPES: Final = {0: "ET_NONE", 1: "ET_REL", 2: "ET_EXEC", 3: "ET_DYN", 4: "ET_CORE"}


@contextmanager
def opened(content: Content, path: str) -> Iterator[Headers]:
    """Open an ELF file; `path` is what an error calls it, whatever goes wrong while it is read.

    Raises:
        ElfError: it is no ELF file, damaged or truncated.
        SourceError: it cannot be read.
    """
    with content.open() as stream:
        try:
            yield Headers(stream, content.size)
        except ElfError as error:
            raise ElfError(f"{show(path)}: {error.message}") from error
        except (StructError, ValueError, OverflowError) as error:
            raise ElfError(f"{show(path)}: damaged ELF file: {error}") from error


class Segment(NamedTuple):
    """A program header."""

    type: int
    flags: int
    offset: int
    vaddr: int
    filesz: int
    align: int


class Layout(NamedTuple):
    """How numbers and structures stand in files of one class and byte order."""

    ehdr: Struct
    phdr: Struct
    word: str
    """Format of a number that is as wide as an address."""
    size: int
    """Its bytes."""
    order: str
    """`<` or `>`, of `struct`."""


def _layout(bits64: bool, little: bool) -> Layout:
    order, word = "<" if little else ">", "Q" if bits64 else "I"
    phdr = "IIQQQQQQ" if bits64 else "IIIIIIII"
    return Layout(Struct(f"{order}HHI3{word}I6H"), Struct(order + phdr), word, 8 if bits64 else 4, order)


_LAYOUTS: Final = {(bits, little): _layout(bits, little) for bits in (False, True) for little in (False, True)}


class Headers:
    """An ELF file that is open: what its headers say, and reading of parts of it."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        """Read the headers of a file of `size` bytes.

        Raises:
            ElfError: it is no ELF file, or its headers are damaged.
        """
        self.stream = stream
        self._size = size
        self._first = stream.read(_FIRST)
        machine = identify(self._first[:HEAD])
        if machine is None:
            raise ElfError("not an ELF file")
        self.machine: Machine = machine
        self.layout = _LAYOUTS[machine.bits64, machine.little_endian]
        if len(self._first) < 16 + self.layout.ehdr.size:
            raise ElfError("truncated: the ELF header ends beyond the end of the file")
        header = self.layout.ehdr.unpack_from(self._first, 16)
        self.type = _TYPES.get(header[0], f"{header[0]:#x}")
        self.segments = self._read_segments(offset=header[4], entry_size=header[8], count=header[9])

    def _read_segments(self, offset: int, entry_size: int, count: int) -> tuple[Segment, ...]:
        phdr = self.layout.phdr
        if count > MAX_HEADERS:
            raise ElfError(f"{count} program headers, which no kernel takes")
        if count and entry_size != phdr.size:
            raise ElfError(f"program headers of {entry_size} bytes, where {phdr.size} are due")
        data = self.at(offset, count * phdr.size, "a table of program headers") if count else b""
        segments = tuple(self._segment(fields) for fields in phdr.iter_unpack(data))
        for segment in segments:
            if segment.type == PT_LOAD and segment.offset + segment.filesz > self._size:
                raise ElfError("truncated: a segment ends beyond the end of the file")
        return segments

    def _segment(self, fields: tuple[int, ...]) -> Segment:
        if self.machine.bits64:
            kind, flags, offset, vaddr, _, filesz, _, align = fields
        else:
            kind, offset, vaddr, _, filesz, _, flags, align = fields
        return Segment(kind, flags, offset, vaddr, filesz, align)

    def of_type(self, kind: int) -> Iterator[Segment]:
        """Yield the segments of a type, in order."""
        return (segment for segment in self.segments if segment.type == kind)

    def at(self, offset: int, size: int, what: str) -> bytes:
        """Return bytes by their place in the file; `what` is what an error calls them.

        Raises:
            ElfError: the file does not have them, or they are too many.
        """
        if size > MAX_PART:
            raise ElfError(f"{what} of {size} bytes")
        end = offset + size
        if end > self._size:
            raise ElfError(f"truncated: {what} ends beyond the end of the file")
        if end <= len(self._first):
            return self._first[offset:end]
        self.stream.seek(offset)
        data = self.stream.read(size)
        if len(data) < size:
            raise ElfError(f"truncated: {what} ends beyond the end of the file")
        return data

    def mapped(self, address: int, size: int, what: str) -> bytes:
        """Return bytes by their address; fewer where the segment's part in the file ends before.

        Raises:
            ElfError: no segment holds them.
        """
        for segment in self.segments:
            if segment.type == PT_LOAD and segment.vaddr <= address < segment.vaddr + segment.filesz:
                inside = address - segment.vaddr
                return self.at(segment.offset + inside, min(size, segment.filesz - inside), what)
        raise ElfError(f"{what} is in no segment")
