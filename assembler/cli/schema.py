"""`brasm schema`: the JSON schema of a recipe, for editors."""

from __future__ import annotations

import click

from assembler.recipe.schema import recipe_schema


@click.command(short_help="Print the JSON schema of a recipe.")
def command() -> None:
    """Print the JSON schema of a recipe.

    It is of draft 2020-12. Editors that know taplo or Even Better TOML use it when the first line of a recipe is
    `#:schema recipe.schema.json`.
    """
    click.echo(recipe_schema(), nl=False)
