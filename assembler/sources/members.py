"""From the members of a tar to entries; the core that tarballs and layers share.

In: an archive in an open file. Out: entries in the archive's order, hard links still as `HardLink`: what they link to
is decided where members are stacked (`sources.stack`). Names are checked here and nothing is followed.
"""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.content import Span
from assembler.base.errors import SourceError
from assembler.base.paths import normalize, show
from assembler.oci.untar import Window, members, stored_size, xattrs
from assembler.sources.spool import expand
from assembler.tree import Device, Directory, Entry, Fifo, Regular, Symlink

if TYPE_CHECKING:
    from assembler.base.progress import Progress

_MAX_ID: Final = 2**32 - 1


class HardLink(Entry, frozen=True, gc=False):
    """A member that is one more name of another; only `path` and `target` count."""

    target: str


class Archive(Struct, frozen=True):
    """A tar, unpacked of any compression.

    Attributes:
        span: its bytes.
        name: how errors call it: a path, or a layer's digest.
        layer: whether it is an image's layer. Its digest vouches for its end, and a slash at the front of a name
            counts for nothing, as in containerd (kaniko writes such).
    """

    span: Span
    name: str
    layer: bool = False


def read_entries(archive: Archive, progress: Progress) -> list[Entry]:
    """Read all members.

    Raises:
        SourceError: the archive is damaged or truncated, a name is absolute or has `..` in it, or a member is of a
            type that no root filesystem has. The message names archive and member.
    """
    entries: list[Entry] = []
    with archive.span.open() as file:
        try:
            for member in members(Window(file, archive.span.size), end_required=not archive.layer):
                entries.append(_entry(archive, member))
                progress.advance(1)
        except tarfile.TarError as error:
            after = f" after {show(entries[-1].path)}" if entries else ""
            raise SourceError(f"{archive.name}: {error}{after}", hint="fetch or write the archive again") from error
    return entries


def _entry(archive: Archive, member: tarfile.TarInfo) -> Entry:
    what = f"{archive.name}: {show(member.name)}"
    path = _path(archive, member.name, what)
    _check_numbers(member, what)
    common = (path, member.mode & 0o7777, member.uid, member.gid, int(member.mtime // 1), xattrs(member), 0)
    match member.type:
        case tarfile.LNKTYPE:
            target = _path(archive, member.linkname, f"{what}: hard link to {show(member.linkname)}")
            return HardLink(*common, target)
        case tarfile.SYMTYPE:
            if not member.linkname or "\0" in member.linkname:
                raise SourceError(f"{what}: a symbolic link to nothing")
            return Symlink(path, 0o777, *common[2:], member.linkname)
        case tarfile.DIRTYPE:
            return Directory(*common)
        case tarfile.FIFOTYPE:
            return Fifo(*common)
        case tarfile.CHRTYPE | tarfile.BLKTYPE:
            return Device(*common, "c" if member.ischr() else "b", member.devmajor, member.devminor)
        case _ if member.isreg():
            return Regular(*common, _content(archive, member, what))
        case _:
            raise SourceError(f"{what}: a member of type {member.type!r}, which no root filesystem has")


def _path(archive: Archive, name: str, what: str) -> str:
    """Return the in-root path of a member's name, refusing what points outside.

    A directory's slash at the end is gone here already, so that `/` alone is the empty name.
    """
    if archive.layer:
        name = name.lstrip("/") or "."
    hint = None
    if not name or name.startswith("/"):
        problem, hint = "an absolute name", "GNU tar writes such with -P; write the archive without it"
    elif ".." in name.split("/"):
        problem = "a name with '..' in it"
    elif "\0" in name:
        problem = "a name with a NUL in it"
    else:
        return normalize(name)
    raise SourceError(f"{what}: {problem}", hint=hint)


def _check_numbers(member: tarfile.TarInfo, what: str) -> None:
    for key, value in (("uid", member.uid), ("gid", member.gid)):
        if not 0 <= value <= _MAX_ID:
            raise SourceError(f"{what}: {key} {value} is none that Linux has")
    if not abs(member.mtime) < 1 << 62:
        raise SourceError(f"{what}: mtime {member.mtime} is no time")


def _content(archive: Archive, member: tarfile.TarInfo, what: str) -> Span:
    span = archive.span
    if member.size < 0 or member.offset_data + stored_size(member) > span.size:
        raise SourceError(f"{what}: truncated", hint="fetch or write the archive again")
    offset = span.offset + member.offset_data
    runs = getattr(member, "sparse", None)
    if runs is None:
        return Span(span.file, offset, member.size)
    return expand(span.file, offset, runs, member.size, what)
