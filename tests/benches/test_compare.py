from __future__ import annotations

import pytest
from msgspec.structs import replace

from benches.compare import changes, settings, text
from benches.record import Spread
from tests.benches.making import known


@pytest.mark.parametrize(
    ("old", "new", "noise", "verdict"),
    [
        (Spread(0.5, 0.4, 0.6), Spread(0.5, 0.4, 0.6), 0, "the same"),
        (Spread(0.5, 0.4, 0.6), Spread(0.7, 0.6, 0.8), 0, "the same"),  # they touch
        (Spread(0.5, 0.4, 0.6), Spread(0.8, 0.7, 0.9), 0, "more"),
        (Spread(0.5, 0.4, 0.6), Spread(0.3, 0.2, 0.35), 0, "less"),
        (Spread(0.5, 0.4, 0.6), Spread(0.8, 0.7, 0.9), 0.1, "the same"),  # equal contenders were as far apart
        (Spread(0.5, 0.4, 0.6), Spread(0.3, 0.2, 0.35), 0.1, "the same"),
    ],
)
def test_ratios_differ_where_their_rounds_do_not_meet(old: Spread, new: Spread, noise: float, verdict: str) -> None:
    (change,) = changes(known(old, noise=noise), known(new, noise=noise))
    assert change.what == "pack: a: brasm: wall / peer"
    assert change.verdict == verdict


def test_only_what_both_have_is_compared() -> None:
    one = Spread(0.5, 0.4, 0.6)
    assert changes(known(one, table="a"), known(one, table="b")) == []
    assert changes(known(one, title="wall / x"), known(one, title="wall / y")) == []
    assert changes(known(Spread(1, 1, 1)), known(Spread(1, 1, 1))) == []  # a peer to itself


def test_other_settings_are_told() -> None:
    old = known(Spread(0.5, 0.4, 0.6))
    new = replace(old, machine={"processor": "quill"}, inputs={})
    assert settings(old, old) == []
    assert settings(old, new) == [
        "machine: processor: abacus -> quill",
        "machine: cores: 2 -> not there",
        f"input: debian: {'ab' * 32} -> not there",
    ]


def test_the_comparison_is_a_table() -> None:
    said = text(known(Spread(0.5, 0.4, 0.6)), known(Spread(1, 0.9, 1.1)))
    assert said.startswith("- Machine, programs and inputs are the same.\n\n| ")
    assert "| pack: a: brasm: wall / peer | 0.500 (0.400 to 0.600) | 1.00 (0.900 to 1.10) | 2.000 | more |" in said
