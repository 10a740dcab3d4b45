"""Finding an image in an image layout (image-spec v1.1, image-layout.md), a folder or an archive.

In: a store with `oci-layout` and `index.json`, a tag, a platform. Out: the manifest that they lead to, through as many
indexes as there are on the way, each held to its digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.errors import ImageError
from assembler.oci.reference import split_name
from assembler.oci.types import (
    CONFIG_TYPES,
    CONTAINERD_NAME,
    INDEX_TYPES,
    MANIFEST_TYPES,
    REF_NAME,
    ImageConfig,
    Index,
    Manifest,
    Platform,
    decode,
)
from assembler.sources.platforms import choose
from assembler.sources.store import StoredImage, checked_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.oci.types import Descriptor
    from assembler.sources.store import Store

_MAX_DEPTH: Final = 8
"""Indexes inside indexes that are followed; real ones have two."""


def find_in_layout(store: Store, tag: str | None, wanted: Platform | None) -> StoredImage:
    """Find the image of a tag and platform.

    Raises:
        ImageError: there is no such tag, or several and none is asked for; there is none for the platform; an index
            or manifest is missing, damaged, or of an unknown media type.
    """
    data = store.document("/index.json")
    index = decode(data, Index, f"{store.name}: index.json")
    tagged = _tagged(index, tag, store.name)
    candidates = [(found, platform) for descriptor in tagged for found, platform in _leaves(store, descriptor)]
    chosen = choose(candidates, wanted, store.name)
    layout = None if store.get("/oci-layout") is None else store.document("/oci-layout")
    return StoredImage(chosen.digest, checked_document(store, chosen), store, layout, data)


def _tagged(index: Index, tag: str | None, name: str) -> Sequence[Descriptor]:
    """Return what a tag names; without a tag, all, where they have one name between them."""
    if not index.manifests:
        raise ImageError(f"{name}: there is no image in it: index.json is empty")
    names = list(dict.fromkeys(_tag(descriptor) for descriptor in index.manifests))
    listed = ", ".join(each or "(none)" for each in names)
    if tag is not None:
        found = [each for each in index.manifests if tag in {_tag(each), _annotation(each, REF_NAME)}]
        if not found:
            raise ImageError(f"{name}: there is no tag {tag!r}", hint=f"there are: {listed}")
        return found
    if len(names) > 1 and len({each.digest for each in index.manifests}) > 1:
        raise ImageError(f"{name}: there are several images", hint=f"add ':' and one of the tags: {listed}")
    return index.manifests


def _tag(descriptor: Descriptor) -> str | None:
    """Return the tag alone: `ref.name` may be the whole reference, as older containerd and buildkit write it."""
    full = _annotation(descriptor, REF_NAME) or _annotation(descriptor, CONTAINERD_NAME)
    return full and (split_name(full)[1] or full)


def _annotation(descriptor: Descriptor, key: str) -> str | None:
    return (descriptor.annotations or {}).get(key)


def _leaves(store: Store, descriptor: Descriptor, depth: int = 0) -> Iterator[tuple[Descriptor, Platform | None]]:
    """Yield the manifests below a descriptor with their platforms, without buildkit's attestations."""
    if descriptor.platform is not None and descriptor.platform.os == "unknown":
        return
    if descriptor.media_type in MANIFEST_TYPES:
        yield descriptor, descriptor.platform or _platform(store, descriptor)
    elif descriptor.media_type not in INDEX_TYPES:
        raise ImageError(f"{store.name}: {descriptor.digest}: unknown media type {descriptor.media_type!r}")
    elif depth == _MAX_DEPTH:
        raise ImageError(f"{store.name}: {descriptor.digest}: more than {_MAX_DEPTH} indexes inside each other")
    else:
        index = decode(checked_document(store, descriptor), Index, descriptor.digest)
        for inner in index.manifests:
            yield from _leaves(store, inner, depth + 1)


def _platform(store: Store, descriptor: Descriptor) -> Platform | None:
    """Return the platform that an image's config has; None for an artifact, and where the config cannot be read.

    What is wrong with it is told to whoever reads that image; here another may be wanted.
    """
    manifest = decode(checked_document(store, descriptor), Manifest, descriptor.digest)
    if manifest.config is None or manifest.config.media_type not in CONFIG_TYPES:
        return None
    try:
        config = decode(checked_document(store, manifest.config), ImageConfig, manifest.config.digest)
    except ImageError:
        return None
    return Platform(config.architecture, config.os, variant=config.variant)
