"""Trials as they are run: what is known of their tasks, and what each still wants.

In: prepared candidates, answers of tasks, earlier records. Out: which tasks are to be done next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from assembler.base import digest as digests
from assembler.base.digest import Digest
from assembler.experiments.trials.identity import trial_id
from assembler.experiments.trials.matrix import Candidate
from assembler.experiments.trials.stages import Prepared, check_config, level_of
from assembler.experiments.trials.work import Check, Checked, Squeeze, Squeezed
from assembler.oci.image import LAYER_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.experiments.results.records import TrialRecord
    from assembler.experiments.trials.work import Answer, Task

_COMPRESSIONS: Final = {media_type: kind for kind, media_type in LAYER_TYPES.items()}


_KNOWN: Final = {True: {"passed", "failed"}, False: {"passed"}}
"""Outcomes whose tests need not be run again, by whether failed ones count."""


class Failure(Struct, frozen=True):
    """Why a trial has no image: one line, and what to do about it."""

    error: str
    hint: str | None


class Answers:
    """What is known of tasks, and for which trial each was asked."""

    def __init__(self) -> None:
        """Know nothing."""
        self.found: dict[Task, Answer] = {}
        self.asked: dict[Task, int] = {}
        self._checked: dict[Digest, tuple[int, Checked]] = {}

    def learn(self, task: Task, answer: Answer) -> None:
        """Take an answer."""
        self.found[task] = answer

    def recall(self, check: Check) -> None:
        """Take the answer of an earlier run, where there is one for the same root and the same tests."""
        known = self._checked.get(check_digest(check))
        if known is not None:
            self.found.setdefault(check, known[1])
            self.asked.setdefault(check, known[0])

    def remember(self, record: TrialRecord, *, failed: bool) -> None:
        """Take what a record of an earlier run knows; of tests that failed only where that is asked for."""
        for row in record.layers:
            task = Squeeze(row.diff_id, _COMPRESSIONS[row.media_type], row.level)
            answer = Squeezed(row.digest, row.size, row.compress_seconds, row.unpack_seconds, record.worker)
            self.found[task] = answer
            self.asked.setdefault(task, record.number)
        if record.check is not None and record.outcome in _KNOWN[failed]:
            self._checked.setdefault(record.check, (record.number, Checked(record.tests, "", record.worker)))


def known_answers(records: Iterable[TrialRecord], *, failed: bool) -> Answers:
    """Return what the records of earlier runs know, of tests that failed only where that is asked for."""
    answers = Answers()
    for record in records:
        answers.remember(record, failed=failed)
    return answers


def check_digest(check: Check) -> Digest:
    """Return what tests are known by: their root, its config, and how they are run, but not where."""
    return digests.sha256(msgspec.json.encode((check.tar, check.config, check.tests, check.run), order="deterministic"))


class Trial(Struct, frozen=True):
    """A candidate whose root filesystem is known, or why there is none; `shared` is the trial it was planned for."""

    id: Digest
    candidate: Candidate
    prepared: Prepared | Failure
    shared: int
    check: Check | None
    squeezes: tuple[Squeeze, ...]

    def wanted(self, answers: Answers) -> tuple[Task, ...]:
        """Return the tasks whose answers it still lacks and that are to be done now: tests before anything else."""
        if self.check is not None and self.check not in answers.found:
            return (self.check,)
        if not self.is_good(answers):
            return ()
        return tuple(task for task in self.squeezes if task not in answers.found)

    def is_good(self, answers: Answers) -> bool:
        """Whether its tests passed, where it has any."""
        if self.check is None:
            return True
        answer = answers.found.get(self.check)
        return isinstance(answer, Checked) and not any(row.problems for row in answer.tests)


def trial_of(
    candidate: Candidate, prepared: Prepared | Failure, shared: int, *, tested: bool, runtime: str | None
) -> Trial:
    """Return the trial of a candidate.

    Args:
        candidate: its recipe.
        prepared: the root filesystem, which it may share.
        shared: the number of the candidate that this was planned for.
        tested: whether the recipe's tests are run.
        runtime: in which; None for whichever works.
    """
    recipe = candidate.loaded.recipe
    source = prepared.root.source if isinstance(prepared, Prepared) else None
    own = trial_id(candidate.recipe_digest, source, tested=tested)
    if isinstance(prepared, Failure):
        return Trial(own, candidate, prepared, shared, None, ())
    check = None
    if tested and recipe.test:
        config, folder = check_config(prepared), candidate.loaded.folder
        check = Check(prepared.whole.diff_id, config, recipe.test, recipe.run, folder, runtime)
    kind, level = recipe.layers.compression, level_of(recipe)
    tars = prepared.cuts[recipe.layers.split]
    return Trial(
        own, candidate, prepared, shared, check, tuple(dict.fromkeys(Squeeze(one.diff_id, kind, level) for one in tars))
    )
