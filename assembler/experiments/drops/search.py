"""The search for what can be left out: hierarchical delta debugging, with the recipe's own tests as the judge.

In: candidates, and an oracle that packs and tests. Out: `Findings`.

The largest group is tried first. What passes without it loses it for good: each attempt leaves out all that was
accepted so far, and something more. What fails is split in two and tried again, down to single files (Zeller and
Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002; Misherghi and Su, "HDD", 2006). Where several
groups are tried at once, those that pass each by itself are tried together; where that fails (one of two would do),
one after the other.

While it goes down, the search takes it that who fails without some files fails without more of them too. At the end it
does not: every single file that is left is tried once more without all that was accepted, until none of them can go.
So each file that stays was tried alone, against the final rest, and failed. Where f files stay of n, that are in g
groups and d directories deep, it takes 2 f (log2 n + d) + g + f + 4 attempts at most, one at a time, as long as what
was assumed holds; each directory that must stay without its files takes some more.

No attempt is made twice. A test that fails by chance keeps a file that could go; one that passes by chance is likely
to be found out by the attempts that follow, which are all without that file. The last one is the recipe as a patch
makes it.
"""

from __future__ import annotations

import heapq
import time
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

from assembler.base.errors import NegativeAnswer, UsageError
from assembler.experiments.drops.findings import Accepted, Findings, Rejection, gather, rejection
from assembler.experiments.results.measures import MEASURES, format_measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from assembler.experiments.drops.candidates import Candidate, Candidates
    from assembler.experiments.drops.droppable import Droppable
    from assembler.experiments.results.records import TrialRecord

    _Tried = tuple[Candidate, TrialRecord]
    _Order = tuple[int, str, int]

_LAST: Final = 1
"""Attempts that are left for the last one, the recipe as a patch makes it."""
_TIME_UP: Final = "the time is up"


class Oracle(Protocol):
    """Who packs and tests."""

    def attempt(self, attempts: Sequence[tuple[str, ...]]) -> Sequence[TrialRecord | None]:
        """Try recipes, each with these globs at the end of its `select.drop`; several may be under way at once.

        Return the trials in the same order: `passed` where the image was made and passed its tests, `error` where
        there is none, since a glob contradicts the graph; None for one that was not finished, the time being up.
        Trials that are recorded already are answered at once.
        """


class Limits(Struct, frozen=True):
    """When to stop with what is known: wall time in seconds, and attempts; None for never."""

    seconds: float | None = None
    attempts: int | None = None


_UNLIMITED: Final = Limits()


def search(
    candidates: Candidates,
    oracle: Oracle,
    measure: str,
    *,
    width: int = 1,
    limits: Limits = _UNLIMITED,
    tell: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Findings:
    """Find what can be left out.

    Args:
        candidates: what may be tried.
        oracle: who tries it.
        measure: what is to become less: one that is the same wherever a trial runs.
        width: how many attempts are made at once.
        limits: when to stop; the last attempt, of the patched recipe, is made even if the time is up.
        tell: said one line of how far it is, after each round of attempts.
        clock: the monotonic time.

    Raises:
        UsageError: the measure is not known, or differs from run to run; or the recipe has no tests.
        NegativeAnswer: the recipe fails its own tests, or tests contradict themselves.
    """
    if measure not in MEASURES or not MEASURES[measure].exact:
        known = ", ".join(name for name, one in MEASURES.items() if one.exact)
        raise UsageError(f"{measure}: not a measure that is the same in each run", hint=f"one of {known}")
    trials = _Trials(oracle, candidates.droppable, limits, clock)
    hunt = _Hunt(candidates.droppable, trials, measure, width, tell)
    before = trials.baseline()
    hunt.work(candidates.groups)
    hunt.work(candidates.emptied(hunt.dropped))
    while hunt.look_again():
        hunt.work(candidates.emptied(hunt.dropped))
    accepted = gather(hunt.steps, candidates.droppable)
    after = trials.last(hunt.dropped, tuple(glob for one in accepted for glob in one.globs))
    known_files = hunt.dropped.union(*(one.items for one in hunt.refused))
    return Findings(
        measure=measure,
        accepted=accepted,
        rejected=_rejections(hunt.refused),
        untried=tuple(path for path in candidates.droppable.files if path not in known_files),
        before=before.measures,
        after=after.measures,
        attempts=trials.count,
        stopped=trials.stopped,
    )


class _Trials:
    """All attempts, none made twice, and why no more are made.

    Attributes:
        count: how many were made.
        stopped: why no more are made; None as long as there are.
    """

    def __init__(self, oracle: Oracle, droppable: Droppable, limits: Limits, clock: Callable[[], float]) -> None:
        self.count = 0
        self.stopped: str | None = None
        self._oracle = oracle
        self._droppable = droppable
        self._most = limits.attempts
        self._clock = clock
        self._deadline = None if limits.seconds is None else clock() + limits.seconds
        self._answers: dict[frozenset[str], TrialRecord] = {}
        self._failing: list[frozenset[str]] = []

    def baseline(self) -> TrialRecord:
        """Try the recipe as it is; the search ends here unless it passes."""
        self.count += 1
        trial = self._oracle.attempt([()])[0]
        if trial is None:
            raise NegativeAnswer("the time was up before the recipe's own tests had passed")
        if trial.outcome == "untested":
            hint = "add [[test]] tables that use all that the image is for"
            raise UsageError("the recipe has no tests, which alone tell what is needed", hint=hint)
        if trial.outcome != "passed":
            what = "the recipe's own tests fail" if trial.outcome == "failed" else "the recipe makes no image"
            raise NegativeAnswer(f"{what}: {_why(trial)}", hint=trial.hint)
        self._answers[frozenset()] = trial
        return trial

    def last(self, dropped: frozenset[str], globs: tuple[str, ...]) -> TrialRecord:
        """Try the recipe as a patch makes it, where its globs stand in another order than when they were tried."""
        before = self._answers[dropped]
        if globs == tuple(self._droppable.rules(dropped)):
            return before
        self.count += 1
        trial = self._oracle.attempt([globs])[0] or before
        if trial.outcome != "passed":
            raise NegativeAnswer(
                f"the tests are not to be relied on: without the same files they passed in trial {before.number} and "
                f"failed in trial {trial.number}: {_why(trial)}"
            )
        return trial

    def answer(self, goal: frozenset[str]) -> TrialRecord | None:
        """Return the trial of a set of items, if it was made."""
        return self._answers.get(goal)

    def failure(self, goal: frozenset[str]) -> TrialRecord | None:
        """Return the trial of some of these items that failed, if there was one."""
        part = next((one for one in self._failing if one <= goal), None)
        return None if part is None else self._answers[part]

    def ask(self, goals: Sequence[frozenset[str]]) -> list[TrialRecord | None]:
        """Return a trial for each set; None where it is not made any more."""
        fresh = [goal for goal in dict.fromkeys(goals) if goal not in self._answers]
        if fresh and (fresh := fresh[: self._room()]):
            self.count += len(fresh)
            trials = self._oracle.attempt([tuple(self._droppable.rules(goal)) for goal in fresh])
            for goal, trial in zip(fresh, trials, strict=True):
                self._learn(goal, trial)
        return [self._answers.get(goal) for goal in goals]

    def _learn(self, goal: frozenset[str], trial: TrialRecord | None) -> None:
        if trial is None:
            self.stopped = _TIME_UP
            return
        self._answers[goal] = trial
        if trial.outcome != "passed":
            self._failing.append(goal)

    def _room(self) -> int | None:
        """Return how many attempts may still be made; None for any number."""
        if self._deadline is not None and self._clock() >= self._deadline:
            self.stopped = _TIME_UP
        elif self._most is not None and self.count + _LAST >= self._most:
            self.stopped = f"the {self._most} attempts are used up"
        if self.stopped is not None:
            return 0
        return None if self._most is None else self._most - _LAST - self.count


class _Hunt:
    """What is left out for good, and what cannot be.

    Attributes:
        dropped: items that are left out.
        steps: how it came to that.
        refused: single files, and directories, each with the last trial without it.
    """

    def __init__(
        self, droppable: Droppable, trials: _Trials, measure: str, width: int, tell: Callable[[str], None]
    ) -> None:
        self.dropped: frozenset[str] = frozenset()
        self.steps: list[Accepted] = []
        self.refused: dict[Candidate, TrialRecord] = {}
        self._droppable = droppable
        self._trials = trials
        self._measure = measure
        self._width = width
        self._tell = tell

    def work(self, groups: Iterable[Candidate]) -> None:
        """Try groups and what they fall apart into, the largest first, down to single files."""
        queue = [(self._order(group), group) for group in groups if group not in self.refused]
        heapq.heapify(queue)
        while queue and self._trials.stopped is None:
            batch, failed = self._next(queue)
            passed, more = self._try(batch)
            failed += more + self._accept(passed)
            for part in (part for group, trial in failed for part in self._refuse(group, trial)):
                heapq.heappush(queue, (self._order(part), part))
            self._report()

    def look_again(self) -> bool:
        """Try each single item that is left, without all that was accepted; say whether any can go after all."""
        before, singles = len(self.steps), sorted(self.refused, key=self._order)
        while singles and self._trials.stopped is None:
            passed, failed = self._try(singles[: self._width])
            failed += self._accept(passed)
            self.refused.update(failed)
            singles = singles[self._width :]
            self._report()
        return len(self.steps) > before

    def _order(self, group: Candidate) -> tuple[int, str, int]:
        """Return what sorts groups: what weighs most first, then by path; no two that are queued are alike."""
        return -(group.files if self._measure == "files" else group.size), min(group.items), len(group.items)

    def _next(self, queue: list[tuple[_Order, Candidate]]) -> tuple[list[Candidate], list[_Tried]]:
        """Take as many groups as are tried at once, and those that are known to fail."""
        batch: list[Candidate] = []
        failed: list[_Tried] = []
        while queue and len(batch) < self._width:
            group = heapq.heappop(queue)[1]
            goal = self.dropped | group.items
            trial = None if self._trials.answer(goal) is not None else self._trials.failure(goal)
            if trial is None:
                batch.append(group)
            else:
                failed.append((group, trial))
        return batch, failed

    def _try(self, batch: Sequence[Candidate]) -> tuple[list[_Tried], list[_Tried]]:
        """Try each group by itself; return those that passed and those that failed."""
        trials = self._trials.ask([self.dropped | group.items for group in batch])
        known = [(group, trial) for group, trial in zip(batch, trials, strict=True) if trial is not None]
        passed = [(group, trial) for group, trial in known if trial.outcome == "passed"]
        return passed, [(group, trial) for group, trial in known if trial.outcome != "passed"]

    def _accept(self, passed: Sequence[_Tried]) -> list[_Tried]:
        """Leave out for good what passed each by itself, together where that passes; return what failed after all."""
        together = self.dropped.union(*(group.items for group, _ in passed))
        trial = self._trials.ask([together])[0] if passed else None
        if trial is not None and trial.outcome == "passed":
            self._leave_out(passed, trial)
            return []
        failed: list[_Tried] = []
        for group, _ in passed:
            good, bad = self._try([group])
            failed += bad
            for one, alone in good:
                self._leave_out([(one, alone)], alone)
        return failed

    def _leave_out(self, groups: Sequence[_Tried], trial: TrialRecord) -> None:
        """Leave out groups for good: each saved what it did by itself, and all passed in one trial."""
        base = self._trials.answer(self.dropped)
        for group, alone in groups:
            saved = 0 if base is None else base.measures[self._measure] - alone.measures[self._measure]
            self.steps.append(Accepted(group.name, group.items, saved, trial))
            self.refused.pop(group, None)
        self.dropped = self.dropped.union(*(group.items for group, _ in groups))

    def _refuse(self, group: Candidate, trial: TrialRecord) -> tuple[Candidate, ...]:
        """Return what a group falls apart into; what does not stays."""
        if not group.parts:
            self.refused[group] = trial
        return group.split(self._droppable)

    def _report(self) -> None:
        left = len(self._droppable.files)
        gone = sum(item in self._droppable.files for item in self.dropped)
        trial = self._trials.answer(self.dropped)
        size = (
            "" if trial is None else f"; {self._measure} {format_measure(self._measure, trial.measures[self._measure])}"
        )
        self._tell(f"attempt {self._trials.count}: of {left} files {gone} can go, {len(self.refused)} cannot{size}")


def _rejections(refused: Mapping[Candidate, TrialRecord]) -> tuple[Rejection, ...]:
    return tuple(sorted((rejection(min(one.items), trial) for one, trial in refused.items()), key=lambda one: one.path))


def _why(trial: TrialRecord) -> str:
    why = rejection("", trial)
    return why.problem if why.test is None else f"{why.test!r}: {why.problem}"
