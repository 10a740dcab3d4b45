"""Reading ELF files: what was written by hand, what real tools made, and what is damaged."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assembler.base.content import Bytes, FileContent
from assembler.base.errors import ElfError
from assembler.elf.identify import identify
from assembler.elf.read import read_elf
from assembler.elf.symbols import read_symbols
from assembler.elf.types import DlopenNote, ElfFile
from tests.elf.build import AARCH64, ARM, ET_EXEC, I386, PPC64, RISCV, S390, X86_64, Target, elf, note
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
        relro="partial",
    )


DLOPEN = b"""[
  {"soname": ["libone.so.2", "libone.so.1"], "feature": "one", "description": "does it", "priority": "suggested"},
  {"soname": ["libtwo.so"]}, {"soname": ["libthree.so"], "priority": "unheard-of", "more": 1}
]\0"""


def test_notes() -> None:
    kernel = note(b"GNU", 1, struct.pack("<4I", 0, 4, 19, 0))
    level = note(b"GNU", 5, struct.pack("<IIII", 0xC0008002, 4, 0b111, 0))
    found = read(elf(notes=note(b"Else", 1, b"x") + kernel + level + note(b"FDO", 0x407C0C0A, DLOPEN)))
    assert found.kernel == (4, 19, 0)
    assert found.isa_level == 3
    assert found.faults == ()
    assert found.dlopens == (
        DlopenNote(("libone.so.2", "libone.so.1"), "suggested", "one", "does it"),
        DlopenNote(("libtwo.so",)),
        DlopenNote(("libthree.so",)),
    )


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (note(b"FDO", 0x407C0C0A, b"not JSON"), "its dlopen note is not the JSON of UAPI.12"),
        (note(b"FDO", 0x407C0C0A, b'[{"soname": "libx.so"}]'), "its dlopen note is not the JSON of UAPI.12"),
        (note(b"FDO", 0x407C0C0A, b"[\xff]"), "its dlopen note is not the JSON of UAPI.12"),
        (note(b"GNU", 1, b"x"), "an ABI note of fewer than 16 bytes"),
        (note(b"GNU", 1, b"1234")[:4] + b"\xff" * 12, "a note ends beyond its segment"),
    ],
)
def test_damaged_notes_are_faults_and_no_errors(data: bytes, fault: str) -> None:
    found = read(elf(notes=data, needed=("libx.so",)))
    assert found.needed == ("libx.so",)
    assert [line[: len(fault)] for line in found.faults] == [fault]


def test_hardening() -> None:
    plain = read(elf(needed=("libx.so",)))
    assert (plain.exec_stack, plain.text_relocations, plain.relro) == (False, False, "partial")
    soft = read(elf(exec_stack=True, textrel=True, relro=False, flags_1=1))
    assert (soft.exec_stack, soft.text_relocations, soft.relro) == (True, True, "none")
    assert read(elf(flags_1=1)).relro == "full"


@pytest.mark.parametrize(("machine", "executable"), [(X86_64, True), (AARCH64, False), (RISCV, False), (S390, True)])
def test_a_file_that_does_not_speak_of_its_stack(machine: int, executable: bool) -> None:
    assert read(elf(target=Target(machine), exec_stack=None)).exec_stack == executable
    assert not read(elf(target=Target(machine))).exec_stack


@pytest.mark.parametrize(
    ("flags", "seen"),
    [
        ([], ("partial", False)),
        (["-Wl,-z,now"], ("full", False)),
        (["-Wl,-z,norelro"], ("none", False)),
        (["-Wl,-z,execstack"], ("partial", True)),
    ],
)
def test_hardening_as_a_linker_writes_it(flags: list[str], seen: tuple[str, bool], tmp_path: Path) -> None:
    need("gcc")
    path = tmp_path / "x"
    subprocess.run(["gcc", "-x", "c", "-", "-Wl,-z,lazy", *flags, "-o", path], input=b"int main(){}", check=True)
    found = read_elf(FileContent.of(bytes(path), path.lstat()), str(path))
    assert (found.relro, found.exec_stack) == seen


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


NOTES = note(b"GNU", 1, struct.pack("<4I", 0, 4, 19, 0)) + note(b"FDO", 0x407C0C0A, b'[{"soname": ["libx.so"]}]')
GOOD = elf(interp="/lib/ld.so", needed=("libc.so.6",), runpath="/x", soname="s", calls=("dlopen",), notes=NOTES)


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


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small library with everything: versions, relocations, both hash tables."""
    need("gcc")
    folder = tmp_path_factory.mktemp("library")
    (folder / "map").write_text("V1 { global: one; }; V2 { global: two; } V1;")
    code = b'int puts(const char *); int one(void) { return puts("1"); } int two(void) { return one(); }'
    flags = ["-shared", "-fPIC", "-Wl,--version-script=map", "-Wl,--hash-style=both", "-Wl,-z,separate-code"]
    command = ["gcc", "-O", "-s", "-x", "c", "-", *flags, "-o", "lib.so"]
    subprocess.run(command, input=code, check=True, cwd=folder)
    return (folder / "lib.so").read_bytes()


def test_symbols_of_a_real_library(library: bytes) -> None:
    table = read_symbols(Bytes(library), "/lib.so")
    assert {(one.name, one.version) for one in table.defined if not one.name.startswith("V")} == {
        ("one", "V1"),
        ("two", "V2"),
    }
    assert ("puts", "GLIBC_2.2.5", False) in {(one.name, one.version, one.weak) for one in table.wanted}
    assert all(one.weak for one in table.wanted if one.name.startswith(("_ITM", "__gmon", "__cxa")))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_libraries_raise_only_our_error(library: bytes, data: st.DataObject) -> None:
    """Headers, the dynamic section and the tables before the code are where damage leads astray."""
    damaged = bytearray(library)
    dynamic = library.find(b"\0GNU\0") + 1
    spots = st.one_of(st.integers(0, 0x800), st.integers(len(library) - 0x1000, len(library) - 1), st.just(dynamic))
    for at, byte in data.draw(st.lists(st.tuples(spots, st.integers(0, 255)), min_size=1, max_size=8)):
        damaged[at] = byte
    for reader in (read_elf, read_symbols):
        try:
            said = type(reader(Bytes(bytes(damaged)), "/lib.so")).__name__
        except ElfError as error:
            said = error.message
        assert said in {"ElfFile", "SymbolTable"} or said.startswith("/lib.so: ")


def test_a_claim_of_gigabytes_is_refused_at_once() -> None:
    """The string table says that it has 60 MiB, the segment that it has the file: no more is read than there is."""
    data = bytearray(elf(needed=("libx.so",)))
    at = data.find(struct.pack("<QQ", 10, 0)[:8])
    data[at + 8 : at + 16] = struct.pack("<Q", 60 << 20)
    assert read(bytes(data)).needed == ("libx.so",)
    data[at + 8 : at + 16] = struct.pack("<Q", 1 << 40)
    with pytest.raises(ElfError, match="a dynamic string table of 1099511627776 bytes"):
        read(bytes(data))


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
