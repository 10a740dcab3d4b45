"""Reading an ELF file with pyelftools: what a dynamic loader and the planner need to know of it.

In: a content. Out: `ElfFile`, a value. Only program headers and the dynamic section are used, so that files without
section headers are read as well. Whatever a damaged file holds, the one error is `ElfError`, in bounded time.
Sources: System V ABI; glibc `elf/get-dynamic-info.h`; Linux `fs/binfmt_elf.c`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from assembler.base.errors import BrasmError, ElfError
from assembler.base.paths import from_bytes, show
from assembler.elf.identify import HEAD, identify
from assembler.elf.machine import Machine

if TYPE_CHECKING:
    from typing import BinaryIO

    from elftools.elf.elffile import ELFFile

    from assembler.base.content import Content

DF_1_NODEFLIB: Final = 0x800
DF_1_PIE: Final = 0x8000000

MAX_HEADERS: Final = 1024
"""Program headers that are read; Linux refuses more than 64 KiB of them."""
MAX_DYNAMIC: Final = 1 << 20
MAX_STRINGS: Final = 1 << 26
MAX_INTERP: Final = 4096

CALLS: Final = frozenset(
    {
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
        b"iconv_open",
        b"initgroups",
        b"pthread_cancel",
        b"pthread_exit",
    }
)
"""Functions whose use tells that libraries are opened at run time."""


class ElfFile(Struct, frozen=True):
    """What is known of an ELF file. Names are as written; paths may hold `$ORIGIN` and other tokens.

    Attributes:
        machine: what it runs on.
        type: `ET_EXEC`, `ET_DYN`, `ET_REL`, `ET_CORE`.
        dynamic: whether it has a dynamic section.
        interp: PT_INTERP.
        soname: DT_SONAME.
        needed: DT_NEEDED, in order.
        filters: DT_FILTER, in order.
        auxiliaries: DT_AUXILIARY, in order.
        rpath: DT_RPATH; kept even where a RUNPATH overrides it, since loaders differ in that.
        runpath: DT_RUNPATH.
        flags_1: DT_FLAGS_1.
        calls: which of `CALLS` stand among its dynamic strings: it imports them, or defines them itself.
    """

    machine: Machine
    type: str
    dynamic: bool
    interp: str | None = None
    soname: str | None = None
    needed: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    auxiliaries: tuple[str, ...] = ()
    rpath: str | None = None
    runpath: str | None = None
    flags_1: int = 0
    calls: tuple[str, ...] = ()

    @property
    def is_program(self) -> bool:
        """Whether the kernel would start it: it has a loader, or is linked statically (static PIE included)."""
        return self.interp is not None or self.type == "ET_EXEC" or bool(self.flags_1 & DF_1_PIE)


def read_elf(content: Content, path: str) -> ElfFile:
    """Read a file that `identify` takes for ELF; `path` is what an error calls it.

    Raises:
        ElfError: it is damaged or truncated.
        SourceError: it cannot be read.
    """
    from elftools.elf.elffile import ELFFile

    with content.open() as stream:
        machine = identify(stream.read(HEAD))
        if machine is None:
            raise ElfError(f"{show(path)}: not an ELF file")
        try:
            return _read(ELFFile(stream), stream, machine, content.size)
        except BrasmError as error:
            raise ElfError(f"{show(path)}: {error.message}") from error
        except Exception as error:
            raise ElfError(f"{show(path)}: damaged ELF file: {str(error) or type(error).__name__}") from error


def _read(elf: ELFFile, stream: BinaryIO, machine: Machine, size: int) -> ElfFile:
    if elf.header["e_phnum"] > MAX_HEADERS:
        raise ElfError(f"{elf.header['e_phnum']} program headers, which no kernel takes")
    headers = [segment.header for segment in elf.iter_segments()]
    for header in headers:
        if header["p_type"] == "PT_LOAD" and header["p_offset"] + header["p_filesz"] > size:
            raise ElfError("truncated: a segment ends beyond the end of the file")
    kind = str(elf.header["e_type"])
    interp = next((_string_at(stream, header) for header in headers if header["p_type"] == "PT_INTERP"), None)
    dynamic = next((header for header in headers if header["p_type"] == "PT_DYNAMIC"), None)
    machine = _with_arm_attributes(elf, machine)
    if dynamic is None or kind == "ET_REL":
        return ElfFile(machine, kind, dynamic=False, interp=interp)
    return _read_dynamic(elf, stream, dynamic, ElfFile(machine, kind, dynamic=True, interp=interp), headers)


def _read_dynamic(elf: ELFFile, stream: BinaryIO, header: Any, file: ElfFile, headers: list[Any]) -> ElfFile:
    """Read the dynamic section's tags in order, up to DT_NULL, and the strings that they refer to."""
    tags = _tags(elf, stream, header)
    values = dict(tags)  # the last of a tag counts, as in the array that glibc fills
    strings = _strings(stream, values, headers)

    def every(tag: int) -> tuple[str, ...]:
        return tuple(_string(strings, value) for key, value in tags if key == tag)

    def last(tag: int) -> str | None:
        found = every(tag)
        return found[-1] if found else None

    return ElfFile(
        file.machine,
        file.type,
        dynamic=True,
        interp=file.interp,
        soname=last(_SONAME),
        needed=every(_NEEDED),
        filters=every(_FILTER),
        auxiliaries=every(_AUXILIARY),
        rpath=last(_RPATH),
        runpath=last(_RUNPATH),
        flags_1=values.get(_FLAGS_1, 0),
        calls=tuple(sorted(name.decode() for name in CALLS & set(strings.split(b"\0")))),
    )


_NEEDED, _STRTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH = 1, 5, 10, 14, 15, 29
_FLAGS_1, _AUXILIARY, _FILTER = 0x6FFFFFFB, 0x7FFFFFFD, 0x7FFFFFFF


def _tags(elf: ELFFile, stream: BinaryIO, header: Any) -> list[tuple[int, int]]:
    if header["p_filesz"] > MAX_DYNAMIC:
        raise ElfError(f"a dynamic section of {header['p_filesz']} bytes")
    stream.seek(header["p_offset"])
    data = stream.read(header["p_filesz"])
    word = 8 if elf.elfclass == 64 else 4
    order = "little" if elf.little_endian else "big"
    numbers = [
        int.from_bytes(data[at : at + word], order)  # type: ignore[arg-type]
        for at in range(0, len(data) - len(data) % (2 * word), word)
    ]
    tags = list(zip(numbers[::2], numbers[1::2], strict=True))
    end = next((index for index, (tag, _) in enumerate(tags) if tag == 0), len(tags))
    return tags[:end]


def _strings(stream: BinaryIO, values: dict[int, int], headers: list[Any]) -> bytes:
    address, size = values.get(_STRTAB), values.get(_STRSZ, 0)
    if address is None:
        return b""
    for header in headers:
        start = header["p_vaddr"]
        if header["p_type"] == "PT_LOAD" and start <= address < start + header["p_filesz"]:
            if size > MAX_STRINGS:
                raise ElfError(f"a dynamic string table of {size} bytes")
            stream.seek(address - start + header["p_offset"])
            return stream.read(min(size, start + header["p_filesz"] - address))
    raise ElfError("the dynamic string table is in no segment")


def _string(strings: bytes, offset: int) -> str:
    if offset >= len(strings):
        raise ElfError("a name of the dynamic section is outside its string table")
    return from_bytes(strings[offset : strings.find(b"\0", offset)])


def _string_at(stream: BinaryIO, header: Any) -> str:
    if header["p_filesz"] > MAX_INTERP:
        raise ElfError(f"a loader's name of {header['p_filesz']} bytes")
    stream.seek(header["p_offset"])
    return from_bytes(stream.read(header["p_filesz"]).partition(b"\0")[0])


_ARM_VARIANTS: Final = {
    **dict.fromkeys(range(6), "v5"),  # pre-v4 to v5TEJ
    **dict.fromkeys((6, 7, 8, 9, 11, 12), "v6"),  # v6, v6KZ, v6T2, v6K, v6-M, v6S-M
    **dict.fromkeys((10, 13), "v7"),  # v7, v7E-M
    **dict.fromkeys(range(14, 23), "v8"),
}


def _with_arm_attributes(elf: ELFFile, machine: Machine) -> Machine:
    """Take the variant of 32-bit ARM from Tag_CPU_arch (ARM IHI 0045, build attributes), where it is there."""
    if machine.name != "EM_ARM" or machine.bits64:
        return machine
    from elftools.elf.sections import ARMAttributesSection

    section = elf.get_section_by_name(".ARM.attributes")
    for subsection in section.iter_subsections() if isinstance(section, ARMAttributesSection) else ():
        for part in subsection.iter_subsubsections():
            for attribute in part.iter_attributes("TAG_CPU_ARCH"):
                return Machine(machine.name, False, machine.little_endian, _ARM_VARIANTS.get(attribute.value))
    return machine
