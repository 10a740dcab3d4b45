"""Decompressing as the bytes come: whatever the pieces, the same bytes; cuts and bombs are errors."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from assembler.base import decompress as module
from assembler.base.decompress import DecompressError, decompress, detect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Squeeze = Callable[[bytes], bytes]

SQUEEZE: dict[str, Squeeze] = {
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "none": bytes,
}
SKIPPABLE = b"\x5f\x2a\x4d\x18\x03\x00\x00\x00abc"


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("kind", SQUEEZE)
@given(data=st.binary(max_size=500), more=st.binary(max_size=500), size=st.integers(1, 100))
def test_members_in_pieces_of_any_size(kind: str, data: bytes, more: bytes, size: int) -> None:
    squeeze = SQUEEZE[kind]
    stored = squeeze(data) + squeeze(more)
    if kind != "none":
        assert detect(stored[:6]) == kind
        assert b"".join(decompress(pieces(stored, size))) == data + more


def test_padding_and_skippable_frames() -> None:
    assert b"".join(decompress([gzip.compress(b"a") + bytes(5), bytes(2000)])) == b"a"
    assert b"".join(decompress([lzma.compress(b"a") + bytes(4) + lzma.compress(b"b")])) == b"ab"
    assert detect(SKIPPABLE) == "zstd"
    assert b"".join(decompress([SKIPPABLE + zstandard.compress(b"a") + SKIPPABLE])) == b"a"


def test_plain_bytes_pass() -> None:
    assert b"".join(decompress([b"ab", b"", b"cdefghijk"])) == b"abcdefghijk"
    assert list(decompress([])) == [b""]


@pytest.mark.parametrize("kind", ["gzip", "zstd", "xz", "bzip2"])
def test_cuts_and_damage(kind: str) -> None:
    whole = SQUEEZE[kind](random.Random(1).randbytes(3000))
    for length in range(6, len(whole), 97):
        with pytest.raises(DecompressError, match="truncated"):
            list(decompress([whole[:length]]))
    with pytest.raises(DecompressError, match="not a sound"):
        list(decompress([whole + b"garbage after the end"]))
    with pytest.raises(DecompressError, match="truncated"):
        list(decompress([], "gzip"))


@pytest.mark.parametrize("kind", ["gzip", "zstd", "xz", "bzip2"])
def test_a_bomb_goes_off_in_little_memory(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FREE_SIZE", 1 << 24)
    stored = SQUEEZE[kind](bytes(1 << 27))
    tracemalloc.start()
    try:
        if kind == "gzip":  # which cannot expand much more than a thousandfold: 1032 at most
            monkeypatch.setattr(module, "MAX_RATIO", 900)
        with pytest.raises(DecompressError, match="a bomb"):
            sum(map(len, decompress([stored])))
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
