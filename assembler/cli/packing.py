"""Packing recipes and telling of it: what `brasm pack` and `brasm build` share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from assembler.base.errors import NegativeAnswer, UsageError
from assembler.base.units import format_size, parse_size
from assembler.cli.output import note, print_json
from assembler.oci.reference import parse
from assembler.pipeline.make import Packed, Sources, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from assembler.base.progress import Progress
    from assembler.oci.reference import Reference
    from assembler.recipe.types import LoadedRecipe

output_option = click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="DESTINATION",
    help="Where to: FILE.tar, oci:DIR:TAG, oci-archive:FILE:TAG, docker-archive:FILE:NAME:TAG, dir:DIR. {name}, "
    "{variant} and {version} are the recipe's. Repeatable. Default: {name}.tar",
)


def destinations_of(loaded: Sequence[LoadedRecipe], outputs: Sequence[str]) -> list[list[Reference]]:
    """Return where each recipe's image goes.

    Raises:
        UsageError: two would go to one place, or a destination cannot be understood.
    """
    targets = [[parse(_filled(text, one)) for text in outputs or (_default(one),)] for one in loaded]
    _check_distinct(targets)
    return targets


def pack_all(
    loaded: Sequence[LoadedRecipe], targets: Sequence[Sequence[Reference]], progress: Progress
) -> list[Packed]:
    """Pack recipes, each to its destinations; a source that several have is read once."""
    sources = Sources(progress)
    return [pack(one, to, sources, os.environ, progress) for one, to in zip(loaded, targets, strict=True)]


def report(
    loaded: Sequence[LoadedRecipe],
    results: Sequence[Packed],
    *,
    as_json: bool,
    quiet: bool,
    more: Callable[[int], dict[str, Any]] = lambda _: {},
) -> None:
    """Print what was packed.

    Args:
        loaded: the recipes.
        results: their images.
        as_json: whether JSON is printed.
        quiet: whether only digests are.
        more: further keys of the JSON of the recipe at an index.

    Raises:
        NegativeAnswer: an image is over its budget.
    """
    if as_json:
        rows = [{**_json(packed), **more(index)} for index, packed in enumerate(results)]
        print_json(rows[0] if len(rows) == 1 else rows)
    for one, packed in zip(loaded, results, strict=True):
        if not quiet and not as_json:
            _summarize(one, packed)
        if not as_json:
            click.echo(packed.image.digest)
    for one, packed in zip(loaded, results, strict=True):
        _check_budget(one, packed)


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
