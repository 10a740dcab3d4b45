"""A plain folder: the root filesystem of an image, unpacked.

In: entries sorted bytewise by path. Out: a folder that is there whole or not at all: it is filled under another
name beside its own, and renamed. Nothing is written through a symbolic link: every folder on the way is opened
without following one, and every entry is made new. What an ordinary user cannot do (owners, devices, some extended
attributes) is left undone and said, once for each kind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from assembler.base.errors import DestinationError
from assembler.base.files import copy_content, destination_errors, sync_folder, temporary_name
from assembler.base.paths import name, parent, show, to_bytes
from assembler.destinations.written import Written
from assembler.tree import Device, Directory, Fifo, Regular, Symlink, missing_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from assembler.tree import Entry

_NOT_ALLOWED: Final = frozenset({errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SET_ID: Final = stat.S_ISUID | stat.S_ISGID
_EARLIEST: Final = -(1 << 31)
"""What every file system of Linux can hold, in seconds."""


def write(entries: Sequence[Entry], path: str, created: str | None) -> Written:
    """Unpack entries.

    Args:
        entries: sorted bytewise by path, every parent among them.
        path: a folder that is not there yet, or empty.
        created: the image's time of creation (RFC 3339): later modification times become this.

    Raises:
        SourceError: a file cannot be read.
        DestinationError: something is there, or it cannot be written.
    """
    check(path)
    latest = None if created is None else int(datetime.fromisoformat(created).timestamp())
    goal = os.path.realpath(path)
    temporary = temporary_name(goal)
    with destination_errors(path), _removed_on_failure(temporary):
        os.mkdir(temporary, 0o700)
        unpacker = _Unpacker(temporary, latest)
        unpacker.unpack(entries)
        os.rename(temporary, goal)
        sync_folder(os.path.dirname(goal))
    return Written(f"dir:{path}", unpacker.notes())


def check(path: str) -> None:
    """Make sure that nothing is in the way.

    Raises:
        DestinationError: the path is there and not an empty folder.
    """
    with destination_errors(path):
        if os.path.lexists(path) and not (os.path.isdir(path) and not os.listdir(path)):
            raise DestinationError(f"{show(path)}: is there and not an empty folder", hint="name a new folder")


@contextlib.contextmanager
def _removed_on_failure(path: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _remove(path)
        raise


def _remove(path: str) -> None:
    """Remove a folder with all below it, also folders that their own modes would protect."""
    with contextlib.suppress(OSError):
        os.chmod(path, 0o700)
        for folder, names, _ in os.walk(path):
            for each in names:
                below = os.path.join(folder, each)
                if not os.path.islink(below):
                    os.chmod(below, 0o700)
        shutil.rmtree(path)


class _Unpacker:
    """Fills one folder and remembers what it was not allowed to do."""

    def __init__(self, root: str, latest: int | None) -> None:
        self._root = os.fsencode(root)
        self._latest = latest
        self._first: dict[int, str] = {}
        self._missing: set[str] = set()
        self._undone: dict[str, list[tuple[str, str]]] = {}

    def unpack(self, entries: Sequence[Entry]) -> None:
        """Make all entries; directories get their attributes last and from below, when nothing more changes them."""
        if not entries or entries[0].path != "/":
            entries = (missing_directory("/"), *entries)
        with _Folders(self._root) as folders:
            for entry in entries[1:]:
                with _named(entry.path):
                    self._make(entry, folders)
            for entry in reversed(entries):
                if isinstance(entry, Directory):
                    with _named(entry.path):
                        self._finish(entry, folders)

    def notes(self) -> tuple[str, ...]:
        """Return a line for each kind of thing that was not done: how often, why and where first."""
        return tuple(_note(what, places) for what, places in self._undone.items())

    def _make(self, entry: Entry, folders: _Folders) -> None:
        at, base = folders.open(parent(entry.path)), to_bytes(name(entry.path))
        if isinstance(entry, Directory):
            os.mkdir(base, 0o700, dir_fd=at)
            return
        first = self._first.setdefault(entry.inode, entry.path) if entry.inode else entry.path
        if first != entry.path:
            if first not in self._missing:
                os.link(self._below(first), base, dst_dir_fd=at, follow_symlinks=False)
        elif self._create(entry, at, base):
            self._finish(entry, folders)
        else:
            self._missing.add(entry.path)

    def _create(self, entry: Entry, at: int, base: bytes) -> bool:
        """Make an entry that is not a directory; say whether it could be made."""
        match entry:
            case Regular(content=content):
                descriptor = os.open(base, _NEW_FILE, 0o600, dir_fd=at)
                try:
                    copy_content(content, descriptor)
                finally:
                    os.close(descriptor)
            case Symlink(target=target):
                os.symlink(to_bytes(target), base, dir_fd=at)
            case Fifo():
                os.mkfifo(base, 0o600, dir_fd=at)
            case Device(kind=kind, major=major, minor=minor):
                mode = 0o600 | (stat.S_IFCHR if kind == "c" else stat.S_IFBLK)
                make = partial(os.mknod, base, mode, os.makedev(major, minor), dir_fd=at)
                return self._attempt("device nodes: {} not made", entry, make)
            case _:
                raise TypeError(f"{show(entry.path)}: {type(entry).__name__} cannot be unpacked")
        return True

    def _finish(self, entry: Entry, folders: _Folders) -> None:
        """Set owner, attributes, times, mode: chown(2) clears set-ID bits and capabilities, a mode may lock us out."""
        at, base = folders.open(parent(entry.path)), to_bytes(name(entry.path)) or b"."
        chown = partial(os.chown, base, entry.uid, entry.gid, dir_fd=at, follow_symlinks=False)
        owned = self._attempt("owner of {} not set", entry, chown)
        for key, value in entry.xattrs:
            setxattr = partial(os.setxattr, self._below(entry.path), key, value, follow_symlinks=False)
            self._attempt(f"extended attribute {key} of {{}} not set", entry, setxattr)
        time = max(_EARLIEST, entry.mtime if self._latest is None else min(entry.mtime, self._latest))
        os.utime(base, (time, time), dir_fd=at, follow_symlinks=False)
        if not isinstance(entry, Symlink):
            os.chmod(base, self._mode(entry, owned=owned), dir_fd=at)

    def _mode(self, entry: Entry, *, owned: bool) -> int:
        """Return the mode to set: set-ID bits of a program only for the owner that they were meant for."""
        if owned or not entry.mode & _SET_ID or isinstance(entry, Directory):
            return entry.mode
        self._undone.setdefault("set-ID bits of {} not set", []).append((entry.path, "the owner is another"))
        return entry.mode & ~_SET_ID

    def _attempt(self, what: str, entry: Entry, action: Callable[[], None]) -> bool:
        """Do what may not be allowed here; note it if it is not, and say which it was."""
        try:
            action()
        except OSError as error:
            if error.errno not in _NOT_ALLOWED:
                raise
            why = "not root" if os.geteuid() and error.errno == errno.EPERM else str(error.strerror)
            self._undone.setdefault(what, []).append((entry.path, why))
            return False
        return True

    def _below(self, path: str) -> bytes:
        return self._root + to_bytes(path)


def _note(what: str, places: Sequence[tuple[str, str]]) -> str:
    path, why = places[0]
    count = f"{len(places)} {'entry' if len(places) == 1 else 'entries'}"
    return f"{what.format(count)}: {why}; first: {show(path)}"


class _Folders:
    """Opens folders below a root, none of them through a symbolic link; the last one stays open."""

    def __init__(self, root: bytes) -> None:
        self._root = os.open(root, _FOLDER)
        self._last = ("/", self._root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_last()
        os.close(self._root)

    def open(self, path: str) -> int:
        """Return a descriptor of a folder, good until the next call."""
        if path != self._last[0]:
            self._close_last()
            self._last = (path, self._walk(path))
        return self._last[1]

    def _walk(self, path: str) -> int:
        at = self._root
        for part in path.split("/"):
            if part:
                try:
                    below = os.open(to_bytes(part), _FOLDER, dir_fd=at)
                finally:
                    if at != self._root:
                        os.close(at)
                at = below
        return at

    def _close_last(self) -> None:
        last, self._last = self._last[1], ("/", self._root)
        if last != self._root:
            os.close(last)


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """Say which entry it was that the system would not take."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{show(path)}: {error.strerror or error}") from error
