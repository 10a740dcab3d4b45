"""Finding an image in an image layout (image-spec v1.1, image-layout.md), a folder or an archive.

In: a store with `oci-layout` and `index.json`, a tag. Out: `Found`: the manifests and indexes that have the tag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base import digest as digests
from assembler.base.errors import ImageError
from assembler.oci.reference import split_name
from assembler.oci.types import CONTAINERD_NAME, REF_NAME, Index, decode
from assembler.sources.blobs import Found, checked_document, missing_blob
from assembler.sources.index import is_artifact
from assembler.sources.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.base.content import Content
    from assembler.oci.types import Descriptor


class LayoutBlobs(Struct, frozen=True):
    """The blobs of a layout; see `Blobs`."""

    store: Store

    @property
    def name(self) -> str:
        """See `Blobs.name`."""
        return self.store.name

    def blob(self, descriptor: Descriptor) -> Content:
        """See `Blobs.blob`."""
        digest = digests.parse(descriptor.digest)
        content = self.store.get(f"/blobs/{digests.algorithm(digest)}/{digests.encoded(digest)}")
        if content is None:
            raise missing_blob(self.name, digest)
        return content

    def manifest(self, descriptor: Descriptor) -> bytes:
        """See `Blobs.manifest`."""
        return checked_document(self.blob(descriptor), descriptor)


def open_layout(store: Store, tag: str | None) -> Found:
    """Find what has a tag; without a tag, all images, where they have one name between them.

    Raises:
        ImageError: there is no such tag, or several and none is asked for; `index.json` is missing or malformed.
    """
    data = store.document("/index.json")
    index = decode(data, Index, f"{store.name}: index.json")
    if not index.manifests:
        raise ImageError(f"{store.name}: there is no image in it: index.json is empty")
    blobs = LayoutBlobs(store)
    roots = _with_tag(index.manifests, tag, store.name) if tag is not None else _only(index.manifests, blobs)
    layout = None if store.get("/oci-layout") is None else store.document("/oci-layout")
    name, its_tag = _name_of(roots[0])
    return Found(blobs, tuple(roots), layout, data, name, tag or its_tag)


def tags_of(store: Store) -> list[str]:
    """Return the tags of a layout, in the order of its index, each once.

    Raises:
        ImageError: `index.json` is missing or malformed.
    """
    index = decode(store.document("/index.json"), Index, f"{store.name}: index.json")
    return list(dict.fromkeys(tag for tag in map(_tag, index.manifests) if tag))


def _with_tag(manifests: Sequence[Descriptor], tag: str, name: str) -> Sequence[Descriptor]:
    found = [each for each in manifests if tag in {_tag(each), _annotation(each, REF_NAME)}]
    if not found:
        raise ImageError(f"{name}: there is no tag {tag!r}", hint=f"there are: {_listed(manifests)}")
    return found


def _only(manifests: Sequence[Descriptor], blobs: LayoutBlobs) -> Sequence[Descriptor]:
    """Return the one image; artifacts without a tag are beside an image, and no choice."""
    if len({each.digest for each in manifests}) == 1:
        return manifests
    images = [each for each in manifests if _tag(each) or not is_artifact(blobs, each)] or manifests
    if len({_tag(each) for each in images}) > 1 and len({each.digest for each in images}) > 1:
        hint = f"add ':' and one of the tags: {_listed(images)}"
        raise ImageError(f"{blobs.name}: there are several images", hint=hint)
    return images


def _listed(manifests: Sequence[Descriptor]) -> str:
    return ", ".join(dict.fromkeys(_tag(each) or "(none)" for each in manifests))


def _tag(descriptor: Descriptor) -> str | None:
    """Return the tag alone: `ref.name` may be the whole reference, as older containerd and buildkit write it."""
    full = _annotation(descriptor, REF_NAME) or _annotation(descriptor, CONTAINERD_NAME)
    return full and (split_name(full)[1] or full)


def _name_of(descriptor: Descriptor) -> tuple[str | None, str | None]:
    """Return the repository's name, where a whole reference is noted, and the tag."""
    for key in (CONTAINERD_NAME, REF_NAME):
        name, tag = split_name(_annotation(descriptor, key) or "")
        if tag is not None:
            return name, _tag(descriptor)
    return None, _tag(descriptor)


def _annotation(descriptor: Descriptor, key: str) -> str | None:
    return (descriptor.annotations or {}).get(key)
