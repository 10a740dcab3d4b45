"""A layer's tar by itself, named by its diff_id, for those who compress the same bytes in more than one way."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base.digest import Digest
from assembler.layers.group import LayerSpec
from assembler.layers.render import pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.base.content import Content


class Tar(Struct, frozen=True):
    """A layer before it is compressed.

    Attributes:
        spec: what is in it.
        epoch: latest modification time, in seconds; later ones become this.
        diff_id: the digest of its bytes.
        size: how many these are.
    """

    spec: LayerSpec
    epoch: int
    diff_id: Digest
    size: int

    def pieces(self) -> Iterator[bytes | Content]:
        """Yield the tar: headers and padding as bytes, the contents of files as such."""
        yield from pieces(self.spec.entries, self.epoch)

    def chunks(self) -> Iterator[bytes]:
        """Yield the tar's bytes.

        Raises:
            SourceError: a file cannot be read, or changed since it was first seen.
        """
        for piece in self.pieces():
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from piece.chunks()


def tar_of(spec: LayerSpec, epoch: int) -> Tar:
    """Read all contents of a layer once, for its diff_id.

    Raises:
        SourceError: a file cannot be read, or changed since it was first seen.
    """
    unnamed = Tar(spec, epoch, Digest(""), 0)
    hashed, size = hashlib.sha256(), 0
    for chunk in unnamed.chunks():
        hashed.update(chunk)
        size += len(chunk)
    return Tar(spec, epoch, Digest("sha256:" + hashed.hexdigest()), size)
