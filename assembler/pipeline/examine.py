"""Looking at what there is: why a path is in an image, what is in one, and whether it is sound.

recipe ─▶ Plan ─▶ Explanation
image ─▶ Tree ─▶ Inspection, Verified
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.digest import Digest
from assembler.graph.closed import check_root
from assembler.oci.packages import read_records
from assembler.oci.types import ImageConfig
from assembler.oci.validate import validate
from assembler.oci.violation import Violation
from assembler.pipeline.make import Sources, decide, widest_graph
from assembler.plan.explain import Explanation, Owner, explain
from assembler.plan.inventory import Inventory, take_inventory, with_records, with_versions
from assembler.recipe.inherit import inherit
from assembler.sources.image import (
    OpenedImage,
    UnpackedLayer,
    find_image,
    open_image,
    read_image,
    stack_layers,
    unpack_layers,
)
from assembler.sources.packages import read_packages
from assembler.sources.versions import read_versions
from assembler.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.base.progress import Progress
    from assembler.oci.reference import Reference
    from assembler.recipe.types import LoadedRecipe
    from assembler.remote.access import Access
    from assembler.sources.open import Source


def explain_path(loaded: LoadedRecipe, sources: Sources, path: str, progress: Progress) -> Explanation:
    """Say why a path is in the image that a recipe makes, or why not.

    Raises:
        NegativeAnswer: the root has no such path.
    """
    source = sources.open(loaded)
    plan = decide(loaded, source, progress, with_packages=False)
    explanation = explain(plan, inherit(loaded, source.config), path, lambda: widest_graph(loaded, source))
    return replace(explanation, package=_owner(explanation.path, loaded, source))


def _owner(path: str, loaded: LoadedRecipe, source: Source) -> Owner | None:
    if loaded.recipe.source.buildroot is not None:
        from assembler.pipeline.packages import owner_of  # other sources know nothing of Buildroot

        return owner_of(path, source)
    name = source.packages().get(path)
    return None if name is None else Owner(name)


class Inspection(Struct, frozen=True):
    """What is in an image.

    Attributes:
        digest: of the manifest.
        config: of the image.
        annotations: of the manifest.
        layers: the lowest first, each with its history's `created_by`.
        tree: all layers, one over the other.
        packages: the package that owns each path, where the image has a package database.
        inventory: where the bytes are; its packages those of an annotation, where there is no such database.
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


def inspect(reference: Reference, platform: str | None, progress: Progress, access: Access) -> Inspection:
    """Read an image and sum it up.

    Raises:
        SourceError: it is not there.
        ImageError: it is damaged.
    """
    opened = open_image(reference, platform=platform, access=access)
    return sum_up(opened, unpack_layers(opened, progress))


def sum_up(opened: OpenedImage, layers: Sequence[UnpackedLayer]) -> Inspection:
    """Sum up an image whose layers were read.

    Raises:
        SourceError: see `stack_layers`.
    """
    tree = stack_layers(layers)
    packages = read_packages(tree)
    inventory = with_versions(take_inventory(tuple(tree), packages), read_versions(tree))
    records = {} if packages else read_records(opened.manifest.annotations or {})
    made_by = [one.created_by for one in opened.config.history if not one.empty_layer]
    made_by += [None] * (len(layers) - len(made_by))
    return Inspection(
        digest=opened.digest,
        config=opened.config,
        annotations=opened.manifest.annotations or {},
        layers=tuple(_inspected(layer, text) for layer, text in zip(layers, made_by, strict=False)),
        tree=tree,
        packages=packages,
        inventory=with_records(inventory, records) if records else inventory,
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


def verify(reference: Reference, platform: str | None, progress: Progress, access: Access) -> Verified:
    """Check an image's form, and if that is sound its root filesystem.

    Raises:
        SourceError: it is not there.
        ImageError: its index leads to no manifest.
    """
    stored = find_image(reference, platform=platform, access=access)
    progress.start("check", unit="B")
    violations = validate(stored, progress)
    if violations:
        return Verified(stored.digest, violations, (), 0, 0)
    opened = read_image(stored)
    tree = stack_layers(unpack_layers(opened, progress))
    report = check_root(tree, opened.config)
    return Verified(stored.digest, report.violations, report.findings, len(opened.layers), len(tree))
