"""Rectangles in a rectangle, as large as what they stand for and nearly square.

The algorithm is that of Bruls, Huizing and van Wijk, "Squarified Treemaps" (2000); `treemap.js` has the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence


class Box(Struct, frozen=True):
    """A rectangle; `x` and `y` are its corner with the least of both."""

    x: float
    y: float
    width: float
    height: float


def squarify(sizes: Sequence[float], box: Box) -> tuple[Box, ...]:
    """Lay rectangles out.

    Args:
        sizes: positive, the largest first.
        box: what they fill.

    Returns:
        A rectangle for each size, in the same order; the areas have the same ratios as the sizes.
    """
    placed: list[Box] = []
    rest = float(sum(sizes))
    while len(placed) < len(sizes):
        begin = len(placed)
        scale = box.width * box.height / rest
        end = _row_end(sizes, begin, min(box.width, box.height), scale)
        row = [size * scale for size in sizes[begin:end]]
        placed += _lay(row, box)
        box = _left(box, sum(row))
        rest -= sum(sizes[begin:end])
    return tuple(placed)


def _row_end(sizes: Sequence[float], begin: int, side: float, scale: float) -> int:
    """Return where the row along a side ends: before the size that would make its rectangles less square."""
    total, worst = 0.0, float("inf")
    for end in range(begin, len(sizes)):
        total += sizes[end] * scale
        largest, smallest = sizes[begin] * scale, sizes[end] * scale
        ratio = max(side**2 * largest / total**2, total**2 / (side**2 * smallest))
        if ratio > worst:
            return end
        worst = ratio
    return len(sizes)


def _lay(row: Sequence[float], box: Box) -> list[Box]:
    thick = sum(row) / min(box.width, box.height)
    placed: list[Box] = []
    offset = 0.0
    for area in row:
        length = area / thick
        if box.width >= box.height:
            placed.append(Box(box.x, box.y + offset, thick, length))
        else:
            placed.append(Box(box.x + offset, box.y, length, thick))
        offset += length
    return placed


def _left(box: Box, area: float) -> Box:
    """Return what a row leaves of a rectangle; never nothing, however floats are rounded."""
    if box.width >= box.height:
        thick = min(area / box.height, box.width * (1 - 1e-12))
        return Box(box.x + thick, box.y, box.width - thick, box.height)
    thick = min(area / box.width, box.height * (1 - 1e-12))
    return Box(box.x, box.y + thick, box.width, box.height - thick)
