"""Sizes in and out."""

from __future__ import annotations

import pytest

from assembler.base.units import format_size, on_disk, parse_size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (12_250_000, "12.25 MB"),
        (999_999, "1.00 MB"),
        (3 * 10**9, "3.00 GB"),
    ],
)
def test_format(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("text", "size"), [("2.5 MB", 2_500_000), ("64 KiB", 65_536), ("4096", 4096), ("1kB", 1000), (" 7 B ", 7)]
)
def test_parse(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "2,5 MB", "5 XB", "-1"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(("size", "blocks"), [(0, 0), (1, 4096), (4096, 4096), (4097, 8192)])
def test_on_disk(size: int, blocks: int) -> None:
    assert on_disk(size) == blocks
