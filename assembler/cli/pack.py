"""`brasm pack`: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assembler.cli.options import complete_recipe, json_option, quiet_option, recipe_options
from assembler.cli.packing import destinations_of, index_option, output_option, pack_all, read_recipes, report
from assembler.cli.progress import progress
from assembler.cli.remote import remote_options

if TYPE_CHECKING:
    from assembler.cli.options import Changes
    from assembler.remote.access import Access


@click.command(short_help="Pack a root filesystem into an OCI image.")
@click.argument("recipes", nargs=-1, metavar="[RECIPE]...", shell_complete=complete_recipe)
@output_option
@index_option
@recipe_options
@remote_options
@json_option
@quiet_option
def command(
    *,
    recipes: tuple[str, ...],
    outputs: tuple[str, ...],
    together: bool,
    changes: Changes,
    access: Access,
    as_json: bool,
    quiet: bool,
) -> None:
    """Pack a root filesystem into an OCI image.

    RECIPE is a folder with a recipe.toml, such a file, or the name of a recipe that ships with brasm (`brasm
    recipes`). Several recipes with one source read it once. Without a recipe, --source and --entrypoint say it all:

        brasm pack --source / --entrypoint /usr/bin/env -o env.tar

    FILE.tar is the universal archive: docker load, podman load, skopeo (oci-archive: and docker-archive:) and
    containerd all take it. --index puts the images of several recipes, or of several --variant of one, under one
    name: what each runs on is told by its ELF files. The image's digest goes to standard output, the summary to
    standard error.
    """
    loaded = read_recipes(recipes or (None,), changes)
    to = destinations_of(loaded, outputs, together=together)
    with progress(quiet=quiet) as listener:
        packed = pack_all(loaded, to, listener, access)
    report(loaded, packed, as_json=as_json, quiet=quiet)
