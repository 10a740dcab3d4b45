"""`brasm menuconfig`: Buildroot's own menu over a recipe."""

from __future__ import annotations

import sys

import click

from assembler.base.errors import UsageError
from assembler.cli.buildroot import buildroot_option
from assembler.cli.options import complete_recipe
from assembler.cli.output import note
from assembler.cli.progress import progress


@click.command(short_help="Change a recipe's defconfig in Buildroot's own menu.")
@click.argument("recipe", shell_complete=complete_recipe)
@click.option("--variant", metavar="NAME", help="Change this variant's fragment.")
@click.option("--menu", type=click.Choice(["menuconfig", "nconfig", "xconfig", "gconfig"]), default="menuconfig")
@buildroot_option
def command(*, recipe: str, variant: str | None, menu: str, buildroot: str | None) -> None:
    """Change a recipe's defconfig in Buildroot's own menu.

    What is changed there goes into the recipe's defconfig, or into the variant's fragment: lines that are there keep
    their place and their comments, new ones come last, and what has its default again goes.
    """
    from assembler.pipeline.menuconfig import edit_in_menu
    from assembler.recipe import load_recipe
    from assembler.recipe.find import find_recipe

    if not sys.stdin.isatty():
        raise UsageError("menuconfig needs a terminal", hint="brasm add RECIPE PACKAGE changes a defconfig without one")
    loaded = load_recipe(find_recipe(recipe), variant=variant)
    with progress(quiet=True) as listener:
        edited = edit_in_menu(loaded, buildroot, menu, listener)
    for symbol, value in edited.changes.items():
        note(f"{symbol}: {'default' if value is None else value}")
    note(f"wrote {edited.path}" if edited.changes else "nothing was changed")
