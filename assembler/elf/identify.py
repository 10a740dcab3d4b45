"""Identifying an ELF file by its first bytes, cheaply: for thousands of files, most of which are none.

Source: System V ABI, "ELF Header"; ARM ELF ABI (AAELF32), `e_flags`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from assembler.elf.machine import Machine

HEAD: Final = 64
"""Bytes that `identify` wants: the size of a 64-bit ELF header."""

MAGIC: Final = b"\x7fELF"

_MACHINES: Final = {
    2: "EM_SPARC",
    3: "EM_386",
    4: "EM_68K",
    8: "EM_MIPS",
    15: "EM_PARISC",
    20: "EM_PPC",
    21: "EM_PPC64",
    22: "EM_S390",
    40: "EM_ARM",
    42: "EM_SH",
    43: "EM_SPARCV9",
    50: "EM_IA_64",
    62: "EM_X86_64",
    183: "EM_AARCH64",
    243: "EM_RISCV",
    258: "EM_LOONGARCH",
}
_FLAGS_AT: Final = {False: 36, True: 48}
_ARM_HARD_FLOAT: Final = 0x400
_ABI: Final = {
    "EM_ARM": 0x600,  # EF_ARM_ABI_FLOAT_SOFT, EF_ARM_ABI_FLOAT_HARD
    "EM_MIPS": 0xF420,  # EF_MIPS_ABI, EF_MIPS_NAN2008, EF_MIPS_ABI2
    "EM_PPC64": 0x3,  # EF_PPC64_ABI
    "EM_RISCV": 0xE,  # EF_RISCV_FLOAT_ABI, EF_RISCV_RVE
}
"""Bits of `e_flags` that glibc compares before it maps a file (`elf_machine_matches_host`), and ARM's, which it does
not."""
_HALF: Final = {True: Struct("<H"), False: Struct(">H")}
_WORD: Final = {True: Struct("<I"), False: Struct(">I")}


def identify(head: bytes) -> Machine | None:
    """Return what a file runs on, or None where it is no ELF file or its identification makes no sense.

    The variant of 32-bit ARM is a guess from the float ABI (Debian's two ports: v7 hard, v5 soft); `read_elf` knows
    better where the file has build attributes.
    """
    if len(head) < HEAD - 12 or head[:4] != MAGIC or head[4] not in {1, 2} or head[5] not in {1, 2}:
        return None
    bits64, little = head[4] == 2, head[5] == 1
    (number,) = _HALF[little].unpack_from(head, 18)
    (flags,) = _WORD[little].unpack_from(head, _FLAGS_AT[bits64])
    name = _MACHINES.get(number, f"EM_{number}")
    return Machine(name, bits64, little, _variant(name, flags), flags & _ABI.get(name, 0))


def _variant(name: str, flags: int) -> str | None:
    if name == "EM_AARCH64":
        return "v8"
    if name == "EM_ARM":
        return "v7" if flags & _ARM_HARD_FLOAT else "v5"
    return None
