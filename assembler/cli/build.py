"""`brasm build`: Buildroot's packages, then the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from assembler.cli.buildroot import buildroot_option, machine_option
from assembler.cli.options import complete_recipe, json_option, quiet_option, recipe_options
from assembler.cli.output import note, print_json
from assembler.cli.packing import destinations_of, index_option, output_option, pack_all, read_recipes, report
from assembler.cli.progress import long_progress
from assembler.cli.remote import remote_options
from assembler.pipeline.build import BuildOptions, Built, build, prune, read_machine, with_output

if TYPE_CHECKING:
    from assembler.cli.options import Changes
    from assembler.recipe.types import LoadedRecipe
    from assembler.remote.access import Access


@click.command(short_help="Build a recipe's packages with Buildroot, and pack them.")
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...", shell_complete=complete_recipe)
@output_option
@index_option
@buildroot_option
@machine_option
@click.option("--rebuild", is_flag=True, help="Build anew what is built already.")
@click.option("--prune", "prunes", is_flag=True, help="Then remove earlier builds of the recipe from the cache.")
@click.option("--no-pack", is_flag=True, help="Stop at Buildroot's output folder, and print where it is.")
@recipe_options
@remote_options
@json_option
@quiet_option
def command(
    *,
    recipes: tuple[str, ...],
    outputs: tuple[str, ...],
    together: bool,
    buildroot: str | None,
    machine: str | None,
    rebuild: bool,
    prunes: bool,
    no_pack: bool,
    changes: Changes,
    access: Access,
    as_json: bool,
    quiet: bool,
) -> None:
    """Build a recipe's packages with Buildroot, and pack them into an image.

    Buildroot builds the toolchain, once for all recipes that name it, and the target packages; its own filesystem
    images are never asked for. What was built before is not built again. Ctrl-C is safe: the next call goes on.

    All that Buildroot says goes to .brasm/build.log in the output folder, which is in the cache.
    """
    loaded = read_recipes(recipes, changes)
    to = destinations_of(loaded, outputs, together=together)
    options = BuildOptions(buildroot, read_machine(machine), rebuild)
    with long_progress(quiet=quiet) as listener:
        results = [build(one, options, listener) for one in loaded]
        if not no_pack:
            ready = [with_output(one, done.build.output) for one, done in zip(loaded, results, strict=True)]
            packed = pack_all(ready, to, listener, access)
    if not quiet:
        _print_notes(loaded, results)
    if no_pack:
        _print_outputs(results, as_json=as_json)
    else:
        report(loaded, packed, as_json=as_json, quiet=quiet, more=lambda index: {"build": _json(results[index])})
    for done in results if prunes else ():
        for folder in prune(done.build):
            note(f"removed {folder}")


def _print_notes(loaded: list[LoadedRecipe], results: list[Built]) -> None:
    for one, done in zip(loaded, results, strict=True):
        what = "built" if done.fresh else "was built before"
        note(f"{one.recipe.name}: {what}: {done.build.output}")
        for line in done.notes:
            note(f"  note: {line}")


def _print_outputs(results: list[Built], *, as_json: bool) -> None:
    if as_json:
        rows = [_json(done) for done in results]
        print_json(rows[0] if len(rows) == 1 else rows)
        return
    for done in results:
        click.echo(done.build.output)


def _json(done: Built) -> dict[str, Any]:
    build = done.build
    return {
        "output": build.output,
        "fresh": done.fresh,
        "seconds": build.seconds,
        "variant": build.variant,
        "buildroot": build.release,
        "identity": build.identity,
        "notes": done.notes,
    }
