"""Packing recipes and telling of it: what `brasm pack` and `brasm build` share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
from msgspec import Struct
from msgspec.structs import replace

from assembler.base.errors import NegativeAnswer, UsageError
from assembler.base.units import format_size, parse_size
from assembler.cli.options import read_recipe
from assembler.cli.output import note, print_json
from assembler.oci.reference import Reference, parse
from assembler.pipeline.make import Packed, PackedIndex, Sources, pack, pack_together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from assembler.base.progress import Progress
    from assembler.cli.options import Changes
    from assembler.recipe.types import LoadedRecipe
    from assembler.remote.access import Access

output_option = click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="DESTINATION",
    help="Where to: FILE.tar, oci:DIR:TAG, oci-archive:FILE:TAG, docker-archive:FILE:NAME:TAG, docker://NAME:TAG, "
    "docker-daemon:NAME:TAG, dir:DIR. {name}, {variant} and {version} are the recipe's. Repeatable. "
    "Default: {name}.tar",
)


index_option = click.option(
    "--index", "together", is_flag=True, help="All images under one name, for several platforms: an index."
)


class Destinations(Struct, frozen=True):
    """Where images go: each recipe's to places of its own, or all of them, as one index, to the same."""

    places: tuple[tuple[Reference, ...], ...]
    together: bool


def read_recipes(texts: Sequence[str | None], changes: Changes) -> list[LoadedRecipe]:
    """Read recipes, each in each of the variants that are asked for.

    Raises:
        RecipeError, UsageError: see `read_recipe`.
    """
    return [read_recipe(text, each) for text in texts for each in changes.each()]


def destinations_of(loaded: Sequence[LoadedRecipe], outputs: Sequence[str], *, together: bool = False) -> Destinations:
    """Return where images go. An index has the first recipe's name, and no variant's.

    Raises:
        UsageError: two would go to one place, or a destination cannot be understood.
    """
    if together:
        first = replace(loaded[0], recipe=replace(loaded[0].recipe, version=loaded[0].plain_version), variant=None)
        return Destinations((_parsed(first, outputs),), together=True)
    places = tuple(_parsed(one, outputs) for one in loaded)
    _check_distinct(places)
    return Destinations(places, together=False)


def pack_all(
    loaded: Sequence[LoadedRecipe], to: Destinations, progress: Progress, access: Access
) -> list[Packed] | PackedIndex:
    """Pack recipes; a source that several have is read once."""
    sources = Sources(progress, access)
    if to.together:
        return pack_together(loaded, to.places[0], sources, os.environ, progress, access)
    return [pack(one, at, sources, os.environ, progress, access) for one, at in zip(loaded, to.places, strict=True)]


def report(
    loaded: Sequence[LoadedRecipe],
    packed: list[Packed] | PackedIndex,
    *,
    as_json: bool,
    quiet: bool,
    more: Callable[[int], dict[str, Any]] = lambda _: {},
) -> None:
    """Print what was packed.

    Args:
        loaded: the recipes.
        packed: their images.
        as_json: whether JSON is printed.
        quiet: whether only digests are.
        more: further keys of the JSON of the recipe at an index.

    Raises:
        NegativeAnswer: an image is over its budget.
    """
    images = packed.images if isinstance(packed, PackedIndex) else packed
    if as_json:
        rows = [{**_json(one), **more(number)} for number, one in enumerate(images)]
        print_json(
            _index_json(packed, rows) if isinstance(packed, PackedIndex) else rows[0] if len(rows) == 1 else rows
        )
    elif not quiet:
        for one, image in zip(loaded, images, strict=True):
            _summarize(one, image)
    if isinstance(packed, PackedIndex) and not as_json:
        if not quiet:
            _print_written(packed.notes, packed.outputs)
        click.echo(packed.digest)
    elif not as_json:
        for image in images:
            click.echo(image.image.digest)
    for one, image in zip(loaded, images, strict=True):
        _check_budget(one, image)


def _index_json(packed: PackedIndex, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"digest": packed.digest, "images": rows, "outputs": packed.outputs, "notes": packed.notes}


def _parsed(loaded: LoadedRecipe, outputs: Sequence[str]) -> tuple[Reference, ...]:
    return tuple(parse(_filled(text, loaded)) for text in outputs or (_default(loaded),))


def _default(loaded: LoadedRecipe) -> str:
    return "{name}.tar" if loaded.variant is None else "{name}-{variant}.tar"


def _filled(text: str, loaded: LoadedRecipe) -> str:
    name = loaded.recipe.name.rpartition("/")[2]
    values = {"{name}": name, "{version}": loaded.recipe.version, "{variant}": loaded.variant or ""}
    for key, value in values.items():
        text = text.replace(key, value)
    return text


def _check_distinct(targets: Sequence[Sequence[Reference]]) -> None:
    seen: set[str] = set()
    for reference in (reference for references in targets for reference in references):
        if str(reference) in seen:
            hint = "use {name}: -o '{name}.tar'; or --index for one index of them"
            raise UsageError(f"{reference}: two images would be written there", hint=hint)
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
    _print_written((*plan.warnings, *packed.notes), packed.outputs)


def _print_written(notes: Sequence[str], outputs: Sequence[str]) -> None:
    for line in notes:
        note(f"  note: {line}")
    for output in outputs:
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
