"""Headers of tar archives: ustar, with a PAX extended header only where ustar cannot hold a value.

In: what is known of a member. Out: one or three records of 512 bytes. Source: POSIX.1-2017 pax, "ustar Interchange
Format" and "pax Extended Header"; xattrs as `SCHILY.xattr.*` (star, and so GNU tar, Go and libarchive).

A name that is not UTF-8 cannot stand in a PAX value, which is UTF-8 by definition; Go and GNU tar read raw bytes in
both places alike, so raw bytes are what is written.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

RECORD: Final = 512
MAX_ID: Final = 0o7777777
MAX_SIZE: Final = 0o77777777777
_NAME, _LINK, _PREFIX = 100, 100, 155
_FIELDS: Final = Struct("100s8s8s8s12s12s8s1s100s8s64x8s8s155s12x")


def header(
    name: bytes,
    *,
    size: int = 0,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    mtime: int = 0,
    type: bytes = b"0",  # noqa: A002  (the name that POSIX gives the field)
    linkname: bytes = b"",
    major: int = 0,
    minor: int = 0,
    xattrs: Sequence[tuple[str, bytes]] = (),
) -> bytes:
    """Return the header of one member.

    Args:
        name: without a leading slash; of a directory with a slash at the end.
        size: bytes of content that follow, padded to `RECORD` by the caller.
        mode: permission bits.
        uid: owner.
        gid: group.
        mtime: seconds since the epoch.
        type: ustar's typeflag.
        linkname: target of a hard or symbolic link.
        major: of a device.
        minor: of a device.
        xattrs: (name, value), in the order in which they are written.
    """
    pax: list[tuple[bytes, bytes]] = []
    prefix, short = _split(name)
    if short is None:
        pax.append((b"path", name))
        prefix, short = b"", name[:_NAME]
    if len(linkname) > _LINK or not linkname.isascii():
        pax.append((b"linkpath", linkname))
        linkname = linkname[:_LINK]
    ids = ((b"uid", uid, MAX_ID), (b"gid", gid, MAX_ID))
    numbers = _numbers(pax, *ids, (b"size", size, MAX_SIZE), (b"mtime", mtime, MAX_SIZE))
    pax += [(b"SCHILY.xattr." + key.encode(), value) for key, value in xattrs]
    plain = _ustar(short, prefix, mode, numbers, type, linkname, major, minor)
    return _extended(pax) + plain if pax else plain


def _numbers(pax: list[tuple[bytes, bytes]], *fields: tuple[bytes, int, int]) -> list[int]:
    """Return numbers as the header takes them; one that is out of bounds goes to the extended header."""
    numbers = []
    for key, value, most in fields:
        fits = 0 <= value <= most
        numbers.append(value if fits else 0)
        if not fits:
            pax.append((key, b"%d" % value))
    return numbers


def _ustar(
    name: bytes, prefix: bytes, mode: int, numbers: Sequence[int], kind: bytes, linkname: bytes, major: int, minor: int
) -> bytes:
    uid, gid, size, mtime = numbers
    block = _FIELDS.pack(
        name,
        b"%07o" % mode,
        b"%07o" % uid,
        b"%07o" % gid,
        b"%011o" % size,
        b"%011o" % mtime,
        b" " * 8,
        kind,
        linkname,
        b"ustar\x0000",
        b"%07o" % major,
        b"%07o" % minor,
        prefix,
    )
    return b"%b%06o\0 %b" % (block[:148], sum(block), block[156:])


def _extended(records: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return a PAX extended header with its data; its own name and times are fixed."""
    data = b"".join(_record(key, value) for key, value in records)
    return _ustar(b"PaxHeaders/0", b"", 0o644, (0, 0, len(data), 0), b"x", b"", 0, 0) + data + padding(len(data))


def _record(key: bytes, value: bytes) -> bytes:
    """Return `length key=value newline`, where length counts its own digits too."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def padding(size: int) -> bytes:
    """Return the zeros that fill the last record of content."""
    return bytes(-size % RECORD)


def _split(name: bytes) -> tuple[bytes, bytes | None]:
    """Return ustar's prefix and name, the name None where they cannot hold it."""
    if not name.isascii():
        return b"", None
    if len(name) <= _NAME:
        return b"", name
    slash = name.rfind(b"/", 0, min(_PREFIX + 1, len(name) - 1))
    if slash > 0 and len(name) - slash - 1 <= _NAME:
        return name[:slash], name[slash + 1 :]
    return b"", None
