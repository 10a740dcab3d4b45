"""What refers to an image: SBOMs, signatures and whatever else was attached to it.

In: the digest of a subject. Out: descriptors of the manifests that name it. Where a registry lacks the API, a tag of
the subject's digest holds the list, and whoever pushes an artifact keeps it. Source: distribution-spec v1.1, "Listing
Referrers", "Pushing Manifests with Subject", "Unavailable Referrers API".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from assembler.base.errors import RemoteError
from assembler.oci.types import INDEX, INDEX_TYPES, Descriptor, Index, Manifest, decode, encode
from assembler.remote.known import noted

if TYPE_CHECKING:
    from assembler.base.digest import Digest
    from assembler.remote.registry import Repository

_NO_API = frozenset({400, 404, 405})


def referrers_tag(digest: Digest) -> str:
    """Return the tag that holds the referrers of a digest: `sha256-<hex>`, at most 32 and 64 characters of the two."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


def list_referrers(repository: Repository, digest: Digest, artifact_type: str | None = None) -> list[Descriptor]:
    """Return what refers to a digest.

    Args:
        repository: of both.
        digest: of the subject, which need not be there.
        artifact_type: of those that are wanted; None for all.

    Raises:
        RemoteError: the registry does not say.
        ImageError: its answer is no index.
    """
    path = repository.path(f"referrers/{digest}")
    if artifact_type is not None:
        from urllib.parse import quote

        path += f"?artifactType={quote(artifact_type, safe='')}"
    try:
        pages = repository.pages(path, f"referrers of {digest}", Index)
        found = [descriptor for page, _ in pages for descriptor in page.manifests]
    except RemoteError as error:
        if error.status not in _NO_API:
            raise
        found = list(_tagged(repository, digest))
    return [each for each in found if artifact_type is None or each.artifact_type == artifact_type]


def refer(repository: Repository, descriptor: Descriptor, data: bytes) -> None:
    """Have an artifact that was pushed among the referrers of its subject, in a registry that did not take note of it.

    Raises:
        RemoteError, ImageError: the tag's list cannot be read or written.
    """
    document = read_document(descriptor, data)
    subject = document.subject
    if subject is None:
        return
    tag = referrers_tag(subject.digest)
    with noted(repository.client.host, f"{repository.name}:{tag}"):  # two of this machine do not undo each other
        there = [each for each in _tagged(repository, subject.digest) if each.digest != descriptor.digest]
        index = Index(schema_version=2, media_type=INDEX, manifests=(*there, described(descriptor, document)))
        repository.put_manifest(tag, INDEX, encode(index))


def read_document(descriptor: Descriptor, data: bytes) -> Manifest | Index:
    """Read a manifest or an index, as its descriptor says.

    Raises:
        ImageError: it is not of that form.
    """
    if descriptor.media_type in INDEX_TYPES:
        return decode(data, Index, descriptor.digest)
    return decode(data, Manifest, descriptor.digest)


def described(descriptor: Descriptor, document: Manifest | Index) -> Descriptor:
    """Return the descriptor by which an artifact stands in a list of referrers."""
    kind = document.artifact_type
    if kind is None and isinstance(document, Manifest) and document.config is not None:
        kind = document.config.media_type
    plain = Descriptor(descriptor.media_type, descriptor.digest, descriptor.size)
    return replace(plain, artifact_type=kind, annotations=document.annotations)


def _tagged(repository: Repository, digest: Digest) -> tuple[Descriptor, ...]:
    found = repository.find_manifest(referrers_tag(digest))
    if found is None:
        return ()
    descriptor, data = found
    if descriptor.media_type not in INDEX_TYPES:
        raise RemoteError(f"{repository}: the tag {referrers_tag(digest)} holds no index, but should list referrers")
    return decode(data, Index, f"{repository}: {referrers_tag(digest)}").manifests
