"""An image, or a whole index, as it lies somewhere, ready to go elsewhere.

In: a reference. Out: `OpenedShipment`. Manifests and indexes were read then, and held to their digests; blobs are held
to theirs while they are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from assembler.base import digest as digests
from assembler.base.content import Bytes
from assembler.base.digest import Digest
from assembler.oci.shipment import Shipment
from assembler.oci.types import (
    CONFIG_TYPES,
    CONTAINERD_NAME,
    INDEX,
    MANIFEST_TYPES,
    REF_NAME,
    Descriptor,
    Index,
    Manifest,
    decode,
    encode,
)
from assembler.sources.blobs import Checked, StoredImage, checked_document, document
from assembler.sources.find import find
from assembler.sources.index import Choice, choose_image, documents_below, platform_in
from assembler.sources.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.base.content import Content
    from assembler.oci.reference import Reference
    from assembler.remote.access import Access
    from assembler.sources.blobs import Blobs, Found

Part = TypeVar("Part")
_NAMES: Final = frozenset({CONTAINERD_NAME, REF_NAME})


class OpenedShipment(Struct, frozen=True):
    """What a reference names, ready to go elsewhere.

    Attributes:
        shipment: of the image that was chosen, or of all.
        source: digest of the manifest or index that has the tag; of an index that was made here, that one's.
        name: what the place calls the repository, host included; None where it has no name.
        tag: likewise.
        notes: one line each: what was chosen, and what was made here.
    """

    shipment: Shipment
    source: Digest
    name: str | None = None
    tag: str | None = None
    notes: tuple[str, ...] = ()


def open_shipment(
    reference: Reference, access: Access, *, folder: str = "", platform: str | None = None, every: bool = False
) -> OpenedShipment:
    """Find an image and all that it leads to.

    Args:
        reference: see `find`.
        access: the way to registries and daemons.
        folder: what a relative path starts from.
        platform: `OS/ARCHITECTURE[/VARIANT]`, to choose among several; None for the only one, else this machine's.
        every: whether an index is taken whole, with all that it lists, in place of one image of it.

    Raises:
        SourceError: it is not there or cannot be read.
        ImageError: there is no such tag or platform, or several; a manifest, index or blob is missing, or a document
            is damaged.
        UsageError: the platform is malformed, or the reference names no image.
    """
    wanted = None if platform is None else parse_platform(platform)
    found = find(reference, folder, access)
    if every:
        shipment = _all(found)
        made = shipment.root.digest not in {root.digest for root in found.roots}
        notes = (f"an index was made of the {len(found.roots)} manifests that have the tag",) if made else ()
        return OpenedShipment(shipment, shipment.root.digest, found.name, found.tag, notes)
    choice = choose_image(found, wanted)
    shipment = _below(found.blobs, choice.descriptor)
    return OpenedShipment(shipment, found.roots[0].digest, found.name, found.tag, _choice_notes(choice, found))


def stored_in(shipment: Shipment, name: str) -> StoredImage:
    """Return the one image of a shipment as one that lies somewhere, to be read.

    Args:
        shipment: where it lies.
        name: what errors call the place.

    Raises:
        UsageError: there are several.
        ImageError: there is none.
    """
    descriptor, _ = shipment.only_image("a folder")
    return StoredImage(descriptor.digest, shipment.document(descriptor.digest), _Shipped(name, shipment))


class _Shipped(Struct, frozen=True):
    """A shipment as a place of blobs."""

    name: str
    shipment: Shipment

    def blob(self, descriptor: Descriptor) -> Content:
        return self.shipment.blob(descriptor.digest)

    def manifest(self, descriptor: Descriptor) -> bytes:
        return checked_document(Bytes(self.shipment.document(descriptor.digest)), descriptor)


def _choice_notes(choice: Choice, found: Found) -> tuple[str, ...]:
    if all(root.digest == choice.descriptor.digest for root in found.roots):
        return ()
    of = f"{choice.descriptor.platform} of {len(choice.platforms)} platforms" if choice.platforms else "one manifest"
    return (f"{of} was copied: --all copies the index",)


def _all(found: Found) -> Shipment:
    """Return all that has the tag; what a layout lists under one tag is put into an index."""
    roots = tuple({root.digest: root for root in found.roots}.values())
    parts = [_below(found.blobs, root) for root in roots]
    if len(parts) == 1:
        return parts[0]
    data = encode(Index(2, INDEX, manifests=tuple(_unnamed(root) for root in roots)))
    top = Descriptor(INDEX, digests.sha256(data), len(data))
    documents = _once(pair for part in parts for pair in part.documents)
    return Shipment(top, (*documents, (top, data)), _once(pair for part in parts for pair in part.blobs))


def _below(blobs: Blobs, root: Descriptor) -> Shipment:
    """Return a descriptor with all below it."""
    root = _unnamed(root)
    documents = _once(documents_below(blobs, root))
    contents: dict[Digest, tuple[Descriptor, Content]] = {}
    for descriptor, data in documents:
        for each in _parts(descriptor, data):
            contents.setdefault(each.digest, (each, Checked(blobs.blob(each), each)))
    if root.media_type in MANIFEST_TYPES and root.platform is None:
        root = _with_platform(root, documents[-1][1], contents)
        documents = (*documents[:-1], (root, documents[-1][1]))
    return Shipment(root, documents, tuple(contents.values()))


def _parts(descriptor: Descriptor, data: bytes) -> Iterator[Descriptor]:
    """Yield the blobs of a manifest, in the order in which they are written; an index has none."""
    if descriptor.media_type in MANIFEST_TYPES:
        manifest = decode(data, Manifest, f"manifest {descriptor.digest}")
        yield from manifest.layers
        if manifest.config is not None:
            yield manifest.config


def _with_platform(root: Descriptor, data: bytes, contents: dict[Digest, tuple[Descriptor, Content]]) -> Descriptor:
    """Return an image's descriptor with its platform. The config, which says it, was read then and is kept."""
    config = decode(data, Manifest, f"manifest {root.digest}").config
    if config is None or config.media_type not in CONFIG_TYPES:
        return root
    read = document(contents[config.digest][1], f"blob {config.digest}")
    contents[config.digest] = (config, Bytes(read))
    return replace(root, platform=platform_in(read))


def _unnamed(descriptor: Descriptor) -> Descriptor:
    """Return a descriptor without the names that it has in a layout's index."""
    kept = {key: value for key, value in (descriptor.annotations or {}).items() if key not in _NAMES}
    return replace(descriptor, annotations=kept or None)


def _once(pairs: Iterable[tuple[Descriptor, Part]]) -> tuple[tuple[Descriptor, Part], ...]:
    """Return each digest once, where it comes first."""
    first: dict[Digest, tuple[Descriptor, Part]] = {}
    for pair in pairs:
        first.setdefault(pair[0].digest, pair)
    return tuple(first.values())
