"""Finding an image in what `docker save` writes: `manifest.json`, a config, and layers as tars.

In: a store with `manifest.json`. Out: an image with a manifest made up from it, so that everything after reads one
form. Layers may be `<id>/layer.tar` (docker up to 24), `<digest>.tar` (skopeo, some of them symlinks) or blobs of a
layout; plain or compressed, told by their first bytes. Source: moby, `image/tarexport`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from assembler.base import digest as digests
from assembler.base.content import CHUNK, Content
from assembler.base.decompress import Format, detect
from assembler.base.errors import ImageError
from assembler.base.paths import normalize, show
from assembler.oci.types import CONFIG, LAYER, LAYER_GZIP, LAYER_ZSTD, MANIFEST, Descriptor, Manifest, encode
from assembler.sources.store import StoredImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.base.digest import Digest
    from assembler.sources.store import Store

_TYPES: Final[dict[Format, str]] = {"none": LAYER, "gzip": LAYER_GZIP, "zstd": LAYER_ZSTD}


class SavedImage(Struct, frozen=True, rename="pascal"):
    """An item of `manifest.json`."""

    config: str
    layers: tuple[str, ...] | None = None
    repo_tags: tuple[str, ...] | None = None


def find_in_docker_archive(store: Store, name: str | None, tag: str | None) -> StoredImage:
    """Find the image of a name and tag.

    Raises:
        ImageError: there is no such name, or several and none is asked for; a file that it names is missing.
    """
    saved = _choose(_read_manifest(store), name, tag, store.name)
    paths: dict[Digest, str] = {}
    config = _describe(store, saved.config, paths, CONFIG)
    layers = tuple(_describe(store, layer, paths) for layer in saved.layers or ())
    data = encode(Manifest(2, MANIFEST, config=config, layers=layers))
    return StoredImage(digests.sha256(data), data, store, paths=paths)


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
    repository, _, its_tag = full.rpartition(":")
    return _whole(repository) == _whole(name) and tag in {None, its_tag}


def _whole(name: str) -> str:
    first, slash, _ = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    return name if "." in first or ":" in first or first == "localhost" else f"docker.io/{name}"


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
