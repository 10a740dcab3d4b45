"""Can this machine start a program? Its own can, and others by an emulator that the kernel knows.

In: the first bytes of the program. Out: nothing, or the reason. Sources: Linux admin-guide/binfmt-misc.rst and
fs/binfmt_misc.c (`search_binfmt_handler`, `entry_status`); scripts as fs/binfmt_script.c reads them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.errors import ProgramError
from assembler.base.paths import show
from assembler.elf.identify import identify
from assembler.tree import Found, Regular

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.tree import Tree

FOLDER: Final = "/proc/sys/fs/binfmt_misc"
_HEAD: Final = 256
"""Bytes of a program that the kernel looks at (`BINPRM_BUF_SIZE`)."""

_INTERPRETERS: Final = 4
"""Scripts that may stand for each other before the kernel gives up."""

_OWN: Final = {
    "x86_64": {"amd64", "386", "amd64p32"},
    "i686": {"386"},
    "i386": {"386"},
    "aarch64": {"arm64", "arm"},
    "armv7l": {"arm"},
    "armv6l": {"arm"},
    "loongarch64": {"loong64"},
}
"""What a kernel starts by itself, by `uname -m`; where both have one name (riscv64, s390x) it is not listed."""


class Format(Struct, frozen=True):
    """An entry of binfmt_misc that looks at magic bytes.

    Attributes:
        name: its file.
        interpreter: the emulator's path.
        flags: `F` among them: the emulator was opened when it was registered, and need not be in the image.
        offset: where the magic bytes stand.
        magic: the bytes.
        mask: those of their bits that count.
    """

    name: str
    interpreter: str
    flags: str
    offset: int
    magic: bytes
    mask: bytes

    def takes(self, head: bytes) -> bool:
        """Whether a program with these first bytes is started by this entry."""
        part = head[self.offset : self.offset + len(self.magic)]
        pairs = zip(part, self.magic, self.mask, strict=False)
        return len(part) == len(self.magic) and all((byte ^ magic) & mask == 0 for byte, magic, mask in pairs)


def parse_format(name: str, text: str) -> Format | None:
    """Read an entry's file; None of one that is disabled or looks at the name's extension."""
    lines = text.splitlines()
    values = dict(line.replace(":", "").split(maxsplit=1) for line in lines if len(line.split()) > 1)
    if "enabled" not in lines or "magic" not in values:
        return None
    magic = bytes.fromhex(values["magic"])
    mask = bytes.fromhex(values["mask"]) if "mask" in values else b"\xff" * len(magic)
    return Format(name, values["interpreter"], values.get("flags", ""), int(values.get("offset", "0")), magic, mask)


def registered(folder: str = FOLDER) -> tuple[Format, ...]:
    """Return the entries that this machine has; none where binfmt_misc is not mounted."""
    try:
        names = sorted(set(os.listdir(folder)) - {"register", "status"})
    except OSError:
        return ()
    found = []
    for name in names:
        with open(os.path.join(folder, name), encoding="utf-8", errors="surrogateescape") as file:
            found.append(parse_format(name, file.read()))
    return tuple(one for one in found if one is not None)


def check_startable(tree: Tree, path: str, formats: Iterable[Format] | None = None, machine: str | None = None) -> None:
    """Make sure that this machine can start a program of a root; of a script, its interpreter.

    Args:
        tree: the root.
        path: of the program.
        formats: of binfmt_misc; None for those that are registered, looked at only for a foreign program.
        machine: `uname -m`; None for this one.

    Raises:
        ProgramError: it is for another architecture, and nothing emulates it.
    """
    path, head = _past_scripts(tree, path)
    found = identify(head)
    own = machine or os.uname().machine
    if found is None or (found.architecture or str(found)) in _OWN.get(own, {own}):
        return
    what = f"{show(path)} is for {found.architecture or found}, this machine is {own}"
    takers = [one for one in (registered() if formats is None else formats) if one.takes(head)]
    if not takers:
        raise ProgramError(
            f"{what}, and no entry of binfmt_misc starts it by an emulator",
            hint="apt install qemu-user-static binfmt-support, or register qemu-user with flag F as root",
        )
    missing = [one for one in takers if "F" not in one.flags and not isinstance(tree.walk(one.interpreter), Found)]
    if len(missing) == len(takers):
        raise ProgramError(
            f"{what}, and its emulator {missing[0].interpreter} is not in the image: {missing[0].name} has no flag F",
            hint=f"register {missing[0].name} with flag F, or add the emulator to the image",
        )


def _past_scripts(tree: Tree, path: str) -> tuple[str, bytes]:
    """Return the program that a script is started by, and its first bytes."""
    head = b""
    for _ in range(_INTERPRETERS):
        at = tree.walk(path)
        if not isinstance(at, Found) or not isinstance(at.entry, Regular):
            return path, b""
        path = at.path
        with at.entry.content.open() as file:
            head = file.read(_HEAD)
        if not head.startswith(b"#!"):
            break
        words = os.fsdecode(head[2:].partition(b"\n")[0]).split()
        path = words[0] if words else path
    return path, head
