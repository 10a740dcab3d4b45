"""`brasm new`: a recipe to start from."""

from __future__ import annotations

import click

from assembler.cli.buildroot import buildroot_option
from assembler.cli.options import quiet_option
from assembler.cli.output import note


@click.command(short_help="Start a recipe: its folder, with recipe.toml and defconfig.")
@click.argument("name")
@click.option("-p", "--package", "packages", multiple=True, metavar="PACKAGE", help="A package to have. Repeatable.")
@click.option(
    "--toolchain",
    metavar="FRAGMENT+OPTION...",
    help="Such as x86-64-musl+cxx. Default: glibc for this machine, with the options that the packages need.",
)
@buildroot_option
@click.option("--directory", metavar="DIR", default=".", help="Where the folder is made. Default: here.")
@quiet_option
def command(
    *,
    name: str,
    packages: tuple[str, ...],
    toolchain: str | None,
    buildroot: str | None,
    directory: str,
    quiet: bool,
) -> None:
    """Start a recipe: its folder, with recipe.toml and defconfig, both with comments on what else there is.

    The packages are checked, and what they need is added, where a tree of Buildroot is given or in the cache. The
    folder's name goes to standard output.
    """
    from assembler.pipeline.new import NewRecipe, start_recipe

    started = start_recipe(NewRecipe(name, packages, toolchain, buildroot, directory))
    click.echo(started.folder)
    if not quiet:
        for line in started.notes:
            note(f"note: {line}")
        note(f"next: brasm build {started.folder}")
