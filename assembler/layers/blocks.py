"""Cutting a tar into blocks of a fixed size, each filled in place: between a file and the compressor nothing is copied.

In: pieces of a tar. Out: blocks to a compressor, in buffers that it owns and uses again, and the tar's digest.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from assembler.base.content import FileContent
from assembler.base.digest import Digest

if TYPE_CHECKING:
    from assembler.base.content import Content
    from assembler.base.progress import Progress
    from assembler.layers.compress import Compressor


class Blocks:
    """Fills one block after the other; a `Window` for contents that are read straight into it."""

    def __init__(self, compressor: Compressor, progress: Progress) -> None:
        """Feed a compressor; `progress` is told of bytes of tar."""
        self._compressor = compressor
        self._progress = progress
        self._hash = hashlib.sha256()
        self._block = compressor.buffer()
        self._view = memoryview(self._block)
        self._at = 0
        self._fed = 0

    @property
    def size(self) -> int:
        """Bytes of tar so far."""
        return self._fed + self._at

    @property
    def digest(self) -> Digest:
        """The digest of all that was fed; after `finish`, of the tar."""
        return Digest("sha256:" + self._hash.hexdigest())

    def put(self, piece: bytes | Content) -> None:
        """Take a piece of the tar.

        Raises:
            SourceError: a content cannot be read, or changed since it was first seen.
        """
        if isinstance(piece, bytes):
            self._write(piece)
        elif isinstance(piece, FileContent):
            piece.read_into(self)
        else:
            for chunk in piece.chunks():
                self._write(chunk)

    def room(self) -> memoryview:
        """See `Window.room`."""
        return self._view[self._at :]

    def filled(self, count: int) -> None:
        """See `Window.filled`."""
        self._at += count
        if self._at == len(self._view):
            self._feed()
            self._block = self._compressor.buffer()
            self._view = memoryview(self._block)

    def finish(self) -> None:
        """Feed what is left, which is shorter than a block."""
        if self._at:
            self._feed()

    def _write(self, data: bytes) -> None:
        start = 0
        while start < len(data):
            room = self.room()
            count = min(len(room), len(data) - start)
            room[:count] = data[start : start + count]
            self.filled(count)
            start += count

    def _feed(self) -> None:
        self._hash.update(self._view[: self._at])
        self._compressor.feed(self._block, self._at)
        self._progress.advance(self._at)
        self._fed += self._at
        self._at = 0
