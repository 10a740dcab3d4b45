"""Identical files become hard links, where nothing else tells them apart: mode, owner and xattrs agree.

In: decisions. Out: decisions in which such files share an inode. Only files that share a size are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from assembler.base import digest as digests
from assembler.base.paths import show
from assembler.tree import Regular

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.plan.types import Decision


def link_identical(decisions: Mapping[str, Decision]) -> dict[str, Decision]:
    """Give identical files one inode; those that share one already stay together.

    Raises:
        SourceError: a file cannot be read.
    """
    kept = [decision.result for decision in decisions.values() if isinstance(decision.result, Regular)]
    free = max((entry.inode for entry in kept), default=0) + 1
    found = dict(decisions)
    for number, group in enumerate(_groups(kept)):
        for entry in group:
            found[entry.path] = _linked(decisions[entry.path], entry, free + number, group[0].path)
    return found


def _linked(decision: Decision, entry: Regular, inode: int, first: str) -> Decision:
    """Give an entry its inode; all but the first of a group take less room than before, and say why."""
    result = replace(entry, inode=inode)
    if entry.path == first:
        return replace(decision, result=result)
    rule = f"{decision.rule}; hard link to {show(first)}, which is identical"
    return replace(decision, verdict="transform", rule=rule, result=result)


def _groups(entries: Sequence[Regular]) -> list[list[Regular]]:
    """Return the groups of identical files that are not one inode already, each in the order of the plan."""
    alike: dict[tuple[object, ...], list[Regular]] = {}
    for entry in entries:
        if entry.content.size:
            key = (entry.content.size, entry.mode, entry.uid, entry.gid, entry.xattrs)
            alike.setdefault(key, []).append(entry)
    groups = []
    for candidates in alike.values():
        same: dict[str, list[Regular]] = {}
        for entry in candidates if len(candidates) > 1 else ():
            same.setdefault(digests.of_chunks(entry.content.chunks()), []).append(entry)
        groups += [group for group in same.values() if len(group) > 1 and _is_news(group)]
    return groups


def _is_news(group: Sequence[Regular]) -> bool:
    return len({entry.inode for entry in group}) > 1 or not group[0].inode
