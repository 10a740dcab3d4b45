"""`brasm rules`: what is known of files that programs open at run time."""

from __future__ import annotations

import click

from assembler.cli.options import json_option
from assembler.cli.output import console, print_json


@click.command(short_help="List the rules of what programs open at run time.")
@json_option
def command(*, as_json: bool) -> None:
    """List the rules of what programs open at run time.

    A rule is asked where its priority is at least that of `select.dlopen` (default: recommended), or as
    `select.rules` says by its name: `--set select.rules.zoneinfo_all=true`.
    """
    from assembler.graph.rules import RULES

    if as_json:
        print_json([{"name": rule.name, "priority": rule.priority, "summary": rule.summary} for rule in RULES])
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("rule", "priority", "keeps"):
        table.add_column(title)
    for rule in RULES:
        table.add_row(rule.name, rule.priority, rule.summary)
    console().print(table)
