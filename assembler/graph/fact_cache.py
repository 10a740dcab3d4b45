"""What was learnt of files, kept for the next run: one SQLite file in the user's cache folder.

Facts are kept under the SHA-256 of the file's bytes, so that they hold wherever the bytes turn up. A second table
remembers which bytes a file of this machine had, by what `stat` says of it, so that a file that was not touched is
not even opened. A cache is never worth failing for: one that is locked, damaged or from another version counts for
nothing, and is made anew.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from assembler.base.cache_folder import cache_folder
from assembler.base.content import FileContent
from assembler.base.errors import BrasmError
from assembler.base.threads import leave

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    import msgspec

    from assembler.base.content import Content

FILE: Final = "facts.sqlite"

_PLAIN: Final = b""
"""Stands for the digest of a file that does not begin as ELF: nothing else is asked of those."""
_BULK: Final = 500
"""Files of a device that are asked about one by one; for more, all of them are read at once."""
_MOST_FILES: Final = 200_000
_MOST_FACTS: Final = 100_000
_FRESH: Final = 2_000_000_000
"""Nanoseconds: a file that changed this lately may change again within one tick of the clock."""
_WAIT: Final = 1.0
"""Seconds that another process is waited for."""

_TABLES: Final = """
CREATE TABLE files (device INTEGER, inode INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER, digest BLOB,
                    PRIMARY KEY (device, inode));
CREATE TABLE facts (digest BLOB, kind TEXT, value BLOB, PRIMARY KEY (digest, kind));
"""


class Stat(NamedTuple):
    """What tells that a file of this machine was not touched; times in nanoseconds."""

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int

    @classmethod
    def of(cls, content: Content) -> Stat | None:
        """Return a content's, where it is a file of this machine."""
        if not isinstance(content, FileContent):
            return None
        stamp = content.stamp
        return cls(stamp.device, stamp.inode, stamp.size, stamp.mtime_ns, content.ctime_ns)


class FactCache:
    """The cache as one run sees it. What is learnt is written when it is closed."""

    def __init__(self, signature: int, path: str | None = None) -> None:
        """Open the cache.

        Args:
            signature: of the form of all values; a cache with another is emptied.
            path: of the file; default: in the user's cache folder.
        """
        self._path = path or os.path.join(cache_folder(), FILE)
        self._connection = _open(self._path, signature)
        self._known: dict[tuple[int, int], tuple[Any, ...]] = {}
        self._whole: set[int] = set()
        self._new_files: dict[Stat, bytes] = {}
        self._new_facts: list[tuple[Stat | None, str, bytes, bytes | Future[bytes]]] = []
        self._pool = ThreadPoolExecutor(2)
        self._hashing: dict[Stat, Future[bytes]] = {}

    def expect(self, contents: Iterable[Content]) -> None:
        """Get ready for many questions."""
        stats = [stat for content in contents if (stat := Stat.of(content)) is not None]
        for device in {stat.device for stat in stats} - self._whole:
            if sum(stat.device == device for stat in stats) > _BULK:
                self._whole.add(device)
                query = "SELECT inode, size, mtime, ctime, digest FROM files WHERE device = ?"
                for inode, *rest in self._ask(query, (device,)):
                    self._known[device, inode] = tuple(rest)

    def is_plain(self, content: Content) -> bool:
        """Say whether a file is known not to begin as ELF."""
        stat = Stat.of(content)
        return stat is not None and self._digest(stat) == _PLAIN

    def note_plain(self, content: Content) -> None:
        """Note that a file does not begin as ELF."""
        stat = Stat.of(content)
        if stat is not None:
            self._new_files[stat] = _PLAIN

    def fact(self, content: Content, kind: str, *, worth_hashing: bool) -> bytes | None:
        """Return a value of a kind for a file's bytes; None where there is none.

        Args:
            content: the file.
            kind: of value.
            worth_hashing: whether the fact costs more than a digest, so that bytes of an unknown file are looked up.

        Raises:
            SourceError: the file cannot be read.
        """
        stat = Stat.of(content)
        digest = None if stat is None else self._digest(stat)
        if digest is None and worth_hashing:
            digest = self._hash_once(content, stat).result()
        if not digest:
            return None
        found = self._ask("SELECT value FROM facts WHERE digest = ? AND kind = ?", (digest, kind))
        return _unseal(found[0][0]) if found else None

    def keep(self, content: Content, kind: str, value: bytes) -> None:
        """Keep a value for a file's bytes, whose digest is made meanwhile."""
        if self._connection is None:
            return
        stat = Stat.of(content)
        known = None if stat is None else self._digest(stat)
        self._new_facts.append((stat, kind, value, known or self._hash_once(content, stat)))

    def leave(self) -> None:
        """Close without writing, and without waiting for anything."""
        leave(self._pool)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Write what is new, in one go; if another process writes longer than we wait, let it be."""
        rows = self._rows()
        self._pool.shutdown()
        if self._connection is None:
            return
        try:
            with contextlib.closing(self._connection) as connection:
                if rows or self._new_files:
                    self._write(connection, rows)
        except sqlite3.DatabaseError as error:
            if not isinstance(error, sqlite3.OperationalError):
                _remove(self._path)
        self._connection = None

    def _rows(self) -> list[tuple[bytes, str, bytes]]:
        """Return the new facts with their digests; files that can be read no more have none."""
        rows = []
        for stat, kind, value, digest in self._new_facts:
            try:
                made = digest if isinstance(digest, bytes) else digest.result()
            except BrasmError:  # it changed since: what was learnt is of other bytes
                continue
            rows.append((made, kind, _seal(value)))
            if stat is not None:
                self._new_files[stat] = made
        return rows

    def _hash_once(self, content: Content, stat: Stat | None) -> Future[bytes]:
        """Start to make a file's digest, if that is not under way."""
        if stat is None:
            return self._pool.submit(_hash, content)
        if stat not in self._hashing:
            self._hashing[stat] = self._pool.submit(_hash, content)
        return self._hashing[stat]

    def _write(self, connection: sqlite3.Connection, rows: list[tuple[bytes, str, bytes]]) -> None:
        lately = time.time_ns() - _FRESH
        files = [(*stat, digest) for stat, digest in self._new_files.items() if stat.ctime < lately]
        with connection:
            connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", rows)
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", files)
            for table, most in (("files", _MOST_FILES), ("facts", _MOST_FACTS)):
                (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  (own names)
                if count > most:
                    oldest = f"SELECT rowid FROM {table} ORDER BY rowid LIMIT {count - most // 2}"  # noqa: S608
                    connection.execute(f"DELETE FROM {table} WHERE rowid IN ({oldest})")  # noqa: S608

    def _digest(self, stat: Stat) -> bytes | None:
        """Return the digest of a file that was not touched since it was last seen."""
        key = (stat.device, stat.inode)
        if key not in self._known and stat.device not in self._whole:
            query = "SELECT size, mtime, ctime, digest FROM files WHERE device = ? AND inode = ?"
            for row in self._ask(query, key):
                self._known[key] = row
        known = self._known.get(key)
        return known[3] if known is not None and known[:3] == stat[2:] else None

    def _ask(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        if self._connection is None:
            return []
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            self._connection = None
            if not isinstance(error, sqlite3.OperationalError):
                _remove(self._path)
            return []


def signature(*types: type[msgspec.Struct], salt: str = "") -> int:
    """Return a number that changes when the form of a type does, or what else a value depends on."""
    form = ";".join(f"{one.__name__}:{','.join(one.__struct_fields__)}" for one in types)
    return zlib.crc32(f"{form};{salt}".encode()) & 0x7FFFFFFF


def _open(path: str, form: int) -> sqlite3.Connection | None:
    """Open the file; one that is damaged is made anew, one that cannot be had is done without."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return _connect(path, form)
    except (sqlite3.OperationalError, OSError):  # another process has it, or the folder cannot be written
        return None
    except sqlite3.DatabaseError:
        _remove(path)
    with contextlib.suppress(sqlite3.Error):
        return _connect(path, form)
    return None


def _connect(path: str, form: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found != form:
            _empty(connection, form)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _empty(connection: sqlite3.Connection, form: int) -> None:
    connection.executescript(
        f"BEGIN IMMEDIATE; DROP TABLE IF EXISTS files; DROP TABLE IF EXISTS facts; {_TABLES}"
        f"PRAGMA user_version = {form}; COMMIT;"
    )


def _hash(content: Content) -> bytes:
    import hashlib

    hasher = hashlib.sha256()
    for chunk in content.chunks():
        hasher.update(chunk)
    return hasher.digest()


def _seal(value: bytes) -> bytes:
    return zlib.crc32(value).to_bytes(4, "little") + value


def _unseal(data: object) -> bytes | None:
    """Return a value, if it is the one that was written."""
    if not isinstance(data, bytes) or len(data) < 4 or zlib.crc32(data[4:]).to_bytes(4, "little") != data[:4]:
        return None
    return data[4:]


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
