"""From a recipe to what trials of it share: the root filesystem as a record, and tars that are compressed elsewhere.

recipe ─▶ Draft ─▶ RootRecord, Tar of all of it, Tar of each layer ─▶ (compressed elsewhere) ─▶ Image
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from assembler.base import digest as digests
from assembler.base.content import Bytes
from assembler.base.digest import Digest
from assembler.base.errors import SourceError
from assembler.base.paths import show
from assembler.experiments.facts.startup import startup_cost
from assembler.experiments.results.measures import rounded
from assembler.experiments.results.records import FileRow, LayerRow, RootRecord, Step
from assembler.layers.compress import DEFAULT_LEVELS
from assembler.layers.group import LayerSpec, group
from assembler.layers.render import made_by, pieces
from assembler.layers.tars import Tar, tar_of
from assembler.oci.image import LAYER_TYPES, Image, Layer
from assembler.oci.types import Descriptor
from assembler.pipeline.make import Frame, draft
from assembler.plan.inventory import sizes_of
from assembler.plan.waterfall import ADDED, waterfall
from assembler.recipe.types import BudgetSpec, LayersSpec, LoadedRecipe, Recipe, RunSpec, Split, TuneSpec
from assembler.tree import Regular, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from assembler.base.progress import Progress
    from assembler.experiments.trials.work import Squeezed
    from assembler.pipeline.make import Draft, Sources
    from assembler.plan.types import Decision, Plan
    from assembler.sources.open import Source
    from assembler.tree import Entry

_FOREVER: Final = 1 << 33
"""A time that no file is younger than: where digests of sources keep files' own times."""


class Prepared(Struct, frozen=True):
    """All that is decided of trials that share a root filesystem.

    Attributes:
        frame: what their images have besides layers.
        root: what is in it, and why.
        whole: all of it as one layer.
        cuts: for each way to cut it, the layers, from the lowest up.
        plan_seconds: CPU time of resolving and planning, the tree being read.
    """

    frame: Frame
    root: RootRecord
    whole: Tar
    cuts: Mapping[Split, tuple[Tar, ...]]
    plan_seconds: float


def plan_key(loaded: LoadedRecipe) -> Digest:
    """Return what trials that share a root filesystem have in common: the recipe, but for how layers are made."""
    recipe = loaded.recipe
    layers = LayersSpec(hardlinks=recipe.layers.hardlinks)
    plain = replace(
        recipe,
        version="any",
        description="",
        variant={},
        layers=layers,
        run=RunSpec(),
        budget=BudgetSpec(),
        tune=TuneSpec(),
    )
    folder, variant = loaded.folder, loaded.variant
    return digests.sha256(msgspec.json.encode((plain, folder, variant), order="deterministic"))


def prepare(
    loaded: LoadedRecipe,
    splits: Iterable[Split],
    sources: Sources,
    environment: Mapping[str, str],
    progress: Progress,
    known: SourceDigests,
) -> Prepared:
    """Decide, and read what is kept, once for each way to cut it.

    Args:
        loaded: the recipe; its own `layers.split` is not looked at.
        splits: the ways to cut it.
        sources: where its source is opened.
        environment: for SOURCE_DATE_EPOCH.
        progress: told of what is done.
        known: digests of sources.

    Raises:
        BrasmError: any of the tree.
    """
    source = sources.open(loaded)
    began = time.process_time()
    drawn = draft(loaded, sources, environment, progress, with_packages=True)
    seconds = rounded(time.process_time() - began)
    plan, epoch = drawn.plan, drawn.frame.epoch
    whole = tar_of(LayerSpec("root", plan.entries), epoch)
    cuts = {split: (whole,) if split == "single" else _cut(plan, split, epoch) for split in splits}
    return Prepared(drawn.frame, _root(drawn, whole, known.of(source, plan)), whole, cuts, seconds)


def _cut(plan: Plan, split: Split, epoch: int) -> tuple[Tar, ...]:
    return tuple(tar_of(spec, epoch) for spec in group(plan, split))


class SourceDigests:
    """The digests of sources, each worked out once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Source, Digest]] = {}

    def of(self, source: Source, plan: Plan) -> Digest:
        """Return the digest of a source: the diff_id of all its entries as one layer, with their own times.

        Of a lazy tree, which is the whole machine, only what a plan took from it counts. What this user may not read
        counts without its content.
        """
        if source.tree.partial:
            return _digest([one.entry for one in plan.decisions.values() if one.result is not None and _is_own(one)])
        if id(source) not in self._known:
            self._known[id(source)] = (source, _digest(source.tree))
        return self._known[id(source)][1]


def _is_own(decision: Decision) -> bool:
    return decision.reason != ADDED


def _digest(entries: Iterable[Entry]) -> Digest:
    hashed = hashlib.sha256()
    for piece in pieces(entries, _FOREVER):
        if isinstance(piece, bytes):
            hashed.update(piece)
            continue
        try:
            for chunk in piece.chunks():
                hashed.update(chunk)
        except SourceError as error:
            hashed.update(f"not read: {error.message}".encode())
    return Digest("sha256:" + hashed.hexdigest())


def _root(drawn: Draft, whole: Tar, source: Digest) -> RootRecord:
    plan, entries, image = drawn.plan, drawn.plan.entries, drawn.frame.image(())
    fall, sizes = waterfall(plan), sizes_of(entries, image)
    startup = startup_cost(Tree(entries), image.config.config)
    return RootRecord(
        digest=whole.diff_id,
        platform=str(drawn.frame.platform),
        source=source,
        source_size=fall.size,
        source_files=fall.files,
        steps=tuple(Step(one.reason, one.rule, one.files, one.size) for one in fall.steps),
        file_count=sizes.files,
        files=_files(plan),
        unpacked=sizes.unpacked,
        on_disk=sizes.on_disk,
        libraries=startup.libraries,
        relocations=startup.relocations,
        warnings=(*plan.warnings, *drawn.notes),
    )


def _files(plan: Plan) -> tuple[FileRow, ...]:
    seen: set[int] = set()
    rows: list[FileRow] = []
    for entry in plan.entries:
        if isinstance(entry, Regular) and entry.inode not in seen:
            seen |= {entry.inode} - {0}
            owner = plan.packages.get(entry.path)
            rows.append(FileRow(show(entry.path), entry.content.size, None if owner is None else show(owner)))
    return tuple(rows)


def layer_row(tar: Tar, recipe: Recipe, squeezed: Squeezed) -> LayerRow:
    """Return the record of a layer that was compressed."""
    kind = recipe.layers.compression
    return LayerRow(
        title=tar.spec.title,
        diff_id=tar.diff_id,
        uncompressed_size=tar.size,
        entries=len(tar.spec.entries),
        digest=squeezed.digest,
        media_type=LAYER_TYPES[kind],
        size=squeezed.size,
        compress_seconds=squeezed.compress_seconds,
        unpack_seconds=squeezed.unpack_seconds,
        level=level_of(recipe),
    )


def level_of(recipe: Recipe) -> int | None:
    """Return the level at which a recipe's layers are compressed; None where they are not."""
    kind, level = recipe.layers.compression, recipe.layers.level
    return None if kind == "none" else DEFAULT_LEVELS[kind] if level is None else level


def image_of(prepared: Prepared, recipe: Recipe, rows: Sequence[LayerRow]) -> Image:
    """Return a trial's image, whose layers are known by digest and size alone: their bytes are nowhere.

    Its digest is that of the image which `brasm pack` writes.
    """
    tars = prepared.cuts[recipe.layers.split]
    return prepared.frame.image([_unkept(tar, recipe, row) for tar, row in zip(tars, rows, strict=True)])


def _unkept(tar: Tar, recipe: Recipe, row: LayerRow) -> Layer:
    return Layer(
        descriptor=Descriptor(row.media_type, row.digest, row.size),
        diff_id=row.diff_id,
        uncompressed_size=row.uncompressed_size,
        entries=row.entries,
        created_by=made_by(tar.spec, recipe.layers.compression, recipe.layers.level),
        blob=Bytes(b""),
    )


def check_config(prepared: Prepared) -> bytes:
    """Return the config of an image of all of a root filesystem in one layer, for its tests."""
    tar = prepared.whole
    layer = Layer(Descriptor(LAYER_TYPES["none"], tar.diff_id, tar.size), tar.diff_id, tar.size, 0, "", Bytes(b""))
    return prepared.frame.image((layer,)).config_bytes
