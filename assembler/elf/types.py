"""What is known of an ELF file, as values. Names are as written; paths may hold `$ORIGIN` and other tokens."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from assembler.elf.machine import Machine

DF_1_NOW: Final = 0x1
DF_1_NODEFLIB: Final = 0x800
DF_1_PIE: Final = 0x8000000

Relro = Literal["none", "partial", "full"]
"""`partial`: PT_GNU_RELRO; `full`: with lazy binding off as well, so that the PLT's table is protected too."""

NotePriority = Literal["required", "recommended", "suggested"]


class VersionNeed(Struct, frozen=True, gc=False):
    """A version that a file asks of a library (Verneed and Vernaux).

    Attributes:
        file: the library's name, as DT_NEEDED has it.
        version: the version's name: `GLIBC_2.34`.
        weak: VER_FLG_WEAK: whoever does not have it may go on.
    """

    file: str
    version: str
    weak: bool = False


class DlopenNote(Struct, frozen=True, gc=False):
    """Something that a file opens at run time, as it says itself (UAPI.12, "ELF dlopen metadata").

    Attributes:
        sonames: alternatives, the best first.
        priority: how much is lost without it.
        feature: what it is for, in a word.
        description: in a sentence.
    """

    sonames: tuple[str, ...]
    priority: NotePriority = "recommended"
    feature: str = ""
    description: str = ""


class ElfFile(Struct, frozen=True):
    """What is known of an ELF file.

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
        calls: which of `dynamic.CALLS` stand among its dynamic strings: it imports them, or defines them itself.
        version_needs: the versions that it asks of libraries.
        versions: the versions that it defines (Verdef), the base's name among them; empty where it has no Verdef.
        dlopens: what it says that it opens at run time.
        kernel: the oldest Linux that it runs on, as (major, minor, patch), where a note says it.
        isa_level: the x86-64 level that it needs (1 to 4), where a property note says it.
        exec_stack: it asks for an executable stack by PT_GNU_STACK, or by not having one.
        text_relocations: the loader has to write to its code.
        relro: what is read-only after relocation.
        relr: whether it has relative relocations in the packed form (DT_RELR).
        faults: one line each: what of its notes is damaged, which no loader minds.
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
    version_needs: tuple[VersionNeed, ...] = ()
    versions: tuple[str, ...] = ()
    dlopens: tuple[DlopenNote, ...] = ()
    kernel: tuple[int, int, int] | None = None
    isa_level: int | None = None
    exec_stack: bool = False
    text_relocations: bool = False
    relro: Relro = "none"
    relr: bool = False
    faults: tuple[str, ...] = ()

    @property
    def is_program(self) -> bool:
        """Whether the kernel would start it: it has a loader, or is linked statically (static PIE included)."""
        return self.interp is not None or self.type == "ET_EXEC" or bool(self.flags_1 & DF_1_PIE)
