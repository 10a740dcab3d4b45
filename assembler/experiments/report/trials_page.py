"""The page of trials: results in, one file of HTML out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from assembler.base.errors import ProgramError
from assembler.experiments.report import parts
from assembler.experiments.report.markup import Markup, asset, join, tag
from assembler.experiments.report.parts import Cell
from assembler.experiments.report.payload import trials_payload
from assembler.experiments.report.summary import (
    BY_OUTCOME,
    LONG,
    OUTCOMES,
    Summary,
    brief_text,
    cut,
    exact_text,
    front_of,
    option_text,
    options_text,
    problems_of,
    sources_of,
    summarize,
    title_of,
)
from assembler.experiments.results.measures import format_measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from assembler.experiments.report.summary import Choices
    from assembler.experiments.results.files import Results
    from assembler.experiments.results.records import TrialRecord

_FEW: Final = 12
"""Trials that are listed without being asked for."""


def trials_page(results: Results, choices: Choices) -> bytes:
    """Write the page of trials.

    Raises:
        UsageError: what was chosen is not in the results.
        ProgramError: plotly is not installed.
    """
    summary = summarize(results, choices)
    sections = {"Summary": _summary(results, summary)}
    if summary.measures:
        sections["Size against time"] = _scatter(summary)
    if summary.chosen is not None:
        sections["From source to image"] = _waterfall(summary)
        sections["Where the bytes are"] = _tiles(results, summary)
    sections["All trials"] = _table(summary)
    if any(problems_of(trial) for trial in summary.trials):
        sections["Trials that failed"] = _failures(summary)
    sections["How to reproduce"] = _commands(summary.trials)
    recipes = ", ".join(dict.fromkeys(header.recipe for header in results.headers))
    about = f"brasm {', '.join(dict.fromkeys(header.brasm for header in results.headers))}"
    scripts = (_plotly(), asset("trials.js")) if summary.trials else ()
    payload = trials_payload(summary, results.roots)
    return parts.page(f"Trials of {recipes}", f"Measured with {about}.", sections, payload, scripts)


def _plotly() -> str:
    try:
        offline = importlib.import_module("plotly.offline")
    except ImportError as error:
        raise ProgramError("plotly is not installed", hint="pip install 'brasm[report]'") from error
    return str(offline.get_plotlyjs())


def _summary(results: Results, summary: Summary) -> Markup:
    trials = summary.trials
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in summary.outcomes.items())
    figures = [("Trials", f"{len(trials):,}", counts)]
    if summary.best is not None:
        best = trials[summary.best]
        size = best.measures[summary.size]
        figures.append(
            (f"Least {title_of(summary.size)}", format_measure(summary.size, size), _compared(summary, size))
        )
        figures.append(("By trial", str(best.number), options_text(best)))
    if summary.x and summary.y and summary.x != summary.y:
        front = front_of(trials, summary.x, summary.y)
        axes = f"in {title_of(summary.y)} and {title_of(summary.x)} nothing is better than they are"
        figures.append(("On the Pareto front", f"{len(front):,}", axes))
    facts = {"Source": "\n".join(sources_of(trials))}
    for header in results.headers:
        facts |= header.machine
    return parts.section("summary", "Summary", parts.cards(figures), parts.facts(facts))


def _compared(summary: Summary, size: float) -> str:
    plain = next((one for one in summary.trials if not one.options and one.measures.get(summary.size)), None)
    if plain is None:
        return ""
    change = size / plain.measures[summary.size] - 1
    if not change:
        return f"as much as the recipe as it is (trial {plain.number})"
    return f"{abs(change):.1%} {'less' if change < 0 else 'more'} than the recipe as it is (trial {plain.number})"


def _scatter(summary: Summary) -> Markup:
    names = [(name, title_of(name)) for name in summary.measures]
    colors = [(BY_OUTCOME, "outcome"), *((key, key) for key in summary.options)]
    controls = tag(
        "div",
        parts.select("y", names, summary.y, "Upwards"),
        parts.select("x", names, summary.x, "Across"),
        parts.select("color", colors, summary.color, "Colour"),
        class_="controls js-only",
    )
    hint = "Less is better in both. A click chooses a trial; the table below does the same by keyboard."
    plot = tag(
        "div",
        id="scatter",
        class_="plot js-only",
        role="img",
        aria_label="Scatter plot; its numbers are those of the table",
    )
    return parts.section("plot", "Size against time", controls, plot, tag("p", hint, class_="muted small js-only"))


def _trial_list(summary: Summary, identity: str) -> Markup:
    shown = [(place, trial) for place, trial in enumerate(summary.trials) if trial.root is not None]
    options = (
        (str(place), f"{trial.number}: {cut(options_text(trial, summary.best_options), 90)} ({trial.outcome})")
        for place, trial in shown
    )
    return parts.select(identity, options, str(summary.chosen), "Trial", class_="trial")


def _waterfall(summary: Summary) -> Markup:
    part = parts.select("part", (("all", "all"), ("end", "from the unpacked image")), "all", "Show")
    controls = tag("div", _trial_list(summary, "waterfall-trial"), part, class_="controls js-only")
    columns = (("step", False), ("bytes", True), ("then", True), ("about", False))
    steps = tag(
        "details",
        tag("summary", "As a table"),
        parts.table("steps", columns, (), "Steps", sort=False),
        class_="js-only",
    )
    plot = tag(
        "div",
        id="waterfall",
        class_="plot js-only",
        role="img",
        aria_label="Waterfall; the table below it says the same",
    )
    return parts.section("from-source", "From source to image", controls, plot, steps)


def _tiles(results: Results, summary: Summary) -> Markup:
    known = any(row.package for root in results.roots.values() for row in root.files)
    ways = (("package", "package"), ("directory", "directory")) if known else (("directory", "directory"),)
    controls = tag(
        "div", _trial_list(summary, "tiles-trial"), parts.switch("by", ways, "By"), class_="controls js-only"
    )
    return parts.section(
        "bytes", "Where the bytes are", controls, parts.treemap("The files of the root filesystem, by size")
    )


def _table(summary: Summary) -> Markup:
    outcomes = [("", "all"), *((outcome, outcome) for outcome in OUTCOMES if outcome in summary.outcomes)]
    form = tag(
        "form",
        tag("label", "Find ", tag("input", type="search", name="text", autocomplete="off")),
        parts.select("outcome", outcomes, "", "Outcome", name="outcome"),
        tag("output", aria_live="polite"),
        class_="controls filter js-only",
        data_table="trials-table",
        role="search",
        aria_label="Filter trials",
    )
    first, rest = _measures(summary)
    columns = [("trial", True), ("outcome", False), *((title_of(name), True) for name in first)]
    columns += [
        *((key, False) for key in summary.options),
        *((title_of(name), True) for name in rest),
        ("image", False),
    ]
    rows = (_trial_row(place, trial, summary) for place, trial in enumerate(summary.trials))
    told = tag("p", id="told", class_="js-only", aria_live="polite")
    return parts.section("trials", "All trials", form, told, parts.table("trials-table", columns, rows, "All trials"))


def _measures(summary: Summary) -> tuple[list[str], list[str]]:
    """Return the measures whose columns come first, those of the plot, and all others."""
    first = list(dict.fromkeys(name for name in (summary.y, summary.x) if name))
    return first, [name for name in summary.measures if name not in first]


def _trial_row(place: int, trial: TrialRecord, summary: Summary) -> Markup:
    number = tag("button", str(trial.number), type="button", class_="choose", title="Choose this trial")
    cells = [
        Cell(number, str(trial.number), "number"),
        Cell(tag("span", trial.outcome, class_=f"outcome {trial.outcome}")),
    ]
    first, rest = _measures(summary)
    cells += [_measure_cell(trial, name) for name in first]
    cells += [_option_cell(trial, key, summary) for key in summary.options]
    cells += [_measure_cell(trial, name) for name in rest]
    image = trial.image or ""
    cells.append(Cell(tag("code", image.partition(":")[2][:12]), title=image or None))
    return parts.row(cells, data_place=place, data_outcome=trial.outcome)


def _option_cell(trial: TrialRecord, key: str, summary: Summary) -> Cell:
    if key not in trial.options:
        return Cell("")
    text = option_text(trial.options[key])
    return Cell(brief_text(trial.options[key], summary.best_options.get(key)), title=text if len(text) > LONG else None)


def _measure_cell(trial: TrialRecord, name: str) -> Cell:
    if name not in trial.measures:
        return Cell("", style="number")
    value = trial.measures[name]
    return Cell(format_measure(name, value), exact_text(value), "number", exact_text(value))


def _failures(summary: Summary) -> Markup:
    failed = [trial for trial in summary.trials if problems_of(trial)]
    made = tuple(_failure(trial, summary) for trial in failed)
    if len(failed) > _FEW:
        made = (tag("details", tag("summary", f"{len(failed):,} trials"), *made),)
    return parts.section("failed", "Trials that failed", *made)


def _failure(trial: TrialRecord, summary: Summary) -> Markup:
    problems = problems_of(trial)
    head = tag(
        "summary",
        tag("span", trial.outcome, class_=f"outcome {trial.outcome}"),
        f" trial {trial.number}: ",
        cut(problems[0], 160),
    )
    options = tag("p", options_text(trial, summary.best_options), class_="muted small")
    lines = tag("pre", "\n".join(problems))
    log = (tag("h3", "Log"), tag("pre", "\n".join(trial.log))) if trial.log else ()
    worker = tag("p", f"Worker: {trial.worker}", class_="muted small") if trial.worker else ""
    return tag("details", head, options, lines, *log, worker)


def _commands(trials: Sequence[TrialRecord]) -> Markup:
    made = join(_command(trial) for trial in trials)
    hint = "Each packs the same image, byte for byte, from the same source."
    head = tag("summary", f"{len(trials):,} commands")
    return parts.section(
        "reproduce", "How to reproduce", tag("p", hint), tag("details", head, made, open=len(trials) <= _FEW)
    )


def _command(trial: TrialRecord) -> Iterable[str]:
    copy = tag(
        "button", "Copy", type="button", class_="copy js-only", aria_label=f"Copy the command of trial {trial.number}"
    )
    yield tag("h3", f"Trial {trial.number}")
    yield tag("div", tag("pre", trial.command), copy, class_="command") if trial.command else tag("p", "none is known")
