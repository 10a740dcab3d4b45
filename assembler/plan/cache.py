"""Results that are costly to make again, in the user's cache folder. Safe to delete, safe for two processes.

An entry is a file that begins with the digest of the rest: one that is damaged is made anew. A cache that cannot be
written is no error: the work is done again.
"""

from __future__ import annotations

import contextlib
import os

from assembler.base import digest as digests
from assembler.base.cache_folder import cache_folder
from assembler.base.errors import DestinationError
from assembler.base.files import atomic_file, write_all


def cached(kind: str, key: digests.Digest) -> bytes | None:
    """Return what is kept under a key, or None."""
    try:
        with open(_path(kind, key), "rb") as file:
            seal, data = file.readline(), file.read()
    except OSError:
        return None
    return data if seal == _seal(data) else None


def remember(kind: str, key: digests.Digest, data: bytes) -> None:
    """Keep bytes under a key."""
    path = _path(kind, key)
    with contextlib.suppress(OSError, DestinationError):  # a cache is never worth failing for
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with atomic_file(path) as descriptor:
            write_all(descriptor, _seal(data) + data)


def _seal(data: bytes) -> bytes:
    return digests.sha256(data).encode() + b"\n"


def _path(kind: str, key: digests.Digest) -> str:
    return os.path.join(cache_folder(), kind, digests.encoded(key))
