"""The dynamic section: its tags, the strings that they refer to, and the version tables.

Sources: System V ABI, "Dynamic Section"; glibc `elf/get-dynamic-info.h`; LSB, "Symbol Versioning".
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from assembler.base.errors import ElfError
from assembler.base.paths import from_bytes
from assembler.elf.headers import PT_DYNAMIC, Headers
from assembler.elf.types import VersionNeed

if TYPE_CHECKING:
    from collections.abc import Iterator

DT_NEEDED: Final = 1
DT_HASH: Final = 4
DT_STRTAB: Final = 5
DT_SYMTAB: Final = 6
DT_RELA: Final = 7
DT_RELASZ: Final = 8
DT_STRSZ: Final = 10
DT_SONAME: Final = 14
DT_RPATH: Final = 15
DT_REL: Final = 17
DT_RELSZ: Final = 18
DT_PLTREL: Final = 20
DT_TEXTREL: Final = 22
DT_JMPREL: Final = 23
DT_BIND_NOW: Final = 24
DT_RUNPATH: Final = 29
DT_FLAGS: Final = 30
DT_PLTRELSZ: Final = 2
DT_RELR: Final = 36
DT_GNU_HASH: Final = 0x6FFFFEF5
DT_VERSYM: Final = 0x6FFFFFF0
DT_FLAGS_1: Final = 0x6FFFFFFB
DT_VERDEF: Final = 0x6FFFFFFC
DT_VERDEFNUM: Final = 0x6FFFFFFD
DT_VERNEED: Final = 0x6FFFFFFE
DT_VERNEEDNUM: Final = 0x6FFFFFFF
DT_AUXILIARY: Final = 0x7FFFFFFD
DT_FILTER: Final = 0x7FFFFFFF

DF_TEXTREL: Final = 0x4
DF_BIND_NOW: Final = 0x8

_VER_FLG_BASE: Final = 1
_VER_FLG_WEAK: Final = 2
_MAX_DYNAMIC: Final = 1 << 20
_MAX_STRINGS: Final = 1 << 26
_MAX_VERSIONS: Final = 1 << 16
_VERSIONS: Final = 1 << 22
"""Bytes of a version table that are read at most."""

CALLS: Final = frozenset(
    {
        b"SSL_CTX_load_verify_file",
        b"SSL_CTX_load_verify_locations",
        b"SSL_CTX_set_default_verify_dir",
        b"SSL_CTX_set_default_verify_file",
        b"SSL_CTX_set_default_verify_paths",
        b"X509_STORE_load_file",
        b"X509_STORE_load_locations",
        b"X509_STORE_set_default_paths",
        b"dlmopen",
        b"dlopen",
        b"getaddrinfo",
        b"getgrgid",
        b"getgrgid_r",
        b"getgrnam",
        b"getgrnam_r",
        b"gethostbyname",
        b"gethostbyname_r",
        b"getpwnam",
        b"getpwnam_r",
        b"getpwuid",
        b"getpwuid_r",
        b"gnutls_certificate_set_x509_system_trust",
        b"gnutls_x509_trust_list_add_system_trust",
        b"iconv_open",
        b"initgroups",
        b"localtime",
        b"localtime_r",
        b"pthread_cancel",
        b"pthread_exit",
        b"tzset",
    }
)
"""Functions whose use tells that files are opened at run time."""

_SOUGHT: Final = tuple((b"\0" + name + b"\0", name.decode()) for name in sorted(CALLS))


class Dynamic:
    """The dynamic section of an open file."""

    def __init__(self, headers: Headers) -> None:
        """Read the tags up to DT_NULL, and the string table.

        Raises:
            ElfError: it is damaged.
        """
        self._headers = headers
        self.tags = _tags(headers)
        self.values = dict(self.tags)
        """The last of a tag counts, as in the array that glibc fills."""
        self.strings = self._read_strings()

    def _read_strings(self) -> bytes:
        address, size = self.values.get(DT_STRTAB), self.values.get(DT_STRSZ, 0)
        if address is None or not size:
            return b""
        if size > _MAX_STRINGS:
            raise ElfError(f"a dynamic string table of {size} bytes")
        return self._headers.mapped(address, size, "the dynamic string table")

    def string(self, offset: int) -> str:
        """Return a string of the table.

        Raises:
            ElfError: it is outside of the table, or does not end.
        """
        end = self.strings.find(b"\0", offset)
        if end < 0:
            raise ElfError("a name of the dynamic section is outside its string table")
        return from_bytes(self.strings[offset:end])

    def every(self, tag: int) -> tuple[str, ...]:
        """Return the strings that all tags of a kind name, in order."""
        return tuple(self.string(value) for key, value in self.tags if key == tag)

    def last(self, tag: int) -> str | None:
        """Return the string that the last tag of a kind names."""
        value = self.values.get(tag)
        return None if value is None else self.string(value)

    def calls(self) -> tuple[str, ...]:
        """Return which of `CALLS` are among the strings, sorted."""
        strings = self.strings
        return tuple(name for sought, name in _SOUGHT if sought in strings)

    def needed_versions(self) -> Iterator[tuple[int, VersionNeed]]:
        """Yield the versions that are asked of libraries, each with the index that symbols refer to it by.

        Raises:
            ElfError: the table is damaged.
        """
        record, auxiliary = _records(self._headers, "HHIII"), _records(self._headers, "IHHII")
        data = self._version_table(DT_VERNEED)
        for at, (_, count, file, first, _) in _chain(data, record, 0, self.values.get(DT_VERNEEDNUM, 0)):
            for _, (_, flags, index, name, _) in _chain(data, auxiliary, at + first, count):
                need = VersionNeed(self.string(file), self.string(name), bool(flags & _VER_FLG_WEAK))
                yield index & 0x7FFF, need

    def defined_versions(self) -> Iterator[tuple[int, str, bool]]:
        """Yield the versions that are defined: the index that symbols refer to it by, the name, whether it is the base.

        Raises:
            ElfError: the table is damaged.
        """
        record, auxiliary = _records(self._headers, "HHHHIII"), _records(self._headers, "II")
        data = self._version_table(DT_VERDEF)
        for at, fields in _chain(data, record, 0, self.values.get(DT_VERDEFNUM, 0)):
            flags, index, count, first = fields[1], fields[2], fields[3], fields[5]
            for _, (name, _) in _chain(data, auxiliary, at + first, min(count, 1)):
                yield index & 0x7FFF, self.string(name), bool(flags & _VER_FLG_BASE)

    def _version_table(self, tag: int) -> bytes:
        address = self.values.get(tag)
        return b"" if address is None else self._headers.mapped(address, _VERSIONS, "a version table")


def _tags(headers: Headers) -> list[tuple[int, int]]:
    segment = next(headers.of_type(PT_DYNAMIC))
    if segment.filesz > _MAX_DYNAMIC:
        raise ElfError(f"a dynamic section of {segment.filesz} bytes")
    data = headers.at(segment.offset, segment.filesz, "the dynamic section")
    pair = _records(headers, headers.layout.word * 2)
    tags: list[tuple[int, int]] = []
    for tag, value in pair.iter_unpack(data[: len(data) - len(data) % pair.size]):
        if tag == 0:
            break
        tags.append((tag, value))
    return tags


def _records(headers: Headers, fields: str) -> Struct:
    return Struct(headers.layout.order + fields)


def _chain(data: bytes, record: Struct, at: int, count: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield records that lead to each other by their last field, an offset from themselves, with their places."""
    if count > _MAX_VERSIONS:
        raise ElfError(f"{count} records in a version table")
    for _ in range(count):
        if at + record.size > len(data):
            raise ElfError("a version table leads out of its segment")
        fields = record.unpack_from(data, at)
        yield at, fields
        if not fields[-1]:
            break
        at += fields[-1]
