"""Files that are not in memory: an image's, before it starts for the first time on a machine.

In: a folder. Out: which share of its bytes is still in the page cache. What is dropped are the contents of files;
directories and inodes stay known, as only root could change that, and for the whole machine.
Sources: posix_fadvise(2), syncfs(2), mincore(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def drop_from_memory(folder: str) -> float:
    """Drop the files of a folder from the page cache; return the share of their pages that stays, from 0 to 1.

    What stays is in use, or has no disk behind it (a tmpfs), or may not be read by this user.
    """
    for _ in range(2):  # what was not written yet is so only after the first time
        for descriptor in _opened(folder):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        _sync(folder)
    return share_in_memory(folder)


def share_in_memory(folder: str) -> float:
    """Return the share of the pages of a folder's files that are in the page cache, from 0 to 1; of none, 0."""
    counts = [_resident(descriptor) for descriptor in _opened(folder)]
    return sum(resident for resident, _ in counts) / (sum(pages for _, pages in counts) or 1)


def _opened(folder: str) -> Iterator[int]:
    """Yield a descriptor of each regular file, hard links once."""
    seen: set[tuple[int, int]] = set()
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode) or not status.st_size or (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with contextlib.suppress(PermissionError):  # what this user may not read, no container of theirs reads
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    yield descriptor
                finally:
                    os.close(descriptor)


def _resident(descriptor: int) -> tuple[int, int]:
    """Return how many pages of a file are in memory, and how many it has."""
    size = os.fstat(descriptor).st_size
    pages = -(-size // mmap.PAGESIZE)
    found = (ctypes.c_ubyte * pages)()
    with mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY) as mapped:
        first = ctypes.c_char.from_buffer(mapped)
        code = _libc().mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(size), found)
        del first  # a map that is referred to cannot be closed
    if code:
        raise OSError(ctypes.get_errno(), "mincore")
    return sum(one & 1 for one in found), pages


def _sync(folder: str) -> None:
    """Write all that waits to be written to the disk of a folder: one call, where a file each would take long."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _libc().syncfs(descriptor):
            raise OSError(ctypes.get_errno(), "syncfs")
    finally:
        os.close(descriptor)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
