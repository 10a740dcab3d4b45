"""A judge without containers: plans a tree for real, and says by a list of needs whether the tests would pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from assembler.base.digest import Digest
from assembler.base.errors import RecipeError
from assembler.experiments.drops.candidates import Candidates, candidates
from assembler.experiments.results.records import TestRow, TrialRecord
from assembler.tree import Directory, size_of
from tests.plan.making import loaded_recipe, plan_of
from tests.trees import make_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from assembler.plan.types import Plan
    from assembler.tree import Tree


def trial(number: int, outcome: Any, **rest: Any) -> TrialRecord:
    return TrialRecord(Digest(f"sha256:{number:064}"), number, {}, Digest("sha256:r"), None, outcome, **rest)


class Judge:
    """An `Oracle`. A need is a list of paths of which one must be there, or a function of what is there."""

    def __init__(self, tree: Tree | str, needs: Iterable[Any] = (), **tables: Any) -> None:
        self.tree = make_tree(tree) if isinstance(tree, str) else tree
        self.tables = {"select": {"mode": "prune"}, **tables}
        self.needs = list(needs)
        self.packages: Mapping[str, str] = {}
        self.asked: list[tuple[str, ...]] = []
        self.rounds: list[int] = []
        self.finished: int | None = None
        """How many trials are finished before the time is up."""

    def plan(self, globs: Sequence[str] = ()) -> Plan:
        select = self.tables["select"]
        drop = [*select.get("drop", ()), *globs]
        plan = plan_of(self.tree, loaded_recipe(**{**self.tables, "select": {**select, "drop": drop}}))
        return replace(plan, packages=self.packages)

    def candidates(self) -> Candidates:
        return candidates(self.plan(), loaded_recipe(**self.tables).recipe)

    def files(self, globs: Sequence[str] = ()) -> set[str]:
        """Return what is in the image, without directories."""
        return {entry.path for entry in self.plan(globs).entries if not isinstance(entry, Directory)}

    def attempt(self, attempts: Sequence[tuple[str, ...]]) -> list[TrialRecord | None]:
        self.rounds.append(len(attempts))
        found: list[TrialRecord | None] = []
        for globs in attempts:
            assert globs not in self.asked, "asked twice"
            self.asked.append(globs)
            over = self.finished is not None and len(self.asked) > self.finished
            found.append(None if over else self.judge(globs, len(self.asked)))
        return found

    def judge(self, globs: tuple[str, ...], number: int) -> TrialRecord:
        try:
            plan = self.plan(globs)
        except RecipeError as error:
            return trial(number, "error", error=error.message)
        there = {entry.path for entry in plan.entries}
        rows = tuple(
            TestRow(f"test {at}", () if self._is_met(need, there) else (f"{need} is missing",), 0.1)
            for at, need in enumerate(self.needs)
        )
        if any(row.problems for row in rows):
            return trial(number, "failed", tests=rows)
        size = sum(100 + size_of(entry) for entry in plan.entries)
        files = sum(not isinstance(entry, Directory) for entry in plan.entries)
        return trial(number, "passed", tests=rows, measures={"compressed": float(size), "files": float(files)})

    def _is_met(self, need: Any, there: set[str]) -> bool:
        return bool(need(there)) if callable(need) else any(path in there for path in need)
