"""Where an image's files lie: a folder or an archive, both as a tree, and what is found in one.

In: a path. Out: `Store`, which reads files of it, and `StoredImage`: a manifest and the place of its blobs, of which
nothing but the manifest itself was looked at yet.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base import digest as digests
from assembler.base.content import Content, read
from assembler.base.digest import Digest
from assembler.base.errors import ImageError, SourceError
from assembler.base.progress import Silent
from assembler.oci.types import MAX_DOCUMENT, Descriptor
from assembler.sources.directory import DirectoryOptions, read_directory
from assembler.sources.tarball import read_tarball
from assembler.tree import Found, Regular, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


class Store(Struct, frozen=True):
    """A folder or archive. `name` is what errors call it."""

    name: str
    tree: Tree

    def get(self, path: str) -> Content | None:
        """Return a file, symlinks followed inside the store (older `docker save` has them), or None."""
        at = self.tree.walk(path)
        return at.entry.content if isinstance(at, Found) and isinstance(at.entry, Regular) else None

    def document(self, path: str) -> bytes:
        """Return a document.

        Raises:
            ImageError: it is not there, or too large to be one.
        """
        content = self.get(path)
        if content is None:
            raise ImageError(f"{self.name}: {path.lstrip('/')} is not there")
        return document(content, f"{self.name}: {path.lstrip('/')}")


def open_store(path: str, *, folder: bool) -> Store:
    """Open a place that holds images.

    Raises:
        SourceError: it is not there, cannot be read, or is no archive.
    """
    if not folder:
        return Store(path, read_tarball(path, Silent()))
    if not os.path.isdir(path):
        problem = "not a folder" if os.path.exists(path) else "no such folder"
        raise SourceError(f"{path}: {problem}", hint="oci: names an image layout's folder")

    def unreadable(inner: str) -> None:
        raise SourceError(f"{path}{inner}: this user may not list it")

    return Store(path, read_directory(path, DirectoryOptions(lambda _: None, unreadable, lazy=True), Silent()))


class StoredImage(Struct, frozen=True):
    """An image as it lies there; what `oci.validate` checks.

    Attributes:
        digest: of the manifest.
        manifest_bytes: the manifest as stored, or made up for a docker-archive without one.
        store: where the blobs are.
        layout_bytes: the file `oci-layout`; None where there is no layout.
        index_bytes: the file `index.json`; likewise.
        paths: where each blob is, of a docker-archive; None in a layout, where the digest says it.
    """

    digest: Digest
    manifest_bytes: bytes
    store: Store
    layout_bytes: bytes | None = None
    index_bytes: bytes | None = None
    paths: Mapping[Digest, str] | None = None

    def blob(self, digest: Digest) -> Content:
        """Return the bytes of a blob, as they are.

        Raises:
            ImageError: it is not there, or the digest is malformed.
        """
        return blob(self.store, digest, self.paths)


def blob(store: Store, digest: Digest, paths: Mapping[Digest, str] | None = None) -> Content:
    """Return the bytes of a blob, as they are.

    Raises:
        ImageError: it is not there, or the digest is malformed.
    """
    known = digests.parse(digest)
    path = f"/blobs/{digests.algorithm(known)}/{digests.encoded(known)}" if paths is None else paths.get(known)
    content = store.get(path) if path is not None else None
    if content is None:
        raise ImageError(f"{store.name}: blob {digest} is missing", hint="copy the image again, with all its blobs")
    return content


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
        """See `Content.chunks`.

        Raises:
            ImageError: size or digest are not the descriptor's; the latter shows after the last piece.
        """
        wanted = self.descriptor
        if self.content.size != wanted.size:
            raise ImageError(
                f"blob {wanted.digest} has {self.content.size} bytes, but its descriptor says {wanted.size}"
            )
        hasher = digests.hasher(wanted.digest)
        for chunk in self.content.chunks():
            hasher.update(chunk)
            yield chunk
        if hasher.hexdigest() != digests.encoded(wanted.digest):
            found = f"{digests.algorithm(wanted.digest)}:{hasher.hexdigest()}"
            raise ImageError(f"blob {wanted.digest} has the digest {found}: it is damaged", hint="copy the image again")


def checked_document(store: Store, descriptor: Descriptor, paths: Mapping[Digest, str] | None = None) -> bytes:
    """Return a manifest, index or config that a descriptor names.

    Raises:
        ImageError: it is missing, too large for a document, or not of the descriptor's size and digest.
    """
    return document(Checked(blob(store, descriptor.digest, paths), descriptor), f"blob {descriptor.digest}")


def document(content: Content, what: str) -> bytes:
    """Return the bytes of a document.

    Raises:
        ImageError: it is too large to be one.
    """
    if content.size > MAX_DOCUMENT:
        raise ImageError(f"{what}: {content.size} bytes are no JSON document")
    return read(content)
