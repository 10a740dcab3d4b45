"""Is an image what the image-spec asks for? Every digest recomputed, every rule checked, every violation told.

In: a manifest's bytes and a way to its blobs. Out: `Violation`s; what cannot be read is one too, never an exception.

    layout          oci-layout or index.json (image-layout.md)
    manifest        the manifest itself (manifest.md)
    media-type      of manifest, config or layer: unknown, or not allowed there
    blob            missing or unreadable
    digest, size    not those of the descriptor (descriptor.md)
    config          not of its form; rootfs.type, number of diff_ids, architecture, os, created (config.md)
    history         not as many non-empty items as layers (config.md)
    diff-id         not the digest of the uncompressed layer
    compression     of a layer: not what its media type says, damaged, truncated, a bomb
    layer-…         `oci.layer_rules`
"""

from __future__ import annotations

import re
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from assembler.base import digest as digests
from assembler.base.decompress import DecompressError, decompress
from assembler.base.errors import BrasmError, ImageError
from assembler.oci.layer_rules import LayerRules
from assembler.oci.types import (
    CONFIG_TYPES,
    DOCKER_MANIFEST,
    INDEX,
    LAYER_FORMATS,
    MANIFEST_TYPES,
    MAX_DOCUMENT,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    decode,
)
from assembler.oci.untar import Stream
from assembler.oci.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.base.content import Content
    from assembler.base.digest import Digest
    from assembler.base.progress import Progress

_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class BlobSource(Protocol):
    """An image as it is stored somewhere."""

    @property
    def digest(self) -> Digest:
        """What the manifest's digest is said to be."""

    @property
    def manifest_bytes(self) -> bytes:
        """The manifest as stored."""

    @property
    def layout_bytes(self) -> bytes | None:
        """The file `oci-layout`; None where it is missing or there is no layout."""

    @property
    def index_bytes(self) -> bytes | None:
        """The file `index.json`; None where there is no layout."""

    def blob(self, digest: Digest) -> Content:
        """Return a blob as stored.

        Raises:
            BrasmError: it is missing.
        """


def validate(image: BlobSource, progress: Progress | None = None) -> tuple[Violation, ...]:
    """Check an image and return all that is wrong with it, in the order in which it is read.

    Args:
        image: where it is stored.
        progress: told of the stored bytes that were read.
    """
    return tuple(_validate(image, progress))


def _validate(image: BlobSource, progress: Progress | None) -> Iterator[Violation]:
    yield from _check_layout(image)
    if digests.of_chunks([image.manifest_bytes], digests.algorithm(image.digest)) != image.digest:
        yield Violation("digest", image.digest, "the manifest has another digest")
    try:
        manifest = decode(image.manifest_bytes, Manifest, "manifest")
    except ImageError as error:
        yield Violation("manifest", image.digest, error.message)
        return
    yield from _check_manifest(manifest, image.digest)
    config = None
    if manifest.config is not None:
        data: list[bytes] = []
        yield from _read(image, manifest.config, data)
        config = _decode_config(b"".join(data), manifest.config) if data else None
    if isinstance(config, Violation):
        yield config
    elif config is not None and manifest.config is not None:
        yield from (Violation(rule, manifest.config.digest, text) for rule, text in _check_config(config, manifest))
    diff_ids = config.rootfs.diff_ids if isinstance(config, ImageConfig) else ()
    if progress is not None:
        progress.start("verify", sum(layer.size for layer in manifest.layers), unit="B")
    yield from _check_layers(image, manifest, diff_ids, progress)


def _check_layout(image: BlobSource) -> Iterator[Violation]:
    if image.index_bytes is None:
        return
    if image.layout_bytes is None:
        yield Violation("layout", "oci-layout", "missing")
    else:
        try:
            document = msgspec.json.decode(image.layout_bytes)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            yield Violation("layout", "oci-layout", str(error))
        else:
            version = document.get("imageLayoutVersion") if isinstance(document, dict) else None
            if version != "1.0.0":
                yield Violation("layout", "oci-layout", f"imageLayoutVersion is {version!r}, not '1.0.0'")
    try:
        index = decode(image.index_bytes, Index, "index.json")
    except ImageError as error:
        yield Violation("layout", "index.json", error.message)
        return
    if index.schema_version != 2:
        yield Violation("layout", "index.json", f"schemaVersion is {index.schema_version}, not 2")
    if index.media_type not in {None, INDEX}:
        yield Violation("media-type", "index.json", f"mediaType is {index.media_type!r}")


def _check_manifest(manifest: Manifest, digest: Digest) -> Iterator[Violation]:
    if manifest.schema_version != 2:
        yield Violation("manifest", digest, f"schemaVersion is {manifest.schema_version}, not 2")
    if manifest.media_type is not None and manifest.media_type not in MANIFEST_TYPES:
        yield Violation("media-type", digest, f"mediaType is {manifest.media_type!r}")
    if manifest.config is None:
        yield Violation("manifest", digest, "it has no config")
    elif manifest.config.media_type not in CONFIG_TYPES:
        yield Violation("media-type", manifest.config.digest, f"unknown config type {manifest.config.media_type!r}")
    if not manifest.layers:
        yield Violation("manifest", digest, "it has no layers")
    for layer in manifest.layers:
        kind = LAYER_FORMATS.get(layer.media_type)
        if kind is None:
            yield Violation("media-type", layer.digest, f"unknown layer type {layer.media_type!r}")
        elif kind == "zstd" and manifest.media_type == DOCKER_MANIFEST:
            yield Violation("media-type", layer.digest, "docker's manifests have no zstd layers")


def _decode_config(data: bytes, descriptor: Descriptor) -> ImageConfig | Violation | None:
    if descriptor.media_type not in CONFIG_TYPES:
        return None
    try:
        return decode(data, ImageConfig, "config")
    except ImageError as error:
        return Violation("config", descriptor.digest, error.message)


def _check_config(config: ImageConfig, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield rule and message."""
    if config.rootfs.type != "layers":
        yield "config", f"rootfs.type is {config.rootfs.type!r}, not 'layers'"
    for diff_id in config.rootfs.diff_ids:
        if not digests.is_valid(diff_id):
            yield "config", f"rootfs.diff_ids: {diff_id!r} is no digest"
    layers, diff_ids = len(manifest.layers), len(config.rootfs.diff_ids)
    if diff_ids != layers:
        yield "config", f"rootfs.diff_ids: {diff_ids} for {layers} layers"
    filled = sum(not item.empty_layer for item in config.history)
    if config.history and filled != layers:
        yield "history", f"{filled} items that are no empty_layer, for {layers} layers"
    for key, value in (("architecture", config.architecture), ("os", config.os)):
        if not value:
            yield "config", f"{key} is empty"
    dates = [("created", config.created)]
    dates += [(f"history[{number}].created", item.created) for number, item in enumerate(config.history)]
    for key, date in dates:
        if date is not None and not _is_date(date):
            yield "config", f"{key} is {date!r}, which is no RFC 3339 date"


def _is_date(text: str) -> bool:
    if not _RFC3339.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return False
    return True


class _Blob:
    """A blob while it is read: hashes and counts what passes."""

    def __init__(self, content: Content, digest: Digest, progress: Progress | None) -> None:
        self._content = content
        self._hasher = digests.hasher(digest)
        self._progress = progress
        self.size = 0
        self.whole = False

    def chunks(self) -> Iterator[bytes]:
        for chunk in self._content.chunks():
            self._hasher.update(chunk)
            self.size += len(chunk)
            if self._progress is not None:
                self._progress.advance(len(chunk))
            yield chunk
        self.whole = True

    def violations(self, descriptor: Descriptor) -> Iterator[Violation]:
        """Yield what does not fit the descriptor, once all was read."""
        if self.whole and self.size != descriptor.size:
            yield Violation("size", descriptor.digest, f"{self.size} bytes, but the descriptor says {descriptor.size}")
        if self.whole and self._hasher.hexdigest() != digests.encoded(descriptor.digest):
            found = f"{digests.algorithm(descriptor.digest)}:{self._hasher.hexdigest()}"
            yield Violation("digest", descriptor.digest, f"the bytes have the digest {found}")


def _read(image: BlobSource, descriptor: Descriptor, out: list[bytes]) -> Iterator[Violation]:
    """Read a document into `out`, which stays empty where it cannot be read."""
    blob = _open(image, descriptor, None)
    if isinstance(blob, Violation):
        yield blob
        return
    try:
        for chunk in blob.chunks():
            if blob.size > MAX_DOCUMENT:
                yield Violation("size", descriptor.digest, "too large for a JSON document")
                out.clear()
                return
            out.append(chunk)
    except BrasmError as error:
        yield Violation("blob", descriptor.digest, error.message)
    yield from blob.violations(descriptor)


def _open(image: BlobSource, descriptor: Descriptor, progress: Progress | None) -> _Blob | Violation:
    try:
        return _Blob(image.blob(digests.parse(descriptor.digest)), descriptor.digest, progress)
    except BrasmError as error:
        return Violation("blob", descriptor.digest, error.message)


def _check_layers(
    image: BlobSource, manifest: Manifest, diff_ids: tuple[Digest, ...], progress: Progress | None
) -> Iterator[Violation]:
    rules = LayerRules()
    for descriptor, diff_id in zip_longest(manifest.layers, diff_ids[: len(manifest.layers)]):
        blob = _open(image, descriptor, progress)
        if isinstance(blob, Violation):
            yield blob
            rules.skip()
            continue
        if descriptor.media_type in LAYER_FORMATS:
            wanted = diff_id if diff_id and digests.is_valid(diff_id) else None
            yield from _check_layer(blob, descriptor, wanted, rules)
        else:
            yield from _pass(blob.chunks(), descriptor)
            rules.skip()
        yield from blob.violations(descriptor)


def _check_layer(blob: _Blob, descriptor: Descriptor, diff_id: Digest | None, rules: LayerRules) -> Iterator[Violation]:
    hasher = digests.hasher(diff_id or descriptor.digest)
    chunks = blob.chunks()

    def plain() -> Iterator[bytes]:
        for piece in decompress(chunks, LAYER_FORMATS[descriptor.media_type]):
            hasher.update(piece)
            yield piece

    pieces = plain()
    try:
        yield from rules.check(descriptor.digest, Stream(pieces))
        for _ in pieces:  # where the tar is damaged the rest was not looked at, and the digests want it all
            pass
    except DecompressError as error:
        yield Violation("compression", descriptor.digest, str(error))
        yield from _pass(chunks, descriptor)
        return
    except BrasmError as error:
        yield Violation("blob", descriptor.digest, error.message)
        return
    yield from _pass(chunks, descriptor)
    if diff_id and hasher.hexdigest() != digests.encoded(diff_id):
        found = f"{digests.algorithm(diff_id)}:{hasher.hexdigest()}"
        yield Violation("diff-id", descriptor.digest, f"its diff_id is {found}, but the config says {diff_id}")


def _pass(chunks: Iterable[bytes], descriptor: Descriptor) -> Iterator[Violation]:
    """Read what is left, for the digest's sake."""
    try:
        for _ in chunks:
            pass
    except BrasmError as error:
        yield Violation("blob", descriptor.digest, error.message)
