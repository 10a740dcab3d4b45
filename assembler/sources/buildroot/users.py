"""Users tables: what Buildroot's mkusers does, on a draft (support/scripts/mkusers).

A line is `username uid group gid password home shell groups comment`. Ids: -1 is the next system id (100 to 999), -2
the next user's (1000 to 1999). Fixed ids come first, so that an automatic one never takes what a later line asks for.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from assembler.base.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from assembler.sources.buildroot.draft import Draft

AUTO_SYSTEM: Final = -1
AUTO_USER: Final = -2
_RANGES: Final = {AUTO_SYSTEM: range(100, 1000), AUTO_USER: range(1000, 2000)}
_PASSWD, _SHADOW, _GROUP, _GSHADOW = "/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"
_NONE: Final = "-"
_FIELDS: Final = 9


class UserLine(Struct, frozen=True):
    """A line of a users table, field for field; `username` `-` makes groups only."""

    number: int
    username: str
    uid: int
    group: str
    gid: int
    password: str
    home: str
    shell: str
    groups: tuple[str, ...]
    comment: str


def parse_users_table(text: str, where: str) -> tuple[UserLine, ...]:
    """Read a table.

    Raises:
        SourceError: a line cannot be understood; with its number.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        plain = line.partition("#")[0].strip()
        if plain:
            found.append(_parse(plain, number, f"{where}:{number}"))
    return tuple(found)


def _parse(line: str, number: int, at: str) -> UserLine:
    words = line.split(None, _FIELDS - 1)
    if len(words) < _FIELDS - 1:
        raise SourceError(
            f"{at}: {line!r}: a users table needs username, uid, group, gid, password, home, shell, groups, comment"
        )
    username, uid, group, gid, password, home, shell, groups = words[:8]
    if username == "root":
        raise SourceError(
            f"{at}: a users table cannot make root", hint="BR2_TARGET_GENERIC_ROOT_PASSWD sets its password"
        )
    if home == "/" or (home != _NONE and not home.startswith("/")):
        raise SourceError(f"{at}: home {home!r} is not an absolute path below /", hint="'-' for none")
    return UserLine(
        number,
        username,
        _id(uid, f"{at}: uid", allow_zero=username == _NONE),
        group,
        _id(gid, f"{at}: gid"),
        password,
        home,
        shell,
        () if groups == _NONE else tuple(filter(None, groups.split(","))),
        " ".join(words[8:]),
    )


def _id(text: str, at: str, *, allow_zero: bool = False) -> int:
    if allow_zero and text in {_NONE, "0"}:
        return AUTO_SYSTEM
    if not re.fullmatch(r"-?\d+", text) or int(text) < AUTO_USER or int(text) == 0:
        raise SourceError(f"{at} {text!r} is none", hint="a number above 0, -1 for the next system id, -2 for a user's")
    return int(text)


def apply_users_table(draft: Draft, lines: tuple[UserLine, ...], method: str, where: str) -> None:
    """Make the users and groups of a table, and their homes.

    Args:
        draft: what they are made in.
        lines: the table.
        method: how clear passwords are hashed: `BR2_TARGET_GENERIC_PASSWD_METHOD`.
        where: what errors call the table.

    Raises:
        SourceError: an id or a name is taken, or one of the files is missing; with the line's number.
    """
    if not lines:
        return
    accounts = _Accounts(draft, method)
    for line in _fixed_first(lines, lambda line: line.gid):
        accounts.add_group(line.group, line.gid, f"{where}:{line.number}")
    for line in lines:
        for group in line.groups:
            accounts.add_group(group, _kind_of(line.uid), f"{where}:{line.number}")
    named = [line for line in lines if line.username != _NONE]
    homes = [
        (line.home, *accounts.add_user(line, f"{where}:{line.number}"))
        for line in _fixed_first(named, lambda line: line.uid)
    ]
    accounts.save()
    for home, uid, gid in homes:
        if home != _NONE:
            made = draft.make_directory(home)
            if made is None:
                raise SourceError(f"{where}: home {home}: there is something else")
            draft.change(draft.below(made.path), uid=uid, gid=gid)


def _fixed_first(lines: Iterable[UserLine], key: Callable[[UserLine], int]) -> list[UserLine]:
    return sorted(lines, key=lambda line: key(line) < 0)


def _kind_of(uid: int) -> int:
    """Return which kind of id an additional group gets: its user's kind."""
    return uid if uid < 0 else AUTO_SYSTEM if uid in range(_RANGES[AUTO_SYSTEM].stop) else AUTO_USER


class _Accounts:
    """The four files as rows of fields."""

    def __init__(self, draft: Draft, method: str) -> None:
        self._draft = draft
        self._method = method
        self._rows: dict[str, list[list[str]]] = {}
        self._given: dict[str, int] = {}
        for path in (_PASSWD, _SHADOW, _GROUP, _GSHADOW):
            text = draft.text(path)
            if text is None and path != _GSHADOW:
                raise SourceError(f"{path}: not in the root, and a users table needs it", hint="the skeleton brings it")
            if text is not None:
                self._rows[path] = [line.split(":") for line in text.splitlines()]

    def save(self) -> None:
        """Write the files back."""
        for path, rows in self._rows.items():
            self._draft.write(path, "".join(":".join(row) + "\n" for row in rows))

    def add_group(self, group: str, gid: int, at: str) -> None:
        """Add a group; one that the skeleton has moves to the end with the id that the table gives, as in mkusers."""
        if gid < 0:
            gid = self._free_id(_GROUP, group, gid, at)
        elif self._given.setdefault(group, gid) != gid:
            raise SourceError(f"{at}: group {group!r} has gid {self._given[group]} already, not {gid}")
        owner = self._by_id(_GROUP, gid)
        if owner not in {None, group}:
            raise SourceError(f"{at}: gid {gid} of {group!r} is group {owner!r} already")
        row = self._row(_GROUP, group)
        self._replace(_GROUP, [group, "x", str(gid), row[3] if row is not None and len(row) > 3 else ""])
        if _GSHADOW in self._rows:
            self._replace(_GSHADOW, [group, "*", "", ""])

    def add_user(self, line: UserLine, at: str) -> tuple[int, int]:
        """Add a user, or replace one; return its ids."""
        uid = line.uid if line.uid >= 0 else self._free_id(_PASSWD, line.username, line.uid, at)
        group = next(row for row in self._rows[_GROUP] if row[0] == line.group)  # all groups were made before
        self._check_user(line, uid, group, at)
        home = "/" if line.home == _NONE else line.home
        shell = "/bin/false" if line.shell == _NONE else line.shell
        self._replace(_PASSWD, [line.username, "x", str(uid), group[2], line.comment, home, shell])
        self._replace(_SHADOW, [line.username, self._password(line, at), *[""] * 7])
        for name in line.groups:
            self._add_member(name, line.username)
        return uid, int(group[2])

    def _check_user(self, line: UserLine, uid: int, group: list[str], at: str) -> None:
        owner = self._by_id(_PASSWD, uid)
        if owner not in {None, line.username}:
            raise SourceError(f"{at}: uid {uid} of {line.username!r} is user {owner!r} already")
        row = self._row(_PASSWD, line.username)
        if row is not None and row[2] != str(uid):
            raise SourceError(f"{at}: user {line.username!r} has uid {row[2]} already, not {uid}")
        if row is not None and row[3] != group[2]:
            raise SourceError(f"{at}: user {line.username!r} has gid {row[3]} already, not {group[2]} ({line.group})")

    def _password(self, line: UserLine, at: str) -> str:
        """Return the field of the shadow file: `-` none, `=clear`, `!=clear` hashed and locked, else as it stands."""
        if line.password == _NONE:
            return ""
        locked, equals, clear = line.password.partition("=")
        if not equals or locked not in {"", "!"}:
            return line.password
        return locked + hash_password(clear, self._method, line.username, at)

    def _add_member(self, group: str, user: str) -> None:
        for path in (_GROUP, _GSHADOW):
            row = self._row(path, group)
            if row is not None:
                members = [one for one in row[3].split(",") if one and one != user]
                row[3] = ",".join([*members, user])

    def _free_id(self, path: str, name: str, kind: int, at: str) -> int:
        row = self._row(path, name)
        if row is not None:
            return int(row[2])
        taken = {other[2] for other in self._rows[path] if len(other) > 2}
        free = next((number for number in _RANGES[kind] if str(number) not in taken), None)
        if free is None:
            raise SourceError(f"{at}: no id is free for {name!r}")
        return free

    def _row(self, path: str, name: str) -> list[str] | None:
        return next((row for row in self._rows.get(path, ()) if row[0] == name), None)

    def _by_id(self, path: str, number: int) -> str | None:
        return next((row[0] for row in self._rows[path] if len(row) > 2 and row[2] == str(number)), None)

    def _replace(self, path: str, row: list[str]) -> None:
        self._rows[path] = [other for other in self._rows[path] if other[0] != row[0]] + [row]


def hash_password(clear: str, method: str, username: str, at: str = "password") -> str:
    """Hash a clear password as mkpasswd(1) does, but with a salt that is the same every time: the user's name.

    Args:
        clear: the password.
        method: `BR2_TARGET_GENERIC_PASSWD_METHOD`: `sha-256`, `sha-512`, `md5`, `des`.
        username: whose it is.
        at: what errors begin with.

    Raises:
        SourceError: the method is not known.
    """
    from passlib import hash as hashes  # few tables have clear passwords

    salt = sha256(b"brasm user " + username.encode()).hexdigest()
    known: dict[str, tuple[Any, dict[str, Any]]] = {
        "sha-256": (hashes.sha256_crypt, {"salt": salt[:16], "rounds": 5000}),
        "sha-512": (hashes.sha512_crypt, {"salt": salt[:16], "rounds": 5000}),
        "md5": (hashes.md5_crypt, {"salt": salt[:8]}),
        "des": (hashes.des_crypt, {"salt": salt[:2]}),
    }
    if method in known:
        scheme, settings = known[method]
        return str(scheme.using(**settings).hash(clear))
    raise SourceError(f"{at}: password method {method!r} is not known", hint="known: des, md5, sha-256, sha-512")
