"""An image in a registry, as a place like any other.

In: `docker://HOST/NAME[:TAG][@DIGEST]`. Out: `Found`; manifests are read once, blobs when somebody reads them. What a
registry refuses is a `SourceError` here.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from assembler.base import digest as digests
from assembler.base.errors import ImageError, RemoteError, SourceError
from assembler.remote.blob import RemoteBlob
from assembler.remote.registry import Repository, open_repository
from assembler.sources.blobs import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.base.content import Content
    from assembler.base.digest import Digest
    from assembler.oci.reference import Reference
    from assembler.oci.types import Descriptor
    from assembler.remote.access import Access

DEFAULT_TAG: Final = "latest"


class RegistryBlobs:
    """A repository's blobs and manifests.

    Attributes:
        name: what errors call the place.
        repository: the place.
    """

    def __init__(self, repository: Repository, known: dict[Digest, bytes]) -> None:
        """`known` are manifests that were read already."""
        self.name = str(repository)
        self.repository = repository
        self._known = known

    def blob(self, descriptor: Descriptor) -> Content:
        """See `Blobs.blob`; that it is missing shows when it is read."""
        return RemoteBlob(self.repository, digests.parse(descriptor.digest), descriptor.size)

    def manifest(self, descriptor: Descriptor) -> bytes:
        """See `Blobs.manifest`."""
        data = self._known.get(descriptor.digest)
        if data is None:
            with source_errors():
                # What is no digest would be asked for as a tag, or worse.
                _, data = self.repository.manifest(digests.parse(descriptor.digest))
            self._known[descriptor.digest] = data
        if len(data) != descriptor.size:
            found = f"{len(data)} bytes, but its descriptor says {descriptor.size}"
            raise ImageError(f"{self.name}: manifest {descriptor.digest} has {found}")
        return data


def open_registry(reference: Reference, access: Access) -> Found:
    """Find what a tag or digest names.

    Raises:
        SourceError: the registry cannot be reached, or refuses.
        ImageError: there is no such tag or digest, or what came is not it.
    """
    name = reference.name or ""
    with source_errors():
        repository = open_repository(reference.path, name, access)
        descriptor, data = repository.manifest(reference.digest or reference.tag or DEFAULT_TAG)
    tag = None if reference.digest is not None and reference.tag is None else reference.tag or DEFAULT_TAG
    blobs = RegistryBlobs(repository, {descriptor.digest: data})
    return Found(blobs, (descriptor,), name=f"{reference.path}/{name}", tag=tag)


@contextlib.contextmanager
def source_errors() -> Iterator[None]:
    """Make what a registry refuses the error of a source."""
    try:
        yield
    except RemoteError as error:
        raise SourceError(error.message, hint=error.hint, context=error.context) from error
