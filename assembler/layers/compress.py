"""Compressing a layer as it comes: blocks of the tar in, bytes of the blob out, in order, in bounded memory.

The bytes depend on the input, the format and the level, and on no number of threads:
- gzip: each block is a member of its own (RFC 1952, 2.2), compressed whole by libdeflate in a pool;
- zstd: one frame from zstd's own worker threads; with one worker or more the bytes are the same, so that there is
  always at least one (RFC 8878);
- none: the tar itself.
See decisions/0004.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Protocol

from assembler.base.threads import leave

if TYPE_CHECKING:
    from assembler.oci.image import Compression

BLOCK: Final = 1 << 20
"""Bytes of tar in one block, and so in one member of gzip. A part of the format: other blocks are other bytes."""

DEFAULT_LEVELS: Final[dict[Compression, int]] = {"gzip": 6, "zstd": 9, "none": 0}


Writer = Callable[[bytes | bytearray | memoryview], None]


class Compressor(Protocol):
    """Takes blocks of `BLOCK` bytes, the last one shorter."""

    def buffer(self) -> bytearray:
        """Return a buffer of `BLOCK` bytes to fill. It is lent until it is fed, and may be lent again after."""

    def feed(self, block: bytearray, size: int) -> None:
        """Compress the first `size` bytes of a buffer; what is ready goes to the writer."""

    def finish(self) -> None:
        """Write what is left. Nothing may be fed after it."""

    def close(self) -> None:
        """Free threads and memory; after a failure too."""


class _Gzip:
    def __init__(self, level: int, write: Writer, workers: int) -> None:
        from deflate import gzip_compress

        self._compress = gzip_compress
        self._level = level
        self._write = write
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="gzip")
        self._pending: deque[tuple[Future[bytearray], bytearray]] = deque()
        self._free: list[bytearray] = []
        self._most = workers * 2 + 1
        self._empty = True

    def buffer(self) -> bytearray:
        return self._free.pop() if self._free else bytearray(BLOCK)

    def feed(self, block: bytearray, size: int) -> None:
        self._empty = False
        data = memoryview(block)[:size]
        self._pending.append((self._pool.submit(self._compress, data, self._level), block))
        while self._pending and (len(self._pending) > self._most or self._pending[0][0].done()):
            self._take()

    def finish(self) -> None:
        if self._empty:
            self.feed(self.buffer(), 0)
        while self._pending:
            self._take()

    def _take(self) -> None:
        future, block = self._pending.popleft()
        self._write(future.result())
        self._free.append(block)

    def close(self) -> None:
        leave(self._pool)  # all that counts was taken, or the process is about to end


class _Zstd:
    def __init__(self, level: int, write: Writer, workers: int) -> None:
        from zstandard import ZstdCompressor

        self._write = write
        self._buffer = bytearray(BLOCK)
        self._stream = ZstdCompressor(level=level, threads=workers, write_checksum=True).compressobj()

    def buffer(self) -> bytearray:
        return self._buffer

    def feed(self, block: bytearray, size: int) -> None:
        self._write(self._stream.compress(memoryview(block)[:size]))

    def finish(self) -> None:
        self._write(self._stream.flush())

    def close(self) -> None:
        del self._stream


class _Stored:
    def __init__(self, write: Writer) -> None:
        self._write = write
        self._buffer = bytearray(BLOCK)

    def buffer(self) -> bytearray:
        return self._buffer

    def feed(self, block: bytearray, size: int) -> None:
        self._write(memoryview(block)[:size])

    def finish(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is held open."""


def compressor(kind: Compression, level: int | None, write: Writer, workers: int | None = None) -> Compressor:
    """Return a compressor.

    Args:
        kind: the format.
        level: of the format's own scale; None for the default.
        write: takes the compressed bytes, in order.
        workers: threads that compress, at least 1; None for one a processor.
    """
    chosen = DEFAULT_LEVELS[kind] if level is None else level
    match kind:
        case "gzip":
            return _Gzip(chosen, write, workers or cores())
        case "zstd":
            return _Zstd(chosen, write, workers or cores())
        case "none":
            return _Stored(write)


def describe(kind: Compression, level: int | None) -> str:
    """Say what makes the bytes, with its version: they depend on it (`oci-writing.md`)."""
    chosen = DEFAULT_LEVELS[kind] if level is None else level
    match kind:
        case "gzip":
            import deflate

            return f"gzip level {chosen}, libdeflate by deflate {deflate.__version__}, members of {BLOCK} bytes"
        case "zstd":
            import zstandard

            return f"zstd level {chosen}, zstd {'.'.join(map(str, zstandard.ZSTD_VERSION))}, one frame"
        case "none":
            return "not compressed"


def cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0))
