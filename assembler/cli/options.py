"""What verbs have in common: options, and of those that take a recipe, reading it.

Whatever reads recipes is imported where it is used, since half of the verbs have none.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click
from msgspec import Struct
from msgspec.structs import replace

from assembler.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from assembler.recipe.types import LoadedRecipe

Function = TypeVar("Function", bound="Callable[..., Any]")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
platform_option = click.option(
    "--platform", metavar="OS/ARCH", help="Of an image for several platforms: which. Default: this machine's."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress, notes or summary.")


class Changes(Struct, frozen=True):
    """What the command line lays over a recipe."""

    source: str | None = None
    entrypoint: str | None = None
    variants: tuple[str, ...] = ()
    mode: str | None = None
    overrides: tuple[str, ...] = ()

    @property
    def variant(self) -> str | None:
        """The one variant.

        Raises:
            UsageError: there are several.
        """
        if len(self.variants) > 1:
            raise UsageError(f"--variant {self.variants[1]}: --variant {self.variants[0]} is given already")
        return self.variants[0] if self.variants else None

    def each(self) -> list[Changes]:
        """Return the same for each variant; without one, once."""
        return [replace(self, variants=(name,)) for name in self.variants] or [self]


def recipe_options(function: Function) -> Function:
    """Add the options that make or change a recipe; the verb gets them as `changes`."""

    @functools.wraps(function)
    def verb(**values: Any) -> object:
        changes = Changes(**{name: values.pop(name) for name in Changes.__struct_fields__})
        return function(changes=changes, **values)

    for option in reversed(_RECIPE_OPTIONS):
        verb = option(verb)
    return cast("Function", verb)


_RECIPE_OPTIONS: Final = (
    click.option("-s", "--source", metavar="SOURCE", help="Folder, tarball or image to pack; overrides the recipe's."),
    click.option("-e", "--entrypoint", metavar="COMMAND", help="Program and arguments to start with."),
    click.option("--variant", "variants", metavar="NAME", multiple=True, help="Which of the recipe's variants."),
    click.option("--mode", type=click.Choice(["closure", "prune", "all"]), help="What of the source is kept."),
    click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Set any key: layers.level=12."),
)


def complete_recipe(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete the name of a shipped recipe, or a path."""
    from click.shell_completion import CompletionItem

    from assembler.recipe.find import shipped_recipes

    names = [name for name in shipped_recipes() if name.startswith(incomplete)]
    return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]


def is_image(text: str) -> bool:
    """Tell an image from a recipe: it has a transport, or is an archive."""
    name = os.path.basename(text)
    is_file = os.path.isfile(text) and not text.endswith(".toml")
    return ":" in text.partition("/")[0] or is_file or name.endswith((".tar", ".tar.gz", ".tgz"))


def read_recipe(text: str | None, changes: Changes) -> LoadedRecipe:
    """Read a recipe and lay the command line over it; without a recipe, make one of the command line alone.

    Raises:
        UsageError: neither a recipe nor a source was given, or a variant of no recipe.
        RecipeError: the recipe is wrong.
    """
    from assembler.recipe import load_recipe, recipe_from_mapping
    from assembler.recipe.find import find_recipe
    from assembler.recipe.load import override

    given = given_by(changes)
    if text is not None:
        path = find_recipe(text)
        loaded = load_recipe(path, changes.overrides, given, changes.variant)
        if changes.source is not None and loaded.recipe.source.buildroot is not None:
            from assembler.pipeline.build import check_output_of

            check_output_of(load_recipe(path, changes.overrides, {}, changes.variant), loaded.recipe.source.buildroot)
        return loaded
    if changes.variant is not None:
        raise UsageError(f"--variant {changes.variant}: only a recipe has variants")
    if changes.source is None:
        raise UsageError(
            "neither a recipe nor a source is given",
            hint="brasm pack RECIPE, or brasm pack --source DIR --entrypoint PROGRAM -o x.tar",
        )
    name = name_for(changes)
    return recipe_from_mapping(override({"name": name}, given), os.getcwd(), changes.overrides)


def given_by(changes: Changes) -> dict[str, Any]:
    """Return the recipe's keys that options of their own set."""
    given: dict[str, Any] = {}
    if changes.source is not None:
        from assembler.sources.open import source_table

        given["source"] = source_table(changes.source)
    if changes.entrypoint is not None:
        given["image.entrypoint"] = shlex.split(changes.entrypoint)
    if changes.mode is not None:
        given["select.mode"] = changes.mode
    return given


def name_for(changes: Changes) -> str:
    """Make a name for an image without a recipe, of its program or source: `/usr/bin/Foo_Bar.tar` becomes `foo-bar`."""
    text = shlex.split(changes.entrypoint)[0] if changes.entrypoint else changes.source or ""
    base = os.path.basename(os.path.abspath(text)).lower().split(".tar")[0]
    return re.sub(r"[^a-z0-9]+", "-", base).strip("-") or "root"
