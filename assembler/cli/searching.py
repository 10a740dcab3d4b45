"""`brasm tune --subject-to tests`: the search for what can be dropped, and the patch that drops it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click
from msgspec import Struct

from assembler.base.errors import UsageError
from assembler.base.files import atomic_file, write_all
from assembler.base.paths import show
from assembler.base.progress import Silent
from assembler.base.units import format_size
from assembler.cli.output import console, note, print_json
from assembler.cli.progress import long_progress
from assembler.cli.trials import default_output, opened
from assembler.experiments.drops.patch import apply, patch_of
from assembler.experiments.results.measures import MEASURES, format_measure
from assembler.experiments.trials.tune import search_drops

if TYPE_CHECKING:
    from assembler.cli.trials import Hands
    from assembler.experiments.drops.findings import Findings
    from assembler.experiments.trials.matrix import Base
    from assembler.experiments.trials.tune import Wish

MOST: Final = 20
"""Rows of a table; `--json` has them all."""


class Goal(Struct, frozen=True):
    """What a search is for.

    Attributes:
        recipe: the recipe's file; None for a recipe of the command line alone.
        attempts: how many trials it may take; None for any number.
        patch: where the patch goes; None for standard output.
        is_applied: whether the recipe is written in place of the patch.
    """

    recipe: str | None
    attempts: int | None
    patch: str | None
    is_applied: bool


def run_search(
    base: Base, goal: Goal, wish: Wish, hands: Hands, output: str | None, *, as_json: bool, quiet: bool
) -> int:
    """Search, print what was found, and write the patch.

    Args:
        base: the recipe.
        goal: what the search is for.
        wish: how trials are run.
        hands: who does the work.
        output: the file of results.
        as_json: whether JSON is printed.
        quiet: whether nothing but the patch is.

    Raises:
        UsageError: there is no recipe file to patch.
        BrasmError: any of the tree.
    """
    if goal.recipe is None and (goal.patch is not None or goal.is_applied):
        raise UsageError("there is no recipe file to patch", hint="brasm tune RECIPE")
    path = output or default_output(base)
    with (
        long_progress(quiet=quiet or as_json) as listener,
        opened(base, hands, path, wish, listener, quiet=quiet) as (crew, writer),
    ):
        found = search_drops(base, wish, goal.attempts, crew, writer, listener.status, Silent())
    text = None if goal.recipe is None else patch_of(goal.recipe, found, base.variant)
    if as_json:
        print_json({"results": path, **_json(found), "patch": text})
    elif not quiet:
        _print(found, path)
    if text is not None and found.accepted:
        _write(base, goal, found, text, printed=not as_json)
    return 0


def _write(base: Base, goal: Goal, found: Findings, text: str, *, printed: bool) -> None:
    if goal.is_applied and goal.recipe is not None:
        apply(goal.recipe, found, base.variant)
        note(f"wrote {goal.recipe}")
    if goal.patch is not None:
        with atomic_file(goal.patch) as descriptor:
            write_all(descriptor, text.encode())
        note(f"wrote {goal.patch}")
    elif printed and not goal.is_applied:
        click.echo(text, nl=False)


def _json(found: Findings) -> dict[str, Any]:
    return {
        "measure": found.measure,
        "before": found.before,
        "after": found.after,
        "attempts": found.attempts,
        "stopped": found.stopped,
        "drops": [
            {
                "name": one.name,
                "globs": one.globs,
                "files": one.files,
                "size": one.size,
                "saved": one.saved,
                "trial": one.trial,
                "number": one.number,
                "tests": one.tests,
            }
            for one in found.accepted
        ],
        "needed": [
            {"path": show(one.path), "test": one.test, "problem": one.problem, "trial": one.trial, "number": one.number}
            for one in found.rejected
        ],
        "untried": [show(path) for path in found.untried],
    }


def _print(found: Findings, path: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    out, title = console(), MEASURES[found.measure].title
    table = Table(title="can go", box=None, pad_edge=False, title_justify="left", title_style="bold")
    for heading in (title, "bytes", "files", "trial"):
        table.add_column(heading, justify="right")
    table.add_column("what")
    for one in found.accepted[:MOST]:
        saved = format_measure(found.measure, one.saved)
        table.add_row(saved, format_size(one.size), f"{one.files:,}", str(one.number), escape(show(one.name)))
    if found.accepted:
        out.print(table)
    if len(found.accepted) > MOST:
        note(f"and {len(found.accepted) - MOST:,} more: --json has them")
    needed = Table(title="needed, of what could have gone", box=None, pad_edge=False, title_justify="left")
    needed.add_column("path")
    needed.add_column("without it")
    for each in found.rejected[:MOST]:
        why = each.problem if each.test is None else f"{each.test}: {each.problem}"
        needed.add_row(escape(show(each.path)), escape(why))
    if found.rejected:
        out.print(needed)
    _sum_up(found, path)


def _sum_up(found: Findings, path: str) -> None:
    before, after = found.before[found.measure], found.after[found.measure]
    note(
        f"{MEASURES[found.measure].title}: {format_measure(found.measure, before)} before, "
        f"{format_measure(found.measure, after)} after ({after / before - 1:+.1%}); {found.attempts:,} attempts"
    )
    if found.stopped is not None:
        note(f"ended early: {found.stopped}; {len(found.untried):,} files were not tried; the same command goes on")
    note(f"results: {path}")
