"""What an ELF file runs on, in the ELF header's terms and in those of the OCI image-spec."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

# (e_machine, 64-bit, little-endian) -> GOARCH, as config.md wants `architecture` (Go's install documentation).
_ARCHITECTURES: Final = {
    ("EM_386", False, True): "386",
    ("EM_X86_64", True, True): "amd64",
    ("EM_X86_64", False, True): "amd64p32",
    ("EM_ARM", False, True): "arm",
    ("EM_ARM", False, False): "armbe",
    ("EM_AARCH64", True, True): "arm64",
    ("EM_AARCH64", True, False): "arm64be",
    ("EM_LOONGARCH", True, True): "loong64",
    ("EM_MIPS", False, False): "mips",
    ("EM_MIPS", False, True): "mipsle",
    ("EM_MIPS", True, False): "mips64",
    ("EM_MIPS", True, True): "mips64le",
    ("EM_PPC", False, False): "ppc",
    ("EM_PPC64", True, False): "ppc64",
    ("EM_PPC64", True, True): "ppc64le",
    ("EM_RISCV", False, True): "riscv",
    ("EM_RISCV", True, True): "riscv64",
    ("EM_S390", True, False): "s390x",
    ("EM_SPARCV9", True, False): "sparc64",
}


class Machine(Struct, frozen=True, gc=False):
    """What tells whether two ELF files can be mapped into one process.

    Attributes:
        name: `e_machine` by its name in elf.h: `EM_X86_64`.
        bits64: `EI_CLASS` is ELFCLASS64.
        little_endian: `EI_DATA` is ELFDATA2LSB.
        variant: of the OCI platform, where the architecture has variants (`v7` for arm, `v8` for arm64).
        abi: the bits of `e_flags` that name the calling convention, which differs between files of one machine.
    """

    name: str
    bits64: bool
    little_endian: bool
    variant: str | None = None
    abi: int = 0

    def with_variant(self, variant: str | None) -> Machine:
        """Return the same with another variant."""
        return Machine(self.name, self.bits64, self.little_endian, variant, self.abi)

    @property
    def architecture(self) -> str | None:
        """The OCI `architecture`; None where Go, and so OCI, has no name for it."""
        return _ARCHITECTURES.get((self.name, self.bits64, self.little_endian))

    def __str__(self) -> str:
        order = "little" if self.little_endian else "big"
        bits = 64 if self.bits64 else 32
        return f"{self.name.removeprefix('EM_')} ({bits} bits, {order}-endian)"
