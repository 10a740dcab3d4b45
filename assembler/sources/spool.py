"""Putting a decompressed stream where its members can be read at random: an unnamed temporary file.

In: pieces of bytes. Out: `Span`, which the entries made from it share. Zeros take no room: a sparse file stays one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from assembler.base.content import SharedFile, Span
from assembler.base.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from assembler.base.progress import Progress


def spool(chunks: Iterable[bytes], what: str, progress: Progress) -> Span:
    """Write all bytes to a temporary file.

    Args:
        chunks: the bytes.
        what: how an error calls them: the archive's path or the blob's digest.
        progress: told of the bytes.

    Raises:
        SourceError: there is no room in TMPDIR.
    """
    size = 0
    try:
        file = SharedFile.temporary()
        for chunk in chunks:
            if chunk.count(0) == len(chunk):
                os.lseek(file.fileno(), len(chunk), os.SEEK_CUR)
            else:
                file.write(chunk)
            size += len(chunk)
            progress.advance(len(chunk))
        os.ftruncate(file.fileno(), size)
    except OSError as error:
        raise no_room(what, error) from error
    return Span(file, 0, size)


def expand(archive: SharedFile, offset: int, runs: Sequence[tuple[int, int]], size: int, what: str) -> Span:
    """Return the content of a sparse member, its holes read as zeros and taking no room.

    Args:
        archive: what holds the member.
        offset: where its data begin.
        runs: (offset, size) of each run of data in the file; in the archive they follow each other.
        size: of the file, holes included.
        what: how an error calls it.

    Raises:
        SourceError: the map does not fit the file or the archive, or there is no room in TMPDIR.
    """
    if any(start < 0 or length < 0 or start + length > size for start, length in runs):
        raise SourceError(f"{what}: the map of the sparse file reaches beyond its end")
    try:
        file = SharedFile.temporary()
        for start, length in runs:
            os.lseek(file.fileno(), start, os.SEEK_SET)
            for chunk in Span(archive, offset, length).chunks():
                file.write(chunk)
            offset += length
        os.ftruncate(file.fileno(), size)
    except OSError as error:
        raise no_room(what, error) from error
    return Span(file, 0, size)


def no_room(what: str, error: OSError) -> SourceError:
    """Make the error of a temporary file that cannot be written."""
    return SourceError(
        f"{what}: cannot be unpacked to a temporary file: {error.strerror}",
        hint="TMPDIR must name a folder with room for the unpacked archive",
    )
