"""What passes share: which entries to look at, without reading a lazy tree further than it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.plan.types import Proposal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from assembler.tree import Entry, Tree


def entries(tree: Tree) -> Iterable[Entry]:
    """Return all entries; of a lazy tree those that were looked at, since the rest is dropped without a look."""
    return tree.seen() if tree.partial else tree


def below(tree: Tree, folder: str) -> list[Entry]:
    """Return what stands in a folder, the folder itself included; of a lazy tree what was looked at."""
    return tree.seen_below(folder)


def drop_folders(tree: Tree, reason: str, folders: Mapping[str, str]) -> Iterator[Proposal]:
    """Propose to drop folders whole; `folders` has each one's path and what it is."""
    for folder, what in folders.items():
        for entry in below(tree, folder):
            yield Proposal(entry.path, "drop", reason, f"{what} ({folder})")
