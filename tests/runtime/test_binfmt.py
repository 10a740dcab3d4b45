"""Programs of other architectures: which entry of binfmt_misc starts them, and what is said where none does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assembler.base.content import Bytes
from assembler.base.errors import ProgramError
from assembler.runtime.binfmt import check_startable, parse_format, registered
from assembler.tree import Regular, Tree
from tests.trees import make_tree

if TYPE_CHECKING:
    from pathlib import Path

ARM64 = """enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: {flags}
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""
JAVA = "enabled\ninterpreter /usr/bin/jexec\nflags: \noffset 0\nmagic cafebabe\n"
EXTENSION = "enabled\ninterpreter /usr/bin/mono\nflags: \nextension .exe\n"


def head(machine: int, kind: int = 2, bits: int = 2) -> bytes:
    return b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9) + kind.to_bytes(2, "little") + machine.to_bytes(2, "little")


def tree_with(first: bytes, lines: str = "") -> Tree:
    program = Regular("/bin/app", 0o755, 0, 0, 0, (), 0, Bytes(first + bytes(64)))
    return make_tree(lines).with_entries([program])


def test_an_entry() -> None:
    found = parse_format("qemu-aarch64", ARM64.format(flags="POF"))
    assert found is not None
    assert (found.interpreter, found.flags) == ("/usr/libexec/qemu-binfmt/aarch64-binfmt-P", "POF")
    assert found.takes(head(183))
    assert found.takes(head(183, kind=3)), "the mask leaves one bit of the type open"
    assert not found.takes(head(62))
    assert not found.takes(head(183)[:10])


def test_entries_that_do_not_look_at_bytes() -> None:
    assert parse_format("mono", EXTENSION) is None
    assert parse_format("off", ARM64.format(flags="F").replace("enabled", "disabled")) is None


def test_an_entry_without_a_mask() -> None:
    found = parse_format("java", JAVA)
    assert found is not None
    assert found.takes(b"\xca\xfe\xba\xbe\0\0")
    assert not found.takes(b"\xca\xfe\xba\xbf\0\0")


def test_what_is_registered(tmp_path: Path) -> None:
    for name, text in (("status", "enabled"), ("register", ""), ("java", JAVA), ("mono", EXTENSION)):
        (tmp_path / name).write_text(text)
    assert [one.name for one in registered(str(tmp_path))] == ["java"]
    assert registered(str(tmp_path / "nope")) == ()


def check(first: bytes, flags: str | None, lines: str = "", machine: str = "x86_64") -> None:
    formats = () if flags is None else (parse_format("qemu-aarch64", ARM64.format(flags=flags)),)
    check_startable(tree_with(first, lines), "/bin/app", [one for one in formats if one is not None], machine)


@pytest.mark.parametrize(
    ("first", "flags", "lines", "machine"),
    [
        (head(62), None, "", "x86_64"),
        (head(3, bits=1), None, "", "x86_64"),
        (head(183), None, "", "aarch64"),
        (head(40, bits=1), None, "", "aarch64"),
        (head(243), None, "", "riscv64"),
        (head(183), "POF", "", "x86_64"),
        (head(183), "", "/usr/libexec/qemu-binfmt/aarch64-binfmt-P file 0755", "x86_64"),
        (b"no program", None, "", "x86_64"),
        (b"#!/bin/nope\n", None, "", "x86_64"),
        (b"#!", None, "", "x86_64"),
        (b"#!/bin/app\n", None, "", "x86_64"),
    ],
)
def test_what_can_be_started(first: bytes, flags: str | None, lines: str, machine: str) -> None:
    check(first, flags, lines, machine)


@pytest.mark.parametrize(
    ("first", "flags", "machine", "message"),
    [
        (head(183), None, "x86_64", "/bin/app is for arm64, this machine is x86_64, and no entry of binfmt_misc"),
        (head(62), None, "aarch64", "/bin/app is for amd64, this machine is aarch64"),
        (head(62), "F", "aarch64", "no entry"),
        (head(183), "", "x86_64", "aarch64-binfmt-P is not in the image: qemu-aarch64 has no flag F"),
        (head(999), None, "x86_64", "is for 999"),
    ],
)
def test_what_cannot(first: bytes, flags: str | None, machine: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        check(first, flags, machine=machine)


def test_a_script_needs_its_interpreter() -> None:
    tree = tree_with(head(183), "/usr/bin/script file 0755 0:0 #! /bin/app -x\\n")
    with pytest.raises(ProgramError, match="/bin/app is for arm64"):
        check_startable(tree, "/usr/bin/script", (), "x86_64")
