"""What a scatter plot of trials shows: its axes, and points in groups that look alike. Pages and pictures share it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.paths import show
from assembler.experiments.report.summary import BY_OUTCOME, OUTCOMES, cut, option_text, title_of, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from assembler.experiments.results.records import TrialRecord

MOST: Final = 8
"""Groups that look different."""

AS_IN_RECIPE: Final = "as in the recipe"
_NAME: Final = 32
"""Characters of a group's name."""
_WIDE: Final = 30
"""An axis is logarithmic where its largest value is so many times the smallest."""
_BYTES: Final = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


class Axis(Struct, frozen=True):
    """How values are drawn.

    Attributes:
        title: with the unit.
        one: what one of this unit is.
        log: whether the axis is logarithmic.
    """

    title: str
    one: float
    log: bool


class Group(Struct, frozen=True):
    """Points that look alike.

    Attributes:
        name: for the legend.
        style: an outcome, or the number of a style, from 0.
        places: which trials.
        numbers: where the colour is a number: that of each place.
    """

    name: str
    style: str
    places: tuple[int, ...]
    numbers: tuple[float, ...] = ()


def axis_of(name: str, trials: Iterable[TrialRecord]) -> Axis:
    """Return the axis of a measure: with a unit in which it is readable."""
    values = [trial.measures[name] for trial in trials if name in trial.measures]
    unit, one = unit_for(unit_of(name), max(values, default=0))
    log = bool(values) and min(values) > 0 and max(values) > _WIDE * min(values)
    title = f"{title_of(name)} ({unit})" if unit else title_of(name)
    return Axis(f"{title}, logarithmic" if log else title, one, log)


def unit_for(unit: str, most: float) -> tuple[str, float]:
    """Return the unit for values up to `most`, and what one of it is."""
    if unit == "B":
        return next((pair for pair in _BYTES if most >= pair[1]), ("B", 1))
    if unit == "s":
        return ("ms", 1e-3) if most < 0.5 else ("s", 1)
    return "", 1


def groups_of(trials: Sequence[TrialRecord], key: str) -> tuple[Group, ...]:
    """Put all trials into groups, by their outcome or by the value of an option.

    More than `MOST` numbers are one group, whose points are coloured by them; of more words the rest is one.
    """
    if key == BY_OUTCOME:
        outcomes = [trial.outcome for trial in trials]
        return tuple(Group(one, one, _where(outcomes, {one})) for one in OUTCOMES if one in outcomes)
    values = [show(option_text(trial.options[key])) if key in trial.options else AS_IN_RECIPE for trial in trials]
    known = sorted(set(values), key=_natural)
    if len(known) > MOST and all(_is_number(value) for value in known if value != AS_IN_RECIPE):
        own = _where(values, {AS_IN_RECIPE})
        numbered = tuple(at for at, value in enumerate(values) if value != AS_IN_RECIPE)
        numbers = Group(key, "0", numbered, tuple(float(values[at]) for at in numbered))
        return (*((Group(AS_IN_RECIPE, str(MOST - 1), own),) if own else ()), numbers)
    shown = known if len(known) <= MOST else known[: MOST - 1]
    groups = [Group(cut(value, _NAME), str(style), _where(values, {value})) for style, value in enumerate(shown)]
    if rest := known[len(shown) :]:
        groups.append(Group(f"{len(rest)} others", str(MOST - 1), _where(values, {*rest})))
    return tuple(groups)


def _where(values: Sequence[str], wanted: set[str]) -> tuple[int, ...]:
    return tuple(at for at, value in enumerate(values) if value in wanted)


def _is_number(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").replace(".", "", 1).isdecimal()


def _natural(text: str) -> tuple[bool, float, str]:
    return not _is_number(text), float(text) if _is_number(text) else 0.0, text
