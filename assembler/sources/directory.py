"""A directory of this machine, `/` included, as a tree.

In: a folder. Out: its entries as `lstat`, `readlink` and `listxattr` tell them. Nothing is followed out of the
folder, and nothing of it is opened: contents are read when, and if, a layer needs them.

What is left out, and why:
- what is mounted inside (another `st_dev`), unless it is named: it belongs to the machine, not to the root;
- of `/` itself, the contents of /proc, /sys, /dev, /run and /tmp: they are this boot's, mounted or not;
- sockets: tar has no such type, and nobody listens on them in an image;
- xattrs that the machine gives and an image cannot use: SELinux labels, EVM and IMA signatures, `trusted.*`
  (which only root sees, so that they would make root's image differ from a user's).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from assembler.base.content import FileContent
from assembler.base.errors import SourceError
from assembler.base.paths import from_bytes, join, show, to_bytes
from assembler.tree import Device, Directory, Entry, Fifo, Regular, Symlink, Tree, missing_directory

if TYPE_CHECKING:
    from assembler.base.progress import Progress

VOLATILE = frozenset({"/proc", "/sys", "/dev", "/run", "/tmp"})  # noqa: S108  (in-root paths, no file is made)
_MACHINE_XATTRS = ("trusted.", "security.selinux", "security.evm", "security.ima", "system.nfs4", "btrfs.")


class DirectoryOptions(Struct, frozen=True):
    """How to read a directory.

    Attributes:
        mounts: in-root directories whose mounted filesystem is read as well.
        lazy: list a directory only when it is asked for (`Tree`).
        note: told, in one line, of whatever is left out.
        unreadable: told the in-root path of a directory that this user may not list.
        everything: read what is mounted inside and what is this boot's as well: to look at, not to pack.
    """

    note: Callable[[str], None]
    unreadable: Callable[[str], None]
    mounts: tuple[str, ...] = ()
    lazy: bool = False
    everything: bool = False


def read_directory(folder: str, options: DirectoryOptions, progress: Progress) -> Tree:
    """Read a folder as a root filesystem.

    The folder's own owner and mode belong to the place where the tree lies, not to the tree (it is often a
    `mkdtemp` of 0700): the root directory becomes root's, 0755.

    Raises:
        SourceError: it is not there, is no directory, or cannot be listed.
    """
    reader = _Reader(folder, options)
    root = missing_directory("/")
    if options.lazy:
        return Tree([root], reader.list)
    progress.start("walk", unit="files")
    entries: list[Entry] = [root]
    pending = ["/"]
    while pending:
        found = reader.list(pending.pop())
        progress.advance(len(found))
        entries += found
        pending += [entry.path for entry in found if type(entry) is Directory]
    return Tree(entries)


class _Reader:
    """Lists single directories; knows which device the root is on and which inodes it has met."""

    def __init__(self, folder: str, options: DirectoryOptions) -> None:
        self._folder = os.path.realpath(os.fsencode(folder))
        self._options = options
        self._inodes: dict[tuple[int, int], int] = {}
        try:
            status = os.stat(self._folder)
        except OSError as error:
            raise SourceError(f"{folder}: {error.strerror}", hint="source.directory is a folder that exists") from error
        if not stat.S_ISDIR(status.st_mode):
            raise SourceError(f"{folder}: not a directory", hint="a tarball is a source.archive")
        self._devices = {status.st_dev}
        self._volatile = VOLATILE if self._folder == b"/" and not options.everything else frozenset()
        for mount in options.mounts:
            self._devices.add(self._device_of(mount))

    def list(self, path: str) -> Sequence[Entry]:
        """Return what stands in a directory of the tree, sorted by nothing in particular."""
        if path in self._volatile:
            return ()
        raw = self._folder.rstrip(b"/") + to_bytes(path).rstrip(b"/")
        try:
            if not self._options.everything and os.lstat(raw or b"/").st_dev not in self._devices:
                return ()
            names = os.listdir(raw or b"/")
        except PermissionError:
            self._options.unreadable(path)
            return ()
        except OSError as error:
            raise SourceError(f"{show(from_bytes(raw))}: cannot be listed: {error.strerror}") from error
        return [entry for name in names if (entry := self._entry(raw, path, name)) is not None]

    def _entry(self, folder: bytes, parent: str, name: bytes) -> Entry | None:
        raw = folder + b"/" + name
        path = join(parent, from_bytes(name))
        try:
            status = os.lstat(raw)
        except OSError as error:
            if self._options.everything and isinstance(error, FileNotFoundError):
                return None  # a neighbour in /tmp comes and goes
            raise SourceError(
                f"{show(from_bytes(raw))}: went away while the tree was read: {error.strerror}"
            ) from error
        mode = status.st_mode
        if stat.S_ISLNK(mode):
            target = from_bytes(os.readlink(raw))
            return Symlink(path, 0o777, *_owner(status), (), self._inode(status), target)
        common = (path, stat.S_IMODE(mode), *_owner(status), _xattrs(raw, mode), self._inode(status))
        if stat.S_ISREG(mode):
            return Regular(*common, FileContent.of(raw, status))
        if stat.S_ISDIR(mode):
            return Directory(*common)
        if stat.S_ISFIFO(mode):
            return Fifo(*common)
        if stat.S_ISSOCK(mode):
            self._options.note(f"{show(path)}: a socket, left out: no image can hold one")
            return None
        kind: Literal["c", "b"] = "c" if stat.S_ISCHR(mode) else "b"
        return Device(*common, kind, os.major(status.st_rdev), os.minor(status.st_rdev))

    def _inode(self, status: os.stat_result) -> int:
        if status.st_nlink < 2 or stat.S_ISDIR(status.st_mode):
            return 0
        return self._inodes.setdefault((status.st_dev, status.st_ino), len(self._inodes) + 1)

    def _device_of(self, mount: str) -> int:
        raw = self._folder.rstrip(b"/") + to_bytes(mount)
        try:
            return os.lstat(raw).st_dev
        except OSError as error:
            raise SourceError(
                f"{mount}: {error.strerror}", hint="source.mounts names directories of the root"
            ) from error


def _owner(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_uid, status.st_gid, status.st_mtime_ns // 1_000_000_000


def _xattrs(raw: bytes, mode: int) -> tuple[tuple[str, bytes], ...]:
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return ()
    try:
        names = os.listxattr(raw, follow_symlinks=False)
    except OSError:  # a filesystem without extended attributes
        return ()
    return tuple(
        (name, os.getxattr(raw, name, follow_symlinks=False))
        for name in sorted(names)
        if not name.startswith(_MACHINE_XATTRS)
    )
