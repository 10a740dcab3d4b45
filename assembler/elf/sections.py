"""What a file's sections say: whether there is something to strip, and what stripping must not touch."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from assembler.base.errors import ElfError

if TYPE_CHECKING:
    from typing import BinaryIO

    from elftools.elf.elffile import ELFFile


def has_symbols(stream: BinaryIO) -> bool:
    """Say whether an ELF file has a symbol table or debug sections, which no program reads at run time.

    Raises:
        ElfError: it is damaged.
    """
    elf = _open(stream)
    try:
        names = [section.name for section in elf.iter_sections()]
    except Exception as error:
        raise ElfError(f"damaged section headers: {error}") from error
    return ".symtab" in names or any(name.startswith((".debug_", ".zdebug_")) for name in names)


def loaded_image(stream: BinaryIO) -> str:
    """Return a digest of all that a loader maps and reads: program headers, segments, the dynamic section.

    Left out is what stripping rightly changes and no loader reads: the ELF header's section table fields, and where
    in the file a segment lies.

    Raises:
        ElfError: it is damaged.
    """
    elf = _open(stream)
    hasher = hashlib.sha256()
    try:
        header = elf.header
        hasher.update(repr((header["e_type"], header["e_machine"], header["e_entry"], header["e_flags"])).encode())
        for segment in elf.iter_segments():
            head = segment.header
            fields = ("p_type", "p_flags", "p_vaddr", "p_filesz", "p_memsz", "p_align")
            hasher.update(repr([head[field] for field in fields]).encode())
            if head["p_type"] in {"PT_LOAD", "PT_DYNAMIC"}:
                hasher.update(_without_header(elf, stream, head["p_offset"], head["p_filesz"]))
    except Exception as error:
        raise ElfError(f"damaged program headers: {error}") from error
    return hasher.hexdigest()


def arm_architecture(stream: BinaryIO) -> int | None:
    """Return Tag_CPU_arch of a 32-bit ARM file's build attributes (ARM IHI 0045); None where it has none.

    Raises:
        ElfError: its sections are damaged.
    """
    from elftools.elf.sections import ARMAttributesSection

    elf = _open(stream)
    try:
        section = elf.get_section_by_name(".ARM.attributes")
        for subsection in section.iter_subsections() if isinstance(section, ARMAttributesSection) else ():
            for part in subsection.iter_subsubsections():
                for attribute in part.iter_attributes("TAG_CPU_ARCH"):
                    return int(attribute.value)
    except Exception as error:
        raise ElfError(f"damaged build attributes: {error}") from error
    return None


def _without_header(elf: ELFFile, stream: BinaryIO, offset: int, size: int) -> bytes:
    """Return a segment's bytes; where it holds the ELF header and the table of program headers, without those."""
    skipped = elf.header["e_phoff"] + elf.header["e_phnum"] * elf.header["e_phentsize"] if offset == 0 else 0
    stream.seek(offset + skipped)
    return stream.read(max(0, size - skipped))


def _open(stream: BinaryIO) -> ELFFile:
    from elftools.elf.elffile import ELFFile

    stream.seek(0)
    try:
        return ELFFile(stream)
    except Exception as error:
        raise ElfError(f"damaged ELF header: {error}") from error
