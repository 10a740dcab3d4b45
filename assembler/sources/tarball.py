"""A tarball as a tree: plain, gzip, zstd, xz or bzip2, told by its first bytes.

In: a file, such as Buildroot's `rootfs.tar` or what `docker export` writes. Out: its entries. A plain tarball is read
where it lies; a compressed one is unpacked into an unnamed temporary file first. Nothing of it is ever extracted.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from assembler.base.content import SharedFile, Span
from assembler.base.decompress import FREE_SIZE, MAX_RATIO, DecompressError, decompress, detect
from assembler.base.errors import SourceError
from assembler.sources.members import Archive, read_entries
from assembler.sources.spool import read_file, spool
from assembler.sources.stack import Stack
from assembler.tree import Tree

if TYPE_CHECKING:
    from assembler.base.progress import Progress


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
    span = _open(path, progress)
    progress.start("read", unit="files")
    stack = Stack({}, path)
    stack.put_all(read_entries(Archive(span, path), progress))
    return Tree(stack.entries.values())


def _open(path: str, progress: Progress) -> Span:
    """Return the tar's bytes, decompressed where they are not plain."""
    try:
        file = SharedFile.existing(path)
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(f"{path}: not a file", hint="an unpacked root filesystem is a source.directory")
        kind = detect(os.pread(file.fileno(), 8, 0))
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    if kind == "none":
        return Span(file, 0, status.st_size)
    progress.start("unpack", unit="B")
    try:
        return spool(decompress(read_file(file.fileno()), kind), path, progress)
    except DecompressError as error:
        hint = f"archives may hold {MAX_RATIO} times their own size beyond {FREE_SIZE >> 30} GiB, and must be whole"
        raise SourceError(f"{path}: {error}", hint=hint) from error
