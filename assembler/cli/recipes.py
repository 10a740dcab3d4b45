"""`brasm recipes`: what ships."""

from __future__ import annotations

import click

from assembler.cli.options import json_option
from assembler.cli.output import print_json
from assembler.recipe import load_recipe
from assembler.recipe.find import find_recipe, shipped_recipes


@click.command(short_help="List the recipes that ship with brasm.")
@json_option
def command(*, as_json: bool) -> None:
    """List the recipes that ship with brasm, each with its description and where it lies."""
    rows = [(name, load_recipe(find_recipe(name))) for name in shipped_recipes()]
    if as_json:
        print_json([{"name": name, "description": one.recipe.description, "folder": one.folder} for name, one in rows])
        return
    for name, one in rows:
        click.echo(f"{name:<12} {one.recipe.description}\n{'':<12} {one.folder}")
