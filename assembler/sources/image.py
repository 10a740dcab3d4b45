"""An image as a tree: its layers one over the other, whiteouts applied.

In: a reference. Out: `OpenedImage`, and from it a `Tree`. Every digest and size is checked when
its bytes are read, and every layer is held to the config's diff_id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from assembler.base import digest as digests
from assembler.base.content import Content, Span
from assembler.base.decompress import DecompressError, decompress
from assembler.base.digest import Digest
from assembler.base.errors import ImageError
from assembler.base.progress import Silent
from assembler.oci.types import CONFIG_TYPES, LAYER_FORMATS, Descriptor, ImageConfig, Manifest, Platform, decode
from assembler.remote.access import Access
from assembler.sources.blobs import Checked, StoredImage, checked_document
from assembler.sources.find import find
from assembler.sources.index import choose_image, stored_image
from assembler.sources.members import Archive, read_entries
from assembler.sources.platforms import distance, parse_platform
from assembler.sources.spool import spool
from assembler.sources.whiteouts import apply_layer
from assembler.tree import Entry, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from assembler.base.progress import Progress
    from assembler.oci.reference import Reference

_USUAL: Final = Access()


class OpenedImage(Struct, frozen=True):
    """An image whose manifest and config were read and fit each other.

    Attributes:
        stored: where it lies.
        manifest: of it; made up for a docker-archive.
        config: of it.
        config_bytes: as stored.
    """

    stored: StoredImage
    manifest: Manifest
    config: ImageConfig
    config_bytes: bytes

    @property
    def digest(self) -> Digest:
        """The digest of the manifest."""
        return self.stored.digest

    @property
    def manifest_bytes(self) -> bytes:
        """The manifest as stored."""
        return self.stored.manifest_bytes

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """The layers, the lowest first."""
        return self.manifest.layers

    @property
    def platform(self) -> Platform:
        """What it runs on."""
        return Platform(self.config.architecture, self.config.os, self.config.os_version, self.config.variant)

    def blob(self, digest: Digest) -> Content:
        """Return a layer or the config; reading it raises `ImageError` where it is not what the manifest says.

        Raises:
            ImageError: it is missing, or none of the image's.
        """
        content = self.stored.blob(digest)
        if isinstance(content, Checked):
            return content
        known = {each.digest: each for each in (self.manifest.config, *self.layers) if each is not None}
        return Checked(content, known[digest])


class UnpackedLayer(Struct, frozen=True):
    """A layer that was read.

    Attributes:
        descriptor: of the blob as stored.
        diff_id: digest of the tar in it.
        size: bytes of that tar.
        members: in its order, whiteouts as they stand there.
    """

    descriptor: Descriptor
    diff_id: Digest
    size: int
    members: tuple[Entry, ...]


def find_image(
    reference: Reference, *, folder: str = "", platform: str | None = None, access: Access = _USUAL
) -> StoredImage:
    """Find an image, looking at nothing but what leads to its manifest.

    Args:
        reference: see `find`.
        folder: what a relative path starts from.
        platform: `OS/ARCHITECTURE[/VARIANT]`, to choose among several.
        access: the way to registries and daemons.

    Raises:
        SourceError: it is not there or cannot be read.
        ImageError: there is no such tag or platform, or several; an index or manifest is missing or damaged.
        UsageError: the platform is malformed, or the reference names no image.
    """
    wanted = None if platform is None else parse_platform(platform)
    found = find(reference, folder, access)
    return stored_image(found, choose_image(found, wanted).descriptor)


def open_image(
    reference: Reference, *, folder: str = "", platform: str | None = None, access: Access = _USUAL
) -> OpenedImage:
    """Find an image and read its manifest and config; arguments are those of `find_image`.

    Raises:
        SourceError, UsageError: see `find_image`.
        ImageError: further, the config is missing or damaged, a media type is unknown, there are not as many diff_ids
            as layers, or it is for another platform than the one asked for.
    """
    opened = read_image(find_image(reference, folder=folder, platform=platform, access=access))
    if platform is not None and distance(opened.platform, parse_platform(platform)) is None:
        raise ImageError(f"{reference}: the image is for {opened.platform}, not {platform}")
    return opened


def read_image(stored: StoredImage) -> OpenedImage:
    """Read manifest and config of an image that was found.

    Raises:
        ImageError: see `open_image`.
    """
    manifest = decode(stored.manifest_bytes, Manifest, f"manifest {stored.digest}")
    config = manifest.config
    if config is None or config.media_type not in CONFIG_TYPES:
        kind = config.media_type if config is not None else "no config"
        raise ImageError(f"manifest {stored.digest}: {kind!r} is not the config of an image that can run")
    for layer in manifest.layers:
        if layer.media_type not in LAYER_FORMATS:
            raise ImageError(f"layer {layer.digest}: unknown media type {layer.media_type!r}")
    data = checked_document(stored.blobs.blob(config), config)
    decoded = decode(data, ImageConfig, f"config {config.digest}")
    if len(decoded.rootfs.diff_ids) != len(manifest.layers):
        counts = f"{len(decoded.rootfs.diff_ids)} diff_ids, and the manifest {len(manifest.layers)} layers"
        raise ImageError(f"config {config.digest}: it has {counts}")
    return OpenedImage(stored, manifest, decoded, data)


def unpack_layers(
    opened: OpenedImage, progress: Progress, known: Iterable[UnpackedLayer] = ()
) -> tuple[UnpackedLayer, ...]:
    """Read all layers; contents stay in archives or unnamed temporary files.

    Args:
        opened: the image.
        progress: told of the bytes.
        known: layers of other images, not to be read again: what is in such a layer are equal contents in all of them.

    Raises:
        ImageError: a layer is missing or damaged, or its tar has not the diff_id that the config says.
        SourceError: a layer's tar cannot be read, or there is no room in TMPDIR.
    """
    progress.start("unpack", unit="B")
    read = {(layer.descriptor.digest, layer.diff_id): layer for layer in known}
    pairs = zip(opened.layers, opened.config.rootfs.diff_ids, strict=True)
    return tuple(
        replace(read[descriptor.digest, diff_id], descriptor=descriptor)
        if (descriptor.digest, diff_id) in read
        else _unpack(opened, descriptor, diff_id, progress)
        for descriptor, diff_id in pairs
    )


def stack_layers(layers: Sequence[UnpackedLayer]) -> Tree:
    """Put layers one over the other, the first at the bottom.

    Raises:
        SourceError: a member cannot stand where it is; the message names the layer.
    """
    entries: dict[str, Entry] = {}
    for layer in layers:
        entries = apply_layer(entries, layer.members, f"layer {layer.descriptor.digest}")
    return Tree(entries.values())


def flatten(opened: OpenedImage, progress: Progress) -> Tree:
    """Return the root filesystem that a container of the image starts with.

    Raises:
        ImageError, SourceError: see `unpack_layers` and `stack_layers`.
    """
    return stack_layers(unpack_layers(opened, progress))


def _unpack(opened: OpenedImage, descriptor: Descriptor, wanted: Digest, progress: Progress) -> UnpackedLayer:
    name = f"layer {descriptor.digest}"
    span, diff_id = _plain(opened.blob(descriptor.digest), descriptor, wanted, progress)
    if diff_id != wanted:
        raise ImageError(f"{name}: its diff_id is {diff_id}, but the config says {wanted}")
    members = read_entries(Archive(span, name, layer=True), Silent())
    return UnpackedLayer(descriptor, diff_id, span.size, tuple(members))


def _plain(blob: Content, descriptor: Descriptor, wanted: Digest, progress: Progress) -> tuple[Span, Digest]:
    """Return a layer's tar and its digest, of the algorithm that the config used."""
    name, kind = f"layer {descriptor.digest}", LAYER_FORMATS[descriptor.media_type]
    hasher = digests.hasher(digests.parse(wanted))

    def hashed(chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            hasher.update(chunk)
            yield chunk

    inner = blob.content if isinstance(blob, Checked) else blob
    try:
        if kind == "none" and isinstance(inner, Span):
            span = inner
            for chunk in hashed(blob.chunks()):
                progress.advance(len(chunk))
        else:
            span = spool(hashed(decompress(blob.chunks(), kind)), name, progress)
    except DecompressError as error:
        for _ in blob.chunks():  # to the end, since a wrong digest says more than what comes of it
            pass
        raise ImageError(f"{name}: {error}") from error
    return span, Digest(f"{digests.algorithm(wanted)}:{hasher.hexdigest()}")
