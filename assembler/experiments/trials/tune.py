"""Trials of a recipe, from the command line's wishes to a summary: what was done, and which trial is best.

Base, axes ─▶ Matrix ─▶ Runner, Writer ─▶ Tuned
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from assembler import __version__
from assembler.base.errors import ProgramError, UsageError
from assembler.experiments.facts.machine import machine_facts
from assembler.experiments.results.measures import MEASURES
from assembler.experiments.results.pareto import pareto_front
from assembler.experiments.results.records import VERSION, Header, TrialRecord
from assembler.experiments.trials.identity import RecipeDigests
from assembler.experiments.trials.matrix import Base, Candidate, Matrix, reproduce
from assembler.experiments.trials.runner import Runner, Terms
from assembler.pipeline.build import BuildOptions, build, has_defconfig
from assembler.pipeline.make import Sources
from assembler.remote.access import Access

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.base.progress import Progress
    from assembler.experiments.drops.findings import Findings
    from assembler.experiments.results.files import Writer
    from assembler.experiments.trials.work import Crew
    from assembler.recipe.types import LoadedRecipe

GOOD = frozenset({"passed", "untested"})
"""Outcomes of trials whose images one may want."""


class Wish(Struct, frozen=True):
    """How trials are run.

    Attributes:
        tested: whether the recipe's tests are run.
        runtime: in which; None for whichever works.
        minimize: the measure by which one trial is better than another.
        seconds: that all may take together; None for any time.
        retry: whether trials that are recorded as failed are run again.
        build: how Buildroot builds what is not built yet; None where what is there must do.
        environment: for SOURCE_DATE_EPOCH.
        access: the way to sources.
    """

    tested: bool
    runtime: str | None
    minimize: str
    seconds: float | None
    retry: bool
    environment: Mapping[str, str]
    access: Access
    build: BuildOptions | None = None


class Tuned(Struct, frozen=True):
    """What came of trials.

    Attributes:
        records: of those that were asked for and are finished, by their numbers.
        missing: how many are not, because the time was up.
        earlier: how many were recorded before.
        best: the one with the least of what is minimized; None where none passed.
        front: those that nothing else is both smaller and faster to pack than, by what is minimized.
    """

    records: tuple[TrialRecord, ...]
    missing: int
    earlier: int
    best: TrialRecord | None
    front: tuple[TrialRecord, ...]

    def count(self, outcome: str) -> int:
        """Return how many trials have an outcome."""
        return sum(record.outcome == outcome for record in self.records)


def check_measure(name: str) -> str:
    """Return the name of a measure.

    Raises:
        UsageError: there is no such measure.
    """
    if name not in MEASURES:
        import difflib

        near = difflib.get_close_matches(name, MEASURES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(MEASURES)}"
        raise UsageError(f"--minimize {name}: no such measure", hint=hint)
    return name


def header_of(base: Base) -> Header:
    """Return the first line of a new file of results for a recipe, on this machine.

    Raises:
        RecipeError: the recipe is wrong.
    """
    return Header(VERSION, __version__, base.load().recipe.name, machine_facts())


class Attempts:
    """Trials of a recipe with more drops: the `Oracle` of a search."""

    def __init__(self, base: Base, runner: Runner) -> None:
        """Try a recipe's drops with a runner."""
        self._base = base
        self._runner = runner
        self._own = base.load().recipe.select.drop
        self._digests = RecipeDigests(runner.terms.environment)
        self._count = 0

    def attempt(self, attempts: Sequence[tuple[str, ...]]) -> Sequence[TrialRecord | None]:
        """See `Oracle.attempt`.

        Raises:
            ProgramError: tests could not be run, which says nothing of what is needed.
            BrasmError: none of a trial's own.
        """
        records = self._runner.run([self._candidate(drops) for drops in attempts], listed=False)
        for record in records:
            if record is not None and record.outcome == "error" and record.root is not None:
                raise ProgramError(f"trial {record.number}: {record.error}", hint=record.hint)
        return records

    def list_roots(self, drops: tuple[str, ...]) -> None:
        """Record which files the recipe's root has, and which it has with these drops."""
        for options in (self._options(()), self._options(drops)):
            self._runner.list_root(self._base.load(options))

    def _candidate(self, drops: tuple[str, ...]) -> Candidate:
        self._count += 1
        options = self._options(drops)
        loaded = self._base.load(options)
        return Candidate(self._count, options, loaded, self._digests.of(loaded))

    def _options(self, drops: tuple[str, ...]) -> dict[str, list[str]]:
        return {"select.drop": [*self._own, *drops]} if drops else {}


def search_drops(
    base: Base,
    wish: Wish,
    attempts: int | None,
    crew: Crew,
    writer: Writer,
    tell: Callable[[str], None],
    progress: Progress,
) -> Findings:
    """Search what can be dropped from a recipe's image so that its tests still pass, in so many attempts at most.

    Raises:
        UsageError: the measure differs from run to run, or the recipe has no tests.
        NegativeAnswer: the recipe fails its own tests.
        BrasmError: the recipe is wrong, or there is no room, no worker, or a signal.
    """
    from assembler.experiments.drops.candidates import candidates  # a grid needs neither
    from assembler.experiments.drops.search import Limits, search

    runner = runner_of(base, replace(wish, seconds=None), crew, writer, progress)
    drawn = runner.draft(base.load())
    found = candidates(drawn.plan, drawn.frame.loaded.recipe)
    oracle, limits = Attempts(base, runner), Limits(wish.seconds, attempts)
    findings = search(found, oracle, wish.minimize, width=crew.width, limits=limits, tell=tell)
    oracle.list_roots(findings.drops)
    return findings


def runner_of(base: Base, wish: Wish, crew: Crew, writer: Writer, progress: Progress) -> Runner:
    """Return what runs the trials of a recipe."""

    def command(candidate: Candidate) -> str:
        return reproduce(base, candidate.options, wish.environment)

    def built(loaded: LoadedRecipe) -> None:
        if wish.build is not None and has_defconfig(loaded):
            build(loaded, wish.build, progress)

    deadline = None if wish.seconds is None else time.monotonic() + wish.seconds
    builder = None if wish.build is None else built
    terms = Terms(wish.tested, wish.runtime, command, wish.environment, deadline, wish.retry, builder)
    return Runner(Sources(progress, wish.access), crew, writer, terms, progress)


def tune(matrix: Matrix, base: Base, wish: Wish, crew: Crew, writer: Writer, progress: Progress) -> Tuned:
    """Run all trials of a matrix that are not recorded yet.

    Raises:
        BrasmError: none of a trial's own, which are records: no room, no workers, or a signal.
    """
    before = dict(writer.trials)
    runner = runner_of(base, wish, crew, writer, progress)
    records = [record for record in runner.run(matrix.candidates) if record is not None]
    earlier = sum(before.get(record.id) is record for record in records)
    return summary(records, len(matrix.candidates) - len(records), earlier, wish.minimize)


def summary(records: Sequence[TrialRecord], missing: int, earlier: int, minimize: str) -> Tuned:
    """Sum up trials."""
    good = [record for record in records if record.outcome in GOOD and minimize in record.measures]
    best = min(good, key=lambda record: (record.measures[minimize], record.number), default=None)
    timed = [record for record in good if "pack_seconds" in record.measures]
    points = [(record.measures["pack_seconds"], record.measures[minimize]) for record in timed]
    front = tuple(timed[place] for place in pareto_front(points))
    return Tuned(tuple(records), missing, earlier, best, front)
