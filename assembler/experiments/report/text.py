"""Reports as text: Markdown for people, CSV for spreadsheets (RFC 4180)."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Final

from assembler.base.paths import show
from assembler.base.units import format_size
from assembler.experiments.report.summary import (
    Choices,
    brief_text,
    exact_text,
    front_of,
    option_text,
    options_text,
    problems_of,
    sources_of,
    summarize,
    title_of,
)
from assembler.experiments.report.waterfall import image_bars, levels, root_bars
from assembler.experiments.results.measures import format_measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from assembler.experiments.report.summary import Summary
    from assembler.experiments.results.files import Results
    from assembler.experiments.results.records import TrialRecord

_MARKS: Final = re.compile(r"[\\`*\[\]<>|~&$]|(?<!\w)_|_(?!\w)")
"""What may mean something to Markdown in the middle of a line; `_` between letters does not."""
_LINES: Final = re.compile(r"\s*[\r\n]+\s*")
_TICKS: Final = re.compile(r"`+")


def markdown(results: Results, choices: Choices) -> bytes:
    """Write results as Markdown (GitHub's, for its tables): the best trial, the front, all trials, failures, waterfall.

    Raises:
        UsageError: what was chosen is not in the results.
    """
    summary = summarize(results, choices)
    recipes = ", ".join(dict.fromkeys(header.recipe for header in results.headers))
    lines = [f"# Trials of {_plain(recipes)}", "", *_head(results, summary)]
    lines += _front(summary)
    lines += ["", "## All trials", "", *_trials(summary, range(len(summary.trials)), summary.measures)]
    lines += _failures(summary)
    lines += _waterfall(results, summary)
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def comma_separated(results: Results) -> bytes:
    """Write results as CSV: a line for each trial, with all options and measures, and all numbers exact."""
    summary = summarize(results, Choices())
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    tests = ("failed_tests", "problems")
    digests = ("image", "root", "recipe", "source")
    writer.writerow(
        ("number", "id", "outcome", *summary.options, *summary.measures, *tests, *digests, "worker", "command")
    )
    for trial in summary.trials:
        failed = sum(bool(test.problems) for test in trial.tests)
        writer.writerow(
            (
                *(trial.number, trial.id, trial.outcome),
                *(option_text(trial.options[key]) if key in trial.options else "" for key in summary.options),
                *(exact_text(trial.measures[key]) if key in trial.measures else "" for key in summary.measures),
                *(failed, "\n".join(problems_of(trial))),
                *(getattr(trial, key) or "" for key in digests),
                *(trial.worker, trial.command),
            )
        )
    return text.getvalue().encode("utf-8", "backslashreplace")


def _head(results: Results, summary: Summary) -> Iterator[str]:
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in summary.outcomes.items())
    trials = "1 trial" if len(summary.trials) == 1 else f"{len(summary.trials):,} trials"
    yield f"{trials}: {counts or 'none'}."
    if summary.best is not None:
        best = summary.trials[summary.best]
        size = format_measure(summary.size, best.measures[summary.size])
        yield f"Least {title_of(summary.size)}: **{size}**, trial {best.number} ({_plain(options_text(best))})."
        if best.command:
            yield from ("", *_fenced((best.command,), "sh"))
    facts = {"source": ", ".join(sources_of(summary.trials))}
    for header in results.headers:
        facts |= {"brasm": header.brasm, **header.machine}
    yield from ("", *(f"- {_plain(key)}: {_plain(value)}" for key, value in facts.items() if value))


def _front(summary: Summary) -> Iterator[str]:
    if not summary.measures or summary.x == summary.y:
        return
    front = front_of(summary.trials, summary.x, summary.y)
    yield from ("", f"## Pareto front: {title_of(summary.y)} against {title_of(summary.x)}", "")
    yield from _trials(summary, front, (summary.y, summary.x))


def _trials(summary: Summary, places: Iterable[int], measures: Sequence[str]) -> Iterator[str]:
    names = ("trial", "outcome", *summary.options, *map(title_of, measures))
    yield _row(names)
    yield _row(["--:", "---", *("---" for _ in summary.options), *("--:" for _ in measures)], escape=False)
    for trial in (summary.trials[place] for place in places):
        options = (_option(trial, key, summary) for key in summary.options)
        figures = (format_measure(name, trial.measures[name]) if name in trial.measures else "" for name in measures)
        yield _row((str(trial.number), trial.outcome, *options, *figures))


def _option(trial: TrialRecord, key: str, summary: Summary) -> str:
    return brief_text(trial.options[key], summary.best_options.get(key)) if key in trial.options else ""


def _failures(summary: Summary) -> Iterator[str]:
    failed = [trial for trial in summary.trials if problems_of(trial)]
    if failed:
        yield from ("", "## Trials that failed")
    for trial in failed:
        options = _plain(options_text(trial, summary.best_options))
        yield from ("", f"### Trial {trial.number}: {trial.outcome}", "", f"Options: {options}", "")
        yield from _fenced((*problems_of(trial), *(f"log: {line}" for line in trial.log)))


def _waterfall(results: Results, summary: Summary) -> Iterator[str]:
    if summary.chosen is None:
        return
    trial = summary.trials[summary.chosen]
    root = results.roots[trial.root or trial.id]
    bars = (*root_bars(root), *image_bars(trial, root))
    yield from ("", f"## From source to image: trial {trial.number}", "")
    yield _row(("step", "bytes", "then", "about"))
    yield _row(("---", "--:", "--:", "---"), escape=False)
    for bar, (_, end) in zip(bars, levels(bars), strict=True):
        size = f"{bar.size:,}" if bar.kind == "total" else f"{bar.size:+,}"
        yield _row((bar.label, size, f"{end:,} ({format_size(end)})", bar.about))


def _row(cells: Iterable[str], *, escape: bool = True) -> str:
    return f"| {' | '.join(_plain(cell) if escape else cell for cell in cells)} |"


def _plain(text: str) -> str:
    """Write a text so that Markdown takes it as it is: in one line, and nothing of it as a mark."""
    return _MARKS.sub(r"\\\g<0>", show(_LINES.sub(" ", text)))


def _fenced(lines: Iterable[str], language: str = "") -> Iterator[str]:
    """Write lines as they are, between fences that are longer than any in them."""
    shown = [show(one) for line in lines for one in line.splitlines()]
    longest = max((len(run) for line in shown for run in _TICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}{language}", *shown, fence)
