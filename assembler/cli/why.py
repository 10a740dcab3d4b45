"""`brasm why`: what keeps a path, or drops it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assembler.base.paths import show
from assembler.cli.options import complete_recipe, json_option, read_recipe, recipe_options
from assembler.cli.output import package_line, print_json
from assembler.cli.progress import progress
from assembler.pipeline.examine import explain_path
from assembler.pipeline.make import Sources

if TYPE_CHECKING:
    from assembler.cli.options import Changes


@click.command(short_help="Explain why a path is in the image, or why it is not.")
@click.argument("words", nargs=-1, required=True, metavar="[RECIPE] PATH", shell_complete=complete_recipe)
@recipe_options
@json_option
def command(
    *,
    words: tuple[str, ...],
    changes: Changes,
    as_json: bool,
) -> None:
    """Explain why a path is in the image, or why it is not.

    Prints the chain from the recipe to PATH, hop by hop with its evidence; for a path that is dropped, the rule
    that drops it and the nearest one that would keep it. Exit code 1 when the root has no such path.
    """
    if len(words) > 2:
        raise click.UsageError(f"one path at a time: {' '.join(words[1:])}")
    *recipe, path = words
    loaded = read_recipe(recipe[0] if recipe else None, changes)
    with progress(quiet=False) as listener:
        explanation = explain_path(loaded, Sources(listener), path, listener)
    if as_json:
        print_json(explanation)
        return
    click.echo(f"{show(explanation.path)}: {explanation.verdict}: {explanation.rule}")
    if (package := explanation.package) is not None:
        click.echo(f"package {package_line(show(package.name), package.version, package.license)}")
    for depth, hop in enumerate(explanation.chain):
        click.echo(f"{'  ' * depth}{show(hop.source)}")
        click.echo(f"{'  ' * depth}  └─ {hop.kind} {show(hop.name)}, {show(hop.found)}")
    if explanation.chain:
        click.echo(f"{'  ' * len(explanation.chain)}{show(explanation.chain[-1].target)}")
    if explanation.keep_with:
        click.echo(f"would be kept by: {explanation.keep_with}")
