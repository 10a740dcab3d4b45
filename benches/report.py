"""The record: a table for people, with what it was measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from assembler import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benches.measure import Sample


class Row(NamedTuple):
    """A contender's medians, the extremes of its wall time, and the bytes of its layer."""

    name: str
    sample: Sample
    fastest: float
    slowest: float
    size: int


class Target(NamedTuple):
    """Something to reach: what, the limit, what was measured, both in the same unit."""

    what: str
    limit: float
    measured: float
    unit: str = ""


def comparison(rows: Sequence[Row], gzip: Row, umoci: Row) -> str:
    """Write the table of contenders."""
    lines = [
        [
            row.name,
            f"{row.sample.wall:.2f} ({row.fastest:.2f} to {row.slowest:.2f})",
            f"{row.sample.cpu:.2f}",
            f"{row.sample.peak / 1e6:.0f}",
            f"{row.size:,}",
            f"{row.sample.wall / gzip.sample.wall:.2f}",
            f"{row.sample.wall / umoci.sample.wall:.2f}",
            f"{row.size / umoci.size:.3f}",
        ]
        for row in rows
    ]
    head = ["", "wall, s", "CPU, s", "peak, MB", "layer, bytes", "wall / gzip", "wall / umoci", "bytes / umoci"]
    return table(head, lines)


def targets(rows: Iterable[Target]) -> str:
    """Write the table of what was to be reached."""
    return table(
        ["target", "at most", "measured", "reached"],
        [[row.what, f"{row.limit:g} {row.unit}", f"{row.measured:.3g} {row.unit}", _verdict(row)] for row in rows],
    )


def _verdict(row: Target) -> str:
    return "yes" if row.measured <= row.limit else "**no**"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table: the first column is text, the others are figures."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join("| " + " | ".join(cell.strip() for cell in row) + " |\n" for row in (head, rule, *rows))


def machine() -> str:
    """Write what the figures were measured on."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    processor = model[1] if model else platform.machine()
    versions = [
        f"brasm {__version__}",
        f"Python {sys.version.split()[0]}",
        *(_version(command) for command in ("umoci", "buildah", "tar", "gzip")),
    ]
    return (
        f"- Processor: {processor}, {os.cpu_count()} cores; {memory / 1e9:.0f} GB of memory; "
        f"Linux {platform.release().split('-')[0]}; load before: {os.getloadavg()[0]:.2f}\n"
        f"- Programs: {', '.join(versions)}\n"
    )


def _version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"\d+(?:\.\d+)+", done.stdout)
    return f"{program} {found[0] if found else 'unknown'}"
