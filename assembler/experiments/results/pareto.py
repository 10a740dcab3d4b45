"""The Pareto front of two measures: what nothing else is better than. Less is better in both."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """Return the places of the points that no other point dominates, by their first coordinate, then by their place.

    A point dominates another where it is no larger in both coordinates and smaller in one. Equal points do not dominate
    each other: either all of them are in the front, or none.
    """
    front: list[int] = []
    lowest: tuple[float, float] | None = None
    for place in sorted(range(len(points)), key=lambda place: (*points[place], place)):
        point = points[place]
        # From left to right each step of the front goes down; of a column, the lowest point comes first.
        if lowest is None or point[1] < lowest[1] or point == lowest:
            lowest = point
            front.append(place)
    return tuple(front)
