r"""Trees written as text: a line an entry, `path type [mode] [uid:gid] [rest]`.

    /usr/bin/sh   file 0755 0:0 #!/bin/true\n
    /bin          link usr/bin
    /usr/bin/ash  hard /usr/bin/sh
    /tmp          dir 1777
    /dev/null     char 0666 0:0 1,3
    /run/pipe     fifo

The rest of a line is a file's content (with Python's escapes), a link's target, a device's numbers. Parents that no
line names are made up. Empty lines count for nothing.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Final

from assembler.base.content import Bytes
from assembler.base.paths import to_bytes
from assembler.tree import Device, Directory, Entry, Fifo, Regular, Symlink, Tree, replace

if TYPE_CHECKING:
    from collections.abc import Iterable

_LINE: Final = re.compile(
    r"(?P<path>/\S*)\s+(?P<type>file|dir|link|hard|char|block|fifo)"
    r"(?:[ ]+(?P<mode>[0-7]{3,4})(?=\s|$))?(?:[ ]+(?P<owner>\d+:\d+)(?=\s|$))?(?:[ ](?P<rest>.*))?"
)
_MODES: Final = {"file": 0o644, "dir": 0o755, "link": 0o777, "char": 0o600, "block": 0o600, "fifo": 0o644}


def make_tree(lines: str | Iterable[str]) -> Tree:
    """Make a tree of text."""
    entries: dict[str, Entry] = {}
    for number, line in enumerate(lines.splitlines() if isinstance(lines, str) else lines, start=1):
        if line.strip():
            entry = _entry(line.strip(" "), number, entries)
            entries[entry.path] = entry
    return Tree(entries.values())


def _entry(line: str, number: int, entries: dict[str, Entry]) -> Entry:
    match = _LINE.fullmatch(line)
    assert match is not None, f"not a line of a tree: {line!r}"
    path, kind, rest = _unescape(match["path"]), match["type"], match["rest"] or ""
    if kind == "hard":
        target = entries[rest]
        entries[rest] = target if target.inode else replace(target, inode=number)
        return replace(entries[rest], path=path)
    mode = int(match["mode"], 8) if match["mode"] else _MODES[kind]
    uid, gid = map(int, (match["owner"] or "0:0").split(":"))
    common = (path, mode, uid, gid, 0, (), 0)
    match kind:
        case "dir":
            return Directory(*common)
        case "link":
            return Symlink(*common, _unescape(rest))
        case "fifo":
            return Fifo(*common)
        case "char" | "block":
            major, minor = map(int, rest.split(","))
            return Device(*common, "c" if kind == "char" else "b", major, minor)
        case _:
            return Regular(*common, Bytes(to_bytes(_unescape(rest))))


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    raw = text.encode("utf-8").decode("unicode_escape").encode("latin-1")
    return raw.decode("utf-8", "surrogateescape")


def make_folder(lines: str | Iterable[str], folder: str | os.PathLike[str]) -> str:
    """Make a real folder of text: content, modes and links; owners and devices only as root. Returns its path."""
    root, linked = os.fsencode(folder), dict[int, bytes]()
    tree = make_tree(lines)
    for entry in tree:
        at = root + to_bytes(entry.path.rstrip("/"))
        if entry.inode and entry.inode in linked:
            os.link(linked[entry.inode], at)
            continue
        linked[entry.inode] = at
        _make(entry, at)
        if os.geteuid() == 0:
            os.chown(at, entry.uid, entry.gid, follow_symlinks=False)
        if not isinstance(entry, Symlink):
            os.chmod(at, entry.mode)
    for entry in reversed(list(tree)):
        at = root + to_bytes(entry.path.rstrip("/"))
        os.utime(at, (entry.mtime, entry.mtime), follow_symlinks=False)
    return os.fsdecode(root)


def _make(entry: Entry, at: bytes) -> None:
    match entry:
        case Directory():
            os.makedirs(at, exist_ok=True)
        case Regular():
            with open(at, "wb") as file:
                file.writelines(entry.content.chunks())
        case Symlink():
            os.symlink(to_bytes(entry.target), at)
        case Fifo():
            os.mkfifo(at)
        case Device():
            kind = stat.S_IFCHR if entry.kind == "c" else stat.S_IFBLK
            os.mknod(at, kind | entry.mode, os.makedev(entry.major, entry.minor))
        case _:
            raise AssertionError(entry)
