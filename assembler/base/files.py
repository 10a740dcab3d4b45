"""Writing a file so that it is there whole or not at all: temporary name, fsync, rename."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from typing import TYPE_CHECKING, Final

from assembler.base.content import Span
from assembler.base.errors import DestinationError
from assembler.base.paths import show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.base.content import Content

_NAME_MAX: Final = 255
_RANDOM: Final = 6
"""Bytes at random in the name of a file that is not finished; two digits each."""
_HINTS: Final = {
    errno.ENOENT: "make the folder first",
    errno.ENOSPC: "free some room, or write elsewhere",
    errno.EDQUOT: "free some room, or write elsewhere",
}


@contextlib.contextmanager
def destination_errors(path: str) -> Iterator[None]:
    """Turn what the system says while `path` is written into one line that names it.

    Raises:
        DestinationError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        message = f"{show(path)}: cannot be written: {error.strerror or error}"
        raise DestinationError(message, hint=_HINTS.get(error.errno or 0)) from error


@contextlib.contextmanager
def atomic_file(path: str, mode: int = 0o666, *, sync: bool = True) -> Iterator[int]:
    """Give a descriptor to write to; at the end the file appears at `path`, and on any failure nothing does.

    A symbolic link at `path` stays: the file appears where it points to. The umask applies to `mode`, as ever. Whoever
    writes many files of a folder syncs the folder once, after them (`sync_folder`), in place of `sync`.

    Raises:
        DestinationError: the folder is not there, nothing may be written in it, or there is no room.
    """
    with destination_errors(path):
        goal = os.path.realpath(path)
        temporary = temporary_name(goal)
        try:
            # The name is known before the file is: no interruption falls between the two.
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            try:
                yield descriptor
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, goal)
            if sync:
                sync_folder(os.path.dirname(goal))
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def temporary_name(path: str) -> str:
    """Return a name that nothing has yet, hidden, in the folder of `path`."""
    folder, name = os.path.split(os.path.abspath(path))
    end = f".{secrets.token_hex(_RANDOM)}"
    start = os.fsencode(name)[: _NAME_MAX - 1 - len(end)]
    return os.path.join(folder, f".{os.fsdecode(start)}{end}")


def remove_unfinished(path: str) -> None:
    """Remove what an `atomic_file` of this path has not finished, where the thread that wrote it is not waited for."""
    folder, begin = os.path.split(temporary_name(path))
    begin = begin[: -2 * _RANDOM]
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(begin) and len(name) == len(begin) + 2 * _RANDOM:
                os.unlink(os.path.join(folder, name))


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """Write all bytes at the descriptor's position."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def copy_content(content: Content, descriptor: int) -> None:
    """Write a content at the descriptor's position: in the kernel where it is in a file already.

    Raises:
        SourceError: it cannot be read.
        OSError: it cannot be written.
    """
    if isinstance(content, Span):
        _copy_range(content, descriptor)
    else:
        for chunk in content.chunks():
            write_all(descriptor, chunk)


def _copy_range(span: Span, descriptor: int) -> None:
    """Let the kernel copy; a file system that cannot (EXDEV, EINVAL, ENOSYS) is copied through memory."""
    position, end = span.offset, span.offset + span.size
    try:
        while position < end:
            copied = os.copy_file_range(span.file.fileno(), descriptor, end - position, offset_src=position)
            if not copied:
                break
            position += copied
    except OSError:
        if position != span.offset:
            raise
    for chunk in Span(span.file, position, end - position).chunks():
        write_all(descriptor, chunk)


def take_over(content: Content, path: str, mode: int = 0o666, *, sync: bool = True) -> bool:
    """Give an unnamed temporary file its name, so that nothing is copied; say whether that could be done.

    It cannot where the content is no whole unnamed file, or where the file lies on another file system than `path`.
    `sync` is that of `atomic_file`.

    Raises:
        OSError: the file cannot be written out, or cannot be renamed.
    """
    if not isinstance(content, Span) or content.offset:
        return False
    descriptor = content.file.fileno()
    status = os.fstat(descriptor)
    if status.st_nlink or status.st_size != content.size:
        return False
    goal = os.path.realpath(path)
    temporary = temporary_name(goal)
    try:
        # Only with a directory's descriptor (here unused: the path is absolute) does Python follow the link.
        os.link(f"/proc/self/fd/{descriptor}", temporary, src_dir_fd=descriptor, follow_symlinks=True)
    except OSError:
        return False
    try:
        os.fchmod(descriptor, mode & ~_umask())
        os.fsync(descriptor)
        os.replace(temporary, goal)
        if sync:
            sync_folder(os.path.dirname(goal))
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
    return True


def _umask() -> int:
    """Return the process's umask, without setting it for a moment, as umask(2) would: other threads make files."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        found = next(line for line in status if line.startswith("Umask:"))
    return int(found.split()[1], 8)


def sync_folder(folder: str) -> None:
    """Make a rename in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
