"""A tarball as a tree: plain, gzip, zstd, xz or bzip2, told by its first bytes.

In: a file, such as Buildroot's `rootfs.tar` or what `docker export` writes. Out: its entries. A plain tarball is read
where it lies; a compressed one is unpacked into an unnamed temporary file first. Nothing of it is ever extracted.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from assembler.base.content import SharedFile, Span
from assembler.base.decompress import FREE_SIZE, MAX_RATIO, DecompressError, decompress, detect
from assembler.base.errors import SourceError
from assembler.sources.members import Archive, read_entries
from assembler.sources.spool import spool
from assembler.sources.stack import Stack
from assembler.tree import Tree

if TYPE_CHECKING:
    from assembler.base.progress import Progress

_HEAD: Final = 8
"""Bytes that tell how a tarball is compressed."""


def read_tarball(path: str, progress: Progress) -> Tree:
    """Read a tarball as a root filesystem.

    `./usr` and `usr` are the same, `.` is the root directory, and of members with the same name the last counts.
    A stream that holds more than 1000 times its own size beyond the first GiB is refused as a bomb.

    Args:
        path: the file.
        progress: told of the bytes that are unpacked and of the members.

    Raises:
        SourceError: it cannot be read, is no tar, is damaged, truncated or a bomb; a name is absolute or has `..` in
            it; a hard link leads to what is not in the archive; a member stands below what is no directory.
    """
    return read_span(_open(path), path, progress)


def read_span(span: Span, name: str, progress: Progress) -> Tree:
    """Read a tarball that is in an open file; otherwise as `read_tarball`.

    Args:
        span: its bytes, compressed or not.
        name: what errors call it.
        progress: told of the bytes that are unpacked and of the members.

    Raises:
        SourceError: see `read_tarball`.
    """
    span = _plain(span, name, progress)
    progress.start("read", unit="files")
    stack = Stack({}, name)
    stack.put_all(read_entries(Archive(span, name), progress))
    return Tree(stack.entries.values())


def _open(path: str) -> Span:
    try:
        file = SharedFile.existing(path)
        status = os.fstat(file.fileno())
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{path}: not a file", hint="an unpacked root filesystem is a source.directory")
    return Span(file, 0, status.st_size)


def _plain(span: Span, name: str, progress: Progress) -> Span:
    """Return the tar's bytes, decompressed where they are not plain."""
    try:
        with span.open() as file:
            kind = detect(file.read(_HEAD))
    except OSError as error:
        raise SourceError(f"{name}: {error.strerror}") from error
    if kind == "none":
        return span
    progress.start("unpack", unit="B")
    try:
        return spool(decompress(span.chunks(), kind), name, progress)
    except DecompressError as error:
        hint = f"archives may hold {MAX_RATIO} times their own size beyond {FREE_SIZE >> 30} GiB, and must be whole"
        raise SourceError(f"{name}: {error}", hint=hint) from error
