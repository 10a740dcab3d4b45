"""What a record holds: figures as values. `report.py` writes it for people, `results.json` has the same for programs.

Seconds, bytes, and ratios without a unit. A ratio is what a contender took over what its peer took in the same round.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

VERSION: Final = 1
"""Of the form of `results.json`: a reader refuses others."""


class Spread(Struct, frozen=True):
    """The median of the rounds, the least and the most of them."""

    median: float
    least: float
    most: float


class Row(Struct, frozen=True):
    """A contender: how many rounds it ran, what they took, what each ratio of its table came to.

    Attributes:
        name: as it stands in the table.
        rounds: how many count.
        wall: seconds.
        cpu: seconds of all cores.
        peak: bytes of the largest process at its largest.
        size: bytes of what it made, where that is compared.
        ratios: by the title of the column.
    """

    name: str
    rounds: int
    wall: Spread
    cpu: Spread
    peak: Spread
    size: int | None
    ratios: dict[str, Spread]


class Calibration(Struct, frozen=True):
    """One command that took part twice, as two contenders: wall time of the second over that of the first."""

    name: str
    ratio: Spread


class Table(Struct, frozen=True):
    """Contenders of one contest, and what is to be said of them.

    Attributes:
        title: of the table; empty where the section has one only.
        about: what was done.
        rows: in the order in which the contenders were named.
        calibration: how far two equal contenders differ here.
        notes: a sentence each.
    """

    title: str
    about: str
    rows: tuple[Row, ...]
    calibration: Calibration | None = None
    notes: tuple[str, ...] = ()


class Listing(Struct, frozen=True):
    """A small table of text beside the contests."""

    about: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Target(Struct, frozen=True):
    """Something to reach: what, the limit, what was measured (None: nothing to measure it with), both in one unit."""

    what: str
    limit: float
    measured: float | None
    unit: str = ""


class InputRecord(Struct, frozen=True):
    """A root filesystem that was measured with: what tells two records apart whose inputs differ.

    Attributes:
        about: what it is and where it is from.
        sha256: of its tar.
        size: bytes of the tar.
        entries: files and folders, as unpacked.
        content: bytes of all regular files, hard links once.
    """

    about: str
    sha256: str
    size: int
    entries: int
    content: int


class SectionRecord(Struct, frozen=True):
    """A section.

    Attributes:
        name: what `--only` calls it.
        title: its heading.
        about: what is compared, and how.
        skipped: why nothing was measured.
        brasm: the version and the revision that was measured.
        when: the day, in UTC.
        seconds: that it took, with all that is not counted.
        load: of the machine before the run, a core, by `getloadavg(3)`.
        others: share of the machine's CPU time meanwhile that neither the section nor idleness took.
        left_out: contenders that could not take part, each with the reason.
    """

    name: str
    title: str
    about: str
    skipped: str | None = None
    brasm: str = ""
    when: str = ""
    seconds: float = 0.0
    load: float = 0.0
    others: float = 0.0
    tables: tuple[Table, ...] = ()
    listings: tuple[Listing, ...] = ()
    targets: tuple[Target, ...] = ()
    left_out: dict[str, str] = {}


class Record(Struct, frozen=True):
    """All of it.

    Attributes:
        version: of this form.
        machine: facts by name.
        programs: the version of each program that was asked for, or why it could not be had.
        inputs: by name.
        sections: in their order.
    """

    version: int
    machine: dict[str, str]
    programs: dict[str, str]
    inputs: dict[str, InputRecord]
    sections: tuple[SectionRecord, ...]


class Refused(ValueError):
    """A record that cannot be used, with the reason."""


def encode(record: Record) -> bytes:
    """Write a record as JSON that a person can read and `diff` can compare."""
    return msgspec.json.format(msgspec.json.encode(record, order="deterministic"), indent=1) + b"\n"


def decode(text: bytes) -> Record:
    """Read a record.

    Raises:
        Refused: it is none, or of another version of the form.
    """
    try:
        record = msgspec.json.decode(text, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"no record of the benches: {error}") from error
    if record.version != VERSION:
        raise Refused(f"a record of form {record.version}; this program reads form {VERSION}")
    return record


def updated(old: Record, new: Record) -> Record:
    """Return a record with sections replaced by newer ones of the same machine, programs and inputs.

    Raises:
        Refused: the figures of the two do not belong together.
    """
    for what, ours, theirs in (
        ("machine", old.machine, new.machine),
        ("programs", old.programs, new.programs),
        ("inputs", old.inputs, new.inputs),
    ):
        changed = sorted(key for key in ours.keys() & theirs.keys() if ours[key] != theirs[key])
        if changed:
            raise Refused(f"the record was measured with other {what}: {', '.join(changed)}; run all sections")
    newer = {section.name: section for section in new.sections}
    kept = [newer.pop(section.name, section) for section in old.sections]
    return Record(
        version=VERSION,
        machine={**old.machine, **new.machine},
        programs={**old.programs, **new.programs},
        inputs={**old.inputs, **new.inputs},
        sections=(*kept, *newer.values()),
    )
