"""What this machine knows of blobs in registries, between runs and between processes.

A small file for each blob of each registry, in the user's cache: which repositories have it, so that it can be mounted
from there, and an upload that is not done, so that it can go on. Whoever sends a blob holds the file's lock (flock(2)),
so that of several processes one sends it and the others find it there. Nothing depends on such a file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from assembler.base.cache_folder import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_REPOSITORIES: Final = 8
_MOST_AGE: Final = 30 * 24 * 3600
"""Seconds after which a file that nobody used goes."""


class Session(Struct, frozen=True):
    """An upload that is not done: where it goes on (its Location), and the bytes that were taken."""

    location: str
    offset: int


class Facts(Struct, frozen=True):
    """What is known of a blob: repositories that have it, the latest first; sessions by repository."""

    repositories: tuple[str, ...] = ()
    sessions: dict[str, Session] = {}


_DECODER: Final = msgspec.json.Decoder(Facts)
"""Made here, where there is one thread: two that have msgspec look at a type for the first time end in a crash."""


class Note:
    """The file of one blob, while it is locked; `descriptor` is None where nothing can be kept."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._facts = _read(descriptor)

    @property
    def facts(self) -> Facts:
        """What is known."""
        return self._facts

    def has(self, repository: str) -> None:
        """Remember that a repository has the blob, and that no upload to it is under way."""
        others = (name for name in self._facts.repositories if name != repository)
        names = (repository, *others)[:_MOST_REPOSITORIES]
        self._write(Facts(names, _without(self._facts.sessions, repository)))

    def has_not(self, repository: str) -> None:
        """Forget a repository that turned out not to have it."""
        names = tuple(name for name in self._facts.repositories if name != repository)
        self._write(Facts(names, self._facts.sessions))

    def under_way(self, repository: str, session: Session | None) -> None:
        """Remember where an upload is to go on, or that there is none."""
        sessions = _without(self._facts.sessions, repository)
        self._write(Facts(self._facts.repositories, sessions if session is None else {**sessions, repository: session}))

    def _write(self, facts: Facts) -> None:
        """Write in place: what a crash tears apart counts for nothing when it is read."""
        if facts == self._facts:
            return
        self._facts = facts
        if self._descriptor is not None:
            data = msgspec.json.encode(facts)
            with contextlib.suppress(OSError):  # a full disk: it is known for this run
                os.pwrite(self._descriptor, data, 0)
                os.ftruncate(self._descriptor, len(data))


@contextlib.contextmanager
def noted(host: str, key: str, folder: str | None = None, waiting: Callable[[], None] = lambda: None) -> Iterator[Note]:
    """Hold what is known of a blob; whoever else wants it waits.

    Args:
        host: the registry.
        key: a digest, or whatever else one process at a time is to change.
        folder: of the files; default: in the user's cache.
        waiting: called if somebody else holds it.
    """
    descriptor = _locked(folder or os.path.join(cache_folder(), "registry"), f"{host}\n{key}", waiting)
    try:
        yield Note(descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def prune(folder: str | None = None, now: float | None = None) -> None:
    """Remove files that were not used for a month; once a run is enough."""
    folder = folder or os.path.join(cache_folder(), "registry")
    oldest = (time.time() if now is None else now) - _MOST_AGE
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # another process was faster, or it is none of ours
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    os.unlink(entry.path)


def _locked(folder: str, key: str, waiting: Callable[[], None]) -> int | None:
    """Return a locked file; None where there can be none: a cache is not worth failing for."""
    path = os.path.join(folder, hashlib.sha256(key.encode()).hexdigest()[:40])
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                _lock(descriptor, waiting)
                if os.fstat(descriptor).st_nlink:
                    os.utime(descriptor)  # in use: not to be pruned
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # pruned while we waited
    except OSError:
        return None


def _lock(descriptor: int, waiting: Callable[[], None]) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting()
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _read(descriptor: int | None) -> Facts:
    if descriptor is None:
        return Facts()
    try:
        return _DECODER.decode(os.pread(descriptor, 1 << 20, 0))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Facts()


def _without(sessions: dict[str, Session], repository: str) -> dict[str, Session]:
    return {name: session for name, session in sessions.items() if name != repository}
