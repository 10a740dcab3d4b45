"""`brasm cost`: what packages and symbols of the configuration cost in the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from assembler.base.units import format_size
from assembler.cli.options import complete_recipe, json_option, quiet_option, read_recipe, recipe_options
from assembler.cli.output import console, note, print_json
from assembler.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from assembler.buildroot.cost import Cost, SymbolCost
    from assembler.cli.options import Changes
    from assembler.pipeline.cost import Costs

MOST = 40
"""Rows of a table; `--json` has them all."""

_NAMES = 3
"""Names in a cell; `--json` has them all."""


@click.command(short_help="Show what packages and symbols of Buildroot's cost in the image.")
@click.argument("recipe", required=False, shell_complete=complete_recipe)
@recipe_options
@json_option
@quiet_option
def command(*, recipe: str | None, changes: Changes, as_json: bool, quiet: bool) -> None:
    """Show what packages and symbols of Buildroot's cost in the image; nothing is built or written.

    By package: the bytes in target/ and in the image. By BR2_ symbol that was asked for, or is on by default: what
    would go from the image if it were off, which is its package, those that only it needs, and what only these reach.
    Then what is shared, and symbols of which nothing is in the image: they cost time to build, and no more.

    Without a recipe, --source OUTPUT names an output folder, however it was built.
    """
    from assembler.pipeline.cost import cost
    from assembler.pipeline.make import Sources

    loaded = read_recipe(recipe, changes)
    with progress(quiet=quiet) as listener:
        costs = cost(loaded, Sources(listener), listener)
    if as_json:
        print_json(_json(costs))
        return
    _print(costs.cost)
    for line in () if quiet else (*_option_notes(costs.cost), *costs.notes):
        note(f"note: {line}")


def _json(costs: Costs) -> dict[str, object]:
    cost = costs.cost
    return {
        "output": costs.output,
        "total": cost.total,
        "packages": [
            {
                "package": one.package,
                "version": one.version,
                "license": one.license,
                **msgspec.structs.asdict(one.weight),
            }
            for one in cost.packages
        ],
        "unowned": cost.unowned,
        "symbols": [_symbol_json(one) for one in cost.symbols],
        "shared": cost.shared,
        "unneeded": [_symbol_json(one) for one in cost.unneeded],
        "options": cost.options,
    }


def _symbol_json(one: SymbolCost) -> dict[str, object]:
    return {**msgspec.structs.asdict(one), "total": one.total}


def _print(cost: Cost) -> None:
    out = console()
    weights = [(one.weight, one.package, one.version or "", one.license or "") for one in cost.packages]
    weights.append((cost.unowned, "(no package)", "", ""))
    total = f"{format_size(cost.total.size)} in the image, {format_size(cost.total.target_size)} in target"
    _print_table(
        out,
        f"by package: {total}",
        ("in image", "in target", "files", "package", "version", "licence"),
        [
            (format_size(one.size), format_size(one.target_size), f"{one.files:,}", *words)
            for one, *words in sorted(weights, key=lambda row: -row[0].size)
        ],
    )
    _print_table(
        out,
        "by symbol: what goes when it is off",
        ("bytes", "by package", "reached", "seconds", "symbol", "on by", "goes too"),
        [_symbol_row(one) for one in cost.symbols],
    )
    _print_table(
        out,
        "shared: goes only together with all that need it",
        ("bytes", "package", "needed by"),
        [
            (format_size(one.size), one.package, "every image" if one.always else _words(one.symbols))
            for one in cost.shared
        ],
    )
    _print_table(
        out,
        "on, and nothing of it in the image",
        ("in target", "seconds", "symbol", "on by", "goes too"),
        [
            (format_size(one.target_size), _seconds(one), one.symbol, one.origin, _words(_others(one)))
            for one in cost.unneeded
        ],
    )


def _symbol_row(one: SymbolCost) -> tuple[str, ...]:
    goes = f"stays: {_words(one.needed_by)}" if one.needed_by else _words(_others(one))
    sizes = format_size(one.total), format_size(one.size), format_size(one.reached_size)
    return (*sizes, _seconds(one), one.symbol, one.origin, goes)


def _print_table(out: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        return
    numbers = {"bytes", "in image", "in target", "files", "by package", "reached", "seconds"}
    table = Table(title=title, box=None, pad_edge=False, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", no_wrap=column in numbers)
    for row in rows[:MOST]:
        table.add_row(*map(escape, row))
    more = f"({len(rows) - MOST} more)\n" if len(rows) > MOST else ""
    out.print(table, more)


def _option_notes(cost: Cost) -> Iterable[str]:
    if cost.options:
        yield (
            f"{_words(cost.options)}: of the defconfig, and no packages of their own: what they cost only a build "
            "without them tells"
        )


def _others(one: SymbolCost) -> list[str]:
    return [name for name in one.packages if name != one.package]


def _words(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def _seconds(one: SymbolCost) -> str:
    return "" if one.seconds is None else f"{one.seconds:,.0f}"
