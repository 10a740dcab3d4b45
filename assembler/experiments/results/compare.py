"""Comparing results: two runs of the same trials, before and after a change of the source, the recipe or brasm.

In: two `Results`. Out: `Comparison`: which trials came out otherwise, in what was exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from assembler.experiments.results.files import place_of
from assembler.experiments.results.measures import MEASURES
from assembler.experiments.results.records import TrialRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from assembler.experiments.results.files import Results

Pair = tuple[TrialRecord, TrialRecord]


class Difference(Struct, frozen=True):
    """What differs between two records of a trial: `outcome`, `image`, or an exact measure; None for none."""

    what: str
    old: str | float | None
    new: str | float | None


class Change(Struct, frozen=True):
    """A trial of both sides that came out otherwise."""

    old: TrialRecord
    new: TrialRecord
    differences: tuple[Difference, ...]


class Comparison(Struct, frozen=True):
    """Two sides, trial by trial, in the order of their numbers.

    Attributes:
        only_old: trials that the new side lacks.
        only_new: trials that the old side lacks.
        changed: those that both have, and that differ.
        same: how many do not.
    """

    only_old: tuple[TrialRecord, ...]
    only_new: tuple[TrialRecord, ...]
    changed: tuple[Change, ...]
    same: int


def compare(old: Results, new: Results) -> Comparison:
    """Compare trials: those of one id, and of the rest those with the same options (of another source, or recipe)."""
    pairs, only_old, only_new = _paired(old.trials, new.trials)
    changes = [Change(left, right, tuple(_differences(left, right))) for left, right in pairs]
    changed = tuple(change for change in changes if change.differences)
    return Comparison(only_old, only_new, changed, len(changes) - len(changed))


def _paired(
    old: Sequence[TrialRecord], new: Sequence[TrialRecord]
) -> tuple[list[Pair], tuple[TrialRecord, ...], tuple[TrialRecord, ...]]:
    same, old, new = _matched(old, new, lambda trial: trial.id)
    alike, old, new = _matched(old, new, lambda trial: msgspec.json.encode(trial.options, order="sorted"))
    return sorted([*same, *alike], key=lambda pair: place_of(pair[0])), tuple(old), tuple(new)


def _matched(
    old: Iterable[TrialRecord], new: Iterable[TrialRecord], key: Callable[[TrialRecord], object]
) -> tuple[list[Pair], list[TrialRecord], list[TrialRecord]]:
    """Pair trials with equal keys, in their order; return those that are left over too."""
    waiting: dict[object, list[TrialRecord]] = {}
    for trial in new:
        waiting.setdefault(key(trial), []).append(trial)
    pairs: list[Pair] = []
    rest: list[TrialRecord] = []
    for trial in old:
        if found := waiting.get(key(trial)):
            pairs.append((trial, found.pop(0)))
        else:
            rest.append(trial)
    return pairs, rest, sorted((one for ones in waiting.values() for one in ones), key=place_of)


def _differences(old: TrialRecord, new: TrialRecord) -> Iterator[Difference]:
    exact = [name for name, measure in MEASURES.items() if measure.exact]
    rows: list[tuple[str, str | float | None, str | float | None]] = [
        ("outcome", old.outcome, new.outcome),
        ("image", old.image, new.image),
        *((name, old.measures.get(name), new.measures.get(name)) for name in exact),
    ]
    yield from (Difference(*row) for row in rows if row[1] != row[2])
