"""Where an image's files lie: a folder or an archive, both as a tree.

In: a path or an open archive. Out: `Store`, which reads files of it. What reads either is imported only for it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base.errors import ImageError, SourceError
from assembler.base.progress import Silent
from assembler.sources.blobs import document
from assembler.tree import Found, Regular, Tree

if TYPE_CHECKING:
    from assembler.base.content import Content, Span


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
        from assembler.sources.tarball import read_tarball

        return Store(path, read_tarball(path, Silent()))
    if not os.path.isdir(path):
        problem = "not a folder" if os.path.exists(path) else "no such folder"
        raise SourceError(f"{path}: {problem}", hint="oci: names an image layout's folder")

    def unreadable(inner: str) -> None:
        raise SourceError(f"{path}{inner}: this user may not list it")

    from assembler.sources.directory import DirectoryOptions, read_directory

    return Store(path, read_directory(path, DirectoryOptions(lambda _: None, unreadable, lazy=True), Silent()))


def store_in(span: Span, name: str) -> Store:
    """Open an archive that is in an open file, such as an unnamed temporary one.

    Args:
        span: its bytes, compressed or not.
        name: what errors call it.

    Raises:
        SourceError: it is no archive, damaged or truncated.
    """
    from assembler.sources.tarball import read_span

    return Store(name, read_span(span, name, Silent()))
