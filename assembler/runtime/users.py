"""Who a process in a container is: numbers for the names of `User` (image-spec v1.1, config.md; passwd(5), group(5)).

In: the root filesystem and the config's `User`. Out: `User`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base.content import read
from assembler.base.errors import RootError
from assembler.base.paths import from_bytes
from assembler.tree import Found, Regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.tree import Tree

_ID_MAX = (1 << 32) - 2
_PASSWD, _GROUP = "/etc/passwd", "/etc/group"


class User(Struct, frozen=True):
    """A user by number. `groups` are the additional ones, `home` is what HOME starts as."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"


def resolve(tree: Tree, text: str | None) -> User:
    """Look up `user`, `uid`, `user:group` or `uid:gid`.

    Without a group, the user's own of /etc/passwd counts (0 for a uid that is not there), and the additional ones that
    /etc/group names; with one, that alone.

    Raises:
        RootError: a name is not in the root's files, or a number is none that Linux has.
    """
    name, _, group = (text or "0").partition(":")
    found = next((row for row in _rows(tree, _PASSWD, 7) if name in (row[0], row[2])), None)
    if found is None and not name.isdecimal():
        raise RootError(f"user {name!r} is not in {_PASSWD} of the image", hint="give a number, or add the user")
    uid = _number(found[2] if found else name)
    home = (found[5] if found else "") or "/"
    if group:
        return User(uid, _gid(tree, group), (), home)
    return User(uid, _number(found[3]) if found else 0, _additional(tree, found[0]) if found else (), home)


def _gid(tree: Tree, group: str) -> int:
    found = next((row[2] for row in _rows(tree, _GROUP, 4) if group in (row[0], row[2])), None)
    if found is None and not group.isdecimal():
        raise RootError(f"group {group!r} is not in {_GROUP} of the image", hint="give a number, or add the group")
    return _number(found or group)


def _additional(tree: Tree, name: str) -> tuple[int, ...]:
    rows = (row for row in _rows(tree, _GROUP, 4) if name in row[3].split(","))
    return tuple(dict.fromkeys(_number(row[2]) for row in rows))


def _number(text: str) -> int:
    if int(text) > _ID_MAX:
        raise RootError(f"{text}: no id that Linux has", hint=f"at most {_ID_MAX}")
    return int(text)


def _rows(tree: Tree, path: str, fields: int) -> Iterator[list[str]]:
    """Yield the lines that are whole and have numbers where they belong; others mean nothing."""
    at = tree.walk(path)
    if isinstance(at, Found) and isinstance(at.entry, Regular):
        for line in from_bytes(read(at.entry.content)).splitlines():
            row = line.split(":")
            if len(row) == fields and row[2].isdecimal() and (fields == 4 or row[3].isdecimal()):
                yield row
