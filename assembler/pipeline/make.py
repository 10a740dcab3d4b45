"""The stages in order: the only module where they meet.

source ─▶ Tree ─▶ Graph ─▶ Plan ─▶ LayerSpecs ─▶ Layers ─▶ Image ─▶ destination
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.digest import Digest
from assembler.base.errors import SourceError
from assembler.base.paths import show
from assembler.destinations import check_holders, check_outputs, put
from assembler.graph.types import Graph
from assembler.layers.compose import compose, creation_epoch
from assembler.layers.group import group
from assembler.layers.render import RenderOptions, render
from assembler.oci.combine import combine
from assembler.oci.image import Image
from assembler.oci.shipment import Shipment
from assembler.oci.types import Platform
from assembler.plan.additions import with_additions
from assembler.plan.inventory import Sizes, sizes_of
from assembler.plan.planner import make_plan
from assembler.plan.platform import platform_of
from assembler.plan.request import request_of
from assembler.plan.types import Plan
from assembler.recipe.inherit import inherit
from assembler.recipe.types import LoadedRecipe
from assembler.remote.access import Access
from assembler.sources.open import Source, open_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.base.progress import Progress
    from assembler.graph.request import Request
    from assembler.oci.image import Layer
    from assembler.oci.reference import Reference
    from assembler.tree import Tree

_USUAL: Final = Access()


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


class PackedIndex(Struct, frozen=True):
    """Images that were written under one name.

    Attributes:
        digest: of the index.
        images: in its order.
        outputs: where it was written, as references.
        notes: of the destinations.
    """

    digest: Digest
    images: tuple[Packed, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...]


class Sources:
    """Opens sources, each tree once, however many recipes start from it."""

    def __init__(self, progress: Progress, access: Access = _USUAL) -> None:
        self._progress = progress
        self._access = access
        self._opened: dict[tuple[object, ...], Source] = {}

    def open(self, loaded: LoadedRecipe) -> Source:
        """Return a recipe's source: of one with a defconfig what was built of it.

        Raises:
            RecipeError: nothing was built of its defconfig as it is now.
            SourceError: it cannot be read.
        """
        if loaded.recipe.source.buildroot is not None:
            from assembler.pipeline.build import built

            loaded = built(loaded)
        spec, lazy = loaded.recipe.source, loaded.recipe.select.mode == "closure"
        path = os.path.join(loaded.folder, spec.directory or spec.archive or spec.buildroot or "")
        image = (spec.image, loaded.folder) if spec.image is not None else None
        key = (os.path.realpath(path), image, spec.mounts, lazy)
        if key not in self._opened:
            self._opened[key] = open_source(spec, loaded.folder, self._access, lazy=lazy, progress=self._progress)
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
    graph = _graph(additions.tree, request_of(loaded, additions))
    plan = make_plan(additions, graph, loaded, source.packages() if with_packages else {})
    _check_readable(plan, source)
    return plan


def widest_graph(loaded: LoadedRecipe, source: Source) -> Graph:
    """Return the graph that follows whatever may be opened at run time, whatever the recipe says of it."""
    from assembler.graph.rules import RULES

    loaded = inherit(loaded, source.config)
    additions = with_additions(source.tree, loaded)
    request = request_of(loaded, additions)
    every = dict.fromkeys((rule.name for rule in RULES), True)
    return _graph(additions.tree, replace(request, dlopen="strings", rules=every, guesses=True))


def pack(
    loaded: LoadedRecipe,
    outputs: Sequence[Reference],
    sources: Sources,
    environment: Mapping[str, str],
    progress: Progress,
    access: Access = _USUAL,
) -> Packed:
    """Go all the way: from a recipe to an image at its destinations.

    Raises:
        BrasmError: any of the tree; nothing half-written is left.
    """
    check_outputs(outputs, loaded.recipe.layers.compression, access)
    made = make(loaded, _spool_folder(outputs), sources, environment, progress)
    shipment, name, tag = Shipment.of(made.image), loaded.recipe.name, loaded.recipe.version
    written = [put(shipment, lambda: made.plan.entries, output, name, tag, access, progress) for output in outputs]
    notes = (*made.notes, *(note for one in written for note in one.notes))
    return replace(made, outputs=tuple(one.reference for one in written), notes=notes)


def pack_together(
    loaded: Sequence[LoadedRecipe],
    outputs: Sequence[Reference],
    sources: Sources,
    environment: Mapping[str, str],
    progress: Progress,
    access: Access = _USUAL,
) -> PackedIndex:
    """Go all the way from several recipes to one index of their images, which has the first one's name and tag.

    Raises:
        UsageError: two are for the same platform, or a destination cannot hold an index.
        BrasmError: any other of the tree; nothing half-written is left.
    """
    check_holders(outputs)
    for one in loaded:
        check_outputs(outputs, one.recipe.layers.compression, access)
    made = [make(one, _spool_folder(outputs), sources, environment, progress) for one in loaded]
    shipment = combine([(title(one), Shipment.of(each.image)) for one, each in zip(loaded, made, strict=True)])
    name, tag = loaded[0].recipe.name, loaded[0].plain_version
    written = [put(shipment, tuple, output, name, tag, access, progress) for output in outputs]
    notes = tuple(note for one in written for note in one.notes)
    return PackedIndex(shipment.root.digest, tuple(made), tuple(one.reference for one in written), notes)


def title(loaded: LoadedRecipe) -> str:
    """Return how a message calls a recipe among others."""
    return loaded.recipe.name if loaded.variant is None else f"{loaded.recipe.name} ({loaded.variant})"


def make(
    loaded: LoadedRecipe, spool: str, sources: Sources, environment: Mapping[str, str], progress: Progress
) -> Packed:
    """Make an image, which is nowhere yet; its layers wait in unnamed files in the folder `spool`.

    Raises:
        BrasmError: any of the tree.
    """
    drawn = draft(loaded, sources, environment, progress)
    plan, frame = drawn.plan, drawn.frame
    layers = frame.loaded.recipe.layers
    progress.start("compress", plan.tar_size, unit="B")
    options = RenderOptions(layers.compression, layers.level, frame.epoch, spool)
    rendered = [render(spec, options, progress) for spec in group(plan, layers.split)]
    return Packed(frame.image(rendered), plan, (), drawn.notes)


class Frame(Struct, frozen=True):
    """What an image has besides its layers.

    Attributes:
        loaded: the recipe, with what it inherits from a source that is an image.
        platform: what it runs on.
        epoch: the time of creation, in seconds since the epoch.
        annotations: of the manifest, besides the recipe's.
    """

    loaded: LoadedRecipe
    platform: Platform
    epoch: int
    annotations: Mapping[str, str]

    def image(self, layers: Sequence[Layer]) -> Image:
        """Return the image with its layers, from the lowest up."""
        return compose(self.loaded.recipe, self.platform, layers, self.epoch, self.annotations)


class Draft(Struct, frozen=True):
    """All that is decided of an image: its frame, what comes into it and why, and notes of the source."""

    frame: Frame
    plan: Plan
    notes: tuple[str, ...]


def draft(
    loaded: LoadedRecipe,
    sources: Sources,
    environment: Mapping[str, str],
    progress: Progress,
    *,
    with_packages: bool = False,
) -> Draft:
    """Decide about an image; nothing is written.

    Args:
        loaded: its recipe.
        sources: where its source is opened.
        environment: for SOURCE_DATE_EPOCH.
        progress: told of what is done.
        with_packages: whether the plan knows packages even where the image does not need them.

    Raises:
        BrasmError: any of the tree.
    """
    epoch = creation_epoch(loaded.recipe, environment)
    source = sources.open(loaded)
    loaded = inherit(loaded, source.config)
    is_output = loaded.recipe.source.buildroot is not None
    with_packages = with_packages or is_output or loaded.recipe.layers.split == "package"
    plan = decide(loaded, source, progress, with_packages=with_packages)
    annotations = _annotations(plan, source) if is_output else {}
    frame = Frame(loaded, platform_of(plan, loaded.recipe), epoch, annotations)
    return Draft(frame, plan, tuple(source.notes))


def _annotations(plan: Plan, source: Source) -> Mapping[str, str]:
    from assembler.pipeline.packages import packages_annotation  # other sources know nothing of Buildroot

    return packages_annotation(plan, source)


def _graph(tree: Tree, request: Request) -> Graph:
    """Build the graph; what nobody starts from needs no resolver."""
    if not request.starts:
        return Graph((), {}, {}, (), None)
    from assembler.graph.build import build_graph
    from assembler.graph.facts import Facts

    with Facts(tree, remember=True) as facts:
        return build_graph(tree, request, facts)


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
    """Return the folder where layers wait: where the first file goes, since there must be room for them there."""
    for output in outputs:
        if output.transport not in {"docker", "docker-daemon"}:
            path = os.path.abspath(output.path)
            return path if output.transport == "oci" and os.path.isdir(path) else os.path.dirname(path)
    return tempfile.gettempdir()
