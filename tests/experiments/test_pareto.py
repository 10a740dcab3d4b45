"""The Pareto front, against its definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.experiments.results.pareto import pareto_front

Points = list[tuple[float, float]]
few = st.integers(0, 6).map(float)  # so few values that there are ties
points = st.lists(st.tuples(few, few) | st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)), max_size=40)


def dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[0] and one[1] <= other[1] and one != other


def brute_force(given: Points) -> set[int]:
    return {at for at, point in enumerate(given) if not any(dominates(other, point) for other in given)}


@given(points)
def test_it_is_what_nothing_dominates(given: Points) -> None:
    assert set(pareto_front(given)) == brute_force(given)


@given(points)
def test_it_goes_down_from_left_to_right(given: Points) -> None:
    front = [given[at] for at in pareto_front(given)]
    assert len(front) == len(set(pareto_front(given)))
    assert front == sorted(front, key=lambda point: (point[0], -point[1]))


@pytest.mark.parametrize(
    ("given", "front"),
    [
        ([], ()),
        ([(1, 1)], (0,)),
        ([(1, 1), (1, 1)], (0, 1)),
        ([(1, 2), (1, 1)], (1,)),
        ([(2, 1), (1, 1)], (1,)),
        ([(3, 0), (1, 2), (2, 1), (2, 2)], (1, 2, 0)),
    ],
)
def test_ties_stay(given: Points, front: tuple[int, ...]) -> None:
    assert pareto_front(given) == front
