"""A blob of a registry as a content: its bytes come when they are read, and go on where a connection broke.

Source: distribution-spec v1.1, "Pulling blobs"; RFC 9110, 14 (Range). Whether they are the right ones is for whoever
reads them to check against the digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from assembler.base.content import SharedFile, Span
from assembler.base.digest import Digest
from assembler.base.errors import RemoteError, SourceError
from assembler.remote.http import BrokenError, Response
from assembler.remote.registry import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator


class RemoteBlob(Struct, frozen=True):
    """A blob.

    Attributes:
        repository: that has it.
        digest: its name.
        size: in bytes, as its descriptor says.
    """

    repository: Repository
    digest: Digest
    size: int

    def open(self) -> BinaryIO:
        """See `Content.open`: the bytes go to an unnamed temporary file first."""
        try:
            file = SharedFile.temporary()
            for chunk in self.chunks():
                file.write(chunk)
        except OSError as error:
            raise SourceError(f"{self.repository}: blob {self.digest}: no room in TMPDIR: {error.strerror}") from error
        return Span(file, 0, self.size).open()

    def chunks(self) -> Iterator[bytes]:
        """See `Content.chunks`; a connection that breaks is made again, and goes on from where it was.

        Raises:
            SourceError: it is not there, is not as long as its descriptor says, or breaks again and again.
        """
        position, failures = 0, 0
        while True:
            before = position
            try:
                for chunk in self._from(position):
                    position += len(chunk)
                    yield chunk
            except BrokenError as error:
                if position == self.size > 0:
                    return  # nothing is missing but the answer's end
                failures = 0 if position > before else failures + 1
                self._pause(failures, error)
            except RemoteError as error:
                raise SourceError(error.message, hint=error.hint) from error
            else:
                return

    def _pause(self, failures: int, error: BrokenError) -> None:
        """Wait before the next attempt, if there is to be one."""
        client = self.repository.client
        if failures >= client.settings.retry.attempts:
            raise SourceError(error.message, hint="the connection breaks again and again: try later") from error
        client.pause(failures, None, error.message)

    def _from(self, position: int) -> Iterator[bytes]:
        """Yield the bytes from a position to the end."""
        try:
            response = self.repository.open_blob(self.digest, position)
        except BrokenError as error:  # which was tried often enough
            raise RemoteError(error.message, hint=error.hint) from error
        try:
            skip = position if response.status == 200 else 0
            if position and not skip:
                self._check_range(response, position)
            for chunk in response.chunks():
                kept = chunk[skip:]
                skip = max(0, skip - len(chunk))
                position += len(kept)
                self._check_size(position)
                if kept:
                    yield kept
        finally:
            response.abandon()  # which does nothing where it was read to its end
        if position < self.size:
            raise BrokenError(f"{self.repository}: blob {self.digest} ends after {position} of {self.size} bytes")

    def _check_size(self, position: int) -> None:
        if position > self.size:
            raise RemoteError(f"{self.repository}: blob {self.digest} has more than its {self.size} bytes")

    def _check_range(self, response: Response, position: int) -> None:
        said = response.headers.get("Content-Range", "")
        if not said.startswith(f"bytes {position}-"):
            raise RemoteError(f"{self.repository}: blob {self.digest}: asked for byte {position} on, it sends {said!r}")
