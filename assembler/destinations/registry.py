"""A registry: blobs first, several at a time, then manifests, and the one with the tag last of all.

So that whoever reads the tag finds all of it, and whatever ends the work leaves no tag that lacks a blob. Source:
distribution-spec v1.1, "Push".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.errors import RemoteError, UsageError
from assembler.base.progress import Silent
from assembler.base.threads import each
from assembler.destinations.written import Written
from assembler.remote.blob import RemoteBlob
from assembler.remote.client import Settings
from assembler.remote.known import prune
from assembler.remote.referrers import refer
from assembler.remote.registry import Repository, open_repository
from assembler.remote.upload import push_blob, try_push

if TYPE_CHECKING:
    from collections.abc import Sequence
    from threading import Event

    from assembler.base.content import Content
    from assembler.base.progress import Progress
    from assembler.oci.reference import Reference
    from assembler.oci.shipment import Shipment
    from assembler.oci.types import Descriptor
    from assembler.remote.access import Access

_PARALLEL: Final = 4
"""Blobs that are sent at a time."""


def write(
    shipment: Shipment,
    reference: Reference,
    tag: str,
    access: Access,
    progress: Progress | None = None,
    settings: Settings | None = None,
) -> Written:
    """Push an image or index.

    Args:
        shipment: what is pushed.
        reference: the repository; by digest, which must be that of the shipment, it gets no tag.
        tag: where the reference has none.
        access: the way to the registry.
        progress: told of the bytes of blobs, also of those that were there, and of what has to be waited for.
        settings: of the client, in place of those of `access`.

    Raises:
        RemoteError: the registry cannot be reached, or refuses.
        SourceError, ImageError: a blob cannot be read, or is damaged.
        UsageError: the reference's digest is another.
    """
    root = shipment.root
    if reference.digest is not None and reference.digest != root.digest:
        raise UsageError(f"{reference}: the image has the digest {root.digest}", hint="name a tag")
    progress = progress or Silent()
    settings = settings or Settings(access, told=progress.status)
    repository = open_repository(reference.path, reference.name or "", access, settings)
    prune()
    push_blobs(repository, shipment.blobs, progress)
    for descriptor, data in shipment.documents[:-1]:
        put_document(repository, descriptor.digest, descriptor, data)
    name = reference.digest if reference.digest is not None and reference.tag is None else reference.tag or tag
    put_document(repository, name, *shipment.documents[-1])
    return Written(f"{repository}{'@' if name == reference.digest else ':'}{name}")


def check(reference: Reference, access: Access) -> None:
    """Make sure that something may be pushed, by beginning an upload and ending it at once.

    Raises:
        RemoteError: the registry cannot be reached, or refuses.
    """
    try_push(open_repository(reference.path, reference.name or "", access))


def push_blobs(repository: Repository, blobs: Sequence[tuple[Descriptor, Content]], progress: Progress) -> None:
    """Have blobs in a repository, the large ones first, so that no thread is left alone with one.

    Raises:
        RemoteError, SourceError, ImageError: see `push_blob`; others are not begun any more.
    """

    def push(blob: tuple[Descriptor, Content], given_up: Event) -> None:
        def sent(amount: int) -> None:
            if given_up.is_set():
                raise RemoteError(f"{repository}: another blob could not be pushed")  # ends this thread, and no more
            progress.advance(amount)

        push_blob(repository, *blob, mountable=_mountable(blob[1], repository), sent=sent)

    ordered = sorted(blobs, key=lambda pair: -pair[0].size)
    progress.start("push", sum(descriptor.size for descriptor, _ in ordered), unit="B")
    each(ordered, push, _PARALLEL)


def put_document(repository: Repository, name: str, descriptor: Descriptor, data: bytes) -> None:
    """Put a manifest or index; where the registry does not list referrers by itself, have it listed.

    Raises:
        RemoteError: it is refused.
    """
    noted = repository.put_manifest(name, descriptor.media_type, data)
    if noted is None and b'"subject"' in data:
        refer(repository, descriptor, data)


def _mountable(content: Content, repository: Repository) -> tuple[str, ...]:
    """Return the repository of the same registry that a blob comes from; what wraps a content holds it as `content`."""
    inner: object = content
    while not isinstance(inner, RemoteBlob) and hasattr(inner, "content"):
        inner = inner.content
    same = isinstance(inner, RemoteBlob) and inner.repository.client.host == repository.client.host
    return (inner.repository.name,) if isinstance(inner, RemoteBlob) and same else ()
