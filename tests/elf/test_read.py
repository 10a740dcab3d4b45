"""Reading ELF files: what was written by hand, what real tools made, and what is damaged."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler.base.content import Bytes, FileContent
from assembler.base.errors import ElfError
from assembler.elf.identify import identify
from assembler.elf.read import read_elf
from assembler.elf.types import ElfFile
from tests.elf.build import AARCH64, ARM, ET_EXEC, I386, PPC64, RISCV, S390, X86_64, Target, elf
from tests.tools import need


def read(data: bytes) -> ElfFile:
    return read_elf(Bytes(data), "/file")


@pytest.mark.parametrize(
    ("target", "architecture", "variant"),
    [
        (Target(X86_64), "amd64", None),
        (Target(I386, 32), "386", None),
        (Target(AARCH64), "arm64", "v8"),
        (Target(ARM, 32, True, 0x05000400), "arm", "v7"),
        (Target(ARM, 32, True, 0x05000200), "arm", "v5"),
        (Target(RISCV), "riscv64", None),
        (Target(S390, 64, False), "s390x", None),
        (Target(PPC64, 64, True, 2), "ppc64le", None),
        (Target(PPC64, 64, False, 1), "ppc64", None),
        (Target(X86_64, 32), "amd64p32", None),
        (Target(9999), None, None),
    ],
)
def test_machines(target: Target, architecture: str | None, variant: str | None) -> None:
    data = elf(target=target, needed=("libx.so",))
    machine = identify(data)
    assert machine is not None
    assert (machine.architecture, machine.variant) == (architecture, variant)
    assert read(data).machine == machine


def test_every_tag_that_matters() -> None:
    found = read(
        elf(
            interp="/lib64/ld-linux-x86-64.so.2",
            needed=("libb.so", "liba.so"),
            soname="libself.so.1",
            rpath="/r",
            runpath="$ORIGIN/../lib",
            filters=("libf.so",),
            auxiliaries=("libx.so",),
            flags_1=0x800,
            calls=("dlopen", "printf"),
        )
    )
    assert found == ElfFile(
        machine=found.machine,
        type="ET_DYN",
        dynamic=True,
        interp="/lib64/ld-linux-x86-64.so.2",
        soname="libself.so.1",
        needed=("libb.so", "liba.so"),
        filters=("libf.so",),
        auxiliaries=("libx.so",),
        rpath="/r",
        runpath="$ORIGIN/../lib",
        flags_1=0x800,
        calls=("dlopen",),
    )


def test_programs_and_libraries() -> None:
    assert read(elf(kind=ET_EXEC, static=True)).is_program
    assert read(elf(interp="/lib/ld.so")).is_program
    assert read(elf(flags_1=0x8000000)).is_program, "a static PIE"
    assert not read(elf(soname="libx.so")).is_program
    assert not read(elf(static=True)).dynamic


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF" + bytes(100), b"\x7fELF\x05\x01" + bytes(60)]
)
def test_what_is_no_elf_file(data: bytes) -> None:
    assert identify(data) is None
    with pytest.raises(ElfError, match="/file: not an ELF file"):
        read(data)


def test_truncated() -> None:
    with pytest.raises(ElfError, match="/file: truncated: a segment ends beyond the end of the file"):
        read(elf(needed=("libx.so",))[:-1])


GOOD = elf(interp="/lib/ld.so", needed=("libc.so.6",), runpath="/x", soname="s", calls=("dlopen",))


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_files_raise_only_our_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for at, byte in changes:
        data[at] = byte
    try:
        found = read(bytes(data))
    except ElfError as error:
        message = error.message
    else:
        message = f"/file: {found.type}"
    assert message.startswith("/file: ")
    assert "\n" not in message


def test_agrees_with_readelf() -> None:
    need("readelf")
    paths = sorted(path for path in Path("/usr/bin").iterdir() if path.is_file() and not path.is_symlink())
    files = [path for path in paths if identify(path.read_bytes()[:64]) is not None][:60]
    for path in files:
        text = subprocess.run(["readelf", "-dlW", path], capture_output=True, text=True, check=True).stdout
        found = read_elf(FileContent.of(bytes(path), path.lstat()), str(path))
        assert found.needed == tuple(re.findall(r"\(NEEDED\).*\[(.*)\]", text)), path
        assert found.interp == next(iter(re.findall(r"interpreter: (.*)\]", text)), None), path
        assert found.runpath == next(iter(re.findall(r"\(RUNPATH\).*\[(.*)\]", text)), None), path
