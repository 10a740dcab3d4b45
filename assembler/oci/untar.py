"""Reading the headers of a tar strictly: any stream of bytes in, one `TarInfo` a member out.

Python's tarfile knows the dialects (ustar, pax, GNU long names and sparse files, v7), but takes a damaged header for
the end of the archive. Here only a record of zeros is the end (POSIX.1-2017 pax, "ustar Interchange Format").
"""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Final, cast

from assembler.base.paths import from_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

MAX_HEADER: Final = 1 << 24
"""Bytes of one extended header (names, xattrs) that are taken for real: Linux has at most 64 KiB an attribute."""

_ZEROS: Final = bytes(512)


class Stream:
    """Pieces of bytes as the file that tarfile reads: it can only go forwards, and no read is large."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = b""
        self._at = 0
        self._position = 0
        self.last = b""

    def read(self, size: int) -> bytes:
        """Return that many bytes, fewer at the end."""
        if size > MAX_HEADER:
            raise tarfile.ReadError(f"an extended header of {size} bytes")
        parts = list(self._take(size))
        self.last = parts[0] if len(parts) == 1 else b"".join(parts)
        return self.last

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int) -> None:
        """Go forwards; beyond the end it stays at the end."""
        if offset < self._position:
            raise tarfile.ReadError("members overlap")
        for _ in self._take(offset - self._position):
            pass

    def drain(self) -> None:
        """Go to the end."""
        for _ in self._take(1 << 62):
            pass

    def _take(self, size: int) -> Iterator[bytes]:
        while size > 0:
            if self._at >= len(self._held):
                chunk = next(self._chunks, None)
                if chunk is None:
                    return
                self._held, self._at = chunk, 0
            piece = self._held[self._at : self._at + size]
            self._at += len(piece)
            self._position += len(piece)
            size -= len(piece)
            yield piece


class Window:
    """A part of an open file as the file that tarfile reads: skipping costs nothing."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.last = b""

    def read(self, size: int) -> bytes:
        """Return that many bytes, fewer at the end."""
        if size > MAX_HEADER:
            raise tarfile.ReadError(f"an extended header of {size} bytes")
        self.last = self._file.read(size)
        return self.last

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seek(self, offset: int) -> None:
        """Go to a position."""
        self._file.seek(offset)


def members(file: Stream | Window, *, end_required: bool = True) -> Iterator[tarfile.TarInfo]:
    """Yield the header of each member. Names are decoded as in-root paths are (`base.paths`).

    Args:
        file: the archive; a member's content stands in it at `offset_data`.
        end_required: whether the record of zeros at the end must be there. Go's reader, and so every container
            engine, does without; without it a cut between two members shows nowhere.

    Raises:
        tarfile.TarError: it is not a tar, is damaged, or ends in the middle; the message says which.
    """
    try:
        source = cast("IO[bytes]", file)
        with tarfile.open(fileobj=source, mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
            while (member := archive.next()) is not None:
                yield member
                # Headers are kept otherwise, 1.5 kB each, and nobody asks for them again.
                archive.members.clear()  # type: ignore[attr-defined]
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise tarfile.ReadError(f"a damaged header: {error}") from error
    except tarfile.ReadError as error:
        raise tarfile.ReadError(_reason(file, error)) from error
    if file.last != _ZEROS and (file.last or end_required):
        raise tarfile.ReadError("truncated" if len(file.last) < len(_ZEROS) else "a damaged header: bad checksum")


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
    message = str(error)
    if message in {"empty file", "truncated header", "unexpected end of data", "empty header"}:
        return "truncated" if file.tell() else "empty"
    return "not a tar archive" if message in {"bad checksum", "invalid header"} else message
