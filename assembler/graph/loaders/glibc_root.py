"""What glibc's loader takes from the root: its directories, the cache, folders for some processors, tokens.

Sources: glibc `elf/dl-load.c` (`system_dirs`), `elf/dl-hwcaps_split.c`, `elf/dl-hwcaps.c` up to 2.36
(`_dl_important_hwcaps`), `elf/dl-cache.c`.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

from assembler.graph.loaders.glibc_cache import CACHE, read_cache
from assembler.graph.loaders.ld_so_conf import configured_directories
from assembler.tree import Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.elf.machine import Machine
    from assembler.graph.facts import Facts
    from assembler.tree import Tree

HWCAPS: Final = "glibc-hwcaps"
_DIRECTORIES: Final = re.compile(rb"(?:/[A-Za-z0-9_.+/-]*lib[A-Za-z0-9_.+/-]*/\0){2,}")
_PLATFORMS: Final = {
    "EM_X86_64": "x86_64",  # or haswell, xeon_phi: glibc 2.36 and older
    "EM_386": "i686",
    "EM_AARCH64": "aarch64",
    "EM_ARM": "v7l",
    "EM_S390": "z900",
}

_LEGACY: Final = {"EM_X86_64": (("haswell", "xeon_phi"), ("avx512_1",), ("x86_64",))}
"""What legacy folders are named after, in the order in which names nest: platform, then hwcaps by falling bits."""
_ALWAYS: Final = frozenset({"tls", "x86_64"})
_VERSION: Final = re.compile(rb"release version 2\.(\d+)")
_LAST_LEGACY: Final = 36
"""The last minor version of glibc that looks into them (NEWS for 2.37)."""


class GlibcRoot:
    """What ld.so would find in one root filesystem, whatever the program."""

    def __init__(self, tree: Tree, facts: Facts, machine: Machine, interp: str) -> None:
        """Take the root and its loader's path."""
        self.tree = tree
        self.facts = facts
        self.machine = machine
        self.interp = interp
        data = facts.whole(interp)
        self.directories = _system_directories(data, machine)
        self._known_hwcaps = data
        version = _VERSION.search(data)
        self._has_legacy = version is not None and int(version[1]) <= _LAST_LEGACY
        self._cache = read_cache(facts.whole(CACHE)) if CACHE in tree else {}
        self._hwcaps: dict[str, tuple[tuple[str, str | None], ...]] = {}
        self._configured: tuple[str, ...] | None = None

    def hwcaps(self, directory: str) -> tuple[tuple[str, str | None], ...]:
        """Return the folders of a directory that come before it, and on which processors, None being all.

        Which those are is compiled into the loader (`_dl_hwcaps_subdirs`); most directories have none.
        """
        if directory not in self._hwcaps:
            names = self.children(f"{directory}/{HWCAPS}")
            ranks = {name: self._known_hwcaps.find(name.encode("utf-8", "surrogateescape")) for name in names}
            known = sorted((name for name in names if ranks[name] >= 0), key=ranks.__getitem__)
            found: list[tuple[str, str | None]] = [(f"{HWCAPS}/{name}", name) for name in known]
            self._hwcaps[directory] = (*found, *(self._legacy(directory) if self._has_legacy else ()))
        return self._hwcaps[directory]

    def _legacy(self, directory: str) -> Iterator[tuple[str, str | None]]:
        """Yield the legacy folders that are there: every choice of names, nested (`_dl_important_hwcaps`)."""
        platforms = _LEGACY.get(self.machine.name, ())
        levels = (("tls", ""), *((*names, "") for names in platforms))
        if not {name for names in levels for name in names if name}.intersection(self.children(directory)):
            return
        for choice in itertools.product(*levels):
            names = [name for name in choice if name]
            folder = "/".join(names)
            if names and self.children(f"{directory}/{folder}"):
                yield folder, next((name for name in names if name not in _ALWAYS), None)

    def children(self, directory: str) -> Sequence[str]:
        """Return the names in a directory, symlinks followed; none where it is none."""
        at = self.tree.walk(directory)
        return self.tree.children(at.path) if isinstance(at, Found) else ()

    def cached(self, name: str) -> tuple[tuple[str, bool], ...]:
        """Return the paths that ld.so.cache has for a name, and whether each is for some processors only."""
        return self._cache.get(name, ())

    def waiting_for_ldconfig(self, name: str) -> str | None:
        """Return the directory of ld.so.conf that has a library, if there is one: ld.so does not look there itself."""
        if self._configured is None:
            self._configured = configured_directories(self.tree, self.facts)
        found = (place for place in self._configured if isinstance(self.tree.walk(f"{place}/{name}"), Found))
        return next(found, None)

    def tokens(self, origin: str) -> dict[str, str | None]:
        """Return what `$ORIGIN`, `$LIB` and `$PLATFORM` stand for (`DL_DST_LIB` is the system directory's name)."""
        return {
            "ORIGIN": origin,
            "LIB": self.directories[0].lstrip("/"),
            "PLATFORM": _PLATFORMS.get(self.machine.name),
        }


def _system_directories(loader: bytes, machine: Machine) -> tuple[str, ...]:
    """Return the directories that are compiled into ld.so (`system_dirs` in dl-load.c), else the usual ones."""
    runs = [match[0] for match in _DIRECTORIES.finditer(loader) if b"/usr/lib" in match[0]]
    if runs:
        found = (part.decode().rstrip("/") for part in runs[0].split(b"\0") if part)
        return tuple(dict.fromkeys(found))
    wide = ("/lib64", "/usr/lib64") if machine.bits64 else ()
    return (*wide, "/lib", "/usr/lib")
