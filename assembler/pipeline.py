"""The stages in order: the only module where they meet.

source ─▶ Tree ─▶ Graph ─▶ Plan ─▶ LayerSpecs ─▶ Layers ─▶ Image ─▶ destination
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base.digest import Digest
from assembler.base.errors import SourceError
from assembler.base.paths import show
from assembler.destinations import check_outputs, put
from assembler.graph.build import build_graph
from assembler.graph.closed import check_root
from assembler.layers.compose import compose, creation_epoch
from assembler.layers.group import group
from assembler.layers.render import RenderOptions, render
from assembler.oci.image import Image
from assembler.oci.types import ImageConfig
from assembler.oci.validate import validate
from assembler.oci.violation import Violation
from assembler.plan.additions import with_additions
from assembler.plan.explain import Explanation, explain
from assembler.plan.inventory import Inventory, Sizes, sizes_of, take_inventory
from assembler.plan.planner import make_plan
from assembler.plan.platform import platform_of
from assembler.plan.request import request_of
from assembler.plan.types import Plan
from assembler.recipe.inherit import inherit
from assembler.sources.image import UnpackedLayer, find_image, open_image, read_image, stack_layers, unpack_layers
from assembler.sources.open import Source, open_source
from assembler.sources.packages import read_packages
from assembler.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.base.progress import Progress
    from assembler.oci.reference import Reference
    from assembler.recipe.types import LoadedRecipe


class Packed(Struct, frozen=True):
    """An image that was written.

    Attributes:
        image: what it is.
        plan: why it is so.
        outputs: where it was written, as references.
        notes: one line each: what was left out or could not be done.
    """

    image: Image
    plan: Plan
    outputs: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def kept(self) -> int:
        """The number of entries in the image."""
        return len(self.plan.entries)

    @property
    def dropped(self) -> int:
        """The number of entries of the source that are not; of a lazy tree, of those that were looked at."""
        return len(self.plan.decisions) - self.kept

    @property
    def saved(self) -> dict[str, int]:
        """Bytes that are not in the image, by reason; what transforms saved is `transform`."""
        saved: dict[str, int] = {}
        for row in self.plan.totals():
            key = row.reason if row.verdict == "drop" else "transform"
            saved[key] = saved.get(key, 0) + row.size - row.result_size
        return {reason: size for reason, size in saved.items() if size}

    @property
    def sizes(self) -> Sizes:
        """The sizes that tools disagree on, each by its name."""
        return sizes_of(self.plan.entries, self.image)


class Sources:
    """Opens sources, each tree once, however many recipes start from it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._opened: dict[tuple[object, ...], Source] = {}

    def open(self, loaded: LoadedRecipe) -> Source:
        """Return a recipe's source."""
        spec, lazy = loaded.recipe.source, loaded.recipe.select.mode == "closure"
        path = os.path.join(loaded.folder, spec.directory or spec.archive or "")
        image = (spec.image, loaded.folder) if spec.image is not None else None
        key = (os.path.realpath(path), image, spec.mounts, lazy)
        if key not in self._opened:
            self._opened[key] = open_source(spec, loaded.folder, lazy=lazy, progress=self._progress)
        return self._opened[key]


def decide(loaded: LoadedRecipe, source: Source, progress: Progress, *, with_packages: bool) -> Plan:
    """Go as far as the plan; nothing is written.

    Raises:
        RecipeError: the recipe does not fit the root filesystem, or contradicts itself.
        RootError: the root is not closed.
    """
    loaded = inherit(loaded, source.config)
    additions = with_additions(source.tree, loaded)
    progress.start("resolve")
    graph = build_graph(additions.tree, request_of(loaded, additions))
    plan = make_plan(additions, graph, loaded, source.packages() if with_packages else {})
    _check_readable(plan, source)
    return plan


def pack(
    loaded: LoadedRecipe,
    outputs: Sequence[Reference],
    sources: Sources,
    environment: Mapping[str, str],
    progress: Progress,
) -> Packed:
    """Go all the way: from a recipe to an image at its destinations.

    Raises:
        BrasmError: any of the tree; nothing half-written is left.
    """
    check_outputs(outputs, loaded.recipe.layers.compression)
    epoch = creation_epoch(loaded.recipe, environment)
    source = sources.open(loaded)
    loaded = inherit(loaded, source.config)
    recipe, layers = loaded.recipe, loaded.recipe.layers
    plan = decide(loaded, source, progress, with_packages=layers.split == "package")
    platform = platform_of(plan, recipe)
    progress.start("compress", plan.tar_size, unit="B")
    options = RenderOptions(layers.compression, layers.level, epoch, _spool_folder(outputs))
    image = compose(recipe, platform, [render(spec, options, progress) for spec in group(plan, layers.split)], epoch)
    written = [put(image, plan.entries, output, recipe.name, recipe.version) for output in outputs]
    notes = (*source.notes, *(note for one in written for note in one.notes))
    return Packed(image, plan, tuple(one.reference for one in written), notes)


def explain_path(loaded: LoadedRecipe, sources: Sources, path: str, progress: Progress) -> Explanation:
    """Say why a path is in the image that a recipe makes, or why not.

    Raises:
        NegativeAnswer: the root has no such path.
    """
    source = sources.open(loaded)
    plan = decide(loaded, source, progress, with_packages=False)
    return explain(plan, inherit(loaded, source.config), path)


class Inspection(Struct, frozen=True):
    """What is in an image.

    Attributes:
        digest: of the manifest.
        config: of the image.
        annotations: of the manifest.
        layers: the lowest first, each with its history's `created_by`.
        tree: all layers, one over the other.
        packages: the package that owns each path, where the image knows.
        inventory: where the bytes are.
    """

    digest: Digest
    config: ImageConfig
    annotations: Mapping[str, str]
    layers: tuple[InspectedLayer, ...]
    tree: Tree
    packages: Mapping[str, str]
    inventory: Inventory


class InspectedLayer(Struct, frozen=True):
    """A layer as stored and as tar; sizes in bytes."""

    digest: Digest
    diff_id: Digest
    media_type: str
    size: int
    uncompressed_size: int
    entries: int
    created_by: str | None


def inspect(reference: Reference, platform: str | None, progress: Progress) -> Inspection:
    """Read an image and sum it up.

    Raises:
        SourceError: it is not there.
        ImageError: it is damaged.
    """
    opened = open_image(reference, platform=platform)
    layers = unpack_layers(opened, progress)
    tree = stack_layers(layers)
    packages = read_packages(tree)
    made_by = [one.created_by for one in opened.config.history if not one.empty_layer]
    made_by += [None] * (len(layers) - len(made_by))
    return Inspection(
        digest=opened.digest,
        config=opened.config,
        annotations=opened.manifest.annotations or {},
        layers=tuple(_inspected(layer, text) for layer, text in zip(layers, made_by, strict=False)),
        tree=tree,
        packages=packages,
        inventory=take_inventory(tuple(tree), packages),
    )


def _inspected(layer: UnpackedLayer, created_by: str | None) -> InspectedLayer:
    stored = layer.descriptor
    return InspectedLayer(
        stored.digest, layer.diff_id, stored.media_type, stored.size, layer.size, len(layer.members), created_by
    )


class Verified(Struct, frozen=True):
    """What is wrong with an image.

    Attributes:
        digest: of the manifest.
        violations: all of them: of the image's form, then of its root filesystem.
        findings: no violations, but worth a look: setuid files, capabilities, world-writable paths.
        layers: how many there are.
        entries: how many there are in the root filesystem.
    """

    digest: Digest
    violations: tuple[Violation, ...]
    findings: tuple[Violation, ...]
    layers: int
    entries: int


def verify(reference: Reference, platform: str | None, progress: Progress) -> Verified:
    """Check an image's form, and if that is sound its root filesystem.

    Raises:
        SourceError: it is not there.
        ImageError: its index leads to no manifest.
    """
    stored = find_image(reference, platform=platform)
    violations = validate(stored)
    if violations:
        return Verified(stored.digest, violations, (), 0, 0)
    opened = read_image(stored)
    tree = stack_layers(unpack_layers(opened, progress))
    report = check_root(tree, opened.config)
    return Verified(stored.digest, report.violations, report.findings, len(opened.layers), len(tree))


def _check_readable(plan: Plan, source: Source) -> None:
    """Refuse to pack a directory of which it is not known what is in it."""
    for path in source.unreadable:
        decision = plan.decisions.get(path)
        if decision is not None and decision.result is not None and decision.reason != "directory":
            raise SourceError(
                f"{show(path)}: this user may not list the directory",
                hint="run as a user who may, or drop this path in the recipe",
            )


def _spool_folder(outputs: Sequence[Reference]) -> str:
    """Return the folder where layers wait: where the first output goes, since there must be room for them there."""
    path = os.path.abspath(outputs[0].path)
    return path if outputs[0].transport == "oci" and os.path.isdir(path) else os.path.dirname(path)
