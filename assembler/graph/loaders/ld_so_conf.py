"""`/etc/ld.so.conf`: the directories that ldconfig puts into the cache (glibc `elf/ldconfig.c`, `parse_conf`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.globs import GlobError, compile_glob
from assembler.base.paths import from_bytes, join, parent
from assembler.tree import Found, Regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.facts import Facts
    from assembler.tree import Tree

CONFIGURATION: Final = "/etc/ld.so.conf"

_MAX_DEPTH: Final = 8


def configured_directories(tree: Tree, facts: Facts) -> tuple[str, ...]:
    """Return the directories that a root's configuration names, in order, each once."""
    return tuple(dict.fromkeys(_read(tree, facts, CONFIGURATION, 0)))


def _read(tree: Tree, facts: Facts, path: str, depth: int) -> Iterator[str]:
    at = tree.walk(path)
    if not isinstance(at, Found) or not isinstance(at.entry, Regular) or depth > _MAX_DEPTH:
        return
    for line in from_bytes(facts.whole(at.path)).splitlines():
        words = line.partition("#")[0].replace(",", " ").split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                for included in _matching(tree, pattern if pattern.startswith("/") else join(parent(path), pattern)):
                    yield from _read(tree, facts, included, depth + 1)
        elif words[:1] != ["hwcap"]:
            yield from (word.partition("=")[0].rstrip("/") for word in words if word.startswith("/"))


def _matching(tree: Tree, pattern: str) -> list[str]:
    """Return the paths that a pattern of one directory matches, sorted as glob(3) does."""
    try:
        glob = compile_glob(pattern)
    except GlobError:  # glob(3) matches nothing by what it does not understand
        return []
    folder = tree.walk(parent(pattern))
    return [path for name in tree.children(folder.path) if glob.matches(path := join(parent(pattern), name))]
