"""`Shipment`: what goes to a destination, whether it was made here or lay elsewhere. A value.

In: an `Image`, or what `sources` found. Out: a manifest or an index with all that it leads to, bytes as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.content import Content, Tapped, read
from assembler.base.errors import ImageError, UsageError
from assembler.oci.types import (
    CONFIG,
    CONFIG_TYPES,
    LAYER,
    LAYER_FORMATS,
    LAYER_GZIP,
    LAYER_ZSTD,
    MANIFEST,
    MANIFEST_TYPES,
    MAX_DOCUMENT,
    Descriptor,
    ImageConfig,
    Manifest,
    decode,
    encode,
)

if TYPE_CHECKING:
    from assembler.base.digest import Digest
    from assembler.base.progress import Progress
    from assembler.oci.image import Image

ABOUT: Final = "vnd.docker.reference.digest"
"""The annotation by which buildkit's attestation names the image that it is about."""

_STORED: Final = {"none": LAYER, "gzip": LAYER_GZIP, "zstd": LAYER_ZSTD}


class Shipment(Struct, frozen=True):
    """What goes to a destination: a manifest or an index, and all that it leads to, bytes as they are.

    Attributes:
        root: of the manifest or index that gets the name, with its platform where it is an image's manifest. Its
            annotations are those that the source's index has for it, without the names that it has there.
        documents: manifests and indexes, each digest once, children before parents, the root last.
        blobs: layers and configs, each digest once, in the order in which they are written.
    """

    root: Descriptor
    documents: tuple[tuple[Descriptor, bytes], ...]
    blobs: tuple[tuple[Descriptor, Content], ...]

    @classmethod
    def of(cls, image: Image) -> Shipment:
        """Return an image that was made here."""
        descriptor = image.descriptor
        return cls(descriptor, ((descriptor, image.manifest_bytes),), tuple(image.blobs()))

    @property
    def size(self) -> int:
        """Bytes of all documents and blobs together."""
        return sum(len(data) for _, data in self.documents) + sum(content.size for _, content in self.blobs)

    def document(self, digest: Digest) -> bytes:
        """Return a manifest or index.

        Raises:
            ImageError: it is not in the shipment.
        """
        for descriptor, data in self.documents:
            if descriptor.digest == digest:
                return data
        raise ImageError(f"manifest {digest} is not in the image")

    def blob(self, digest: Digest) -> Content:
        """Return a layer or config.

        Raises:
            ImageError: it is not in the shipment.
        """
        for descriptor, content in self.blobs:
            if descriptor.digest == digest:
                return content
        raise ImageError(f"blob {digest} is not in the image")

    def images(self) -> tuple[tuple[Descriptor, Manifest], ...]:
        """Return the manifests of images that can run, each with its descriptor: no artifacts, no attestations.

        Raises:
            ImageError: a manifest is not of its form.
        """
        found = []
        for descriptor, data in self.documents:
            if descriptor.media_type in MANIFEST_TYPES and not is_attestation(descriptor):
                manifest = decode(data, Manifest, f"manifest {descriptor.digest}")
                if manifest.config is not None and manifest.config.media_type in CONFIG_TYPES:
                    found.append((descriptor, manifest))
        return tuple(found)

    def config(self, manifest: Manifest) -> ImageConfig:
        """Return the config of one of the images.

        Raises:
            ImageError: it is not in the shipment, damaged, or too large for a document.
        """
        if manifest.config is None:
            raise ImageError("a manifest has no config")
        what, content = f"config {manifest.config.digest}", self.blob(manifest.config.digest)
        if content.size > MAX_DOCUMENT:
            raise ImageError(f"{what}: {content.size} bytes are no JSON document")
        return decode(read(content), ImageConfig, what)

    def only_image(self, wanted_by: str) -> tuple[Descriptor, Manifest]:
        """Return the one image.

        Args:
            wanted_by: what cannot hold more than one, as an error calls it.

        Raises:
            UsageError: there are several.
            ImageError: there is none.
        """
        images = self.images()
        if not images:
            raise ImageError(f"{self.root.digest}: no image that can run, which {wanted_by} must have")
        if len(images) > 1:
            known = ", ".join(str(descriptor.platform or descriptor.digest) for descriptor, _ in images)
            raise UsageError(
                f"{wanted_by} holds one image, and {self.root.digest} has {len(images)}: {known}",
                hint="choose one with --platform, without --all",
            )
        return images[0]

    def told(self, progress: Progress) -> Shipment:
        """Return the same, with a listener that is told of the bytes of blobs while they are read."""
        return replace(self, blobs=tuple((each, Tapped(content, progress.advance)) for each, content in self.blobs))


def is_attestation(descriptor: Descriptor) -> bool:
    """Say whether an index lists a manifest as one that no machine runs, as buildkit does with its attestations."""
    return descriptor.platform is not None and descriptor.platform.os == "unknown"


def made_up_manifest(config: Descriptor, layers: tuple[Descriptor, ...]) -> bytes:
    """Return the manifest of an image in a docker-archive, which has none of its own.

    Whatever the image had before, it is the same for the same config and layers: what tells that two are one.
    """
    plain = tuple(Descriptor(_stored_as(layer), layer.digest, layer.size) for layer in layers)
    return encode(Manifest(2, MANIFEST, config=Descriptor(CONFIG, config.digest, config.size), layers=plain))


def _stored_as(layer: Descriptor) -> str:
    """Return the media type that the first bytes of a layer tell."""
    return _STORED[LAYER_FORMATS[layer.media_type]] if layer.media_type in LAYER_FORMATS else layer.media_type
