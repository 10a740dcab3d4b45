"""The plan as a value: for each path one decision, with its reason and the rule that made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from assembler.graph.types import Graph
from assembler.tree import Entry, Tree

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
    def entries(self) -> tuple[Entry, ...]:
        """What comes into the image, sorted bytewise by path; the root directory first."""
        return tuple(decision.result for decision in self.decisions.values() if decision.result is not None)
