"""How many relocations a file has: held to readelf, over machines and forms."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import pytest

from assembler.base.content import Bytes
from assembler.base.errors import ElfError
from assembler.elf.relocations import count_relocations
from tests.elf.build import elf
from tests.tools import need, run

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
#include <stdio.h>
#include <stdlib.h>
static int numbers[300];
int *pointers[] = {numbers, numbers + 1, numbers + 2, numbers + 90, numbers + 200};
int *apart[100] = {[0] = numbers, [3] = numbers, [64] = numbers + 7, [99] = numbers};
int main(void) { printf("%p %p %s", (void *)pointers[1], (void *)apart[3], getenv("X")); return 0; }
"""


def counted(path: Path) -> int:
    return count_relocations(Bytes(path.read_bytes()), path.name)


def by_readelf(path: Path) -> int:
    """Add up what readelf says of each section; of packed ones it says how many addresses they stand for."""
    text = run("readelf", "--relocs", "--wide", path)
    plain = re.findall(r"^Relocation section '\.rela?\.\S+' at \S+ \S+ contains (\d+) entr", text, re.MULTILINE)
    return sum(map(int, plain)) + sum(map(int, re.findall(r"^\s+(\d+) offsets$", text, re.MULTILINE)))


@pytest.mark.parametrize(
    ("compiler", "flags"),
    [
        ("gcc", ()),
        ("gcc", ("-Wl,-z,now",)),
        ("gcc", ("-no-pie",)),
        ("gcc", ("-static-pie",)),
        ("gcc", ("-shared", "-fPIC")),
        ("gcc", ("-Wl,-z,pack-relative-relocs",)),
        ("musl-gcc", ()),
        ("i686-linux-gnu-gcc", ()),
        ("i686-linux-gnu-gcc", ("-Wl,-z,pack-relative-relocs",)),
        ("aarch64-linux-gnu-gcc", ()),
        ("arm-linux-gnueabihf-gcc", ()),
        ("powerpc64le-linux-gnu-gcc", ()),
        ("riscv64-linux-gnu-gcc", ()),
        ("s390x-linux-gnu-gcc", ()),
    ],
)
def test_as_many_as_readelf_finds(compiler: str, flags: tuple[str, ...], tmp_path: Path) -> None:
    need(compiler, "readelf")
    (tmp_path / "a.c").write_text(SOURCE)
    run(compiler, "a.c", *flags, "-o", "out", cwd=tmp_path)
    found = by_readelf(tmp_path / "out")
    assert found > 3
    assert counted(tmp_path / "out") == found


def test_what_start_code_does_itself_is_not_counted(tmp_path: Path) -> None:
    need("gcc")
    (tmp_path / "a.c").write_text(SOURCE)
    run("gcc", "a.c", "-static", "-no-pie", "-o", "out", cwd=tmp_path)
    assert counted(tmp_path / "out") == 0
    assert count_relocations(Bytes(elf(static=True)), "x") == 0
    assert count_relocations(Bytes(elf(needed=("libc.so.6",))), "x") == 0


def test_a_plt_that_is_a_part_of_the_other_table_counts_once(tmp_path: Path) -> None:
    """Some linkers let DT_RELASZ go to the end of the PLT's relocations (glibc elf/dynamic-link.h)."""
    need("gcc")
    (tmp_path / "a.c").write_text(SOURCE)
    run("gcc", "a.c", "-Wl,-z,lazy", "-o", "out", cwd=tmp_path)
    data = (tmp_path / "out").read_bytes()
    (at,) = (found.start() for found in re.finditer(struct.pack("<Q", 8), data) if _is_relasz(data, found.start()))
    tags = dict(struct.iter_unpack("<QQ", data[at - at % 16 - 16 * 40 :][: 16 * 80]))
    assert tags[7] + tags[8] == tags[23], "the linker put them side by side"
    before = count_relocations(Bytes(data), "x")
    joined = data[: at + 8] + struct.pack("<Q", tags[8] + tags[2]) + data[at + 16 :]
    assert count_relocations(Bytes(joined), "x") == before


def _is_relasz(data: bytes, at: int) -> bool:
    """Whether these are DT_RELASZ and, right after, DT_RELAENT of 24."""
    return struct.unpack_from("<QQ", data.ljust(at + 32), at + 16) == (9, 24)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (b"no ELF", "/x: not an ELF file"),
        (elf(needed=("liba.so",))[:100], "/x: truncated"),
    ],
)
def test_what_is_damaged_says_so(damage: bytes, message: str) -> None:
    with pytest.raises(ElfError, match=message):
        count_relocations(Bytes(damage), "/x")
