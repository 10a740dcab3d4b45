"""`brasm plan`: what would be kept, dropped and changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assembler.base.paths import show
from assembler.base.units import format_size
from assembler.cli.options import complete_recipe, json_option, quiet_option, read_recipe, recipe_options
from assembler.cli.output import console, note, print_json
from assembler.cli.progress import progress
from assembler.pipeline.make import Sources, decide
from assembler.tree import size_of, type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.cli.options import Changes
    from assembler.plan.types import Decision, Plan


@click.command(short_help="Show what would be kept, dropped and changed, and why; write nothing.")
@click.argument("recipe", required=False, shell_complete=complete_recipe)
@recipe_options
@click.option("--files", "list_files", is_flag=True, help="List every entry, not only the sums.")
@json_option
@quiet_option
def command(
    *,
    recipe: str | None,
    changes: Changes,
    list_files: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Show what would be kept, dropped and changed, and why; write nothing.

    The table sums up by reason, `--files` lists every entry. `brasm why` explains a single one.
    """
    loaded = read_recipe(recipe, changes)
    with progress(quiet=quiet) as listener:
        opened = Sources(listener).open(loaded)
        plan = decide(loaded, opened, listener, with_packages=as_json or list_files)
    if as_json:
        print_json(_json(plan))
        return
    _print_table(plan)
    if list_files:
        _print_files(plan)
    if not quiet:
        for line in (*plan.warnings, *opened.notes):
            note(f"note: {line}")


def _json(plan: Plan) -> dict[str, object]:
    return {
        "entries": [
            {
                "path": show(decision.entry.path),
                "type": type_name(decision.entry),
                "size": size_of(decision.entry),
                "verdict": decision.verdict,
                "reason": decision.reason,
                "rule": decision.rule,
                "result_size": None if decision.result is None else size_of(decision.result),
                "package": plan.packages.get(decision.entry.path),
            }
            for decision in plan.decisions.values()
        ],
        "totals": plan.totals(),
        "warnings": plan.warnings,
    }


def _print_table(plan: Plan) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("verdict", "reason", "entries", "bytes", "after"):
        table.add_column(title, justify="left" if title in {"verdict", "reason"} else "right")
    for row in plan.totals():
        style = "dim" if row.verdict == "drop" else None
        after = "" if row.verdict == "drop" else format_size(row.result_size)
        table.add_row(row.verdict, row.reason, f"{row.entries:,}", format_size(row.size), after, style=style)
    console().print(table)


def _print_files(plan: Plan) -> None:
    out = console()
    for decision in plan.decisions.values():
        out.print(_line(decision, plan.packages), markup=False, soft_wrap=True)


def _line(decision: Decision, packages: Mapping[str, str]) -> str:
    mark = {"keep": "+", "transform": "~", "drop": "-"}[decision.verdict]
    entry = decision.entry
    package = f" [{show(packages[entry.path])}]" if entry.path in packages else ""
    return f"{mark} {size_of(entry):>10} {show(entry.path)}{package}  ({decision.reason}: {decision.rule})"
