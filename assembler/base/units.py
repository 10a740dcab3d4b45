"""Sizes for people: decimal units, as `ls --si`, docker and registries count them."""

from __future__ import annotations

import re

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def format_size(size: int) -> str:
    """Write a number of bytes with three or four digits: `999 B`, `12.25 MB`."""
    if abs(size) < 1000:
        return f"{size} B"
    value = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if abs(value) < 999.995 or unit == "TB":
            break
    return f"{value:.2f} {unit}"


def parse_size(text: str) -> int:
    """Read `2.5 MB`, `64 KiB` or `4096` as a number of bytes.

    Raises:
        ValueError: the number or the unit is not understood.
    """
    match = _SIZE.fullmatch(text)
    unit = match and _UNITS.get(match[2].upper())
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not a size; write it like '2.5 MB', '64 KiB' or '4096'")
    return round(float(match[1]) * unit)


def on_disk(size: int, block: int = 4096) -> int:
    """Return the bytes that a file of this size takes on a disk of such blocks."""
    return -(-size // block) * block
