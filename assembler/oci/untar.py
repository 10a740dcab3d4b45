"""Reading the headers of a tar strictly: any stream of bytes in, one `TarInfo` a member out.

Python's tarfile knows the dialects (ustar, pax, GNU long names and sparse files, v7), but takes a damaged header for
the end of the archive. Here only a record of zeros is the end (POSIX.1-2017 pax, "ustar Interchange Format").
"""

from __future__ import annotations

import tarfile
from math import inf
from typing import TYPE_CHECKING, Final, cast

from assembler.base.paths import from_bytes
from assembler.oci.tar import RECORD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

MAX_HEADER: Final = 1 << 24
"""Bytes of one extended header (names, xattrs) that are taken for real: Linux has at most 64 KiB an attribute."""


class Stream:
    """Pieces of bytes as the file that tarfile reads: it can only go forwards.

    Beyond its end there are zeros, since engines take a tar without the records at its end, and `umoci insert` writes
    such. `members` tells what was cut off from what is only missing its end.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = b""
        self._at = 0
        self._position = 0
        self.end: float = inf
        self.last = b""

    def read(self, size: int) -> bytes:
        """Return that many bytes."""
        _check_size(size)
        start = self._position
        data = b"".join(self._take(size))
        self._position = start + size
        self.last = data + bytes(size - len(data))
        return self.last

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int) -> None:
        """Go forwards."""
        if offset < self._position:
            raise tarfile.ReadError("members overlap")
        for _ in self._take(offset - self._position):
            pass
        self._position = offset

    def drain(self) -> None:
        """Go to the end."""
        for _ in self._take(1 << 62):
            pass

    def _take(self, size: int) -> Iterator[bytes]:
        while size > 0 and self.end == inf:
            if self._at >= len(self._held):
                chunk = next(self._chunks, None)
                if chunk is None:
                    self.end = self._position
                    return
                self._held, self._at = chunk, 0
            piece = self._held[self._at : self._at + size]
            self._at += len(piece)
            self._position += len(piece)
            size -= len(piece)
            yield piece


class Window:
    """A part of an open file as the file that tarfile reads: skipping costs nothing. Beyond its end are zeros."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._position = 0
        self.end: float = size
        self.last = b""

    def read(self, size: int) -> bytes:
        """Return that many bytes."""
        _check_size(size)
        data = self._file.read(size)
        self._position += size
        self.last = data + bytes(size - len(data))
        return self.last

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int) -> None:
        """Go to a position."""
        self._position = self._file.seek(offset)


def _check_size(size: int) -> None:
    if size > MAX_HEADER:
        raise tarfile.ReadError(f"an extended header of {size} bytes")


def members(file: Stream | Window, *, end_required: bool = True) -> Iterator[tarfile.TarInfo]:
    """Yield the header of each member. Names are decoded as in-root paths are (`base.paths`).

    Args:
        file: the archive; a member's content stands in it at `offset_data`.
        end_required: whether the record of zeros at the end must be there; without it a cut between two members
            shows nowhere, so that something else, such as a digest, must vouch for the whole.

    Raises:
        tarfile.TarError: it is not a tar, is damaged, or ends in the middle; the message says which.
    """
    data_end = 0
    try:
        source = cast("IO[bytes]", file)
        with tarfile.open(fileobj=source, mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
            _check_first(archive, file)
            while (member := archive.next()) is not None:
                data_end = member.offset_data + stored_size(member)
                yield member
                # Headers are kept otherwise, 1.5 kB each, and nobody asks for them again.
                archive.members.clear()  # type: ignore[attr-defined]
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise tarfile.ReadError(f"a damaged header: {error}") from error
    except tarfile.ReadError as error:
        raise tarfile.ReadError(_reason(file, error)) from error
    if file.end < data_end or (file.end < file.tell() and end_required):
        raise tarfile.ReadError("truncated" if file.end else "empty")
    if file.last.strip(b"\0"):
        raise tarfile.ReadError("a damaged header: bad checksum")


def _check_first(archive: tarfile.TarFile, file: Stream | Window) -> None:
    """Refuse a first header that makes no sense: tarfile has read it when it opens an archive, and passes it over."""
    if getattr(archive, "firstmember", None) is None and file.last.strip(b"\0"):
        raise tarfile.ReadError("a damaged header")


def stored_size(member: tarfile.TarInfo) -> int:
    """Return the bytes of content that a member has in the archive: of a sparse file, those that are no hole."""
    runs = getattr(member, "sparse", None)
    if runs is not None:
        return sum(size for _, size in runs)
    return member.size if member.isreg() else 0


def xattrs(member: tarfile.TarInfo) -> tuple[tuple[str, bytes], ...]:
    """Return the extended attributes of a member as (name, value), sorted by name, values byte for byte.

    `SCHILY.xattr.NAME` holds the bytes themselves (star, GNU tar, Go); `LIBARCHIVE.xattr.NAME` holds them in base64,
    the name percent-encoded (libarchive, which writes both; the first wins).

    Raises:
        tarfile.TarError: the base64 is damaged.
    """
    import base64
    import binascii
    from urllib.parse import unquote_to_bytes

    found: dict[str, bytes] = {}
    for key, value in member.pax_headers.items():
        if key.startswith(_LIBARCHIVE):
            name = from_bytes(unquote_to_bytes(key.removeprefix(_LIBARCHIVE)))
            try:
                found[name] = base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
            except (binascii.Error, ValueError) as error:
                raise tarfile.ReadError(f"extended attribute {name}: {error}") from error
    for key, value in member.pax_headers.items():
        if key.startswith(_SCHILY):
            found[key.removeprefix(_SCHILY)] = value.encode("utf-8", "surrogateescape")
    return tuple(sorted(found.items()))


_SCHILY: Final = "SCHILY.xattr."
_LIBARCHIVE: Final = "LIBARCHIVE.xattr."


def _reason(file: Stream | Window, error: tarfile.ReadError) -> str:
    """Say what tarfile's message means; beyond the end, where it read zeros, nothing else counts."""
    if file.end < file.tell() and file.tell() > RECORD:
        return "truncated"
    return "not a tar archive" if str(error) in {"bad checksum", "invalid header"} else str(error)
