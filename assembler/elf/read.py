"""Reading an ELF file: what a dynamic loader and the planner need to know of it.

In: a content. Out: `ElfFile`, a value. Only program headers, the dynamic section and notes are used, so that files
without section headers are read as well. Whatever a damaged file holds, the one error is `ElfError`, in bounded time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.errors import ElfError
from assembler.base.paths import from_bytes
from assembler.elf import dynamic as dt
from assembler.elf.dynamic import Dynamic
from assembler.elf.headers import (
    PF_X,
    PT_DYNAMIC,
    PT_GNU_RELRO,
    PT_GNU_STACK,
    PT_INTERP,
    Headers,
    opened,
)
from assembler.elf.notes import Notes, read_notes
from assembler.elf.types import DF_1_NOW, ElfFile, Relro

if TYPE_CHECKING:
    from typing import BinaryIO

    from assembler.base.content import Content
    from assembler.elf.machine import Machine

_MAX_INTERP: Final = 4096


def read_elf(content: Content, path: str) -> ElfFile:
    """Read a file that `identify` takes for ELF; `path` is what an error calls it.

    Raises:
        ElfError: it is damaged or truncated.
        SourceError: it cannot be read.
    """
    with opened(content, path) as headers:
        return _read(headers)


def _read(headers: Headers) -> ElfFile:
    interp = _interp(headers)
    machine = _with_arm_attributes(headers.stream, headers.machine)
    notes = read_notes(headers)
    if headers.type == "ET_REL" or next(headers.of_type(PT_DYNAMIC), None) is None:
        return ElfFile(
            machine, headers.type, dynamic=False, interp=interp, kernel=notes.kernel, isa_level=notes.isa_level
        )
    return _with_dynamic(headers, Dynamic(headers), machine, interp, notes)


def _with_dynamic(headers: Headers, dynamic: Dynamic, machine: Machine, interp: str | None, notes: Notes) -> ElfFile:
    values = dynamic.values
    return ElfFile(
        machine,
        headers.type,
        dynamic=True,
        interp=interp,
        soname=dynamic.last(dt.DT_SONAME),
        needed=dynamic.every(dt.DT_NEEDED),
        filters=dynamic.every(dt.DT_FILTER),
        auxiliaries=dynamic.every(dt.DT_AUXILIARY),
        rpath=dynamic.last(dt.DT_RPATH),
        runpath=dynamic.last(dt.DT_RUNPATH),
        flags_1=values.get(dt.DT_FLAGS_1, 0),
        calls=dynamic.calls(),
        version_needs=tuple(need for _, need in dynamic.needed_versions()),
        versions=tuple(name for _, name, _ in dynamic.defined_versions()),
        dlopens=notes.dlopens,
        kernel=notes.kernel,
        isa_level=notes.isa_level,
        exec_stack=_exec_stack(headers),
        text_relocations=dt.DT_TEXTREL in values or bool(values.get(dt.DT_FLAGS, 0) & dt.DF_TEXTREL),
        relro=_relro(headers, values),
        relr=dt.DT_RELR in values,
        faults=notes.faults,
    )


_SAFE_STACK: Final = frozenset({"EM_AARCH64", "EM_RISCV", "EM_LOONGARCH"})
"""Where a file that does not speak of its stack gets one that is not executable (`DEFAULT_STACK_PERMS` of glibc)."""


def _exec_stack(headers: Headers) -> bool:
    segment = next(headers.of_type(PT_GNU_STACK), None)
    return headers.machine.name not in _SAFE_STACK if segment is None else bool(segment.flags & PF_X)


def _relro(headers: Headers, values: dict[int, int]) -> Relro:
    if next(headers.of_type(PT_GNU_RELRO), None) is None:
        return "none"
    now = values.get(dt.DT_FLAGS, 0) & dt.DF_BIND_NOW or values.get(dt.DT_FLAGS_1, 0) & DF_1_NOW
    return "full" if now or dt.DT_BIND_NOW in values else "partial"


def _interp(headers: Headers) -> str | None:
    segment = next(headers.of_type(PT_INTERP), None)
    if segment is None:
        return None
    if segment.filesz > _MAX_INTERP:
        raise ElfError(f"a loader's name of {segment.filesz} bytes")
    return from_bytes(headers.at(segment.offset, segment.filesz, "the loader's name").partition(b"\0")[0])


_ARM_VARIANTS: Final = {
    **dict.fromkeys(range(6), "v5"),  # pre-v4 to v5TEJ
    **dict.fromkeys((6, 7, 8, 9, 11, 12), "v6"),  # v6, v6KZ, v6T2, v6K, v6-M, v6S-M
    **dict.fromkeys((10, 13), "v7"),  # v7, v7E-M
    **dict.fromkeys(range(14, 23), "v8"),
}


def _with_arm_attributes(stream: BinaryIO, machine: Machine) -> Machine:
    """Take the variant of 32-bit ARM from Tag_CPU_arch (ARM IHI 0045, build attributes), where it is there."""
    if machine.name != "EM_ARM" or machine.bits64:
        return machine
    from assembler.elf.sections import arm_architecture

    tag = arm_architecture(stream)
    return machine if tag is None else machine.with_variant(_ARM_VARIANTS.get(tag))
