"""Globs over a tree: which entries does a pattern match, read along the pattern and not by listing everything.

In: a tree, lazy or not, and a glob. Out: the entries that match, sorted. Only directories that the pattern can lead
into are looked at, so that a pattern over a whole machine costs what it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.globs import matcher
from assembler.base.paths import join, to_bytes
from assembler.tree.entry import Directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.base.globs import Glob, GlobList
    from assembler.tree.entry import Entry
    from assembler.tree.tree import Tree


def select(tree: Tree, globs: GlobList) -> list[tuple[Entry, Glob]]:
    """Return the entries that a list takes in, each with the pattern that decides, sorted bytewise by path."""
    candidates = {entry.path: entry for glob in globs.globs if not glob.negated for entry in expand(tree, glob)}
    decided = ((entry, globs.match(path)) for path, entry in candidates.items())
    found = [(entry, glob) for entry, glob in decided if glob is not None]
    return sorted(found, key=lambda pair: to_bytes(pair[0].path))


def expand(tree: Tree, glob: Glob) -> Iterator[Entry]:
    """Yield the entries that a pattern matches, a directory that matches with all below it; some perhaps twice."""
    for alternative in glob.alternatives:
        yield from _expand(tree, "/", [segment for segment in alternative.split("/") if segment])


def _expand(tree: Tree, directory: str, segments: Sequence[str]) -> Iterator[Entry]:
    if not segments:
        yield from tree.below(directory)
        return
    segment, *rest = segments
    if segment == "**":
        yield from _expand_deep(tree, directory, rest)
        return
    matches = matcher(segment)
    names = [segment] if matches is None else filter(matches, tree.children(directory))
    for name in names:
        path = join(directory, name)
        entry = tree.get(path)
        if entry is not None and (isinstance(entry, Directory) or not rest):
            yield from _expand(tree, path, rest)


def _expand_deep(tree: Tree, directory: str, rest: Sequence[str]) -> Iterator[Entry]:
    """Match `**`: the rest here and in every directory below; at the end of a pattern, all below."""
    if not rest:
        yield from (entry for entry in tree.below(directory) if entry.path != directory)
        return
    for entry in tree.below(directory):
        if isinstance(entry, Directory):
            yield from _expand(tree, entry.path, rest)
