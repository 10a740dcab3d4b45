"""Running trials: what they share is done once, and each is a record as soon as all of it is known.

candidates ─▶ a plan for each root filesystem ─▶ tasks, each once ─▶ crew ─▶ records, appended one by one

A root is put to its tests first; where they fail, nothing of its trials is compressed. What earlier records of the same
file know is not done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.errors import BrasmError, Interrupted
from assembler.experiments.trials.matrix import Candidate
from assembler.experiments.trials.record_of import record_of
from assembler.experiments.trials.stages import Prepared, SourceDigests, plan_key, prepare
from assembler.experiments.trials.trial import Answers, Failure, Trial, known_answers, trial_of
from assembler.pipeline.make import draft
from assembler.recipe.types import LoadedRecipe

if TYPE_CHECKING:
    from assembler.base.digest import Digest
    from assembler.base.progress import Progress
    from assembler.experiments.results.files import Writer
    from assembler.experiments.results.records import TrialRecord
    from assembler.experiments.trials.work import Crew, Task
    from assembler.layers.tars import Tar
    from assembler.pipeline.make import Draft, Sources

_AHEAD: Final = 2
"""Tasks that are submitted for each that is done at once: nobody waits, and a budget that is over is soon heeded."""


class Terms(Struct, frozen=True):
    """What holds for all trials.

    Attributes:
        tested: whether the recipe's tests are run.
        runtime: in which; None for whichever works.
        command: gives the command that packs a trial's image.
        environment: for SOURCE_DATE_EPOCH.
        deadline: the monotonic time after which nothing is begun; None for none.
        retry: whether trials that are recorded as failed are run again.
        build: sees to it that Buildroot has built what a recipe wants; None where what is there must do.
    """

    tested: bool
    runtime: str | None
    command: Callable[[Candidate], str]
    environment: Mapping[str, str]
    deadline: float | None = None
    retry: bool = False
    build: Callable[[LoadedRecipe], None] | None = None

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.deadline is not None and time.monotonic() >= self.deadline


class Runner:
    """Runs trials with one crew, into one file of results."""

    def __init__(self, sources: Sources, crew: Crew, writer: Writer, terms: Terms, progress: Progress) -> None:
        self.terms = terms
        self._sources = sources
        self._crew = crew
        self._writer = writer
        self._progress = progress
        self._digests = SourceDigests()
        self._answers = known_answers(writer.trials.values(), failed=not terms.retry)
        self._warm = False

    def run(self, candidates: Sequence[Candidate], *, listed: bool = True) -> list[TrialRecord | None]:
        """Run trials, but for those that are recorded already; return each one's record, None where time was up before.

        Args:
            candidates: their recipes.
            listed: whether records of roots say which files are in them; of hundreds that differ in a file or two it
                would be the same a hundred times.

        Raises:
            DestinationError: the results cannot be written, or there is no room for tars.
            ProgramError: there is no worker any more.
            Interrupted: a signal ended it; what is recorded stays.
        """
        trials = self._prepare(candidates)
        fresh = [trial for trial in trials if not self._is_done(trial)]
        self._crew.provide(_tars(fresh))
        self._progress.start("trials", len(fresh))
        _Round(fresh, self._crew, self._answers, self.terms, lambda trial: self._finish(trial, listed=listed)).run()
        records = {trial.candidate.recipe_digest: self._writer.trials.get(trial.id) for trial in trials}
        return [records.get(candidate.recipe_digest) for candidate in candidates]

    def draft(self, loaded: LoadedRecipe) -> Draft:
        """Decide about a recipe by itself.

        Raises:
            BrasmError: any of the tree.
        """
        return draft(loaded, self._sources, self.terms.environment, self._progress, with_packages=True)

    def _is_done(self, trial: Trial) -> bool:
        """Whether it is recorded; a task that broke tells of the machine, and is done anew."""
        record = self._writer.trials.get(trial.id)
        if record is None or (self.terms.retry and record.outcome in {"failed", "error"}):
            return False
        return record.outcome != "error" or not isinstance(trial.prepared, Prepared)

    def _prepare(self, candidates: Sequence[Candidate]) -> list[Trial]:
        """Plan each root filesystem once, as long as there is time."""
        groups: dict[Digest, list[Candidate]] = {}
        for candidate in candidates:
            groups.setdefault(plan_key(candidate.loaded), []).append(candidate)
        self._progress.start("plan", len(groups))
        trials: list[Trial] = []
        for group in groups.values():
            if self.terms.over:
                break
            prepared = self._plan(group)
            trials += [self._trial(one, prepared, group[0]) for one in group]
            self._progress.advance(1)
        return self._numbered(sorted(trials, key=lambda trial: trial.candidate.number))

    def _numbered(self, trials: Sequence[Trial]) -> list[Trial]:
        """Give each trial a number that no other one in the file has: its own, or where that is taken the next free."""
        recorded = self._writer.trials
        taken = {record.number: record.id for record in recorded.values()}
        numbers: dict[int, int] = {}
        last = max([*taken, *(trial.candidate.number for trial in trials)], default=0)
        for trial in trials:
            own = number = trial.candidate.number
            if trial.id in recorded:
                number = recorded[trial.id].number
            elif own in taken:
                last = number = last + 1
            numbers[own] = number
        return [_renumbered(trial, numbers) for trial in trials]

    def _plan(self, group: Sequence[Candidate]) -> Prepared | Failure:
        loaded, environment = group[0].loaded, self.terms.environment
        splits = dict.fromkeys(one.loaded.recipe.layers.split for one in group)
        try:
            if self.terms.build is not None:
                self.terms.build(loaded)
            if not self._warm:  # the first plan is made twice: it reads the tree, which is no trial's time
                self.draft(loaded)
                self._warm = True
            return prepare(loaded, splits, self._sources, environment, self._progress, self._digests)
        except BrasmError as error:
            if isinstance(error, Interrupted):
                raise
            return Failure(error.message, error.hint)

    def _trial(self, candidate: Candidate, prepared: Prepared | Failure, first: Candidate) -> Trial:
        trial = trial_of(candidate, prepared, first.number, tested=self.terms.tested, runtime=self.terms.runtime)
        if trial.check is not None:
            self._answers.recall(trial.check)
        return trial

    def list_root(self, loaded: LoadedRecipe) -> None:
        """Write a record of a recipe's root that says which files are in it.

        Raises:
            BrasmError: any of the tree.
        """
        made = prepare(loaded, (), self._sources, self.terms.environment, self._progress, self._digests)
        self._writer.append(made.root)

    def _finish(self, trial: Trial, *, listed: bool) -> None:
        """Write a trial's record, and its root's before the first that refers to it."""
        record = record_of(trial, self._answers, self.terms.command(trial.candidate))
        if isinstance(trial.prepared, Prepared):
            root = trial.prepared.root
            self._writer.append(root if listed else replace(root, files=()))
        self._writer.append(record)
        self._progress.advance(1)


class _Round:
    """Trials that are run together: hands out tasks, collects answers, and tells of each trial that is complete."""

    def __init__(
        self, trials: Sequence[Trial], crew: Crew, answers: Answers, terms: Terms, finish: Callable[[Trial], None]
    ) -> None:
        self._open = dict.fromkeys(range(len(trials)))
        self._trials = trials
        self._crew = crew
        self._answers = answers
        self._terms = terms
        self._finish = finish
        self._under_way: set[Task] = set()
        self._uses = _uses(trials)

    def run(self) -> None:
        """Run until all trials are finished, or the time is up and nothing is under way."""
        self._finish_complete()
        while self._open:
            self._submit()
            if not self._under_way:
                return
            done = self._crew.next()
            self._under_way.discard(done.task)
            self._answers.learn(done.task, done.answer)
            self._finish_complete()

    def _submit(self) -> None:
        room = self._crew.width * _AHEAD - len(self._under_way)
        for number in () if self._terms.over else self._open:
            trial = self._trials[number]
            for task in trial.wanted(self._answers):
                if room <= 0:
                    return
                if task not in self._under_way:
                    self._under_way.add(task)
                    self._answers.asked.setdefault(task, trial.candidate.number)
                    self._crew.submit(task)
                    room -= 1

    def _finish_complete(self) -> None:
        for number in [number for number in self._open if not self._trials[number].wanted(self._answers)]:
            trial = self._trials[number]
            del self._open[number]
            self._finish(trial)
            for diff_id in _named(trial):
                self._uses[diff_id] -= 1
                if not self._uses[diff_id]:
                    self._crew.forget(diff_id)


def _renumbered(trial: Trial, numbers: Mapping[int, int]) -> Trial:
    candidate = replace(trial.candidate, number=numbers[trial.candidate.number])
    return replace(trial, candidate=candidate, shared=numbers[trial.shared])


def _uses(trials: Sequence[Trial]) -> dict[Digest, int]:
    """Count, for each tar, the trials that need it."""
    uses: dict[Digest, int] = {}
    for trial in trials:
        for diff_id in _named(trial):
            uses[diff_id] = uses.get(diff_id, 0) + 1
    return uses


def _named(trial: Trial) -> set[Digest]:
    checked = set() if trial.check is None else {trial.check.tar}
    return {task.tar for task in trial.squeezes} | checked


def _tars(trials: Sequence[Trial]) -> list[Tar]:
    """Return the tars of trials, each once."""
    found: dict[Digest, Tar] = {}
    for trial in trials:
        if isinstance(trial.prepared, Prepared):
            tars = (trial.prepared.whole, *trial.prepared.cuts[trial.candidate.loaded.recipe.layers.split])
            found.update((tar.diff_id, tar) for tar in tars)
    return list(found.values())
