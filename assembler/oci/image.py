"""`Layer` and `Image`: what `layers` produces and `destinations` consumes. Both are values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from assembler.base import digest as digests
from assembler.base.content import Bytes, Content
from assembler.base.digest import Digest
from assembler.oci.types import (
    CONFIG,
    LAYER,
    LAYER_GZIP,
    LAYER_ZSTD,
    MANIFEST,
    Descriptor,
    ImageConfig,
    Manifest,
    Platform,
    encode,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Compression = Literal["gzip", "zstd", "none"]

LAYER_TYPES: dict[Compression, str] = {"gzip": LAYER_GZIP, "zstd": LAYER_ZSTD, "none": LAYER}


class Layer(Struct, frozen=True):
    """A layer that was rendered.

    Attributes:
        descriptor: media type, digest and size of the blob as stored.
        diff_id: digest of the uncompressed tar.
        uncompressed_size: bytes of that tar.
        entries: number of entries in it.
        created_by: what made it, for the image's history: compressor, version, level.
        blob: the bytes as stored.
    """

    descriptor: Descriptor
    diff_id: Digest
    uncompressed_size: int
    entries: int
    created_by: str
    blob: Content


class Image(Struct, frozen=True):
    """A whole image: a config, layers in the order in which they are stacked, annotations."""

    config: ImageConfig
    layers: tuple[Layer, ...]
    annotations: dict[str, str] | None = None

    @property
    def config_bytes(self) -> bytes:
        """The config as it is stored."""
        return encode(self.config)

    @property
    def manifest(self) -> Manifest:
        """The manifest that holds config and layers together."""
        data = self.config_bytes
        return Manifest(
            schema_version=2,
            media_type=MANIFEST,
            config=Descriptor(CONFIG, digests.sha256(data), len(data)),
            layers=tuple(layer.descriptor for layer in self.layers),
            annotations=self.annotations or None,
        )

    @property
    def manifest_bytes(self) -> bytes:
        """The manifest as it is stored."""
        return encode(self.manifest)

    @property
    def digest(self) -> Digest:
        """The digest of the manifest: the identity of the image."""
        return digests.sha256(self.manifest_bytes)

    @property
    def platform(self) -> Platform:
        """What the image runs on."""
        return Platform(self.config.architecture, self.config.os, self.config.os_version, self.config.variant)

    @property
    def descriptor(self) -> Descriptor:
        """What an index says of the image."""
        data = self.manifest_bytes
        return Descriptor(MANIFEST, digests.sha256(data), len(data), platform=self.platform)

    def blobs(self) -> Iterator[tuple[Descriptor, Content]]:
        """Yield every blob that is not the manifest, each digest once: the layers from below, then the config."""
        seen: set[Digest] = set()
        for layer in self.layers:
            if layer.descriptor.digest not in seen:
                seen.add(layer.descriptor.digest)
                yield layer.descriptor, layer.blob
        data = self.config_bytes
        yield Descriptor(CONFIG, digests.sha256(data), len(data)), Bytes(data)
