"""Writing `/etc/ld.so.cache` as `ldconfig -r` does, without running it.

In: a root with glibc. Out: the bytes of its cache. Sources: glibc `elf/ldconfig.c` (`search_dir`), `elf/cache.c`
(`save_cache`, `compare`), `sysdeps/generic/dl-cache.h`, `elf/dl-cache.c` (`_dl_cache_libcmp`).
"""

from __future__ import annotations

import re
from functools import cmp_to_key
from struct import Struct as Layout
from typing import TYPE_CHECKING, Final, NamedTuple

from assembler.base.errors import RootError
from assembler.base.paths import join, to_bytes
from assembler.elf.types import ElfFile
from assembler.graph.loaders.base import compatible
from assembler.graph.loaders.choose import DIRECTORIES
from assembler.graph.loaders.glibc_root import HWCAPS, GlibcRoot
from assembler.graph.loaders.ld_so_conf import configured_directories
from assembler.tree import Found, Regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from assembler.elf.machine import Machine
    from assembler.graph.facts import Facts
    from assembler.tree import Tree

_MAGIC: Final = b"glibc-ld.so.cache1.1"
_LIBRARY: Final = re.compile(r"(?:lib|ld-).*\.so(?:\..*)?|ld-.*")
_LOADERS: Final = ("ld-linux", "ld64.so", "ld.so.1")
_FLAGS: Final = {
    "EM_X86_64": 0x0303,
    "EM_AARCH64": 0x0A03,
    "EM_S390": 0x0403,
    "EM_PPC64": 0x0503,
    "EM_386": 0x0003,
}
_ARM_HARD, _ARM_SOFT, _RISCV_DOUBLE, _RISCV_SOFT = 0x0903, 0x0B03, 0x1003, 0x0F03
_EXTENSION_MAGIC: Final = 0xEAA42174
_TAG_HWCAPS: Final = 1
_HWCAP_EXTENSION: Final = 1 << 62
_HEADER: Final = 48


class Cached(NamedTuple):
    """An entry: a library's name, its path, and the folder of `glibc-hwcaps` that it stands in, if it does."""

    name: str
    path: str
    hwcap: str | None = None


def cache_of(tree: Tree, facts: Facts, kept: Callable[[str], bool] = lambda _: True) -> bytes:
    """Return the cache of a root, as far as files are kept.

    Raises:
        RootError: the root has no glibc.
    """
    root = _glibc_of(tree, facts)
    entries: dict[tuple[str, str | None], Cached] = {}
    seen: set[str] = set()
    for directory in (*configured_directories(tree, facts), *root.directories):
        at = tree.walk(directory)
        if isinstance(at, Found) and at.path not in seen:
            seen.add(at.path)
            for one in _libraries(root, directory, kept):
                entries.setdefault((one.name, one.hwcap), one)
    return _encode(list(entries.values()), root.machine)


def _glibc_of(tree: Tree, facts: Facts) -> GlibcRoot:
    for directory in DIRECTORIES:
        for child in tree.children(tree.walk(directory).path):
            at = tree.walk(join(directory, child))
            machine = facts.machine(at.path) if child.startswith(_LOADERS) and isinstance(at, Found) else None
            if machine is not None:
                return GlibcRoot(tree, facts, machine, at.path)
    raise RootError("ldconfig: the root has no loader of glibc", hint="only glibc reads ld.so.cache")


def _libraries(root: GlibcRoot, directory: str, kept: Callable[[str], bool]) -> Iterator[Cached]:
    """Yield what ldconfig takes of a directory, and of its folders for some processors."""
    folders = [(folder, cap) for folder, cap in root.hwcaps(directory) if folder.startswith(HWCAPS)]
    for folder, hwcap in (*folders, ("", None)):
        place = join(directory, folder) if folder else directory
        for name in root.children(place):
            soname = _soname(root, join(place, name), kept) if _LIBRARY.fullmatch(name) else None
            if soname is not None:
                there = soname in root.children(place) and _soname(root, join(place, soname), kept) is not None
                yield Cached(soname, join(place, soname if there else name), hwcap)


def _soname(root: GlibcRoot, path: str, kept: Callable[[str], bool]) -> str | None:
    """Return the name that a file is known by; None for what is no library of this machine, or is not kept."""
    at = root.tree.walk(path)
    if not isinstance(at, Found) or not isinstance(at.entry, Regular) or not all(map(kept, (at.path, *at.via))):
        return None
    elf = root.facts.elf(at.path)
    if not isinstance(elf, ElfFile) or elf.type != "ET_DYN" or not compatible(elf.machine, root.machine):
        return None
    return elf.soname or path.rpartition("/")[2]


def _encode(entries: Sequence[Cached], machine: Machine) -> bytes:
    """Write entries in the order in which the loader searches them: by falling names, the special ones first."""
    order, mark = ("<", 2) if machine.little_endian else (">", 3)
    header, record, number = Layout(f"{order}20sIIB3xI12x"), Layout(f"{order}iIIIQ"), Layout(f"{order}I")
    hwcaps = sorted({one.hwcap for one in entries if one.hwcap is not None})
    ordered = sorted(entries, key=lambda one: (one.hwcap is None, one.hwcap or "", one.path))
    ordered.sort(key=cmp_to_key(_by_falling_name))
    strings = _Strings(_HEADER + record.size * len(entries))
    rows = b"".join(
        record.pack(
            _flags(machine),
            strings.add(one.name),
            strings.add(one.path),
            0,
            _HWCAP_EXTENSION | hwcaps.index(one.hwcap) if one.hwcap is not None else 0,
        )
        for one in ordered
    )
    places = [strings.add(name) for name in hwcaps]
    end = _HEADER + len(rows) + len(strings.data)
    pad = -end % 4
    extension = _extension(order, end + pad, b"".join(map(number.pack, places))) if hwcaps else b""
    head = header.pack(_MAGIC, len(entries), len(strings.data), mark, end + pad if hwcaps else 0)
    return head + rows + strings.data + (bytes(pad) + extension if hwcaps else b"")


def _by_falling_name(one: Cached, other: Cached) -> int:
    return compare_names(other.name, one.name)


def _extension(order: str, at: int, names: bytes) -> bytes:
    """Write the extension directory with its one section, the names of `glibc-hwcaps` folders."""
    head, section = Layout(f"{order}II"), Layout(f"{order}IIII")
    start = at + head.size + section.size
    return head.pack(_EXTENSION_MAGIC, 1) + section.pack(_TAG_HWCAPS, 0, start, len(names)) + names


class _Strings:
    """The string table, each string once; offsets count from the beginning of the file."""

    def __init__(self, start: int) -> None:
        self.data = b""
        self._start = start
        self._known: dict[str, int] = {}

    def add(self, text: str) -> int:
        if text not in self._known:
            self._known[text] = self._start + len(self.data)
            self.data += to_bytes(text) + b"\0"
        return self._known[text]


def _flags(machine: Machine) -> int:
    """Return what says for which ABI a library is (`FLAG_*` of ldconfig.h)."""
    if machine.name == "EM_ARM":
        return _ARM_HARD if machine.abi & 0x400 else _ARM_SOFT
    if machine.name == "EM_RISCV":
        return _RISCV_DOUBLE if machine.abi & 0x6 == 0x4 else _RISCV_SOFT
    return _FLAGS.get(machine.name, 0x0003)


def compare_names(one: str, other: str) -> int:
    """Compare library names: runs of digits as numbers, and higher than anything else (`_dl_cache_libcmp`)."""
    left, right = _parts(one), _parts(other)
    for a, b in zip(left, right, strict=False):
        if a != b:
            if isinstance(a, int) and isinstance(b, int):
                return a - b
            if isinstance(a, int) or isinstance(b, int):
                return 1 if isinstance(a, int) else -1
            return -1 if a < b else 1
    return len(left) - len(right)


def _parts(name: str) -> list[int | str]:
    """Split a name into numbers and single characters."""
    return [int(part) if part.isdigit() else part for part in re.findall(r"[0-9]+|[^0-9]", name)]
