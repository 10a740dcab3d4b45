"""`brasm add`: packages into a recipe's defconfig."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assembler.cli.buildroot import buildroot_option
from assembler.cli.options import complete_recipe, json_option, quiet_option
from assembler.cli.output import note, print_json
from assembler.cli.progress import progress

if TYPE_CHECKING:
    from assembler.pipeline.add import Addition


@click.command(short_help="Add packages, with what they need, to a recipe's defconfig.")
@click.argument("recipe", shell_complete=complete_recipe)
@click.argument("packages", nargs=-1, required=True, metavar="PACKAGE...")
@buildroot_option
@click.option("--variant", metavar="NAME", help="Add to this variant's fragment.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be added; write nothing.")
@json_option
@quiet_option
def command(
    *,
    recipe: str,
    packages: tuple[str, ...],
    buildroot: str | None,
    variant: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Add packages, with what they need, to a recipe's defconfig.

    PACKAGE is the name of a package or a symbol: `nginx`, BR2_PACKAGE_GNUTLS_TOOLS. What it depends on and is off is
    turned on as well. What only a toolchain has, such as C++, is not: the error names the toolchain's option. The
    file's comments and order stay. Nothing is written unless all can be added.
    """
    from assembler.pipeline.add import add_packages, write_addition
    from assembler.recipe import load_recipe
    from assembler.recipe.find import find_recipe

    loaded = load_recipe(find_recipe(recipe), variant=variant)
    with progress(quiet=quiet) as listener:
        addition = add_packages(loaded, packages, buildroot, listener)
    if addition.settings and not dry_run:
        write_addition(addition)
    if as_json:
        print_json(_json(addition, written=bool(addition.settings) and not dry_run))
        return
    for one in addition.settings:
        click.echo(one.line)
    if not quiet:
        _summarize(addition, dry_run=dry_run)


def _summarize(addition: Addition, *, dry_run: bool) -> None:
    for symbol, why in addition.already.items():
        note(f"{symbol} is on already: {why}")
    if addition.settings:
        note(f"{'would write' if dry_run else 'wrote'} {addition.path}")


def _json(addition: Addition, *, written: bool) -> dict[str, object]:
    return {
        "path": addition.path,
        "written": written,
        "settings": [{"symbol": one.symbol, "value": one.value, "for": one.for_symbol} for one in addition.settings],
        "already": addition.already,
    }
