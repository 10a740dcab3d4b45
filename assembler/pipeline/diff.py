"""What differs between two images.

image, image ─▶ Inspection, Inspection ─▶ Difference
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.digest import Digest
from assembler.base.units import on_disk
from assembler.graph.objects import ObjectChange, compare_objects
from assembler.oci.compare import Setting, compare_settings, read_settings
from assembler.pipeline.examine import Inspection, sum_up
from assembler.plan.growth import Growth, PackageGrowth, compare_packages, compare_sums
from assembler.sources.image import OpenedImage, open_image, unpack_layers
from assembler.tree import Directory, Regular, Tree, size_of
from assembler.tree.compare import FileChange, compare, further_names

if TYPE_CHECKING:
    from assembler.base.progress import Progress
    from assembler.oci.reference import Reference
    from assembler.remote.access import Access


class Totals(Struct, frozen=True):
    """The sizes of an image, in bytes, and what there is of what.

    Attributes:
        compressed: the layers as stored.
        transferred: layers as stored, config and manifest: what a registry has.
        unpacked: the bytes of the files, hard links once.
        on_disk: the same in blocks of 4 KiB, directories with one each.
        files: regular files, hard links once.
        entries: of the root filesystem.
        layers: of the image.
    """

    compressed: int
    transferred: int
    unpacked: int
    on_disk: int
    files: int
    entries: int
    layers: int


class Side(Struct, frozen=True):
    """One of the two images: all that is in it, and its sizes."""

    inspection: Inspection
    totals: Totals


class Difference(Struct, frozen=True):
    """What differs between two images. Of what has a size, the largest change comes first, whether it grew or shrank.

    Attributes:
        before: the first image.
        after: the second.
        files: paths that only one has, or that are something else in the other; their sizes add up to the change of
            `Totals.unpacked`.
        times: how many files differ in nothing but their modification time.
        directories: sums by directory that differ, two levels deep.
        kinds: sums by kind of file that differ.
        packages: packages that differ; none where either image does not say what is of which package.
        objects: programs and shared libraries whose bytes differ.
        settings: what differs of the config and the annotations.
        shared: digests of the layers that both have.
    """

    before: Side
    after: Side
    files: tuple[FileChange, ...]
    times: int
    directories: tuple[Growth, ...]
    kinds: tuple[Growth, ...]
    packages: tuple[PackageGrowth, ...]
    objects: tuple[ObjectChange, ...]
    settings: tuple[Setting, ...]
    shared: tuple[Digest, ...]

    @property
    def same(self) -> bool:
        """Whether containers of both start with the same root filesystem and config.

        How the root is cut into layers, and how these are compressed, does not count; the history tells of nothing
        else.
        """
        settings = [one for one in self.settings if one.section != "history"]
        return not (self.files or self.times or settings)

    @property
    def fetched(self) -> int:
        """Bytes of layers, as stored, that whoever has the first image needs for the second."""
        layers = {layer.digest: layer.size for layer in self.after.inspection.layers}
        return sum(size for digest, size in layers.items() if digest not in self.shared)


def diff(before: Reference, after: Reference, platform: str | None, progress: Progress, access: Access) -> Difference:
    """Compare two images; layers that both have are read once.

    Raises:
        SourceError: one is not there, or its layers cannot be stacked.
        ImageError: one is damaged, or not for the platform.
    """
    old, new = (open_image(reference, platform=platform, access=access) for reference in (before, after))
    old_layers = unpack_layers(old, progress)
    one, other = sum_up(old, old_layers), sum_up(new, unpack_layers(new, progress, old_layers))
    compared = compare(one.tree, other.tree, progress)
    settings = (read_settings(each.config_bytes, each.manifest.annotations or {}) for each in (old, new))
    return Difference(
        before=Side(one, _totals(old, one.tree)),
        after=Side(other, _totals(new, other.tree)),
        files=tuple(replace(file, package=_owner(file.path, one, other)) for file in compared.changes),
        times=compared.times,
        directories=compare_sums(one.inventory.directories, other.inventory.directories),
        kinds=compare_sums(one.inventory.kinds, other.inventory.kinds),
        packages=compare_packages(one.inventory.packages, other.inventory.packages),
        objects=compare_objects(one.tree, other.tree, compared.changes),
        settings=compare_settings(*settings),
        shared=tuple(sorted({layer.digest for layer in one.layers} & {layer.digest for layer in other.layers})),
    )


def _owner(path: str, one: Inspection, other: Inspection) -> str | None:
    return other.packages.get(path) or one.packages.get(path)


def _totals(opened: OpenedImage, tree: Tree) -> Totals:
    further = further_names(tree)
    sizes = [size_of(entry) for entry in tree if isinstance(entry, Regular) and entry.path not in further]
    directories = sum(isinstance(entry, Directory) for entry in tree)
    blobs = {layer.digest: layer.size for layer in opened.layers}
    return Totals(
        compressed=sum(blobs.values()),
        transferred=sum(blobs.values()) + len(opened.config_bytes) + len(opened.manifest_bytes),
        unpacked=sum(sizes),
        on_disk=sum(map(on_disk, sizes)) + on_disk(1) * directories,
        files=len(sizes),
        entries=len(tree),
        layers=len(opened.layers),
    )
