"""Files of results: JSON Lines of `experiments.results.records`, appended to while trials run, read while they do.

In: records. Out: a file that has whole lines only, whatever happened meanwhile; and `Results`, what one or more of such
files say together. Of two records of one trial the later one counts: the later line, and the later file.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.digest import Digest
from assembler.base.errors import DestinationError, SourceError
from assembler.base.files import destination_errors, sync_folder, write_all
from assembler.base.paths import show
from assembler.experiments.results.lines import parse_lines
from assembler.experiments.results.records import Header, Record, RootRecord, TrialRecord, encode_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from assembler.experiments.results.lines import Lines

_SYNC_SECONDS: Final = 1.0
_HINT: Final = "give another file with -o"


class Results(Struct, frozen=True):
    """What files of results say.

    Attributes:
        headers: of the files, in order; a file that was put together of several has several.
        roots: root filesystems by digest.
        trials: sorted by number, then id; each once.
        notes: one line each: what was left out, and why.
    """

    headers: tuple[Header, ...]
    roots: Mapping[Digest, RootRecord]
    trials: tuple[TrialRecord, ...]
    notes: tuple[str, ...] = ()


def read_results(paths: Iterable[str]) -> Results:
    """Read files of results; they may be written to meanwhile.

    Raises:
        SourceError: one cannot be read, is none, is of another version, or has a line that is no record.
    """
    records: list[Record] = []
    notes: list[str] = []
    origins: dict[Digest, str] = {}
    again = 0
    for path in paths:
        lines = parse_lines(_read(path), path)
        if not lines.records:
            raise SourceError(f"{show(path)}: there are no results in it yet")
        if lines.cut:
            notes.append(f"{show(path)}: the last line is not finished: left out")
        ids = {record.id for record in lines.records if isinstance(record, TrialRecord)}
        again += len(ids & origins.keys())
        origins.update(dict.fromkeys(ids, path))
        records += lines.records
    if again:
        notes.append(f"trials that are in more than one file, of which the later counts: {again:,}")
    results = _results(records, notes)
    _check_roots(results, origins)
    return results


def results_lines(results: Results) -> Iterator[bytes]:
    """Yield the lines of a file that says the same."""
    records: list[Record] = [*results.headers, *results.roots.values(), *results.trials]
    for record in records:
        yield encode_record(record) + b"\n"


class Writer:
    """Appends records to a file, which has whole lines only, whatever happens. Nobody else writes to it meanwhile.

    Attributes:
        roots: those that the file has, by digest.
        trials: those that the file has, by id.
        notes: one line each, of what was found in the file.
    """

    def __init__(self, path: str, header: Header) -> None:
        """Open a file of results, or begin one.

        Args:
            path: of the file.
            header: of a new one; of one that is there the recipe must be the same.

        Raises:
            DestinationError: it cannot be written, another process writes to it, or it has another recipe's results.
            SourceError: it is there and is no file of results, or not one of this version.
        """
        self.roots: dict[Digest, RootRecord] = {}
        self.trials: dict[Digest, TrialRecord] = {}
        self.notes: tuple[str, ...] = ()
        self._path = path
        self._synced = time.monotonic()
        self._size = 0
        with destination_errors(path), ExitStack() as undo:
            self._descriptor, fresh = _open(path)
            undo.callback(os.close, self._descriptor)
            _lock(self._descriptor, path)
            if fresh:
                undo.callback(os.unlink, path)
            self._take_over(header)
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file; what was appended is on the disk then.

        Raises:
            DestinationError: the disk did not take it.
        """
        try:
            with destination_errors(self._path):
                os.fsync(self._descriptor)
        except DestinationError:
            if error is None:  # what went wrong first is told
                raise
        finally:
            os.close(self._descriptor)

    def append(self, record: RootRecord | TrialRecord) -> None:
        """Write a record as a line of its own; readers see it at once. A root that the file has is not written
        again, unless only now its files are listed.

        Raises:
            DestinationError: there is no room, or the disk fails; the file is as it was before.
        """
        if isinstance(record, RootRecord):
            if not is_news(record, self.roots):
                return
            self._write(record)
            self.roots[record.digest] = record
        else:
            self._write(record)
            self.trials[record.id] = record

    def _write(self, record: Record) -> None:
        with destination_errors(self._path):
            self._add(encode_record(record) + b"\n")
            if time.monotonic() - self._synced >= _SYNC_SECONDS:
                os.fsync(self._descriptor)
                self._synced = time.monotonic()

    def _add(self, data: bytes) -> None:
        """Write at the end, all or nothing."""
        try:
            write_all(self._descriptor, data)
            self._size += len(data)
        except BaseException:
            self._cut_off()
            raise

    def _cut_off(self) -> None:
        """Remove what is after the last whole line."""
        os.ftruncate(self._descriptor, self._size)
        os.lseek(self._descriptor, self._size, os.SEEK_SET)

    def _take_over(self, header: Header) -> None:
        """Read what the file has, and give it a whole line as its last."""
        lines = parse_lines(_read_all(self._descriptor), self._path)
        found = _results(lines.records, ())
        _check_roots(found, dict.fromkeys((trial.id for trial in found.trials), self._path))
        _check_recipe(found.headers, header, self._path)
        self._size = lines.size
        self._cut_off()
        if lines.unended:
            self._add(b"\n")
        if not found.headers:
            self._add(encode_record(header) + b"\n")
            os.fsync(self._descriptor)
            sync_folder(os.path.dirname(os.path.realpath(self._path)))
        self.roots.update(found.roots)
        self.trials.update((trial.id, trial) for trial in found.trials)
        self.notes = tuple(f"{show(self._path)}: {note}" for note in _found_notes(lines, found.headers, header))


def _open(path: str) -> tuple[int, bool]:
    """Open a file to read and to write, and say whether it was not there before."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_EXCL, 0o666), True
    except FileExistsError:
        return os.open(path, flags, 0o666), False


def _lock(descriptor: int, path: str) -> None:
    """Keep other writers out until the descriptor is closed (flock(2)); readers need no lock."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise DestinationError(f"{show(path)}: not a regular file, to which results can be added")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        who = _holder(os.fstat(descriptor)) or "another process"
        raise DestinationError(f"{show(path)}: {who} writes to it", hint=f"wait for it, or {_HINT}") from error


def _holder(status: os.stat_result) -> str | None:
    """Return who has locked a file (proc_locks(5)); a file system may show another device than stat(2) does."""
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    found: list[str] = []
    try:
        with open("/proc/locks", encoding="ascii", errors="replace") as locks:
            for line in locks:
                match line.split():
                    case [_, "FLOCK", _, "WRITE", pid, where, *_] if where == device:
                        return f"process {pid}"
                    case [_, "FLOCK", _, "WRITE", pid, where, *_] if where.endswith(f":{status.st_ino}"):
                        found.append(pid)
    except OSError:
        return None
    return f"process {found[0]}" if len(found) == 1 else None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise SourceError(f"{show(path)}: cannot be read: {error.strerror}") from error


def _read_all(descriptor: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as file:
        return file.read()


def _check_recipe(headers: Iterable[Header], own: Header, path: str) -> None:
    for header in headers:
        if header.recipe != own.recipe:
            message = f"{show(path)}: has results of the recipe {header.recipe!r}, not of {own.recipe!r}"
            raise DestinationError(message, hint=_HINT)


def _found_notes(lines: Lines, headers: Iterable[Header], own: Header) -> Iterator[str]:
    if lines.cut:
        yield "the last line was not finished: it is removed"
    if any(header.brasm != own.brasm for header in headers):
        yield f"begun by another version of brasm than {own.brasm}"
    if any(header.machine != own.machine for header in headers):
        yield "begun on another machine: times of the two do not compare"


def _results(records: Iterable[Record], notes: Iterable[str]) -> Results:
    headers: list[Header] = []
    roots: dict[Digest, RootRecord] = {}
    trials: dict[Digest, TrialRecord] = {}
    for record in records:
        match record:
            case Header():
                headers.append(record)
            case RootRecord():
                if is_news(record, roots):
                    roots[record.digest] = record
            case TrialRecord():
                trials[record.id] = record
    return Results(tuple(headers), roots, tuple(sorted(trials.values(), key=place_of)), tuple(notes))


def place_of(trial: TrialRecord) -> tuple[int, str]:
    """Return by what trials are sorted: their number, then their id."""
    return trial.number, trial.id


def is_news(root: RootRecord, known: Mapping[Digest, RootRecord]) -> bool:
    """Say whether a record of a root tells more than the one that is known: what is in it, where that was left out."""
    there = known.get(root.digest)
    return there is None or (bool(root.files) and not there.files)


def _check_roots(results: Results, origins: Mapping[Digest, str]) -> None:
    for trial in results.trials:
        if trial.root is not None and trial.root not in results.roots:
            where = show(origins[trial.id])
            raise SourceError(f"{where}: trial {trial.number} refers to a root that is not there: {trial.root}")
