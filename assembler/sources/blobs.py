"""Where an image's blobs are: what a layout, a docker-archive, a registry and a daemon have alike.

In: descriptors. Out: bytes, each held to its descriptor. `Found` is where an image reference leads before a platform
is chosen, `StoredImage` one image after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from assembler.base import digest as digests
from assembler.base.content import Content, read
from assembler.base.digest import Digest
from assembler.base.errors import ImageError
from assembler.oci.types import MAX_DOCUMENT, Descriptor, Manifest, decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


class Blobs(Protocol):
    """A place that holds images, seen by who reads one of them."""

    @property
    def name(self) -> str:
        """What errors call the place: a path, or a registry's repository."""

    def blob(self, descriptor: Descriptor) -> Content:
        """Return a layer or config as it lies there; nobody has looked at its bytes yet (`Checked` does).

        Its size may be what the descriptor says, where it costs something to ask.

        Raises:
            ImageError: it is missing, or the digest is malformed.
        """

    def manifest(self, descriptor: Descriptor) -> bytes:
        """Return a manifest or index, held to the descriptor's size and digest.

        It may be asked for twice: an answer that was costly is kept.

        Raises:
            ImageError: it is missing, too large for a document, or damaged.
        """


class Found(Struct, frozen=True):
    """Where an image reference leads before a platform is chosen.

    `sources.index` chooses an image from it, `sources.shipment` takes all of it.

    Attributes:
        blobs: the place that holds them.
        roots: manifests or indexes that have the tag, one or more (a layout may list the images of several platforms
            under one tag); each with media type, digest and size, its platform only where it is known for nothing.
        layout_bytes: the file `oci-layout`; None where it is missing, or the place is no layout.
        index_bytes: the file `index.json`; None where the place is no layout.
        name: what the place calls the repository, host included: the name where a destination was given none.
        tag: likewise; None for what has no tag, or was asked for by digest.
    """

    blobs: Blobs
    roots: tuple[Descriptor, ...]
    layout_bytes: bytes | None = None
    index_bytes: bytes | None = None
    name: str | None = None
    tag: str | None = None


class StoredImage(Struct, frozen=True):
    """An image as it lies there; what `oci.validate` checks.

    Attributes:
        digest: of the manifest.
        manifest_bytes: the manifest as stored, or made up for a docker-archive without one.
        blobs: the place that holds it.
        layout_bytes: the file `oci-layout`; None where there is no layout.
        index_bytes: the file `index.json`; likewise.
    """

    digest: Digest
    manifest_bytes: bytes
    blobs: Blobs
    layout_bytes: bytes | None = None
    index_bytes: bytes | None = None

    def blob(self, digest: Digest) -> Content:
        """Return the bytes of the config or a layer, as they are.

        Raises:
            ImageError: it is not there, or no blob of the image.
        """
        manifest = decode(self.manifest_bytes, Manifest, f"manifest {self.digest}")
        for descriptor in (manifest.config, *manifest.layers):
            if descriptor is not None and descriptor.digest == digest:
                return self.blobs.blob(descriptor)
        raise ImageError(f"{self.blobs.name}: blob {digest} is none of manifest {self.digest}")


class Checked(Struct, frozen=True):
    """A blob that is held to its descriptor whenever it is read."""

    content: Content
    descriptor: Descriptor

    @property
    def size(self) -> int:
        """See `Content.size`."""
        return self.content.size

    def open(self) -> BinaryIO:
        """See `Content.open`; all of it is read once before."""
        self.check()
        return self.content.open()

    def check(self) -> None:
        """Read all of it.

        Raises:
            ImageError: size or digest are not the descriptor's.
        """
        for _ in self.chunks():
            pass

    def chunks(self) -> Iterator[bytes]:
        """See `Content.chunks`. No more bytes come of it than the descriptor says.

        Raises:
            ImageError: size or digest are not the descriptor's; what is known only then, after the last piece.
        """
        wanted = self.descriptor
        if self.content.size != wanted.size:
            raise self._wrong_size(str(self.content.size))
        hasher = digests.hasher(digests.parse(wanted.digest))
        size = 0
        for chunk in self.content.chunks():
            size += len(chunk)
            if size > wanted.size:
                raise self._wrong_size(f"more than {wanted.size}")
            hasher.update(chunk)
            yield chunk
        if size != wanted.size:
            raise self._wrong_size(str(size))
        if hasher.hexdigest() != digests.encoded(wanted.digest):
            found = f"{digests.algorithm(wanted.digest)}:{hasher.hexdigest()}"
            raise ImageError(f"blob {wanted.digest} has the digest {found}: it is damaged", hint="copy the image again")

    def _wrong_size(self, found: str) -> ImageError:
        wanted = self.descriptor
        return ImageError(f"blob {wanted.digest} has {found} bytes, but its descriptor says {wanted.size}")


def missing_blob(name: str, digest: str) -> ImageError:
    """Make the error of a blob that a place does not have."""
    return ImageError(f"{name}: blob {digest} is missing", hint="copy the image again, with all its blobs")


def checked_document(content: Content, descriptor: Descriptor) -> bytes:
    """Return the bytes of a manifest, index or config, held to its descriptor.

    Raises:
        ImageError: it is too large for a document, or not of the descriptor's size and digest.
    """
    return document(Checked(content, descriptor), f"blob {descriptor.digest}")


def document(content: Content, what: str) -> bytes:
    """Return the bytes of a document.

    Raises:
        ImageError: it is too large to be one.
    """
    if content.size > MAX_DOCUMENT:
        raise ImageError(f"{what}: {content.size} bytes are no JSON document")
    return read(content)
