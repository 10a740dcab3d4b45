"""What a search found: what can go, as lines for `select.drop`, and what cannot, with the test that says so.

In: what a search accepted and refused. Out: `Findings`, for people, for JSON and for a patch of the recipe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base.digest import Digest
from assembler.base.paths import show
from assembler.experiments.results.records import TrialRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from assembler.experiments.drops.droppable import Droppable


class Finding(Struct, frozen=True):
    """Something that no test misses.

    Attributes:
        name: a package, a directory, a file, or how many files of which.
        globs: what goes into `select.drop`, sorted.
        files: how many files these are: regular ones, links, devices.
        size: their bytes, as they would be in the image; hard links once.
        saved: what the measure fell by when they were left out.
        trial: the id of the trial in which all of them were left out first.
        number: its number.
        tests: the names of the tests that passed then.
    """

    name: str
    globs: tuple[str, ...]
    files: int
    size: int
    saved: float
    trial: Digest
    number: int
    tests: tuple[str, ...]


class Rejection(Struct, frozen=True):
    """A single file, or a directory that would be empty, without which a test fails.

    Attributes:
        path: of it.
        test: the test that failed first; None where there was no image, or no test could be run.
        problem: what it said.
        trial: the id of the trial that was without it.
        number: its number.
    """

    path: str
    test: str | None
    problem: str
    trial: Digest
    number: int

    def __str__(self) -> str:
        why = self.problem if self.test is None else f"test {self.test!r} fails: {self.problem}"
        return f"needed: {show(self.path)} ({why})"


class Findings(Struct, frozen=True):
    """All of it.

    Attributes:
        measure: what was minimised.
        accepted: what can go, what saves most first.
        rejected: what cannot, sorted by path.
        untried: files of which nothing is known, since the time was up or the attempts were used up.
        before: measures of the recipe as it is.
        after: measures without all that can go.
        attempts: how many trials it took, those that were recorded already among them.
        stopped: why the search ended early; None where it did not.
    """

    measure: str
    accepted: tuple[Finding, ...]
    rejected: tuple[Rejection, ...]
    untried: tuple[str, ...]
    before: dict[str, float]
    after: dict[str, float]
    attempts: int
    stopped: str | None = None

    @property
    def drops(self) -> tuple[str, ...]:
        """The globs of all findings, in their order: what a patch adds to `select.drop`."""
        return tuple(glob for one in self.accepted for glob in one.globs)


class Accepted(Struct, frozen=True):
    """A step of a search: items that are left out from then on, what that saved, and the trial that allows it."""

    name: str
    items: frozenset[str]
    saved: float
    trial: TrialRecord


def gather(steps: Sequence[Accepted], droppable: Droppable) -> tuple[Finding, ...]:
    """Make one finding of the steps that share a glob, since together they are all that is in a directory."""
    rules = droppable.rules(frozenset().union(*(step.items for step in steps)))
    owner = {item: number for number, step in enumerate(steps) for item in step.items}
    together = _joined([{owner[item] for item in items} for items in rules.values()], len(steps))
    globs: dict[int, list[str]] = {}
    for glob, items in rules.items():
        globs.setdefault(together[owner[min(items)]], []).append(glob)
    groups: dict[int, list[Accepted]] = {}
    for number, step in enumerate(steps):
        groups.setdefault(together[number], []).append(step)
    findings: list[Finding] = []
    gone: frozenset[str] = frozenset()
    for first, group in groups.items():
        findings.append(_finding(group, tuple(globs[first]), gone, droppable))
        gone = gone.union(*(step.items for step in group))
    return tuple(sorted(findings, key=lambda one: (-one.saved, -one.size, one.globs)))


def _finding(
    steps: Sequence[Accepted], globs: tuple[str, ...], before: frozenset[str], droppable: Droppable
) -> Finding:
    """Make a finding; each step left out all of those before it too, so the last trial is the evidence.

    The bytes of a file with several names count for the finding, after those `before`, with which the last name goes.
    """
    items = frozenset().union(*(step.items for step in steps))
    trial = steps[-1].trial
    return Finding(
        name=_name(steps, globs),
        globs=globs,
        files=sum(item in droppable.files for item in items),
        size=droppable.size(before | items) - droppable.size(before),
        saved=sum(step.saved for step in steps),
        trial=trial.id,
        number=trial.number,
        tests=tuple(row.name for row in trial.tests),
    )


def _name(steps: Sequence[Accepted], globs: Sequence[str]) -> str:
    if len(steps) == 1:
        return steps[0].name
    return show(globs[0]) if len(globs) == 1 else f"{steps[0].name} and {len(steps) - 1} more"


def _joined(sets: Iterable[set[int]], count: int) -> list[int]:
    """Return, for each number below `count`, the least one that it is joined with by any of the sets."""
    first = list(range(count))
    for joined in sets:
        least = min(first[number] for number in joined)
        others = {first[number] for number in joined}
        first = [least if one in others else one for one in first]
    return first


def rejection(path: str, trial: TrialRecord) -> Rejection:
    """Say why a file stays, by the trial without it that failed."""
    failed = next((row for row in trial.tests if row.problems), None)
    problem = failed.problems[0] if failed is not None else trial.error or trial.outcome
    return Rejection(path, None if failed is None else failed.name, problem, trial.id, trial.number)
