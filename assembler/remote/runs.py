"""The bytes of a blob that is sent, run after run: of a file wherever they are, of a stream as it goes by.

In: a content and its descriptor. Out: bodies of requests. The last byte goes out only when the content has come to its
end, so that what is damaged is never sent whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base import digest as digests
from assembler.base.content import Content, Span
from assembler.base.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.oci.types import Descriptor
    from assembler.remote.http import Body


class Runs:
    """The runs of one blob; used by one thread."""

    def __init__(self, content: Content, descriptor: Descriptor) -> None:
        self._content = content
        self._descriptor = descriptor
        self._stream: Iterator[bytes] = iter(())
        self._rest = b""
        self._position: int | None = None

    def part(self, first: int, length: int) -> Body:
        """Return a run of bytes as what can be sent, more than once where it must be."""
        if isinstance(self._content, Span) and first + length <= self._content.size == self._descriptor.size:
            return Span(self._content.file, self._content.offset + first, length)
        return _Part(self, first, length)

    def check(self) -> None:
        """Look whether a registry is right that these are other bytes than the digest's.

        Raises:
            ImageError: it is.
        """
        digest = self._descriptor.digest
        found = digests.of_chunks(self._content.chunks(), digests.algorithm(digest))
        if found != digest:
            raise ImageError(f"blob {digest} has the digest {found}: it is damaged", hint="copy the image again")

    def read(self, first: int, length: int) -> Iterator[bytes]:
        """Yield a run of bytes; what does not follow the last one is looked for from the start."""
        if self._position != first:
            self._stream, self._rest, self._position = self._content.chunks(), b"", 0
            for _ in self._take(first):
                pass
        yield from self._take(length)

    def _take(self, length: int) -> Iterator[bytes]:
        position = self._position or 0
        self._position = None  # unless all of it is taken, nobody knows where the stream is
        end = position + length
        while position < end:
            chunk = self._rest or next(self._stream, b"")
            if not chunk:
                raise self._wrong_size(str(position))
            taken, self._rest = chunk[: end - position], chunk[end - position :]
            position += len(taken)
            if position == self._descriptor.size and (self._rest or next(self._stream, b"")):
                raise self._wrong_size(f"more than {position}")
            yield taken
        self._position = position

    def _wrong_size(self, found: str) -> ImageError:
        wanted = f"but its descriptor says {self._descriptor.size}"
        return ImageError(f"blob {self._descriptor.digest} has {found} bytes, {wanted}", hint="copy the image again")


class _Part(Struct, frozen=True):
    """A run of bytes of a stream."""

    whole: Runs
    first: int
    size: int

    def chunks(self) -> Iterator[bytes]:
        """See `Body.chunks`."""
        return self.whole.read(self.first, self.size)
