"""A contest: contenders run by turns, and what comes of it.

Every round runs each contender once, starts with another one than the last and goes the other way round, so that what
a contender leaves behind (dirty pages, a warm cache, a hot processor) does not always meet the same other. A ratio is
taken within a round.
"""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec import Struct

from benches.measure import Failed, Sample, measure
from benches.record import Calibration, Row, Spread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benches.programs import Program

Measure = Literal["wall", "cpu", "peak", "size"]

AGAIN: Final = "the same, as another contender"


def nothing(folder: str) -> None:
    """All that the command needs is an empty folder."""


class Contender(Struct, frozen=True):
    """A way to do a job.

    Attributes:
        name: as it stands in the table.
        command: what is measured, run in an empty folder.
        programs: that it needs besides this project's own.
        peer: whether it is another's: what others are compared to, and what may fail.
        root: whether only root can run it.
        prepare: makes that folder ready; not counted.
        size: returns the bytes of what the command made in that folder.
        check: raises `Failed` where the command has not done its job, whatever its exit code.
        allowed: exit codes that are no failure.
        most: rounds at most; 0 for no limit.
        environment: laid over this process's.
    """

    name: str
    command: tuple[str, ...]
    programs: tuple[str, ...] = ()
    peer: bool = True
    root: bool = False
    prepare: Callable[[str], object] = nothing
    size: Callable[[str], int] | None = None
    check: Callable[[str], None] = nothing
    allowed: tuple[int, ...] = (0,)
    most: int = 0
    environment: Mapping[str, str] = {}


class Run(Struct, frozen=True):
    """One round of one contender."""

    sample: Sample
    size: int | None = None

    def of(self, measure: Measure) -> float:
        """Return a figure: seconds or bytes.

        Raises:
            ValueError: it has no size.
        """
        if measure == "size":
            if self.size is None:
                raise ValueError("what this contender makes is not weighed")
            return self.size
        return float(getattr(self.sample, measure))


Runs = Mapping[str, Mapping[int, Run]]
"""By contender and round."""


class Outcome(Struct, frozen=True):
    """What was measured, and the contenders that failed, each with the reason."""

    runs: dict[str, dict[int, Run]]
    failed: dict[str, str]


class Ratio(Struct, frozen=True):
    """A column: a measure over that of a peer; `title` is its heading."""

    measure: Measure
    peer: str
    title: str


def able(
    contenders: Iterable[Contender], here: Mapping[str, Program], *, root: bool
) -> tuple[list[Contender], dict[str, str]]:
    """Part contenders into those that can run here, and those left out, with the reason."""
    running, left_out = [], {}
    for one in contenders:
        lacking = [here[name].lack for name in one.programs if here[name].version is None]
        if lacking:
            left_out[one.name] = "; ".join(lacking)
        elif one.root and not root:
            left_out[one.name] = "only root can run it"
        else:
            running.append(one)
    return running, left_out


def again(one: Contender) -> Contender:
    """Return the same contender under another name, for the calibration."""
    return msgspec.structs.replace(one, name=AGAIN)


def turns(contenders: Sequence[Contender], number: int) -> list[Contender]:
    """Return who runs in a round, counted from 0, in which order."""
    start = number % len(contenders) if contenders else 0
    order = [*contenders[start:], *contenders[:start]]
    return [one for one in (reversed(order) if number % 2 else order) if one.most == 0 or number < one.most]


def compete(contenders: Sequence[Contender], rounds: int, folder: str, say: Callable[[str], None]) -> Outcome:
    """Let contenders run by turns, each in the same folder, emptied.

    Raises:
        Failed: one that is no peer failed.
    """
    outcome = Outcome({one.name: {} for one in contenders}, {})
    for number in range(rounds):
        for one in turns(contenders, number):
            if one.name in outcome.failed:
                continue
            try:
                run = outcome.runs[one.name][number] = run_once(one, folder)
            except Failed as error:
                if not one.peer:
                    raise
                outcome.failed[one.name] = error.reason
                outcome.runs.pop(one.name)
                say(f"{one.name}: {error.reason}")
            else:
                say(f"round {number + 1}: {one.name}: {run.sample.wall:.2f} s, {run.sample.cpu:.2f} s CPU")
    return outcome


def run_once(one: Contender, folder: str) -> Run:
    """Run a contender in a folder, emptied.

    Raises:
        Failed: it failed.
    """
    fresh(folder)
    one.prepare(folder)
    sample = measure(one.command, folder, one.allowed, one.environment)
    one.check(folder)
    return Run(sample, one.size(folder) if one.size is not None else None)


def fresh(folder: str) -> str:
    """Return a folder, emptied."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def spread(values: Iterable[float]) -> Spread:
    """Return median, least and most."""
    listed = sorted(map(float, values))
    return Spread(statistics.median(listed), listed[0], listed[-1])


def ratio(runs: Runs, name: str, peer: str, measure: Measure) -> Spread:
    """Return what a contender took over what a peer took, in the rounds that both ran."""
    own, others = runs[name], runs[peer]
    return spread(own[number].of(measure) / others[number].of(measure) for number in own.keys() & others.keys())


def rows(runs: Runs, ratios: Sequence[Ratio]) -> tuple[Row, ...]:
    """Return a row for each contender, with those ratios whose peer took part."""
    columns = [column for column in ratios if column.peer in runs]
    return tuple(
        Row(
            name=name,
            rounds=len(own),
            wall=spread(run.sample.wall for run in own.values()),
            cpu=spread(run.sample.cpu for run in own.values()),
            peak=spread(run.sample.peak for run in own.values()),
            size=own[max(own)].size,
            ratios={column.title: ratio(runs, name, column.peer, column.measure) for column in columns},
        )
        for name, own in runs.items()
        if name != AGAIN
    )


def calibration(runs: Runs, name: str) -> Calibration | None:
    """Return how far the contender that took part twice differs from itself."""
    if AGAIN not in runs or name not in runs:
        return None
    return Calibration(name, ratio(runs, AGAIN, name, "wall"))


def fastest(runs: Runs, names: Iterable[str]) -> str:
    """Return the contender of the least median wall time."""
    return min(names, key=lambda name: statistics.median(run.sample.wall for run in runs[name].values()))
