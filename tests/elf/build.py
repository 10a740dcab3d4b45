"""Making ELF files by hand: headers, PT_INTERP, one PT_LOAD over all, PT_DYNAMIC. No code: nothing runs them."""

from __future__ import annotations

import struct
from typing import NamedTuple

X86_64, I386, AARCH64, ARM, RISCV, S390, PPC64 = 62, 3, 183, 40, 243, 22, 21
ET_EXEC, ET_DYN = 2, 3


class Target(NamedTuple):
    machine: int = X86_64
    bits: int = 64
    little: bool = True
    flags: int = 0


HERE = Target()


def elf(
    *,
    target: Target = HERE,
    kind: int = ET_DYN,
    interp: str | None = None,
    needed: tuple[str, ...] = (),
    soname: str | None = None,
    rpath: str | None = None,
    runpath: str | None = None,
    filters: tuple[str, ...] = (),
    auxiliaries: tuple[str, ...] = (),
    flags_1: int = 0,
    calls: tuple[str, ...] = (),
    static: bool = False,
    relro: bool = True,
    exec_stack: bool | None = False,
    textrel: bool = False,
    notes: bytes = b"",
) -> bytes:
    """Return the bytes of an ELF file that asks for what the arguments say.

    `notes` is the content of a PT_NOTE; where `exec_stack` is None there is no PT_GNU_STACK.
    """
    order = "<" if target.little else ">"
    word = "Q" if target.bits == 64 else "I"
    header_size, entry_size = (64, 56) if target.bits == 64 else (52, 32)
    strings = _Strings()
    pairs = [(1, name) for name in needed] + [(0x7FFFFFFF, name) for name in filters]
    pairs += [(0x7FFFFFFD, name) for name in auxiliaries]
    pairs += [(tag, text) for tag, text in ((14, soname), (15, rpath), (29, runpath)) if text is not None]
    tags = [(tag, strings.add(text)) for tag, text in pairs] + ([(0x6FFFFFFB, flags_1)] if flags_1 else [])
    for name in calls:
        strings.add(name)
    loader = (interp or "").encode() + b"\0"
    tags += [(22, 0)] if textrel else []
    count = 1 + (interp is not None) + (not static) + relro + (exec_stack is not None) + bool(notes)
    at_loader = header_size + entry_size * count
    at_notes = -(-(at_loader + len(loader)) // 4) * 4
    at_strings = at_notes + len(notes)
    at_dynamic = -(-(at_strings + len(strings.data)) // 16) * 16
    tags += [(5, at_strings), (10, len(strings.data)), (0, 0)]
    dynamic = b"".join(struct.pack(f"{order}2{word}", *pair) for pair in tags)
    size = at_dynamic + len(dynamic)
    segments = [(3, at_loader, len(loader))] if interp is not None else []
    segments += [(1, 0, size)]
    segments += [] if static else [(2, at_dynamic, len(dynamic))]
    segments += [(0x6474E552, at_dynamic, 0)] if relro else []
    segments += [(0x6474E551, 0, 0)] if exec_stack is not None else []
    segments += [(4, at_notes, len(notes))] if notes else []
    out = _header(target, kind, count, header_size, entry_size)
    out += b"".join(_segment(target, *segment, 7 if exec_stack else 6) for segment in segments) + loader
    out = out.ljust(at_notes, b"\0") + notes + strings.data
    return out.ljust(at_dynamic, b"\0") + dynamic


class _Strings:
    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        at = len(self.data)
        self.data += text.encode() + b"\0"
        return at


def _header(target: Target, kind: int, count: int, header_size: int, entry_size: int) -> bytes:
    order = "<" if target.little else ">"
    word = "Q" if target.bits == 64 else "I"
    ident = b"\x7fELF" + bytes([1 + (target.bits == 64), 1 if target.little else 2, 1]) + bytes(9)
    body = struct.pack(f"{order}HHI3{word}", kind, target.machine, 1, 0, header_size, 0)
    return ident + body + struct.pack(f"{order}I6H", target.flags, header_size, entry_size, count, 0, 0, 0)


def _segment(target: Target, kind: int, offset: int, size: int, stack: int) -> bytes:
    order = "<" if target.little else ">"
    flags = stack if kind == 0x6474E551 else 4
    if target.bits == 64:
        return struct.pack(f"{order}II6Q", kind, flags, offset, offset, offset, size, size, 1)
    return struct.pack(f"{order}8I", kind, offset, offset, offset, size, size, flags, 1)


def note(owner: bytes, kind: int, data: bytes, order: str = "<") -> bytes:
    """Return a note, padded to four bytes."""
    name = owner + b"\0"
    head = struct.pack(f"{order}III", len(name), len(data), kind)
    return head + name.ljust(-(-len(name) // 4) * 4, b"\0") + data.ljust(-(-len(data) // 4) * 4, b"\0")
