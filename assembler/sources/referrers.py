"""What refers to an image, wherever the image lies: asked of a registry, looked for in a layout's index.

In: `Found` and the digest of a subject. Out: descriptors of manifests whose `subject` it is (image-spec v1.1,
manifest.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.errors import ImageError, UsageError
from assembler.oci.types import INDEX_TYPES, MANIFEST_TYPES, Index, decode
from assembler.remote.referrers import described, list_referrers, read_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.base.digest import Digest
    from assembler.oci.types import Descriptor
    from assembler.sources.blobs import Found


def referrers_of(found: Found, digest: Digest, artifact_type: str | None) -> list[Descriptor]:
    """Return what refers to a digest.

    Args:
        found: the place.
        digest: of the subject.
        artifact_type: of those that are wanted; None for all.

    Raises:
        SourceError, ImageError: the place does not say.
        UsageError: it is no place that holds artifacts.
    """
    from assembler.sources.registry import RegistryBlobs, source_errors

    if isinstance(found.blobs, RegistryBlobs):
        with source_errors():
            return list_referrers(found.blobs.repository, digest, artifact_type)
    if found.index_bytes is None:
        raise UsageError(f"{found.blobs.name}: nothing can be attached to an image there", hint="docker:// or oci:DIR")
    every = {each.digest: each for each in _in_layout(found, found.index_bytes, digest)}
    return [each for each in every.values() if artifact_type is None or each.artifact_type == artifact_type]


def _in_layout(found: Found, index_bytes: bytes, digest: Digest) -> Iterator[Descriptor]:
    for descriptor in decode(index_bytes, Index, f"{found.blobs.name}: index.json").manifests:
        if descriptor.media_type not in INDEX_TYPES | MANIFEST_TYPES:
            continue
        try:
            document = read_document(descriptor, found.blobs.manifest(descriptor))
        except ImageError:
            continue  # what is wrong with it is told to whoever reads it; here another is looked for
        if document.subject is not None and document.subject.digest == digest:
            yield described(descriptor, document)
