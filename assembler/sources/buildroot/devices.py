"""Device and permission tables: what Buildroot's makedevs does, on a draft (package/makedevs/makedevs.c).

A line is `name type mode user group major minor start increment count`, or `|xattr capabilities` for the file of the
line before. Two things makedevs does are left out, since they are accidents: the directories that it makes on the way
get 0777 there (0755 here), and an absolute symlink leads it out of the root.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.capabilities import CapabilityError, capability_xattr
from assembler.base.errors import SourceError
from assembler.base.paths import name, normalize, parent
from assembler.tree import Device, Directory, Entry, Fifo, Found, Regular, Symlink, replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.sources.buildroot.draft import Draft

_XATTR: Final = re.compile(r"\s*\|xattr\s+(\S+).*")
_MOST: Final = 0xFFFFF
_KEPT_MODE: Final = -1
_CAPABILITY: Final = "security.capability"


class Line(Struct, frozen=True):
    """A line of a device table.

    Attributes:
        number: in the file, from 1.
        path: absolute.
        type: `f` file, `F` file that need not be there, `d` directory, `r` recursive, `c`, `b`, `p` nodes.
        mode: permission bits; -1 leaves them.
        user: a name of the root's /etc/passwd, or a number.
        group: a name of the root's /etc/group, or a number.
        numbers: major, minor, start, increment, count.
    """

    number: int
    path: str
    type: str
    mode: int
    user: str
    group: str
    numbers: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)


class Xattr(Struct, frozen=True):
    """A `|xattr` line: capabilities for the file of the line before."""

    number: int
    text: str


def parse_device_table(text: str, where: str) -> tuple[Line | Xattr, ...]:
    """Read a table.

    Raises:
        SourceError: a line cannot be understood; with its number.
    """
    return tuple(_lines(text, where))


def _lines(text: str, where: str) -> Iterator[Line | Xattr]:
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _XATTR.fullmatch(line):
            yield Xattr(number, match[1])
        elif line.strip() and not line.lstrip().startswith("#"):
            yield _line(line.split(), number, f"{where}:{number}")


def _line(words: list[str], number: int, where: str) -> Line:
    if len(words) < 5:
        raise SourceError(f"{where}: {' '.join(words)!r}: a device table needs name, type, mode, user and group")
    path, kind, mode, user, group = words[:5]
    if kind not in tuple("fFdrcbp"):
        raise SourceError(f"{where}: {kind!r} is no type of file", hint="known: f, F, d, r, c, b, p")
    if not re.fullmatch("-1|[0-7]{1,5}", mode):
        raise SourceError(f"{where}: {mode!r} is no mode", hint="octal digits, or -1 to leave it")
    # sscanf(3) stops at the first word that is no number: all behind it is 0.
    numbers = [0] * 5
    for at, word in enumerate(words[5:10]):
        if not word.isdecimal():
            break
        numbers[at] = int(word)
    if max(numbers) > _MOST:
        raise SourceError(f"{where}: {max(numbers)}: major, minor, start, increment and count end at {_MOST}")
    bits = _KEPT_MODE if mode == "-1" else int(mode, 8) & 0o7777
    return Line(number, normalize(path), kind, bits, user, group, (*numbers,))  # type: ignore[arg-type]


def apply_device_table(draft: Draft, lines: tuple[Line | Xattr, ...], where: str) -> None:
    """Apply a table, line by line.

    Raises:
        SourceError: a line names a file, user or group that is not there, or a node that is; with its number.
    """
    ids = _Ids(draft)
    last: Line | None = None
    clauses: list[str] = []
    for line in lines:
        at = f"{where}:{line.number}"
        if isinstance(line, Xattr):
            if last is None:
                raise SourceError(f"{at}: |xattr stands after no file")
            clauses.append(line.text)
            _set_capabilities(draft, last.path, clauses, at)
        else:
            last, clauses = line, []
            owner = ids.find("/etc/passwd", line.user, at), ids.find("/etc/group", line.group, at)
            _apply(draft, line, owner, at)


class _Ids:
    """Numbers of names, as the root's own files have them."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._known: dict[str, dict[str, int]] = {}

    def find(self, file: str, text: str, at: str) -> int:
        if text.isdecimal():
            return int(text)
        if file not in self._known:
            rows = [line.split(":") for line in (self._draft.text(file) or "").splitlines()]
            self._known[file] = {row[0]: int(row[2]) for row in rows if len(row) > 2 and row[2].isdecimal()}
        if text not in self._known[file]:
            kind = "user" if file == "/etc/passwd" else "group"
            raise SourceError(f"{at}: unknown {kind} {text!r}: not in {file}", hint="a users table makes it")
        return self._known[file][text]


def _apply(draft: Draft, line: Line, owner: tuple[int, int], at: str) -> None:
    match line.type:
        case "d":
            made = draft.make_directory(line.path)
            if made is None:
                raise SourceError(f"{at}: {line.path}: not a directory")
            _change(draft, [made.entry], owner, line.mode)
        case "f" | "F":
            found = draft.walk(line.path)
            if isinstance(found, Found) and isinstance(found.entry, Regular):
                _change(draft, draft.links(found.entry), owner, line.mode)
            elif line.type == "f":
                raise SourceError(f"{at}: regular file {line.path!r} does not exist")
        case "r":
            _apply_below(draft, line, owner, at)
        case _:
            _make_nodes(draft, line, owner, at)


def _change(draft: Draft, entries: list[Entry], owner: tuple[int, int], mode: int) -> None:
    uid, gid = owner
    values = {"uid": uid, "gid": gid}
    draft.change((one for one in entries if isinstance(one, Symlink)), **values)
    if mode != _KEPT_MODE:
        values["mode"] = mode
    draft.change((one for one in entries if not isinstance(one, Symlink)), **values)


def _apply_below(draft: Draft, line: Line, owner: tuple[int, int], at: str) -> None:
    above = draft.walk(parent(line.path))
    here = normalize(f"{above.path}/{name(line.path)}")
    if not isinstance(above, Found) or here not in draft:
        raise SourceError(f"{at}: {line.path}: no such file or directory")
    _change(draft, draft.below(here), owner, line.mode)


def _make_nodes(draft: Draft, line: Line, owner: tuple[int, int], at: str) -> None:
    above = draft.walk(parent(line.path))
    if not isinstance(above, Found) or not isinstance(above.entry, Directory):
        raise SourceError(f"{at}: {parent(line.path)}: no such directory", hint="a line of type d makes it")
    major, minor, start, increment, count = line.numbers
    stem = normalize(f"{above.path}/{name(line.path)}")
    for step in range(max(count, 1)):
        path = f"{stem}{start + step}" if count > 1 else stem
        if path in draft:
            raise SourceError(f"{at}: {path}: there already")
        common = (path, max(line.mode, 0), *owner, above.entry.mtime, (), 0)
        if line.type == "p":
            draft.put(Fifo(*common))
        else:
            draft.put(Device(*common, line.type, major, minor + step * increment))  # type: ignore[arg-type]


def _set_capabilities(draft: Draft, path: str, clauses: list[str], at: str) -> None:
    found = draft.walk(path)
    if not isinstance(found, Found) or not isinstance(found.entry, Regular):
        raise SourceError(f"{at}: {path}: capabilities are for regular files")
    try:
        value = capability_xattr(clauses)
    except CapabilityError as error:
        raise SourceError(f"{at}: {error}") from error
    others = [pair for pair in found.entry.xattrs if pair[0] != _CAPABILITY]
    xattrs = tuple(sorted([*others, (_CAPABILITY, value)]))
    draft.put(*(replace(one, xattrs=xattrs) for one in draft.links(found.entry)))
