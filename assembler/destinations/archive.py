"""Archives: one tar that holds an image layout, what `docker save` writes, or both at once.

In: a shipment. Out: a file, byte for byte the same for the same image and name. Sources: image-spec v1.1
image-layout.md; moby `image/tarexport/load.go` (`manifest.json`: it may point anywhere in the archive, so that both
forms share their blobs, as docker's own have done since version 25).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from assembler.base.content import Bytes
from assembler.base.errors import DestinationError
from assembler.base.files import atomic_file, copy_content, write_all
from assembler.destinations.written import Written, named
from assembler.oci import tar
from assembler.oci.types import INDEX, LAYER_FORMATS, Index, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.base.content import Content
    from assembler.base.digest import Digest
    from assembler.oci.reference import Reference
    from assembler.oci.shipment import Shipment
    from assembler.oci.types import Manifest

    Member = tuple[str, Content | None]

OCI_LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'
_END: Final = bytes(2 * tar.RECORD)


class _Saved(Struct, frozen=True, rename="pascal"):
    """An item of docker's `manifest.json`; paths inside the archive."""

    config: str
    repo_tags: tuple[str, ...] | None
    layers: tuple[str, ...]


def write(shipment: Shipment, reference: Reference, name: str | None, tag: str) -> Written:
    """Write an archive of the kind that the reference's transport names.

    Raises:
        SourceError, ImageError: a blob cannot be read, or is damaged.
        UsageError: a docker-archive was to hold several images.
        DestinationError: the file cannot be written, or a docker-archive was to hold a layer that docker cannot read.
    """
    notes: tuple[str, ...] = ()
    match reference.transport:
        case "docker-archive":
            members = _docker_members(shipment, name, tag)
        case "oci-archive":
            members = _layout_members(shipment, name, tag, {})
        case _:
            members, notes = universal_members(shipment, name, tag, reference.path)
    with atomic_file(reference.path) as descriptor:
        for path, content in members:
            _write_member(descriptor, path, content)
        write_all(descriptor, _END)
    return Written(_complete(reference, name, tag), notes)


def universal_members(
    shipment: Shipment, name: str | None, tag: str, where: str
) -> tuple[Iterator[Member], tuple[str, ...]]:
    """Return the members of a universal archive, and notes of who cannot read it; `where` is what those call it."""
    saved, notes = _docker_part(shipment, name, tag, where)
    return _layout_members(shipment, name, tag, saved), notes


def tar_chunks(members: Iterable[Member]) -> Iterator[bytes]:
    """Yield a tar of members in pieces, made as it is read.

    Raises:
        SourceError, ImageError: a content cannot be read, or is damaged.
    """
    for path, content in members:
        if content is None:
            yield tar.header(path.encode(), mode=0o755, type=b"5")
            continue
        yield tar.header(path.encode(), size=content.size)
        yield from content.chunks()
        yield tar.padding(content.size)
    yield _END


def _docker_members(shipment: Shipment, name: str | None, tag: str) -> Iterator[Member]:
    """Yield what `docker save` writes of the one image in a shipment: path and content, a directory without one.

    Raises:
        UsageError: there are several images.
        ImageError: there is none.
        DestinationError: it has a layer that docker cannot read.
    """
    _, manifest = shipment.only_image("a docker-archive")
    for layer in manifest.layers:
        if LAYER_FORMATS.get(layer.media_type) not in {"none", "gzip"}:
            raise DestinationError(f"layer {layer.digest}: a docker-archive cannot hold {layer.media_type!r}")
    own = {each.digest for each in (manifest.config, *manifest.layers) if each is not None}
    blobs = [pair for pair in shipment.blobs if pair[0].digest in own]
    return _members({"manifest.json": _saved(manifest, name, tag)}, [(each.digest, content) for each, content in blobs])


def blob_path(digest: Digest) -> str:
    """Return where a layout keeps a blob."""
    return "blobs/" + digest.replace(":", "/")


def folders(digests: Iterable[Digest]) -> list[str]:
    """Return the folders of a layout's blobs, each after the one that it is in."""
    return ["blobs", *(f"blobs/{each}" for each in sorted({"sha256", *(each.partition(":")[0] for each in digests)}))]


def _layout_members(shipment: Shipment, name: str | None, tag: str, more: dict[str, bytes]) -> Iterator[Member]:
    index = Index(schema_version=2, media_type=INDEX, manifests=(named(shipment.root, name, tag),))
    documents = [(each.digest, Bytes(data)) for each, data in shipment.documents]
    blobs = [(each.digest, content) for each, content in shipment.blobs]
    return _members({"oci-layout": OCI_LAYOUT, "index.json": encode(index), **more}, [*documents, *blobs])


def _members(documents: dict[str, bytes], blobs: Iterable[tuple[Digest, Content]]) -> Iterator[Member]:
    """Yield the members in their order, the small ones first."""
    blobs = list(blobs)
    for path, data in documents.items():
        yield path, Bytes(data)
    for folder in folders(digest for digest, _ in blobs):
        yield f"{folder}/", None
    for digest, content in blobs:
        yield blob_path(digest), content


def _write_member(descriptor: int, path: str, content: Content | None) -> None:
    if content is None:
        write_all(descriptor, tar.header(path.encode(), mode=0o755, type=b"5"))
        return
    write_all(descriptor, tar.header(path.encode(), size=content.size))
    copy_content(content, descriptor)
    write_all(descriptor, tar.padding(content.size))


def _docker_part(shipment: Shipment, name: str | None, tag: str, path: str) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return what a universal archive has for docker besides the layout, and notes of who cannot read it."""
    images = shipment.images()
    if len(images) != 1:
        what = "no image that can run" if not images else f"{len(images)} images"
        return {}, (f"{path}: {what}, so no manifest.json: docker cannot load it without containerd's image store",)
    ((_, manifest),) = images
    formats = {layer.media_type: LAYER_FORMATS.get(layer.media_type) for layer in manifest.layers}
    if None in formats.values():
        unknown = next(media_type for media_type, known in formats.items() if known is None)
        return {}, (f"{path}: layers of type {unknown!r}, so no manifest.json: docker cannot load it",)
    notes = (f"{path}: zstd layers: docker before version 23 cannot load it",) if "zstd" in formats.values() else ()
    return {"manifest.json": _saved(manifest, name, tag)}, notes


def _saved(manifest: Manifest, name: str | None, tag: str) -> bytes:
    """A path is a blob's digest: it serves no two diff_ids, however often it stands in the list."""
    layers = tuple(blob_path(layer.digest) for layer in manifest.layers)
    tags = None if name is None else (f"{name}:{tag}",)
    config = "" if manifest.config is None else blob_path(manifest.config.digest)
    return msgspec.json.encode([_Saved(config, tags, layers)])


def _complete(reference: Reference, name: str | None, tag: str) -> str:
    match reference.transport:
        case "docker-archive":
            return f"docker-archive:{reference.path}" + (f":{name}:{tag}" if name is not None else "")
        case "oci-archive":
            return f"oci-archive:{reference.path}:{tag}"
        case _:
            return reference.path
