"""Docker's manifests as OCI ones, where a place holds nothing else.

In: a shipment. Out: one whose manifests and indexes have the image-spec's media types; configs and layers are the same
bytes, the digests of the documents are others. Source: image-spec v1.1 media-types.md, "Compatibility Matrix".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from assembler.base import digest as digests
from assembler.oci.shipment import ABOUT, Shipment
from assembler.oci.types import (
    CONFIG,
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LAYER_GZIP,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEX,
    INDEX_TYPES,
    LAYER,
    LAYER_GZIP,
    MANIFEST,
    Descriptor,
    Index,
    Manifest,
    decode,
    encode,
)

if TYPE_CHECKING:
    from assembler.base.digest import Digest

_TYPES: Final = {
    DOCKER_LIST: INDEX,
    DOCKER_MANIFEST: MANIFEST,
    DOCKER_CONFIG: CONFIG,
    DOCKER_LAYER: LAYER,
    DOCKER_LAYER_GZIP: LAYER_GZIP,
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": LAYER_GZIP,
}


def has_docker_manifests(shipment: Shipment) -> bool:
    """Say whether a manifest or index is docker's."""
    return any(descriptor.media_type in {DOCKER_LIST, DOCKER_MANIFEST} for descriptor, _ in shipment.documents)


def as_oci(shipment: Shipment) -> Shipment:
    """Return the same images with OCI's media types; what has them already stays as it is.

    Raises:
        ImageError: a document is not of its form.
    """
    new: dict[Digest, tuple[Descriptor, bytes]] = {}
    for descriptor, data in shipment.documents:
        new[descriptor.digest] = _document(descriptor, data, new)
    documents = tuple(new.values())
    blobs = tuple((_typed(descriptor), content) for descriptor, content in shipment.blobs)
    return Shipment(documents[-1][0], documents, blobs)


def _document(
    descriptor: Descriptor, data: bytes, new: dict[Digest, tuple[Descriptor, bytes]]
) -> tuple[Descriptor, bytes]:
    """Return a document converted, `new` having all that it names; one that names only what stayed stays itself."""
    changed: Index | Manifest
    if descriptor.media_type in INDEX_TYPES:
        index = decode(data, Index, f"index {descriptor.digest}")
        changed = replace(index, media_type=INDEX, manifests=tuple(_moved(each, new) for each in index.manifests))
        if descriptor.media_type == INDEX and changed.manifests == index.manifests:
            return descriptor, data
    else:
        if descriptor.media_type != DOCKER_MANIFEST:
            return descriptor, data
        manifest = decode(data, Manifest, f"manifest {descriptor.digest}")
        config = None if manifest.config is None else _typed(manifest.config)
        layers = tuple(_typed(layer) for layer in manifest.layers)
        changed = replace(manifest, media_type=MANIFEST, config=config, layers=layers)
    data = encode(changed)
    return replace(_typed(descriptor), digest=digests.sha256(data), size=len(data)), data


def _typed(descriptor: Descriptor) -> Descriptor:
    return replace(descriptor, media_type=_TYPES.get(descriptor.media_type, descriptor.media_type))


def _moved(entry: Descriptor, new: dict[Digest, tuple[Descriptor, bytes]]) -> Descriptor:
    """Return what an index says of a manifest that has another digest now; an attestation follows its image."""
    there = new[entry.digest][0]
    annotations = entry.annotations
    if annotations and (about := annotations.get(ABOUT)) in new:
        annotations = {**annotations, ABOUT: new[about][0].digest}  # type: ignore[index]
    return replace(entry, media_type=there.media_type, digest=there.digest, size=there.size, annotations=annotations)
