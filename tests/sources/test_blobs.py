"""Blobs are held to their descriptors, however many bytes come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import Struct

from assembler.base.content import Bytes, read
from assembler.base.digest import sha256
from assembler.base.errors import ImageError
from assembler.oci.types import LAYER, MAX_DOCUMENT, Descriptor
from assembler.sources.blobs import Checked, checked_document

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = b"hello world"
RIGHT = Descriptor(LAYER, sha256(DATA), len(DATA))


class Claimed(Struct, frozen=True):
    """A content that says a size and gives what it likes, as a registry may."""

    size: int
    pieces: tuple[bytes, ...]
    times: int = 1

    def open(self) -> Any:
        raise NotImplementedError

    def chunks(self) -> Iterator[bytes]:
        for _ in range(self.times):
            yield from self.pieces


def test_what_is_right_is_read() -> None:
    assert read(Checked(Bytes(DATA), RIGHT)) == DATA
    assert read(Checked(Claimed(11, (b"hello ", b"world")), RIGHT)) == DATA
    with Checked(Bytes(DATA), RIGHT).open() as file:
        assert file.read() == DATA
    assert checked_document(Bytes(DATA), RIGHT) == DATA


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Bytes(DATA + b"x"), f"blob {RIGHT.digest} has 12 bytes, but its descriptor says 11"),
        (Bytes(b""), f"blob {RIGHT.digest} has 0 bytes, but its descriptor says 11"),
        (Claimed(11, (b"hello",)), "has 5 bytes, but its descriptor says 11"),
        (Claimed(11, (b"hello",), 1 << 60), "has more than 11 bytes, but its descriptor says 11"),
        (Bytes(b"Hello world"), f"has the digest {sha256(b'Hello world')}: it is damaged"),
    ],
)
def test_what_is_wrong_is_named(content: Any, message: str) -> None:
    with pytest.raises(ImageError) as caught:
        read(Checked(content, RIGHT))
    assert message in caught.value.message
    with pytest.raises(ImageError) as caught:
        checked_document(content, RIGHT)
    assert message in caught.value.message


def test_a_document_that_is_none() -> None:
    large = Descriptor(LAYER, RIGHT.digest, MAX_DOCUMENT + 1)
    with pytest.raises(ImageError, match="67108865 bytes are no JSON document"):
        checked_document(Claimed(MAX_DOCUMENT + 1, (b"x",)), large)


def test_a_digest_that_is_none() -> None:
    with pytest.raises(ImageError, match="not a digest: 'md5:0'"):
        read(Checked(Bytes(DATA), Descriptor(LAYER, "md5:0", 11)))  # type: ignore[arg-type]
