"""What all reports of trials say: the best trial, the front, which options and measures there are."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from assembler.base.errors import UsageError
from assembler.experiments.results.measures import MEASURES
from assembler.experiments.results.pareto import pareto_front
from assembler.experiments.results.records import Outcome, TrialRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from assembler.experiments.results.files import Results

OUTCOMES: Final[tuple[Outcome, ...]] = ("passed", "untested", "failed", "error")
"""In the order in which reports list them."""

BY_OUTCOME: Final = "outcome"
"""What plots are coloured by where no option is named."""

LONG: Final = 60
"""Characters of an option's value that tables show."""

_NEAR: Final = 3
"""Items of a long list that may differ from the best trial's for these to be named."""

_SIZES: Final = ("compressed", "transferred", "unpacked", "on_disk")
_SHORTEST: Final = 7
"""Digits of an id that are enough: with fewer, a wrong number would be one."""
_TIMES: Final = ("pack_seconds", "compress_seconds", "unpack_seconds", "test_seconds", "plan_seconds")


class Choices(Struct, frozen=True):
    """What whoever asks for a report chose; None is left to the report.

    Attributes:
        x: the measure along the plot.
        y: the measure upwards; where it is a size, the best trial is the one that has least of it.
        color: an option's key, or `outcome`.
        trial: a trial's number, or the start of its id.
        root: the start of a root's digest.
    """

    x: str | None = None
    y: str | None = None
    color: str | None = None
    trial: str | None = None
    root: str | None = None


class Summary(Struct, frozen=True):
    """What there is to report.

    Attributes:
        trials: by number.
        options: keys of options, in the order in which trials name them.
        measures: those that some trial has.
        outcomes: how many trials have which; only those that there are.
        x: the measure along the plot.
        y: the measure upwards; both are empty where no trial has measures.
        color: an option's key, or `outcome`.
        best: the place of the trial that has least of `size`, of those that passed; where none did, of the untested.
        size: what it is best in.
        chosen: the place of the trial that waterfall and treemap show; None where no trial has a root.
    """

    trials: tuple[TrialRecord, ...]
    options: tuple[str, ...]
    measures: tuple[str, ...]
    outcomes: dict[Outcome, int]
    x: str
    y: str
    color: str
    best: int | None
    size: str
    chosen: int | None

    @property
    def best_options(self) -> dict[str, Any]:
        """The options of the best trial; none where there is no best."""
        return {} if self.best is None else self.trials[self.best].options


def summarize(results: Results, choices: Choices) -> Summary:
    """Look at what results hold.

    Raises:
        UsageError: what was chosen is not in them.
    """
    trials = results.trials
    measures = measures_of(trials)
    x, y = _axes(measures, choices)
    size = y if unit_of(y) == "B" else next((name for name in _SIZES if name in measures), y)
    counts = Counter(trial.outcome for trial in trials)
    options = tuple(dict.fromkeys(key for trial in trials for key in trial.options))
    return Summary(
        trials=trials,
        options=options,
        measures=measures,
        outcomes={outcome: counts[outcome] for outcome in OUTCOMES if counts[outcome]},
        x=x,
        y=y,
        color=_known("--color", choices.color, (BY_OUTCOME, *options), "option") or BY_OUTCOME,
        best=_best(trials, size),
        size=size,
        chosen=_chosen(results, choices, size),
    )


def front_of(trials: Sequence[TrialRecord], x: str, y: str) -> tuple[int, ...]:
    """Return the places of the trials that no other is better than in both measures; failed ones do not count."""
    places = [place for place, trial in enumerate(trials) if _counts(trial) and {x, y} <= trial.measures.keys()]
    front = pareto_front([(trials[place].measures[x], trials[place].measures[y]) for place in places])
    return tuple(places[place] for place in front)


def fronts_of(summary: Summary) -> dict[str, tuple[int, ...]]:
    """Return the front of each two measures; the key is `NAME NAME`, in the order of `measures`."""
    pairs = combinations(summary.measures, 2)
    return {f"{one} {other}": front_of(summary.trials, one, other) for one, other in pairs}


def measures_of(trials: Iterable[TrialRecord]) -> tuple[str, ...]:
    """Return the measures that some of these trials have, in the order in which tables list them."""
    found = {name for trial in trials for name in trial.measures}
    return (*(name for name in MEASURES if name in found), *sorted(found - MEASURES.keys()))


def title_of(name: str) -> str:
    """Return what tables call a measure."""
    return MEASURES[name].title if name in MEASURES else name


def unit_of(name: str) -> str:
    """Return `B`, `s`, or nothing for a count."""
    return MEASURES[name].unit if name in MEASURES else ""


def option_text(value: Any) -> str:
    """Write an option's value in one line: words as they are, all else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value, order="deterministic").decode()


def brief_text(value: Any, best: Any = None) -> str:
    """Write an option's value so that it fits into a table: of a long list how many items it has, and the first ones.

    A search drops hundreds of files in each trial; reports name them all where they give the trial's command.

    Args:
        value: of the option.
        best: its value in the best trial. Where a long list differs little from it, that is what is told.
    """
    text = option_text(value)
    if len(text) <= LONG or not isinstance(value, list):
        return cut(text, LONG)
    apart = _apart(value, best) if isinstance(best, list) else ""
    return cut(f"{len(value):,} items: {apart or text}", 2 * LONG if apart else LONG)


def options_text(trial: TrialRecord, best: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Write all options of a trial in one line, each in brief; `best` are those of the best trial."""
    pairs = (f"{key}={brief_text(value, best.get(key))}" for key, value in trial.options.items())
    return ", ".join(pairs) or "as in the recipe"


def cut(text: str, most: int) -> str:
    """Cut a text off that has more characters than this."""
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"


def exact_text(value: float) -> str:
    """Write a number so that reading it gives the same number: `1213374`, `0.1`."""
    return str(int(value)) if value == int(value) else msgspec.json.encode(value).decode()


def sources_of(trials: Iterable[TrialRecord], most: int = 3) -> tuple[str, ...]:
    """Return the digests of the trials' sources; of many the first ones, and how many more there are.

    A folder that is read as far as it is needed has another digest for each root that is made of it.
    """
    found = tuple(dict.fromkeys(trial.source for trial in trials if trial.source))
    return found if len(found) <= most else (*found[:most], f"and {len(found) - most:,} more")


def problems_of(trial: TrialRecord) -> tuple[str, ...]:
    """Return why a trial did not pass, a line each."""
    lines = [line for line in (trial.error, f"hint: {trial.hint}" if trial.hint else None) if line]
    lines += [f"test {test.name!r}: {problem}" for test in trial.tests for problem in test.problems]
    return tuple(lines)


def _apart(value: list[Any], best: list[Any]) -> str:
    """Say in what a list differs from that of the best trial; nothing where it is the same, or that would be much."""
    here, there = ([option_text(item) for item in items] for items in (value, best))
    ways = {"with": [*{*here} - {*there}], "without": [*{*there} - {*here}]}
    if not 0 < sum(map(len, ways.values())) <= _NEAR:
        return ""
    told = (f"{word} {', '.join(sorted(items))}" for word, items in ways.items() if items)
    return f"the best's, {' and '.join(told)}"


def _counts(trial: TrialRecord) -> bool:
    return trial.outcome in {"passed", "untested"}


def _axes(measures: Sequence[str], choices: Choices) -> tuple[str, str]:
    y = _known("--y", choices.y, measures, "measure") or _first(_SIZES, measures)
    x = _known("--x", choices.x, measures, "measure") or _first(_TIMES, [name for name in measures if name != y])
    return x, y


def _first(wanted: Sequence[str], measures: Sequence[str]) -> str:
    return next((name for name in wanted if name in measures), measures[0] if measures else "")


def _known(option: str, name: str | None, known: Sequence[str], what: str) -> str | None:
    if name is None or name in known:
        return name
    if name in MEASURES and what == "measure":
        message = f"{option} {name}: no trial has this measure"
    else:
        message = f"{option} {name}: there is no such {what}"
    raise UsageError(message, hint=f"there are: {', '.join(known) or 'none'}")


def _best(trials: Sequence[TrialRecord], size: str, places: Iterable[int] | None = None) -> int | None:
    """Return which of some trials is the best: of those that passed; where none did, of the untested."""
    usable = [at for at in (range(len(trials)) if places is None else places) if size in trials[at].measures]
    for outcome in ("passed", "untested"):
        if found := [at for at in usable if trials[at].outcome == outcome]:
            return min(found, key=lambda at: (trials[at].measures[size], _time(trials[at]), trials[at].number, at))
    return None


def _time(trial: TrialRecord) -> float:
    return next((trial.measures[name] for name in _TIMES if name in trial.measures), 0.0)


def _chosen(results: Results, choices: Choices, size: str) -> int | None:
    """Return the trial whose root is shown: the one asked for, else the best that has a root, else the first."""
    trials = results.trials
    if choices.trial is not None:
        place = _find(trials, choices.trial)
        if trials[place].root not in results.roots:
            raise UsageError(f"--trial {choices.trial}: this trial has no root: {trials[place].outcome}")
        return place
    usable = [at for at, trial in enumerate(trials) if trial.root in results.roots]
    if choices.root is not None:
        usable = [at for at in usable if _starts(trials[at].root or "", choices.root)]
        if not usable:
            raise UsageError(f"--root {choices.root}: no trial has a root whose digest begins so")
    best = _best(trials, size, usable)
    return next(iter(usable), None) if best is None else best


def _find(trials: Sequence[TrialRecord], text: str) -> int:
    found = [at for at, trial in enumerate(trials) if str(trial.number) == text]
    if not found and len(text) >= _SHORTEST:
        found = [at for at, trial in enumerate(trials) if _starts(trial.id, text)]
    if not found:
        raise UsageError(f"--trial {text}: there is no trial of that number or id")
    if len(found) > 1:
        ids = ", ".join(trials[at].id.partition(":")[2][:12] for at in found)
        raise UsageError(f"--trial {text}: {len(found)} trials are called so", hint=f"by their id: {ids}")
    return found[0]


def _starts(digest: str, text: str) -> bool:
    return digest.startswith(text) or digest.partition(":")[2].startswith(text)
