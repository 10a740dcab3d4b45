"""Notes: what a file says of itself beside what loaders need. Found by PT_NOTE, since sections may be gone.

Sources: System V ABI, "Note Section"; UAPI.12, "ELF dlopen metadata"; LSB, `.note.ABI-tag`; x86-64 psABI,
"Program Property".
"""

from __future__ import annotations

from struct import Struct as Layout
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from assembler.base.errors import ElfError
from assembler.elf.headers import PT_NOTE, Headers
from assembler.elf.types import DlopenNote, NotePriority

if TYPE_CHECKING:
    from collections.abc import Iterator

_GNU: Final = b"GNU\0"
_FDO: Final = b"FDO\0"
_NT_GNU_ABI_TAG: Final = 1
_NT_GNU_PROPERTY_TYPE_0: Final = 5
_NT_FDO_DLOPEN: Final = 0x407C0C0A
_GNU_ABI_TAG_LINUX: Final = 0
_X86_ISA_1_NEEDED: Final = 0xC0008002
_MAX_NOTES: Final = 1 << 20
_MAX_DLOPENS: Final = 1024
_PRIORITIES: Final = ("required", "recommended", "suggested")


class Notes(NamedTuple):
    """What the notes of a file say; see `ElfFile`."""

    dlopens: tuple[DlopenNote, ...] = ()
    kernel: tuple[int, int, int] | None = None
    isa_level: int | None = None
    faults: tuple[str, ...] = ()


class _Dlopen(msgspec.Struct):
    soname: list[str]
    feature: str = ""
    description: str = ""
    priority: str = "recommended"


def read_notes(headers: Headers) -> Notes:
    """Read all notes; one that makes no sense is a fault, not an error, since no loader reads it."""
    dlopens: list[DlopenNote] = []
    found = Notes()
    try:
        for owner, kind, data in _notes(headers):
            if (owner, kind) == (_FDO, _NT_FDO_DLOPEN):
                dlopens += _dlopens(data)
            elif (owner, kind) == (_GNU, _NT_GNU_ABI_TAG):
                found = found._replace(kernel=_kernel(headers, data) or found.kernel)
            elif (owner, kind) == (_GNU, _NT_GNU_PROPERTY_TYPE_0):
                found = found._replace(isa_level=_isa_level(headers, data) or found.isa_level)
    except ElfError as error:
        found = found._replace(faults=(error.message,))
    return found._replace(dlopens=tuple(dlopens))


def _notes(headers: Headers) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield owner, type and description of each note."""
    head = Layout(headers.layout.order + "III")
    for segment in headers.of_type(PT_NOTE):
        if segment.filesz > _MAX_NOTES:
            raise ElfError(f"a note segment of {segment.filesz} bytes")
        data = headers.at(segment.offset, segment.filesz, "a note segment")
        align = 8 if segment.align == 8 else 4
        at = 0
        while at + head.size <= len(data):
            name_size, size, kind = head.unpack_from(data, at)
            start = _up(at + head.size + name_size, align)
            if start + size > len(data):
                raise ElfError("a note ends beyond its segment")
            yield data[at + head.size : at + head.size + name_size], kind, data[start : start + size]
            at = _up(start + size, align)


def _up(value: int, align: int) -> int:
    return -(-value // align) * align


def _dlopens(data: bytes) -> list[DlopenNote]:
    try:
        found = msgspec.json.decode(data.rstrip(b"\0"), type=list[_Dlopen])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ElfError(f"its dlopen note is not the JSON of UAPI.12: {error}") from error
    if len(found) > _MAX_DLOPENS:
        raise ElfError(f"its dlopen note has {len(found)} entries")
    return [DlopenNote(tuple(one.soname), _priority(one.priority), one.feature, one.description) for one in found]


def _priority(text: str) -> NotePriority:
    """Return a priority; what the specification does not know counts as its default."""
    return next((known for known in _PRIORITIES if known == text), "recommended")


def _kernel(headers: Headers, data: bytes) -> tuple[int, int, int] | None:
    """Return the oldest kernel of an ABI tag, where it is Linux's."""
    if len(data) < 16:
        raise ElfError("an ABI note of fewer than 16 bytes")
    system, major, minor, patch = Layout(headers.layout.order + "4I").unpack_from(data)
    return (major, minor, patch) if system == _GNU_ABI_TAG_LINUX else None


def _isa_level(headers: Headers, data: bytes) -> int | None:
    """Return the highest x86-64 level that a property note needs: bit 0 is the baseline, 1 is v2, and so on."""
    head = Layout(headers.layout.order + "II")
    if headers.machine.name not in {"EM_X86_64", "EM_386"}:
        return None
    at = 0
    while at + head.size <= len(data):
        kind, size = head.unpack_from(data, at)
        at += head.size
        if kind == _X86_ISA_1_NEEDED and size == 4 and at + 4 <= len(data):
            bits = int.from_bytes(data[at : at + 4], "little") & 0xF
            return bits.bit_length() or None
        at += _up(size, headers.layout.size)
    return None
