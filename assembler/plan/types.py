"""The plan as a value: for each path one decision, with its reason and the rule that made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from assembler.base.units import on_disk
from assembler.graph.types import Graph
from assembler.tree import Entry, Tree, size_of

Verdict = Literal["keep", "drop", "transform"]


class Proposal(Struct, frozen=True, gc=False):
    """What a pass says of a path.

    Attributes:
        path: the entry that it speaks of.
        verdict: `keep` or `drop`.
        reason: the group that tables sum up by: `documentation`, `locales`, `development`.
        rule: the single rule, so that it can be found and overruled: `man pages (/usr/share/man)`.
    """

    path: str
    verdict: Verdict
    reason: str
    rule: str


class Decision(Struct, frozen=True, gc=False):
    """What happens to an entry.

    Attributes:
        entry: as it stands in the source (or in the recipe, for what the recipe adds).
        verdict: `keep`: as it is; `transform`: its bytes change; `drop`: not in the image.
        reason: the group that tables sum up by: `reached`, `documentation`, `select.drop`.
        rule: the single rule or chain end: `needed by /usr/bin/x`, `man pages (/usr/share/man)`.
        result: what comes into the image; None where the verdict is `drop`.
    """

    entry: Entry
    verdict: Verdict
    reason: str
    rule: str
    result: Entry | None


class Total(Struct, frozen=True):
    """A row of a plan's summary.

    Attributes:
        verdict: what happens to these entries.
        reason: why.
        entries: how many they are.
        size: bytes of their files in the source.
        result_size: bytes of their files in the image.
    """

    verdict: Verdict
    reason: str
    entries: int
    size: int
    result_size: int


_RECORD: Final = 512
_ORDER: Final = {"keep": 0, "transform": 1, "drop": 2}


def _sizes(decision: Decision, seen: set[int]) -> tuple[int, int]:
    """Return an entry's bytes before and after; of hard links only the first counts."""
    before, after = decision.entry, decision.result
    first = not before.inode or before.inode not in seen
    linked = after is not None and after.inode in seen and after.inode != 0
    seen.update({before.inode, after.inode if after is not None else 0} - {0})
    return size_of(before) if first else 0, size_of(after) if after is not None and not linked else 0


class Plan(Struct, frozen=True):
    """All decisions.

    Attributes:
        tree: the source, with what the recipe adds.
        graph: what the roots reach in it.
        decisions: by path, sorted bytewise; of a lazy tree only the entries that were looked at.
        warnings: one line each: what works but deserves a look.
        packages: by path, the package that owns it, where the source knows.
    """

    tree: Tree
    graph: Graph
    decisions: Mapping[str, Decision]
    warnings: tuple[str, ...] = ()
    packages: Mapping[str, str] = {}

    @property
    def tar_size(self) -> int:
        """The bytes of a tar of all that comes into the image, but for PAX headers: a record each, contents in records.

        Of hard links only one has content.
        """
        seen: set[int] = set()
        size = 0
        for entry in self.entries:
            linked = entry.inode != 0 and entry.inode in seen
            seen.add(entry.inode)
            size += _RECORD + (0 if linked else on_disk(size_of(entry), _RECORD))
        return size

    def totals(self) -> tuple[Total, ...]:
        """Return sums by verdict and reason: what is kept first, the largest first; hard links count once."""
        sums: dict[tuple[Verdict, str], list[int]] = {}
        seen: set[int] = set()
        for decision in self.decisions.values():
            before, after = _sizes(decision, seen)
            row = sums.setdefault((decision.verdict, decision.reason), [0, 0, 0])
            row[0] += 1
            row[1] += before
            row[2] += after
        rows = (Total(verdict, reason, *row) for (verdict, reason), row in sums.items())
        return tuple(sorted(rows, key=lambda row: (_ORDER[row.verdict], -row.size, row.reason)))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What comes into the image, sorted bytewise by path; the root directory first."""
        return tuple(decision.result for decision in self.decisions.values() if decision.result is not None)
