"""The measures of a trial: names, units, and which way is better. One table, for results, reports and the search."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from assembler.base.units import format_size

Unit = Literal["B", "s", ""]


class Measure(Struct, frozen=True):
    """A measure; of all of them less is better.

    Attributes:
        name: its key in records and on the command line.
        title: what tables and plots call it.
        unit: `B` for bytes, `s` for seconds, empty for a count.
        about: what it is, in one line.
        exact: whether it is the same wherever the trial runs.
    """

    name: str
    title: str
    unit: Unit
    about: str
    exact: bool


_ALL: Final = (
    Measure("compressed", "compressed", "B", "the layers as stored", exact=True),
    Measure("transferred", "transferred", "B", "layers, config and manifest: what a registry has", exact=True),
    Measure("unpacked", "unpacked", "B", "the bytes of the files, hard links once", exact=True),
    Measure("on_disk", "on disk", "B", "the same in blocks of 4 KiB, directories with one each", exact=True),
    Measure("files", "files", "", "regular files, hard links once", exact=True),
    Measure("layers", "layers", "", "layers of the image", exact=True),
    Measure("libraries", "libraries", "", "shared libraries that the entrypoint maps when it starts", exact=True),
    Measure("relocations", "relocations", "", "dynamic relocations that the loader works on at the start", exact=True),
    Measure("plan_seconds", "plan", "s", "CPU time of resolving and planning, the tree being read", exact=False),
    Measure("compress_seconds", "compress", "s", "CPU time of compressing the layers", exact=False),
    Measure("pack_seconds", "pack", "s", "CPU time of planning and compressing", exact=False),
    Measure("unpack_seconds", "unpack", "s", "CPU time of decompressing the layers", exact=False),
    Measure("test_seconds", "tests", "s", "wall time of the recipe's tests", exact=False),
)

MEASURES: Final = {measure.name: measure for measure in _ALL}


def format_measure(name: str, value: float) -> str:
    """Write a measure for people: `12.25 MB`, `0.123 s`, `1,234`."""
    unit = MEASURES[name].unit if name in MEASURES else ""
    if unit == "B":
        return format_size(int(value))
    return f"{value:.3f} s" if unit == "s" else f"{value:,.0f}"


def rounded(seconds: float) -> float:
    """Return a time as records have it: to the microsecond, which is finer than any clock here is right."""
    return round(seconds, 6)
