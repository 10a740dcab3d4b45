"""The lines of a file of results: bytes in, records out.

A file whose writer was interrupted may end in the middle of a line: what is before it counts. Source: jsonlines.org.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from assembler.base.errors import SourceError
from assembler.base.paths import show
from assembler.experiments.results.records import DECODER, VERSION, Record

_START: Final = b'{"kind":"results"'
"""How each file begins."""


class Lines(Struct, frozen=True):
    """A file: its records, the bytes that its whole lines have, and whether the last of them lacks its end."""

    records: tuple[Record, ...]
    size: int
    cut: bool
    unended: bool


class _Head(Struct, frozen=True):
    """What headers of all versions have."""

    kind: str = ""
    version: int = 0


def parse_lines(data: bytes, path: str) -> Lines:
    """Read whole lines; of the last one, which lacks its end, only what is a record all the same.

    Raises:
        SourceError: `path` is no file of results, is of another version, or has a line that is no record.
    """
    *whole, rest = data.split(b"\n")
    if not whole and not rest.startswith(_START):
        if not _START.startswith(rest):
            raise _foreign(path)
        return Lines((), 0, cut=bool(rest), unended=False)
    records = tuple(_record(line, f"{show(path)}:{number}", number, path) for number, line in enumerate(whole, start=1))
    try:
        last = (_record(rest, "", len(whole) + 1, path),) if rest else ()
    except SourceError:
        return Lines(records, len(data) - len(rest), cut=True, unended=False)
    return Lines((*records, *last), len(data), cut=False, unended=bool(rest))


def _record(line: bytes, place: str, number: int, path: str) -> Record:
    try:
        head = msgspec.json.decode(line, type=_Head) if number == 1 or line.startswith(_START) else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        head = _Head()
    if head is not None and head.kind != "results":
        raise _foreign(path)
    if head is not None and head.version != VERSION:
        raise SourceError(
            f"{show(path)}: results in version {head.version} of their form; this brasm has version {VERSION}",
            hint="use the brasm that wrote it, or give another file",
        )
    try:
        record: Record = DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"{place}: no record of results: {error}") from error
    return record


def _foreign(path: str) -> SourceError:
    return SourceError(f"{show(path)}: not a file of results", hint="brasm tune RECIPE -o FILE writes one")
