"""The waterfall adds up to the byte, whatever the records say; rectangles fill what they are in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from assembler.experiments.report.squares import Box, squarify
from assembler.experiments.report.waterfall import MOST, Bar, image_bars, levels, root_bars
from assembler.experiments.results.records import Step
from tests.experiments.reporting import root, sample, trial

steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(["unreached", "strip", "files"]),
        st.text(max_size=5),
        st.integers(0, 9),
        st.integers(-(10**9), 10**9),
    ),
    max_size=40,
)


def check(bars: tuple[Bar, ...]) -> None:
    """Each total is where the changes before it lead to."""
    level = bars[0].size
    for bar in bars[1:]:
        if bar.kind == "change":
            level += bar.size
        assert bar.kind == "change" or bar.size == level
    assert levels(bars)[-1][1] == bars[-1].size


@given(steps, st.integers(0, 10**10))
def test_a_root_adds_up(steps: list[Step], unpacked: int) -> None:
    one = replace(
        root(), steps=tuple(steps), unpacked=unpacked, source_size=unpacked + sum(step.size for step in steps)
    )
    bars = root_bars(one)
    check(bars)
    assert (bars[0].size, bars[-1].size) == (one.source_size, unpacked)
    assert "not told" not in [bar.label for bar in bars]
    assert len(bars) <= MOST + 3


@given(st.integers(-5, 5))
def test_what_no_rule_explains_is_told(missing: int) -> None:
    one = root()
    bars = root_bars(replace(one, source_size=one.source_size + missing))
    check(bars)
    assert [bar.size for bar in bars if bar.label == "not told"] == ([-missing] if missing else [])


def test_small_rules_are_one_bar() -> None:
    one = root(steps=20)
    bars = root_bars(one)
    rest = next(bar for bar in bars if bar.label.endswith("more rules"))
    assert rest.label == "9 more rules", "rule 0 saved nothing"
    shown = {bar.label for bar in bars}
    assert "unreached: rule 19 " in shown
    assert "unreached: rule 1 " not in shown
    assert rest.size == -sum(10_000 * number for number in range(1, 9)) + 12_345


@pytest.mark.parametrize("one", [one for one in sample().trials if one.root], ids=lambda one: str(one.number))
def test_a_trial_adds_up(one: object) -> None:
    results = sample()
    (found,) = (trial for trial in results.trials if trial == one)
    assert found.root is not None
    of = results.roots[found.root]
    bars = (*root_bars(of), *image_bars(found, of))
    check(bars)
    assert bars[-1].size == found.measures.get("transferred", of.unpacked)
    if found.layers:
        assert {bar.label: bar.size for bar in bars}["stored"] == found.measures["compressed"]


def test_compression_is_named() -> None:
    labels = [bar.label for bar in image_bars(trial(4, root()), root())]
    assert labels == ["tar", "compression (zstd 4)", "stored", "config, manifest", "image"]


@given(
    st.lists(st.integers(1, 10**9), min_size=1, max_size=60).map(lambda sizes: sorted(sizes, reverse=True)),
    st.floats(1, 500),
    st.floats(1, 500),
)
def test_rectangles_are_as_large_as_what_they_stand_for(sizes: list[int], width: float, height: float) -> None:
    boxes = squarify(sizes, Box(0, 0, width, height))
    assert len(boxes) == len(sizes)
    for size, box in zip(sizes, boxes, strict=True):
        assert math.isclose(box.width * box.height, size / sum(sizes) * width * height, rel_tol=1e-3)
        assert box.x >= -1e-6
        assert box.y >= -1e-6
        assert box.x + box.width <= width * 1.000001
        assert box.y + box.height <= height * 1.000001
    for at, one in enumerate(boxes):
        for other in boxes[at + 1 :]:
            across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            up = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert min(across, up) <= max(width, height) * 1e-6, "they do not overlap"


@pytest.mark.parametrize(
    ("reason", "rule", "label"),
    [
        ("select.drop", "select.drop '/usr/share/doc'", "select.drop '/usr/share/doc'"),
        ("documentation", "manual pages", "documentation: manual pages"),
        ("files", "files", "files"),
        ("files", "", "files"),
    ],
)
def test_a_reason_is_told_once(reason: str, rule: str, label: str) -> None:
    one = replace(root(), steps=(Step(reason, rule, 1, 10),), source_size=root().unpacked + 10)
    assert [bar.label for bar in root_bars(one)] == ["source", label, "unpacked"]
