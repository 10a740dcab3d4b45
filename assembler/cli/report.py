"""`brasm report`: results of trials as a page, as tables, as plots; or what differs between two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from assembler.base.errors import UsageError
from assembler.base.paths import show
from assembler.cli.options import json_option, quiet_option
from assembler.cli.output import console, note, print_json
from assembler.experiments.results.measures import MEASURES, format_measure

if TYPE_CHECKING:
    from assembler.experiments.report.plots import PlotName
    from assembler.experiments.report.write import Form
    from assembler.experiments.results.compare import Comparison, Difference
    from assembler.experiments.results.records import TrialRecord

_FORMS = ("html", "md", "csv", "svg", "png", "jsonl")
_PLOTS = ("size-time", "waterfall", "treemap")


@click.command(short_help="Make a page, a table or plots of what trials came to.")
@click.argument("results", nargs=-1, required=True, metavar="RESULTS...", type=click.Path())
@click.option(
    "-o", "--output", "outputs", metavar="FILE", multiple=True, help="Where to; -, the default, is standard output."
)
@click.option(
    "--format", "form", type=click.Choice(_FORMS), help="Which form. Default: by the file's ending; md for -."
)
@click.option("--plot", type=click.Choice(_PLOTS), help="Which plot an svg or png is. Default: size-time.")
@click.option("--x", metavar="MEASURE", help="Across. Default: pack_seconds, or another time.")
@click.option("--y", metavar="MEASURE", help="Upwards; of a size, the best trial has least of it. Default: compressed.")
@click.option("--color", metavar="KEY", help="What points are coloured by: an option's key. Default: outcome.")
@click.option("--trial", metavar="NUMBER|ID", help="Whose waterfall and treemap. Default: the best.")
@click.option("--root", metavar="DIGEST", help="Of which root filesystem, in place of a trial.")
@click.option("--compare", is_flag=True, help="Show which trials came out otherwise in the second of two RESULTS.")
@json_option
@quiet_option
def command(
    *,
    results: tuple[str, ...],
    outputs: tuple[str, ...],
    form: Form | None,
    plot: PlotName | None,
    compare: bool,
    as_json: bool,
    quiet: bool,
    **choices: str | None,
) -> None:
    """Make a page, a table or plots of what trials came to.

    RESULTS are files that `brasm tune` wrote; several are put together. A page (.html) is one file that works without
    a network: sizes against times with their Pareto front, where the source's bytes went, what is in a root
    filesystem, all trials to sort and filter, why trials failed, and the command that packs each image. .md and .csv
    are tables, .svg and .png a plot, .jsonl the results themselves in one file. The same results give the same bytes.

    Pages take the package plotly, plots matplotlib: pip install 'brasm[report]'.
    """
    from assembler.experiments.report.summary import Choices

    if compare:
        _compare(results, outputs, as_json=as_json, quiet=quiet)
    elif as_json:
        raise UsageError(
            "--json: only with --compare", hint="RESULTS are JSON, a value a line; --format csv has numbers"
        )
    else:
        _report(results, outputs or ("-",), form, plot, Choices(**choices), quiet=quiet)


def _report(
    paths: tuple[str, ...],
    outputs: tuple[str, ...],
    form: Form | None,
    plot: PlotName | None,
    choices: Any,
    *,
    quiet: bool,
) -> None:
    from assembler.experiments.report.write import form_of, report, write
    from assembler.experiments.results.files import read_results

    forms = [form_of(output, form) for output in outputs]
    if len(set(outputs)) < len(outputs):
        raise UsageError("-o: a file is named twice")
    results = read_results(paths)
    _tell(results.notes, quiet=quiet)
    made = [report(results, choices, one, plot) for one in forms]
    for output, data in zip(outputs, made, strict=True):
        write(data, output)
        if output != "-" and not quiet:
            note(f"wrote {show(output)}")


def _tell(notes: tuple[str, ...], *, quiet: bool) -> None:
    if not quiet:
        for line in notes:
            note(f"note: {line}")


# --compare


def _compare(paths: tuple[str, ...], outputs: tuple[str, ...], *, as_json: bool, quiet: bool) -> None:
    from assembler.experiments.results.compare import compare
    from assembler.experiments.results.files import read_results

    if len(paths) != 2 or outputs:
        raise UsageError("--compare takes two RESULTS, the older one first, and no -o")
    old, new = (read_results((path,)) for path in paths)
    _tell((*old.notes, *new.notes), quiet=quiet)
    found = compare(old, new)
    if as_json:
        print_json(_json(found))
    else:
        _print(found)


def _json(found: Comparison) -> dict[str, object]:
    return {
        "only_old": [_named(trial) for trial in found.only_old],
        "only_new": [_named(trial) for trial in found.only_new],
        "changed": [
            {"old": _named(change.old), "new": _named(change.new), "differences": change.differences}
            for change in found.changed
        ],
        "same": found.same,
    }


def _named(trial: TrialRecord) -> dict[str, object]:
    return {
        "id": trial.id,
        "number": trial.number,
        "options": trial.options,
        "outcome": trial.outcome,
        "image": trial.image,
        "error": trial.error,
    }


def _print(found: Comparison) -> None:
    from rich.table import Table

    out = console()
    table = Table(box=None, pad_edge=False)
    for title in ("trial", "options", "what", "before", "after"):
        table.add_column(title, justify="right" if title in {"before", "after"} else "left", overflow="fold")
    for change in found.changed:
        for at, one in enumerate(change.differences):
            head = (str(change.new.number), _options(change.new)) if at == 0 else ("", "")
            table.add_row(*head, _title(one), _value(one.what, one.old), _value(one.what, one.new))
    for title, trials in (("only before", found.only_old), ("only after", found.only_new)):
        for trial in trials:
            table.add_row(str(trial.number), _options(trial), title, "", "")
    if table.row_count:
        out.print(table)
    counts = {"changed": len(found.changed), "only before": len(found.only_old), "only after": len(found.only_new)}
    out.print(
        ", ".join(f"{count:,} {what}" for what, count in (*counts.items(), ("the same", found.same)) if count)
        or "no trials"
    )


def _options(trial: TrialRecord) -> str:
    from assembler.experiments.report.summary import options_text

    return _plain(options_text(trial))


def _title(one: Difference) -> str:
    return MEASURES[one.what].title if one.what in MEASURES else one.what


def _value(what: str, value: str | float | None) -> str:
    """Write a value; bytes in full, since what differs may be few of them."""
    if value is None:
        return "-"
    if what in MEASURES:
        number = cast("float", value)
        return f"{number:,.0f} B" if MEASURES[what].unit == "B" else format_measure(what, number)
    return str(value)[:19] if what == "image" else _plain(str(value))


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(show(text))
