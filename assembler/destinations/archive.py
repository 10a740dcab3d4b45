"""Archives: one tar that holds an image layout, what `docker save` writes, or both at once.

In: an image. Out: a file, byte for byte the same for the same image and name. Sources: image-spec v1.1
image-layout.md; moby `image/tarexport/load.go` (`manifest.json`: it may point anywhere in the archive, so that both
forms share their blobs, as docker's own have done since version 25).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from assembler.base.content import Bytes
from assembler.base.digest import sha256
from assembler.base.files import atomic_file, copy_content, write_all
from assembler.destinations.written import Written, name_annotations
from assembler.oci import tar
from assembler.oci.types import INDEX, LAYER_ZSTD, Index, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.base.content import Content
    from assembler.base.digest import Digest
    from assembler.oci.image import Image
    from assembler.oci.reference import Reference

OCI_LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'
_END: Final = bytes(2 * tar.RECORD)


class _Saved(Struct, frozen=True, rename="pascal"):
    """An item of docker's `manifest.json`; paths inside the archive."""

    config: str
    repo_tags: tuple[str, ...]
    layers: tuple[str, ...]


def write(image: Image, reference: Reference, name: str, tag: str) -> Written:
    """Write an archive of the kind that the reference's transport names.

    Raises:
        SourceError: a blob cannot be read.
        DestinationError: the file cannot be written.
    """
    with atomic_file(reference.path) as descriptor:
        for path, content in _members(image, reference.transport, name, tag):
            _write_member(descriptor, path, content)
        write_all(descriptor, _END)
    return Written(_complete(reference, name, tag), _notes(image, reference))


def blob_path(digest: Digest) -> str:
    """Return where a layout keeps a blob."""
    return "blobs/" + digest.replace(":", "/")


def _members(image: Image, transport: str, name: str, tag: str) -> Iterator[tuple[str, Content | None]]:
    """Yield the members in their order, the small ones first; a directory has no content."""
    if transport != "docker-archive":
        yield "oci-layout", Bytes(OCI_LAYOUT)
        yield "index.json", Bytes(_index(image, name, tag))
    if transport != "oci-archive":
        yield "manifest.json", Bytes(_docker_manifest(image, name, tag))
    yield "blobs/", None
    yield "blobs/sha256/", None
    if transport != "docker-archive":
        yield blob_path(image.digest), Bytes(image.manifest_bytes)
    for descriptor, content in image.blobs():
        yield blob_path(descriptor.digest), content


def _write_member(descriptor: int, path: str, content: Content | None) -> None:
    if content is None:
        write_all(descriptor, tar.header(path.encode(), mode=0o755, type=b"5"))
        return
    write_all(descriptor, tar.header(path.encode(), size=content.size))
    copy_content(content, descriptor)
    write_all(descriptor, tar.padding(content.size))


def _index(image: Image, name: str, tag: str) -> bytes:
    descriptor = msgspec.structs.replace(image.descriptor, annotations=name_annotations(name, tag))
    return encode(Index(schema_version=2, media_type=INDEX, manifests=(descriptor,)))


def _docker_manifest(image: Image, name: str, tag: str) -> bytes:
    """A path is a blob's digest: it serves no two diff_ids, however often it stands in the list."""
    layers = tuple(blob_path(layer.descriptor.digest) for layer in image.layers)
    return msgspec.json.encode([_Saved(blob_path(sha256(image.config_bytes)), (f"{name}:{tag}",), layers)])


def _complete(reference: Reference, name: str, tag: str) -> str:
    match reference.transport:
        case "docker-archive":
            return f"docker-archive:{reference.path}:{name}:{tag}"
        case "oci-archive":
            return f"oci-archive:{reference.path}:{tag}"
        case _:
            return reference.path


def _notes(image: Image, reference: Reference) -> tuple[str, ...]:
    if reference.transport == "archive" and any(layer.descriptor.media_type == LAYER_ZSTD for layer in image.layers):
        return (f"{reference.path}: zstd layers: docker before version 23 cannot load it",)
    return ()
