"""What verbs have in common: options, and of those that take a recipe, reading it.

Whatever reads recipes is imported where it is used, since half of the verbs have none.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Any, TypeVar

import click

from assembler.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assembler.recipe.types import LoadedRecipe

Function = TypeVar("Function", bound="Callable[..., Any]")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
platform_option = click.option(
    "--platform", metavar="OS/ARCH", help="Of an image for several platforms: which. Default: this machine's."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress, notes or summary.")


def recipe_options(function: Function) -> Function:
    """Add the options that make or change a recipe."""
    for option in reversed(
        (
            click.option(
                "-s", "--source", metavar="SOURCE", help="Folder, tarball or image to pack; overrides the recipe's."
            ),
            click.option("-e", "--entrypoint", metavar="COMMAND", help="Program and arguments to start with."),
            click.option("--mode", type=click.Choice(["closure", "prune", "all"]), help="What of the source is kept."),
            click.option(
                "--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Set any key: layers.level=12."
            ),
        )
    ):
        function = option(function)
    return function


def complete_recipe(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete the name of a shipped recipe, or a path."""
    from click.shell_completion import CompletionItem

    from assembler.recipe.find import shipped_recipes

    names = [name for name in shipped_recipes() if name.startswith(incomplete)]
    return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]


def read_recipe(
    text: str | None, source: str | None, entrypoint: str | None, mode: str | None, overrides: Sequence[str]
) -> LoadedRecipe:
    """Read a recipe and lay the command line over it; without a recipe, make one of the command line alone.

    Raises:
        UsageError: neither a recipe nor a source was given.
        RecipeError: the recipe is wrong.
    """
    from assembler.recipe import load_recipe, recipe_from_mapping
    from assembler.recipe.find import find_recipe
    from assembler.recipe.load import override
    from assembler.sources.open import source_table

    given: dict[str, Any] = {}
    if source is not None:
        given["source"] = source_table(source)
    if entrypoint is not None:
        given["image.entrypoint"] = shlex.split(entrypoint)
    if mode is not None:
        given["select.mode"] = mode
    if text is not None:
        return load_recipe(find_recipe(text), overrides, given)
    if source is None:
        raise UsageError(
            "neither a recipe nor a source is given",
            hint="brasm pack RECIPE, or brasm pack --source DIR --entrypoint PROGRAM -o x.tar",
        )
    name = _name_for(shlex.split(entrypoint)[0] if entrypoint else source)
    return recipe_from_mapping(override({"name": name}, given), os.getcwd(), overrides)


def _name_for(text: str) -> str:
    """Make an image's name of a program or path: `/usr/bin/Foo_Bar.tar` becomes `foo_bar`."""
    base = os.path.basename(os.path.abspath(text)).lower().split(".tar")[0]
    return re.sub(r"[^a-z0-9]+", "-", base).strip("-") or "root"
