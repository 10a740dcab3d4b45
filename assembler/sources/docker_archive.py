"""Finding an image in what `docker save` writes: `manifest.json`, a config, and layers as tars.

In: a store with `manifest.json`. Out: `Found`, its root a manifest made up from it, so that everything after reads one
form. Layers may be `<id>/layer.tar` (docker up to 24), `<digest>.tar` (skopeo, some of them symlinks) or blobs of a
layout; plain or compressed, told by their first bytes. Source: moby, `image/tarexport`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from assembler.base import digest as digests
from assembler.base.content import CHUNK, Bytes, Content
from assembler.base.decompress import Format, detect
from assembler.base.digest import Digest
from assembler.base.errors import ImageError
from assembler.base.paths import normalize, show
from assembler.oci.reference import split_host, split_name
from assembler.oci.shipment import made_up_manifest
from assembler.oci.types import CONFIG, LAYER, LAYER_GZIP, LAYER_ZSTD, MANIFEST, Descriptor
from assembler.sources.blobs import Found, checked_document, missing_blob
from assembler.sources.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

_TYPES: Final[dict[Format, str]] = {"none": LAYER, "gzip": LAYER_GZIP, "zstd": LAYER_ZSTD}


class SavedImage(Struct, frozen=True, rename="pascal"):
    """An item of `manifest.json`."""

    config: str
    layers: tuple[str, ...] | None = None
    repo_tags: tuple[str, ...] | None = None


class ArchiveBlobs(Struct, frozen=True):
    """The blobs of one image of a docker-archive; see `Blobs`.

    Attributes:
        store: the archive.
        paths: where each blob is.
        manifest_bytes: the manifest that was made up.
    """

    store: Store
    paths: Mapping[Digest, str]
    manifest_bytes: bytes

    @property
    def name(self) -> str:
        """See `Blobs.name`."""
        return self.store.name

    def blob(self, descriptor: Descriptor) -> Content:
        """See `Blobs.blob`."""
        path = self.paths.get(digests.parse(descriptor.digest))
        content = self.store.get(path) if path is not None else None
        if content is None:
            raise missing_blob(self.name, descriptor.digest)
        return content

    def manifest(self, descriptor: Descriptor) -> bytes:
        """See `Blobs.manifest`; there is one."""
        return checked_document(Bytes(self.manifest_bytes), descriptor)


def open_docker_archive(store: Store, name: str | None, tag: str | None) -> Found:
    """Find the image of a name and tag.

    Raises:
        ImageError: there is no such name, or several and none is asked for; a file that it names is missing.
    """
    saved = _choose(_read_manifest(store), name, tag, store.name)
    paths: dict[Digest, str] = {}
    config = _describe(store, saved.config, paths, CONFIG)
    layers = tuple(_describe(store, layer, paths) for layer in saved.layers or ())
    data = made_up_manifest(config, layers)
    root = Descriptor(MANIFEST, digests.sha256(data), len(data))
    its_name, its_tag = _name_of(saved, name, tag)
    return Found(ArchiveBlobs(store, paths, data), (root,), name=its_name, tag=its_tag)


def _name_of(saved: SavedImage, name: str | None, tag: str | None) -> tuple[str | None, str | None]:
    """Return the name and tag that were asked for, else the first that the image has."""
    known = [full for full in saved.repo_tags or () if name is None or _is_named(full, name, tag)]
    return split_name(known[0]) if known else (name, tag)


def _read_manifest(store: Store) -> tuple[SavedImage, ...]:
    if store.get("/manifest.json") is None:
        hint = "a root filesystem's tarball is a source.archive"
        if store.get("/repositories") is not None:
            hint = "this was saved by docker before 1.10: load it into a newer one and save it again"
        raise ImageError(f"{store.name}: manifest.json is not there: no image", hint=hint)
    try:
        return msgspec.json.decode(store.document("/manifest.json"), type=tuple[SavedImage, ...])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ImageError(f"{store.name}: manifest.json: {error}") from error


def _choose(images: Sequence[SavedImage], name: str | None, tag: str | None, where: str) -> SavedImage:
    known = [full for image in images for full in image.repo_tags or ()]
    listed = ", ".join(known) or "(none)"
    found = images
    if name is not None:
        found = [image for image in images if any(_is_named(full, name, tag) for full in image.repo_tags or ())]
        if not found:
            wanted = f"{name}:{tag}" if tag else name
            raise ImageError(f"{where}: there is no image {wanted!r}", hint=f"there are: {listed}")
    if not found:
        raise ImageError(f"{where}: there is no image in it: manifest.json is empty")
    if len({image.config for image in found}) > 1:
        raise ImageError(f"{where}: there are several images", hint=f"add ':' and one of the names: {listed}")
    return found[0]


def _is_named(full: str, name: str, tag: str | None) -> bool:
    """Compare names as docker does: `busybox` is `docker.io/library/busybox`."""
    repository, its_tag = split_name(full)
    return split_host(repository) == split_host(name) and tag in {None, its_tag}


def _describe(store: Store, path: str, paths: dict[Digest, str], media_type: str | None = None) -> Descriptor:
    """Return a descriptor of a file, and note where it is."""
    where = normalize(path)
    content = store.get(where)
    if content is None:
        raise ImageError(f"{store.name}: manifest.json names {show(path)}, which is missing")
    digest = digests.of_chunks(content.chunks())
    paths[digest] = where
    return Descriptor(media_type or _layer_type(content, f"{store.name}: {show(path)}"), digest, content.size)


def _layer_type(content: Content, what: str) -> str:
    with content.open() as file:
        kind = detect(file.read(min(CHUNK, 8)))
    if kind not in _TYPES:
        raise ImageError(f"{what}: a layer compressed by {kind}", hint="layers are plain, gzip or zstd")
    return _TYPES[kind]
