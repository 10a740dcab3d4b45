"""`brasm pack`: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assembler.cli.options import complete_recipe, json_option, quiet_option, read_recipe, recipe_options
from assembler.cli.packing import destinations_of, output_option, pack_all, report
from assembler.cli.progress import progress

if TYPE_CHECKING:
    from assembler.cli.options import Changes


@click.command(short_help="Pack a root filesystem into an OCI image.")
@click.argument("recipes", nargs=-1, metavar="[RECIPE]...", shell_complete=complete_recipe)
@output_option
@recipe_options
@json_option
@quiet_option
def command(
    *, recipes: tuple[str, ...], outputs: tuple[str, ...], changes: Changes, as_json: bool, quiet: bool
) -> None:
    """Pack a root filesystem into an OCI image.

    RECIPE is a folder with a recipe.toml, such a file, or the name of a recipe that ships with brasm (`brasm
    recipes`). Several recipes with one source read it once. Without a recipe, --source and --entrypoint say it all:

        brasm pack --source / --entrypoint /usr/bin/env -o env.tar

    FILE.tar is the universal archive: docker load, podman load, skopeo (oci-archive: and docker-archive:) and
    containerd all take it. The image's digest goes to standard output, the summary to standard error.
    """
    loaded = [read_recipe(text, changes) for text in recipes or (None,)]
    targets = destinations_of(loaded, outputs)
    with progress(quiet=quiet) as listener:
        results = pack_all(loaded, targets, listener)
    report(loaded, results, as_json=as_json, quiet=quiet)
