"""`brasm pack`: the main job."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from assembler.base.errors import NegativeAnswer, UsageError
from assembler.base.units import format_size, parse_size
from assembler.cli.options import complete_recipe, json_option, quiet_option, read_recipe, recipe_options
from assembler.cli.output import note, print_json
from assembler.cli.progress import progress
from assembler.oci.reference import parse
from assembler.pipeline.make import Packed, Sources, pack

if TYPE_CHECKING:
    from assembler.oci.reference import Reference
    from assembler.recipe.types import LoadedRecipe


@click.command(short_help="Pack a root filesystem into an OCI image.")
@click.argument("recipes", nargs=-1, metavar="[RECIPE]...", shell_complete=complete_recipe)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="DESTINATION",
    help="Where to: FILE.tar, oci:DIR:TAG, oci-archive:FILE:TAG, docker-archive:FILE:NAME:TAG, dir:DIR. {name} and "
    "{version} are the recipe's. Repeatable. Default: {name}.tar",
)
@recipe_options
@json_option
@quiet_option
def command(
    *,
    recipes: tuple[str, ...],
    outputs: tuple[str, ...],
    source: str | None,
    entrypoint: str | None,
    mode: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Pack a root filesystem into an OCI image.

    RECIPE is a folder with a recipe.toml, such a file, or the name of a recipe that ships with brasm (`brasm
    recipes`). Several recipes with one source read it once. Without a recipe, --source and --entrypoint say it all:

        brasm pack --source / --entrypoint /usr/bin/env -o env.tar

    FILE.tar is the universal archive: docker load, podman load, skopeo (oci-archive: and docker-archive:) and
    containerd all take it. The image's digest goes to standard output, the summary to standard error.
    """
    loaded = [read_recipe(text, source, entrypoint, mode, overrides) for text in recipes or (None,)]
    targets = [[parse(_filled(text, one)) for text in outputs or ("{name}.tar",)] for one in loaded]
    _check_distinct(targets)
    results = []
    with progress(quiet=quiet) as listener:
        sources = Sources(listener)
        for one, references in zip(loaded, targets, strict=True):
            results.append((one, pack(one, references, sources, os.environ, listener)))
    for one, packed in results:
        if not quiet and not as_json:
            _summarize(one, packed)
        if not as_json:
            click.echo(packed.image.digest)
    if as_json:
        rows = [_json(packed) for _, packed in results]
        print_json(rows[0] if len(rows) == 1 else rows)
    for one, packed in results:
        _check_budget(one, packed)


def _filled(text: str, loaded: LoadedRecipe) -> str:
    name = loaded.recipe.name.rpartition("/")[2]
    return text.replace("{name}", name).replace("{version}", loaded.recipe.version)


def _check_distinct(targets: list[list[Reference]]) -> None:
    seen: set[str] = set()
    for reference in (reference for references in targets for reference in references):
        if str(reference) in seen:
            raise UsageError(f"{reference}: two images would be written there", hint="use {name}: -o '{name}.tar'")
        seen.add(str(reference))


def _summarize(loaded: LoadedRecipe, packed: Packed) -> None:
    image, plan, sizes = packed.image, packed.plan, packed.sizes
    note(f"{loaded.recipe.name}:{loaded.recipe.version}  {image.platform}")
    note(
        f"  transferred  {format_size(sizes.transferred):>10}  layers as stored, config, manifest: what a registry has"
    )
    note(f"  unpacked     {format_size(sizes.unpacked):>10}  the bytes of {sizes.files:,} files")
    note(f"  on disk      {format_size(sizes.on_disk):>10}  in blocks of 4 KiB")
    saved = sorted(packed.saved.items(), key=lambda item: -item[1])
    if saved:
        note("  saved        " + ", ".join(f"{reason} {format_size(size)}" for reason, size in saved if size))
    for line in (*plan.warnings, *packed.notes):
        note(f"  note: {line}")
    for output in packed.outputs:
        note(f"  wrote {output}")


def _json(packed: Packed) -> dict[str, object]:
    image, sizes = packed.image, packed.sizes
    return {
        "digest": image.digest,
        "size": sizes.transferred,
        "unpacked_size": sizes.unpacked,
        "disk_size": sizes.on_disk,
        "platform": str(image.platform),
        "layers": [
            {
                "digest": layer.descriptor.digest,
                "diff_id": layer.diff_id,
                "media_type": layer.descriptor.media_type,
                "size": layer.descriptor.size,
                "uncompressed_size": layer.uncompressed_size,
                "entries": layer.entries,
            }
            for layer in image.layers
        ],
        "kept": packed.kept,
        "dropped": packed.dropped,
        "saved": packed.saved,
        "outputs": packed.outputs,
        "notes": (*packed.plan.warnings, *packed.notes),
    }


def _check_budget(loaded: LoadedRecipe, packed: Packed) -> None:
    layers = packed.image.layers
    stored = sum(layer.descriptor.size for layer in layers)
    plain = sum(layer.uncompressed_size for layer in layers)
    budget = loaded.recipe.budget
    for key, limit, size in (("compressed", budget.compressed, stored), ("uncompressed", budget.uncompressed, plain)):
        if limit is not None and size > parse_size(limit):
            raise NegativeAnswer(
                f"{loaded.recipe.name}: over budget: the layers have {size:,} bytes {key}, budget.{key} is {limit}",
                hint="brasm plan shows what is in it, brasm why what keeps a path",
            )
