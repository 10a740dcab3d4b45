"""Where the bytes of a file or blob come from. A content is a value: it names bytes, and reads them on demand."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from msgspec import Struct

from assembler.base.errors import SourceError
from assembler.base.paths import from_bytes, show

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_TMPFILE = {errno.EISDIR, errno.EOPNOTSUPP, errno.EINVAL}
"""What kernels and file systems that know no O_TMPFILE answer."""
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
CHUNK = 1 << 18
"""Bytes read at a time: what bounds memory, whatever the size of a file."""


class Content(Protocol):
    """Bytes of a known size."""

    @property
    def size(self) -> int:
        """The number of bytes."""

    def open(self) -> BinaryIO:
        """Open for random access. The caller closes it.

        Raises:
            SourceError: the bytes are not there any more, or are not those that were seen before.
        """

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes in order, in pieces of at most `CHUNK`.

        Raises:
            SourceError: the bytes cannot be read, or changed since they were first seen.
        """


def read(content: Content) -> bytes:
    """Return all bytes; only for what is known to be small."""
    return b"".join(content.chunks())


class Bytes(Struct, frozen=True):
    """Bytes that are held in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """See `Content.size`."""
        return len(self.data)

    def open(self) -> BinaryIO:
        """See `Content.open`."""
        return io.BytesIO(self.data)

    def chunks(self) -> Iterator[bytes]:
        """See `Content.chunks`."""
        if self.data:
            yield self.data


class Tapped(Struct, frozen=True):
    """A content of which somebody hears while it is read, and who may raise to end that."""

    content: Content
    tap: Callable[[int], None]

    @property
    def size(self) -> int:
        """See `Content.size`."""
        return self.content.size

    def open(self) -> BinaryIO:
        """See `Content.open`; nobody hears of what is read so."""
        return self.content.open()

    def chunks(self) -> Iterator[bytes]:
        """See `Content.chunks`; the tap is told the size of each piece."""
        for chunk in self.content.chunks():
            self.tap(len(chunk))
            yield chunk


class Stamp(Struct, frozen=True, gc=False):
    """What tells that a file is still the one that was seen: identity, size, and time of last change."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """Take the stamp of a file."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class Window(Protocol):
    """Where bytes are put by whoever reads them."""

    def room(self) -> memoryview:
        """Return room for at least one byte."""

    def filled(self, count: int) -> None:
        """So many bytes of the room are taken."""


class FileContent(Struct, frozen=True, gc=False):
    """A file of the machine, as it was when its stamp was taken.

    Attributes:
        path: the machine's.
        stamp: what it is known by.
        ctime_ns: when anything about it changed last, its owner, mode and links too.
    """

    path: bytes
    stamp: Stamp
    ctime_ns: int = 0

    @property
    def size(self) -> int:
        """See `Content.size`."""
        return self.stamp.size

    @classmethod
    def of(cls, path: bytes, status: os.stat_result) -> FileContent:
        """Name a file by its path and what `lstat` said of it."""
        return cls(path, Stamp.of(status), status.st_ctime_ns)

    def open(self) -> BinaryIO:
        """See `Content.open`."""
        return os.fdopen(self._descriptor(), "rb")

    def chunks(self) -> Iterator[bytes]:
        """See `Content.chunks`. The stamp is compared at the end: a torn read is never packed."""
        with self._reading() as descriptor:
            left = self.size
            while left:
                data = os.read(descriptor, min(left, CHUNK))
                if not data:
                    raise self._changed()
                left -= len(data)
                yield data

    def read_into(self, window: Window) -> None:
        """Read all bytes straight into buffers; otherwise as `chunks`."""
        with self._reading() as descriptor:
            left = self.size
            while left:
                count = os.readv(descriptor, [window.room()[:left]])
                if not count:
                    raise self._changed()
                left -= count
                window.filled(count)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[int]:
        descriptor = self._open()
        try:
            yield descriptor
            if Stamp.of(os.fstat(descriptor)) != self.stamp:
                raise self._changed()
        except OSError as error:
            raise self._unreadable(error) from error
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        try:
            return os.open(self.path, _FLAGS)
        except OSError as error:
            raise self._unreadable(error) from error

    def _descriptor(self) -> int:
        descriptor = self._open()
        if Stamp.of(os.fstat(descriptor)) != self.stamp:
            os.close(descriptor)
            raise self._changed()
        return descriptor

    def _changed(self) -> SourceError:
        return SourceError(
            f"{show(from_bytes(self.path))}: the file changed while it was read",
            hint="pack a tree that nothing writes to, or drop this path in the recipe",
        )

    def _unreadable(self, error: OSError) -> SourceError:
        hint = "run as a user who may read it, or drop this path in the recipe"
        return SourceError(
            f"{show(from_bytes(self.path))}: cannot be read: {error.strerror}",
            hint=hint if isinstance(error, PermissionError) else None,
        )


class SharedFile:
    """An open file that values refer to: it is closed when the last of them is gone."""

    def __init__(self, descriptor: int, name: str) -> None:
        """Take over a descriptor; `name` is what errors call it."""
        self._descriptor = descriptor
        self.name = name

    @classmethod
    def existing(cls, path: str) -> SharedFile:
        """Open a file of the machine for reading.

        Raises:
            OSError: it cannot be opened.
        """
        return cls(os.open(path, os.O_RDONLY | os.O_CLOEXEC), path)

    @classmethod
    def temporary(cls, folder: str | None = None) -> SharedFile:
        """Make a file without a name, so that nothing is left behind whatever happens; a link may still name it.

        Raises:
            OSError: the folder (default: TMPDIR) is not there, or nothing can be made in it.
        """
        import tempfile  # not for those who only read

        try:
            flags = os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC
            return cls(os.open(folder or tempfile.gettempdir(), flags, 0o600), "temporary file")
        except OSError as error:
            if error.errno not in _NO_TMPFILE:
                raise
        with tempfile.TemporaryFile(dir=folder, prefix=".brasm-") as file:
            return cls(os.dup(file.fileno()), "temporary file")

    def fileno(self) -> int:
        """Return the descriptor, as of any file."""
        return self._descriptor

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write all bytes at the file's position.

        Raises:
            OSError: there is no room.
        """
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def __del__(self) -> None:
        os.close(self._descriptor)


class Span(Struct, frozen=True):
    """A run of bytes inside an open file: a member of an archive, a blob that was just written."""

    file: SharedFile
    offset: int
    size: int

    def open(self) -> BinaryIO:
        """See `Content.open`."""
        return cast("BinaryIO", io.BufferedReader(_SpanIO(self)))

    def chunks(self) -> Iterator[bytes]:
        """See `Content.chunks`."""
        position, end = self.offset, self.offset + self.size
        while position < end:
            data = os.pread(self.file.fileno(), min(end - position, CHUNK), position)
            if not data:
                raise SourceError(f"{self.file.name}: truncated: the file ends before byte {end}")
            position += len(data)
            yield data


class _SpanIO(io.RawIOBase):
    def __init__(self, span: Span) -> None:
        self._span = span
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._span.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), max(0, self._span.size - self._position))
        data = os.pread(self._span.file.fileno(), wanted, self._span.offset + self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
