"""Layers without their zstd, for what cannot hold it: docker-archives, and daemons before docker 23.

In: a shipment. Out: one whose zstd layers are stored as the tars that they are, in unnamed temporary files; all else is
as it was, and the config too, since its diff_ids are those of the tars (image-spec v1.1, config.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from assembler.base import digest as digests
from assembler.base.content import SharedFile, Span
from assembler.base.decompress import DecompressError, decompress
from assembler.base.errors import DestinationError, ImageError
from assembler.oci.shipment import Shipment
from assembler.oci.types import LAYER, LAYER_FORMATS, Descriptor, encode

if TYPE_CHECKING:
    from assembler.base.content import Content
    from assembler.base.digest import Digest
    from assembler.base.progress import Progress
    from assembler.oci.types import Manifest


def zstd_layers(shipment: Shipment) -> int:
    """Return how many zstd layers the images of a shipment have."""
    return sum(_is_zstd(layer) for _, manifest in shipment.images() for layer in manifest.layers)


def store_plain(shipment: Shipment, folder: str | None, progress: Progress) -> Shipment:
    """Return the one image of a shipment with its zstd layers stored plain, under a manifest of its own.

    Args:
        shipment: a manifest, or an index of one image.
        folder: where the temporary files are, best where the image will go; None for TMPDIR.
        progress: told of the bytes that are unpacked.

    Raises:
        ImageError: a layer is damaged, or its tar has not the diff_id that the config says.
        SourceError: a layer cannot be read.
        DestinationError: there is no room.
        UsageError: there are several images.
    """
    descriptor, manifest = shipment.only_image("what cannot hold zstd layers")
    progress.start("unpack", unit="B")
    pairs: list[tuple[Descriptor, Content]] = []
    for layer, diff_id in zip(manifest.layers, _diff_ids(shipment, manifest), strict=True):
        content = shipment.blob(layer.digest)
        if _is_zstd(layer):
            tar = _unpack(content, layer, diff_id, folder, progress)
            pairs.append((Descriptor(LAYER, diff_id, tar.size, annotations=layer.annotations), tar))
        else:
            pairs.append((layer, content))
    data = encode(replace(manifest, layers=tuple(layer for layer, _ in pairs)))
    if manifest.config is not None:
        pairs.append((manifest.config, shipment.blob(manifest.config.digest)))
    root = replace(descriptor, digest=digests.sha256(data), size=len(data))
    return Shipment(root, ((root, data),), tuple({each.digest: (each, content) for each, content in pairs}.values()))


def _is_zstd(layer: Descriptor) -> bool:
    return LAYER_FORMATS.get(layer.media_type) == "zstd"


def _diff_ids(shipment: Shipment, manifest: Manifest) -> tuple[Digest, ...]:
    diff_ids = shipment.config(manifest).rootfs.diff_ids
    if len(diff_ids) != len(manifest.layers):
        raise ImageError(f"the config has {len(diff_ids)} diff_ids, and the manifest {len(manifest.layers)} layers")
    return diff_ids


def _unpack(content: Content, layer: Descriptor, diff_id: Digest, folder: str | None, progress: Progress) -> Span:
    name = f"layer {layer.digest}"
    hasher = digests.hasher(digests.parse(diff_id))
    size = 0
    try:
        file = SharedFile.temporary(folder)
        for piece in decompress(content.chunks(), "zstd"):
            file.write(piece)
            hasher.update(piece)
            size += len(piece)
            progress.advance(len(piece))
    except DecompressError as error:
        for _ in content.chunks():  # to the end, since a wrong digest says more than what comes of it
            pass
        raise ImageError(f"{name}: {error}") from error
    except OSError as error:
        hint = "free some room, or write elsewhere"
        raise DestinationError(
            f"{name}: cannot be unpacked in {folder or 'TMPDIR'}: {error.strerror}", hint=hint
        ) from error
    if hasher.hexdigest() != digests.encoded(diff_id):
        found = f"{digests.algorithm(diff_id)}:{hasher.hexdigest()}"
        raise ImageError(f"{name}: its diff_id is {found}, but the config says {diff_id}")
    return Span(file, 0, size)
