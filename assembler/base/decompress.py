"""Decompressing as the bytes come: pieces of a stream in, pieces of what it holds out, in bounded memory.

Formats are told by their magic: gzip (RFC 1952), zstd (RFC 8878), xz, bzip2. Each may be several members or frames one
after the other, as parallel compressors write them. What ends in the middle is an error, and so is a bomb.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, Literal, Protocol

from assembler.base.content import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Format = Literal["none", "gzip", "zstd", "xz", "bzip2"]

_MAGIC: Final[tuple[tuple[bytes, Format], ...]] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
)
_SKIPPABLE: Final = (b"\x2a\x4d\x18", range(0x50, 0x60))
"""RFC 8878, 3.1.2: a skippable frame, with which parallel zstd (pzstd) may begin, is 0x184D2A50 to 0x184D2A5F."""

_PADDED: Final = frozenset({"gzip", "xz"})
"""Zeros may follow a member: xz pads its streams with them, and gzip(1) takes them, as tapes leave them."""

MAX_RATIO: Final = 1000
FREE_SIZE: Final = 1 << 30
"""A stream may grow to `FREE_SIZE` bytes however small it is, and beyond that to `MAX_RATIO` times its own size."""

XZ_MEMORY: Final = 1 << 30
"""Bytes that xz may take for its dictionary; `xz -9` needs 65 MiB, `--lzma2=dict=512MiB` half of this."""


class DecompressError(ValueError):
    """A stream that is damaged, cut off, or a bomb; the message says which."""


class _Decoder(Protocol):
    """One member, as zlib, bz2, lzma and zstandard all have it."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def detect(head: bytes) -> Format:
    """Tell the format by its first bytes (six are enough); what is no compressed stream is `none`."""
    if head[1:4] == _SKIPPABLE[0] and head[0] in _SKIPPABLE[1]:
        return "zstd"
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), "none")


def decompress(chunks: Iterable[bytes], kind: Format | None = None) -> Iterator[bytes]:
    """Yield what a stream holds, in pieces of some MiB at most.

    Args:
        chunks: the stream as stored.
        kind: its format; None to tell by the magic.

    Raises:
        DecompressError: it is damaged, ends in the middle, or holds more than `MAX_RATIO` times its own size beyond
            the first `FREE_SIZE` bytes (1000 times beyond 1 GiB).
    """
    chunks = iter(chunks)
    if kind is None:
        head = b""
        for chunk in chunks:
            head += chunk
            if len(head) >= 6:
                break
        kind, chunks = detect(head), chain((head,), chunks)
    return chunks if kind == "none" else _decompress(chunks, kind)


def _decompress(chunks: Iterator[bytes], kind: Format) -> Iterator[bytes]:
    make, step = _decoder(kind)
    decoder = make()
    taken = given = 0
    fresh = True
    for chunk in chunks:
        for start in range(0, len(chunk), step):
            data = chunk[start : start + step]
            taken += len(data)
            while data:
                if fresh and kind in _PADDED:
                    data = data.lstrip(b"\0")
                    if not data:
                        break
                fresh = False
                for piece in _pieces(decoder, data, kind):
                    given += len(piece)
                    _check_ratio(taken, given)
                    yield piece
                data = decoder.unused_data if decoder.eof else b""
                if decoder.eof:
                    decoder, fresh = make(), True
    if not fresh or not taken:
        raise DecompressError(f"truncated: the {kind} stream ends in the middle")


def _pieces(decoder: _Decoder, data: bytes, kind: Format) -> Iterator[bytes]:
    """Feed a decoder; bzip2 and xz, which expand a thousandfold and more, are asked for little at a time."""
    try:
        if kind in {"gzip", "zstd"}:
            yield decoder.decompress(data)
            return
        while True:
            piece = decoder.decompress(data, CHUNK)  # type: ignore[call-arg]
            yield piece
            if decoder.eof or decoder.needs_input:  # type: ignore[attr-defined]
                return
            data = b""
    except _errors(kind) as error:
        raise DecompressError(f"not a sound {kind} stream: {error}") from error


def _decoder(kind: Format) -> tuple[Callable[[], _Decoder], int]:
    """Return what makes a decoder, and how much to feed it at once.

    That bounds memory where a decoder gives all that an input holds: gzip expands at most 1032 times, a block of zstd
    at most 128 KiB from 4 bytes.
    """
    match kind:
        case "gzip":
            import zlib

            return lambda: zlib.decompressobj(wbits=31), 1 << 14
        case "zstd":
            import zstandard

            return lambda: zstandard.ZstdDecompressor().decompressobj(), 1 << 11
        case "xz":
            import lzma

            return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY), CHUNK
        case _:
            import bz2

            return bz2.BZ2Decompressor, CHUNK


def _errors(kind: Format) -> tuple[type[Exception], ...]:
    match kind:
        case "gzip":
            import zlib

            return (zlib.error,)
        case "zstd":
            import zstandard

            return (zstandard.ZstdError,)
        case "xz":
            import lzma

            return (lzma.LZMAError, MemoryError)
        case _:
            return (OSError, EOFError)


def _check_ratio(taken: int, given: int) -> None:
    if given > FREE_SIZE and given > MAX_RATIO * taken:
        raise DecompressError(f"more than {MAX_RATIO} times its own size beyond {FREE_SIZE >> 30} GiB: a bomb")
