"""What became of the source's bytes, rule by rule: from all that the source has down to what comes into the image.

In: a plan. Out: sums that add up to the byte: the source's bytes less all that was saved are the image's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.plan.strip import STRIPPED
from assembler.tree import Regular, size_of

if TYPE_CHECKING:
    from assembler.plan.types import Decision, Plan
    from assembler.tree import Entry

ADDED: Final = "files"
"""The reason of what the recipe adds, in decisions and here."""

_ORDER: Final = {ADDED: 0, "strip": 2, "links": 3, "written anew": 4}
"""Additions come first, drops next, then what the planner does to what is kept, in its order."""


_LINKED: Final = ("links", "identical files are hard links")


class Saved(Struct, frozen=True):
    """What one rule saved: bytes, less than nothing for what it added, and of how many files."""

    reason: str
    rule: str
    files: int
    size: int


class Waterfall(Struct, frozen=True):
    """From the source to the image, in bytes of files; hard links count once, and what an addition replaces does not.

    Attributes:
        size: of the source; of a lazy tree, of what was looked at and decided about.
        files: how many these are.
        steps: what each rule saved: additions first, then drops by reason with the largest first, then the rest.
        rest: `size` less all that was saved: the bytes of the image's files.
    """

    size: int
    files: int
    steps: tuple[Saved, ...]
    rest: int


def waterfall(plan: Plan) -> Waterfall:
    """Sum up a plan."""
    sums: dict[tuple[str, str], list[int]] = {}
    size = files = rest = 0
    before: set[int] = set()
    after: set[int] = set()
    for decision in plan.decisions.values():
        was, will = _was(decision, before), _will(decision, after)
        if decision.reason != ADDED:
            size += was or 0
            files += was is not None
        rest += will or 0
        for key, saved in _changes(decision, was, will):
            row = sums.setdefault(key, [0, 0])
            row[0] += 1
            row[1] += saved
    return Waterfall(size, files, _steps(sums), rest)


def _was(decision: Decision, seen: set[int]) -> int | None:
    """Return the bytes of a regular file in the source; None where it is none, or a further hard link."""
    return _size(decision.entry, seen)


def _will(decision: Decision, seen: set[int]) -> int | None:
    return _size(decision.result, seen)


def _size(entry: Entry | None, seen: set[int]) -> int | None:
    if not isinstance(entry, Regular) or entry.inode in seen:
        return None
    seen |= {entry.inode} - {0}
    return entry.content.size


def _changes(decision: Decision, was: int | None, will: int | None) -> list[tuple[tuple[str, str], int]]:
    """Return what is to be counted under which reason and rule."""
    if decision.reason == ADDED:
        return [((ADDED, "added by the recipe"), -will)] if will else []
    if was == will:
        return []
    saved = (was or 0) - (will or 0)
    if decision.verdict == "drop":
        return [((decision.reason, decision.rule), saved)]
    if decision.result is not None and STRIPPED in decision.rule and was is not None:
        stripped = was - size_of(decision.result)
        flags = decision.rule.partition(STRIPPED)[2].partition(")")[0]
        rows = [(("strip", f"strip {flags}"), stripped)]
        return rows if saved == stripped else [*rows, (_LINKED, saved - stripped)]
    return [(_LINKED if will is None or was is None else ("written anew", decision.entry.path), saved)]


def _steps(sums: dict[tuple[str, str], list[int]]) -> tuple[Saved, ...]:
    rows = [Saved(reason, rule, *row) for (reason, rule), row in sums.items()]
    by_reason: dict[str, int] = {}
    for row in rows:
        by_reason[row.reason] = by_reason.get(row.reason, 0) + row.size
    rows.sort(
        key=lambda row: (_ORDER.get(row.reason, 1), -by_reason[row.reason], row.reason, -row.size, row.rule),
    )
    return tuple(rows)
