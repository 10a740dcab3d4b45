"""The folder of a run on a worker's machine, which all workers of that machine share.

    TMPDIR/brasm-trials-RUN/sha256-PARCEL.contents    the contents of a parcel: a tar, fetched once
    TMPDIR/brasm-trials-RUN/sha256-DIFF_ID.tar        a tar of a trial, made of contents and its script, once

Each file is locked while it is made (flock(2), so that the kernel lets go for who is killed), held to its digest, and
there whole or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import re
import shutil
import tempfile
import time
from typing import TYPE_CHECKING, BinaryIO, Final

from assembler.base.content import CHUNK, SharedFile, Span
from assembler.base.errors import DestinationError, SourceError
from assembler.base.files import destination_errors, temporary_name
from assembler.base.paths import show
from assembler.experiments.cluster.parcel import Part, open_parcel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.base.content import Content
    from assembler.base.digest import Digest
    from assembler.experiments.cluster.parcel import Piece, Share
    from assembler.oci.types import Descriptor

_PREFIX: Final = "brasm-trials-"
_STALE: Final = 86400.0
"""Seconds after which a folder that nobody looked into is that of a run which could not tidy up."""


def folder_of(run: str) -> str:
    """Return where a run keeps its files on this machine."""
    return os.path.join(tempfile.gettempdir(), _PREFIX + run)


def remove(run: str) -> None:
    """Remove what a run keeps on this machine."""
    shutil.rmtree(folder_of(run), ignore_errors=True)


class Depot:
    """A run's folder, seen by who works on one tar; a `Tars`."""

    def __init__(self, run: str, share: Share, parcels: Sequence[Descriptor]) -> None:
        """Make the folder where it is missing.

        Args:
            run: which.
            share: where parcels are fetched from.
            parcels: what the tar is made of: that of its script first.

        Raises:
            DestinationError: it cannot be made, or belongs to somebody else.
        """
        self._folder = folder_of(run)
        self._share = share
        self._parcels = parcels
        _make_folder(self._folder)

    def content(self, diff_id: Digest) -> Content:
        """See `Tars.content`: the tar is made now, if it does not lie there.

        Raises:
            SourceError, ImageError: a parcel is not there, or damaged, or is of other contents.
            DestinationError: there is no room.
        """
        path = self._file(diff_id, "tar")
        with _made(path) as fresh:
            if fresh:
                self._make(diff_id, path)
        return _content(path)

    def fetch(self) -> None:
        """Have the contents of all parcels here.

        Raises:
            SourceError, ImageError, DestinationError: see `content`.
        """
        for parcel in self._parcels:
            path = self._file(parcel.digest, "contents")
            with _made(path) as fresh:
                if fresh:
                    found = open_parcel(self._share, parcel)
                    with _whole(path) as file:
                        file.writelines(found.contents())

    def forget(self, diff_ids: Sequence[Digest]) -> None:
        """Remove tars that no task names any more."""
        for diff_id in diff_ids:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._file(diff_id, "tar"))

    def _file(self, digest: Digest, kind: str) -> str:
        return os.path.join(self._folder, f"{digest.replace(':', '-')}.{kind}")

    def _make(self, diff_id: Digest, path: str) -> None:
        self.fetch()
        known: dict[str, Content] = {}
        for parcel in self._parcels:
            known.update(_members(self._file(parcel.digest, "contents")))
        hasher = hashlib.sha256()
        with _whole(path) as file:
            for piece in open_parcel(self._share, self._parcels[0]).pieces(diff_id):
                for chunk in _bytes_of(piece, known, diff_id):
                    hasher.update(chunk)
                    file.write(chunk)
            if (found := f"sha256:{hasher.hexdigest()}") != diff_id:
                raise SourceError(f"the tar that was made for {diff_id} has the digest {found}")


def _bytes_of(piece: Piece, known: Mapping[str, Content], diff_id: Digest) -> Iterator[bytes]:
    if not isinstance(piece, Part):
        yield piece
        return
    content = known.get(piece.digest)
    if content is None or content.size != piece.size:
        raise SourceError(f"the tar {diff_id} wants the content {piece.digest}, which its parcels do not have")
    yield from content.chunks()


@functools.lru_cache(maxsize=64)
def _members(path: str) -> Mapping[str, Content]:
    """Return the contents of a parcel by their digests: its file never changes."""
    from assembler.base.progress import Silent
    from assembler.sources.tarball import read_tarball
    from assembler.tree import Regular

    if os.path.getsize(path) == 0:
        return {}
    entries = read_tarball(path, Silent())
    return {f"sha256:{entry.path[1:]}": entry.content for entry in entries if isinstance(entry, Regular)}


def _content(path: str) -> Content:
    try:
        file = SharedFile.existing(path)
    except OSError as error:
        raise SourceError(f"{show(path)}: cannot be read: {error.strerror}") from error
    return Span(file, 0, os.fstat(file.fileno()).st_size)


@contextlib.contextmanager
def _whole(path: str) -> Iterator[BinaryIO]:
    """Give a file that is there whole at the end, or not at all; it need not outlast the machine, so nobody syncs."""
    temporary = temporary_name(path)
    try:
        with open(temporary, "xb", buffering=CHUNK) as file:
            yield file
        os.rename(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


@contextlib.contextmanager
def _made(path: str) -> Iterator[bool]:
    """Hold a path alone, and say whether it is still to be made."""
    with destination_errors(path):
        os.utime(os.path.dirname(path))  # somebody looks into it
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield not os.path.exists(path)
        finally:
            os.close(lock)


def _make_folder(path: str) -> None:
    """Make a folder for this user alone; the name is known to all who may read the scheduler's tasks."""
    with destination_errors(path):
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            status = os.lstat(path)
            if status.st_uid != os.geteuid() or not os.path.isdir(path) or os.path.islink(path):
                raise DestinationError(f"{show(path)}: belongs to somebody else") from None
        else:
            _sweep(os.path.dirname(path))


def _sweep(above: str) -> None:
    """Remove what runs left that ended where nobody could tidy up: with the machine, or with all its workers."""
    for entry in os.scandir(above):
        if re.fullmatch(re.escape(_PREFIX) + "[0-9a-f]+", entry.name) and entry.is_dir(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if status.st_uid == os.geteuid() and time.time() - status.st_mtime > _STALE:
                    shutil.rmtree(entry.path, ignore_errors=True)
