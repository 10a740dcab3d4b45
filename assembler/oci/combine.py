"""Several images as one index, and an index with one more or one less (image-spec v1.1, image-index.md).

In: shipments. Out: a shipment whose root is an index; what it lists stays as it is, byte for byte. An attestation,
which buildkit lists as one of the images (`vnd.docker.reference.digest`), goes where the image goes that it is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from assembler.base import digest as digests
from assembler.base.errors import ImageError, NegativeAnswer, UsageError
from assembler.oci.shipment import ABOUT, Shipment, is_attestation
from assembler.oci.types import INDEX, INDEX_TYPES, Descriptor, Index, Manifest, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from assembler.base.content import Content
    from assembler.base.digest import Digest


def index_of(shipment: Shipment) -> Index:
    """Return a shipment's index; of an image, the index that would list it alone.

    Raises:
        ImageError: it is not of its form.
    """
    root = shipment.root
    if root.media_type in INDEX_TYPES:
        return decode(shipment.document(root.digest), Index, f"index {root.digest}")
    return Index(2, INDEX, manifests=(root,))


def combine(parts: Sequence[tuple[str, Shipment]]) -> Shipment:
    """Make an index of images and indexes, in their order.

    Args:
        parts: each with what an error calls it.

    Raises:
        UsageError: two are for the same platform.
        ImageError: an image does not say what it runs on.
    """
    seen: dict[object, tuple[str, Digest]] = {}
    for name, part in parts:
        for descriptor in _images(part):
            other, digest = seen.setdefault(_key(descriptor, name), (name, descriptor.digest))
            if digest != descriptor.digest:
                hint = "an index has one for each"
                raise UsageError(f"{name} and {other} are both for {descriptor.platform}", hint=hint)
    entries = [each for _, part in parts for each in index_of(part).manifests]
    return _shipment(Index(2, INDEX, manifests=_once(entries)), [part for _, part in parts])


def add(base: Shipment, name: str, part: Shipment) -> tuple[Shipment, tuple[Descriptor, ...]]:
    """Add images to an index, each in place of the one for the same platform; return also those that are replaced.

    Raises:
        ImageError: an image does not say what it runs on.
    """
    new = {_key(descriptor, name) for descriptor in _images(part)}
    index = index_of(base)
    gone = tuple(each for each in _images(base) if _key(each, "the index") in new)
    kept = _without(index.manifests, {each.digest for each in gone})
    manifests = _once((*kept, *index_of(part).manifests))
    new_digests = {each.digest for each in manifests}
    replaced = tuple(each for each in gone if each.digest not in new_digests)
    return _shipment(replace(index, manifests=manifests), (base, part)), replaced


def remove(
    base: Shipment, matches: Callable[[Descriptor], bool], wanted: str
) -> tuple[Shipment, tuple[Descriptor, ...]]:
    """Take images out of an index; return also those that are gone.

    Args:
        base: the index.
        matches: says which.
        wanted: what was asked for, for errors.

    Raises:
        NegativeAnswer: there is none such, or none would be left.
        UsageError: it is no index.
    """
    if base.root.media_type not in INDEX_TYPES:
        raise UsageError(f"{base.root.digest}: is one image, no index")
    index = index_of(base)
    gone = tuple(each for each in index.manifests if matches(each))
    known = ", ".join(str(each.platform or each.digest) for each in index.manifests)
    if not gone:
        raise NegativeAnswer(f"there is no image for {wanted} in it", hint=f"there are: {known}")
    kept = _without(index.manifests, {each.digest for each in gone})
    if not kept:
        raise NegativeAnswer(f"without {wanted} nothing would be left of the index", hint="delete it instead")
    return _shipment(replace(index, manifests=kept), (base,)), gone


def _images(shipment: Shipment) -> list[Descriptor]:
    """Return what an index lists for machines to run."""
    listed = index_of(shipment).manifests
    return [each for each in listed if not is_attestation(each) and each.artifact_type is None]


def _key(descriptor: Descriptor, name: str) -> object:
    platform = descriptor.platform
    if platform is None:
        raise ImageError(f"{name}: {descriptor.digest}: it does not say what it runs on")
    return (platform.os, platform.architecture, platform.variant, platform.os_version)


def _without(manifests: Iterable[Descriptor], gone: set[Digest]) -> tuple[Descriptor, ...]:
    """Leave out images, and the attestations that are about them."""
    return tuple(
        each for each in manifests if each.digest not in gone and (each.annotations or {}).get(ABOUT) not in gone
    )


def _once(descriptors: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    return tuple({each.digest: each for each in descriptors}.values())


def _shipment(index: Index, parts: Sequence[Shipment]) -> Shipment:
    """Return an index with those documents and blobs of the parts that it leads to."""
    data = encode(index)
    root = Descriptor(index.media_type or INDEX, digests.sha256(data), len(data))
    known = {descriptor.digest: (descriptor, each) for part in parts for descriptor, each in part.documents}
    contents = {descriptor.digest: content for part in parts for descriptor, content in part.blobs}
    documents: dict[Digest, tuple[Descriptor, bytes]] = {}
    blobs: dict[Digest, tuple[Descriptor, Content]] = {}
    for entry in index.manifests:
        _collect(entry, known, contents, documents, blobs)
    return Shipment(root, (*documents.values(), (root, data)), tuple(blobs.values()))


def _collect(
    entry: Descriptor,
    known: dict[Digest, tuple[Descriptor, bytes]],
    contents: dict[Digest, Content],
    documents: dict[Digest, tuple[Descriptor, bytes]],
    blobs: dict[Digest, tuple[Descriptor, Content]],
) -> None:
    """Gather what a descriptor leads to, children first."""
    if entry.digest in documents:
        return
    descriptor, data = known[entry.digest]
    if descriptor.media_type in INDEX_TYPES:
        for inner in decode(data, Index, f"index {entry.digest}").manifests:
            _collect(inner, known, contents, documents, blobs)
    else:
        manifest = decode(data, Manifest, f"manifest {entry.digest}")
        for each in (*manifest.layers, manifest.config):
            if each is not None:
                blobs.setdefault(each.digest, (each, contents[each.digest]))
    documents[entry.digest] = (descriptor, data)
