"""The entries of a root filesystem. All are values, and all know where they stand."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.content import Content

TypeName = Literal["file", "directory", "symlink", "char", "block", "fifo"]


class Entry(Struct, frozen=True, gc=False):
    """What every type of entry has.

    Attributes:
        path: absolute and normalised (`base.paths`).
        mode: permission bits with setuid, setgid and sticky: at most 0o7777.
        uid: owner, as a number; names mean nothing outside the root that they stand in.
        gid: group, likewise.
        mtime: whole seconds since the epoch.
        xattrs: extended attributes as (name, value), sorted by name.
        inode: entries of one tree with the same number other than 0 are hard links of each other.
    """

    path: str
    mode: int
    uid: int
    gid: int
    mtime: int
    xattrs: tuple[tuple[str, bytes], ...]
    inode: int


class Directory(Entry, frozen=True, gc=False):
    """A directory; what it holds are the entries whose parent it is."""


class Regular(Entry, frozen=True, gc=False):
    """A regular file."""

    content: Content


class Symlink(Entry, frozen=True, gc=False):
    """A symbolic link; `target` as it was written, relative or absolute, existing or not."""

    target: str


class Device(Entry, frozen=True, gc=False):
    """A character (`c`) or block (`b`) device node."""

    kind: Literal["c", "b"]
    major: int
    minor: int


class Fifo(Entry, frozen=True, gc=False):
    """A named pipe."""


def type_name(entry: Entry) -> TypeName:
    """Name the type of an entry as JSON output and tables do."""
    match entry:
        case Directory():
            return "directory"
        case Regular():
            return "file"
        case Symlink():
            return "symlink"
        case Fifo():
            return "fifo"
        case Device(kind="c"):
            return "char"
        case _:
            return "block"


def size_of(entry: Entry) -> int:
    """Return the bytes of content that an entry has: those of a regular file, else 0."""
    return entry.content.size if isinstance(entry, Regular) else 0


__all__ = ["Device", "Directory", "Entry", "Fifo", "Regular", "Symlink", "replace", "size_of", "type_name"]
