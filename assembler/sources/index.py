"""Through indexes to the image of a platform (image-spec v1.1, image-index.md), whatever place they lie in.

In: `Found`. Out: the descriptor of one manifest, or all documents below a descriptor; each held to its digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.errors import ImageError
from assembler.oci.shipment import is_attestation
from assembler.oci.types import (
    CONFIG_TYPES,
    INDEX_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
    decode,
)
from assembler.sources.blobs import StoredImage, checked_document
from assembler.sources.platforms import choose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.sources.blobs import Blobs, Found

_MAX_DEPTH: Final = 8
"""Indexes inside indexes that are followed; real ones have two."""


class Choice(Struct, frozen=True):
    """The image that was chosen.

    Attributes:
        descriptor: of its manifest, with the platform where it is known.
        platforms: those that there were to choose from, each once; none where nothing had to be chosen.
    """

    descriptor: Descriptor
    platforms: tuple[Platform, ...] = ()


def choose_image(found: Found, wanted: Platform | None) -> Choice:
    """Choose the image for a platform: the wanted one, else the only one, else this machine's.

    Raises:
        ImageError: there is none for the platform; an index or manifest is missing, damaged, or of an unknown media
            type.
    """
    if wanted is None and len(found.roots) == 1 and found.roots[0].media_type in MANIFEST_TYPES:
        return Choice(found.roots[0])
    there = [leaf for root in found.roots for leaf in _leaves(found.blobs, root)]
    chosen, platform = choose(there, wanted, found.blobs.name)
    platforms = dict.fromkeys(each for _, each in there if each is not None)
    return Choice(replace(chosen, platform=platform), tuple(platforms))


def stored_image(found: Found, descriptor: Descriptor) -> StoredImage:
    """Return an image that was chosen.

    Raises:
        ImageError: its manifest is missing or damaged.
    """
    data = found.blobs.manifest(descriptor)
    return StoredImage(descriptor.digest, data, found.blobs, found.layout_bytes, found.index_bytes)


def documents_below(blobs: Blobs, root: Descriptor, depth: int = 0) -> Iterator[tuple[Descriptor, bytes]]:
    """Yield the manifests and indexes that a descriptor leads to, children before parents; one may come twice.

    Raises:
        ImageError: one is missing, damaged, too deep, or of an unknown media type.
    """
    if root.media_type in MANIFEST_TYPES:
        yield root, blobs.manifest(root)
    else:
        index, data = _open_index(blobs, root, depth)
        for inner in index.manifests:
            yield from documents_below(blobs, inner, depth + 1)
        yield root, data


def is_artifact(blobs: Blobs, descriptor: Descriptor) -> bool:
    """Say whether a descriptor is of what lies beside images: an SBOM, a signature. What cannot be read is none."""
    if descriptor.artifact_type is not None:
        return descriptor.artifact_type not in CONFIG_TYPES
    if descriptor.media_type not in MANIFEST_TYPES:
        return False
    try:
        manifest = decode(blobs.manifest(descriptor), Manifest, descriptor.digest)
    except ImageError:
        return False
    return manifest.config is None or manifest.config.media_type not in CONFIG_TYPES


def _leaves(blobs: Blobs, root: Descriptor, depth: int = 0) -> Iterator[tuple[Descriptor, Platform | None]]:
    """Yield the manifests below a descriptor with their platforms, without buildkit's attestations."""
    if is_attestation(root):
        return
    if root.artifact_type is not None and root.artifact_type not in CONFIG_TYPES:
        yield root, None
    elif root.media_type in MANIFEST_TYPES:
        yield root, root.platform or _platform_of(blobs, root)
    else:
        for inner in _open_index(blobs, root, depth)[0].manifests:
            yield from _leaves(blobs, inner, depth + 1)


def _open_index(blobs: Blobs, descriptor: Descriptor, depth: int) -> tuple[Index, bytes]:
    if descriptor.media_type not in INDEX_TYPES:
        raise ImageError(f"{blobs.name}: {descriptor.digest}: unknown media type {descriptor.media_type!r}")
    if depth == _MAX_DEPTH:
        raise ImageError(f"{blobs.name}: {descriptor.digest}: more than {_MAX_DEPTH} indexes inside each other")
    data = blobs.manifest(descriptor)
    return decode(data, Index, descriptor.digest), data


def _platform_of(blobs: Blobs, descriptor: Descriptor) -> Platform | None:
    """Return the platform that an image's config has; None for an artifact, and where the config cannot be read.

    What is wrong with it is told to whoever reads that image; here another may be wanted.
    """
    manifest = decode(blobs.manifest(descriptor), Manifest, descriptor.digest)
    if manifest.config is None or manifest.config.media_type not in CONFIG_TYPES:
        return None
    try:
        return platform_in(checked_document(blobs.blob(manifest.config), manifest.config))
    except ImageError:
        return None


def platform_in(config: bytes) -> Platform | None:
    """Return the platform that an image's config has; None where it is not of its form."""
    try:
        decoded = decode(config, ImageConfig, "config")
    except ImageError:
        return None
    return Platform(decoded.architecture, decoded.os, decoded.os_version, decoded.variant)
