"""Digests as image-spec v1.1 (descriptor.md, "Digests") writes them: `sha256:<hex>`."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NewType

from assembler.base.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable

Digest = NewType("Digest", str)

_FORM = re.compile(r"(sha256):[0-9a-f]{64}|(sha512):[0-9a-f]{128}")


def sha256(data: bytes | bytearray | memoryview) -> Digest:
    """Return the digest of bytes held in memory."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def of_chunks(chunks: Iterable[bytes], algorithm: str = "sha256") -> Digest:
    """Return the digest of bytes that arrive in pieces."""
    hasher = hashlib.new(algorithm)
    for chunk in chunks:
        hasher.update(chunk)
    return Digest(f"{algorithm}:{hasher.hexdigest()}")


def hasher(digest: Digest) -> hashlib._Hash:
    """Return a fresh hash of a digest's algorithm, to be held to `encoded(digest)`."""
    return hashlib.new(algorithm(digest))


def is_valid(text: str) -> bool:
    """Say whether a text has the form of a digest."""
    return _FORM.fullmatch(text) is not None


def parse(text: str) -> Digest:
    """Check the form of a digest.

    Raises:
        ImageError: it is not one of the algorithms that the image-spec registers, or is malformed.
    """
    if not is_valid(text):
        raise ImageError(f"not a digest: {text!r}", hint="digests look like sha256:<64 hexadecimal digits>")
    return Digest(text)


def algorithm(digest: Digest) -> str:
    """Return `sha256` or `sha512`."""
    return digest.partition(":")[0]


def encoded(digest: Digest) -> str:
    """Return the hexadecimal part."""
    return digest.partition(":")[2]
