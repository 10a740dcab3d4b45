from __future__ import annotations

import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benches.contest import (
    AGAIN,
    Contender,
    Ratio,
    able,
    again,
    calibration,
    compete,
    fastest,
    ratio,
    rows,
    spread,
    turns,
)
from benches.measure import Failed, measure
from benches.programs import Program
from benches.record import Spread
from tests.benches.making import runs

if TYPE_CHECKING:
    from pathlib import Path

HERE = {"umoci": Program("0.4.7"), "buildah": Program(None, "buildah is not installed: apt install buildah")}


def contender(name: str, *programs: str, peer: bool = True, root: bool = False, most: int = 0) -> Contender:
    return Contender(name, ("true",), programs, peer=peer, root=root, most=most)


def test_a_missing_peer_is_left_out_with_the_reason() -> None:
    both = [contender("insert", "umoci"), contender("commit", "umoci", "buildah")]
    running, left_out = able(both, HERE, root=True)
    assert [one.name for one in running] == ["insert"]
    assert left_out == {"commit": "buildah is not installed: apt install buildah"}


def test_what_only_root_can_run_is_left_out_for_others() -> None:
    running, left_out = able(
        [contender("insert", "umoci", root=True), contender("brasm", peer=False)], HERE, root=False
    )
    assert [one.name for one in running] == ["brasm"]
    assert left_out == {"insert": "only root can run it"}


@given(st.integers(1, 6), st.integers(0, 40))
def test_every_round_has_all_of_them_and_starts_with_another(count: int, number: int) -> None:
    all_of_them = [contender(str(each)) for each in range(count)]
    order = [one.name for one in turns(all_of_them, number)]
    assert sorted(order) == [one.name for one in all_of_them]
    if count > 2:
        assert order != [one.name for one in turns(all_of_them, number + 1)]


def test_in_two_rounds_nobody_follows_the_same_one_twice() -> None:
    all_of_them = [contender(name) for name in "abcd"]
    first, second = ([one.name for one in turns(all_of_them, number)] for number in (0, 1))
    assert set(pairwise(first)) & set(pairwise(second)) == set()


def test_a_slow_one_runs_no_more_rounds_than_it_says() -> None:
    both = [contender("slow", most=1), contender("fast")]
    assert [[one.name for one in turns(both, number)] for number in range(3)] == [["slow", "fast"], ["fast"], ["fast"]]


def test_a_ratio_is_taken_within_a_round() -> None:
    # The machine was ten times as slow in the second round, and both met that.
    measured = {"brasm": runs(1, 10, 1), "peer": runs(2, 20, 4)}
    assert ratio(measured, "brasm", "peer", "wall") == Spread(0.5, 0.25, 0.5)


def test_a_ratio_is_of_the_rounds_that_both_ran() -> None:
    assert ratio({"slow": runs(8), "fast": runs(2, 1000)}, "slow", "fast", "wall") == Spread(4, 4, 4)


def test_a_spread_is_the_median_with_the_extremes() -> None:
    assert spread([3, 1, 10, 2]) == Spread(2.5, 1, 10)


def test_rows_have_the_columns_of_peers_that_took_part() -> None:
    measured = {"brasm": runs(1, 3, size=50), "umoci": runs(2, 4, size=100), AGAIN: runs(1, 1)}
    columns = [Ratio("wall", "umoci", "wall / umoci"), Ratio("size", "umoci", "bytes / umoci")]
    found = rows(measured, [*columns, Ratio("wall", "gzip", "wall / gzip")])
    assert [row.name for row in found] == ["brasm", "umoci"]  # the calibration is no contender
    assert found[0].ratios == {"wall / umoci": Spread(0.625, 0.5, 0.75), "bytes / umoci": Spread(0.5, 0.5, 0.5)}
    assert found[0].wall == Spread(2, 1, 3)
    assert (found[0].rounds, found[0].size, found[0].cpu.median, found[0].peak.median) == (2, 50, 4, 200)


def test_what_is_not_weighed_has_no_ratio_of_bytes() -> None:
    with pytest.raises(ValueError, match="not weighed"):
        ratio({"one": runs(1), "other": runs(1)}, "one", "other", "size")


def test_the_calibration_is_one_command_over_itself() -> None:
    found = calibration({"brasm": runs(1, 2), AGAIN: runs(1.1, 1.8)}, "brasm")
    assert found is not None
    assert found.name == "brasm"
    assert found.ratio.least == pytest.approx(0.9)
    assert found.ratio.most == pytest.approx(1.1)
    assert calibration({"brasm": runs(1)}, "brasm") is None


def test_the_faster_peer_has_the_least_median() -> None:
    assert fastest({"a": runs(1, 9, 9), "b": runs(5, 5, 5)}, ["a", "b"]) == "b"


def script(code: str, name: str, *, peer: bool = True) -> Contender:
    return Contender(name, (sys.executable, "-c", code), peer=peer, size=lambda _: 7)


def test_a_peer_that_fails_is_out_and_the_others_go_on(tmp_path: Path) -> None:
    own = script("open('made', 'x')", "brasm", peer=False)  # fails where the folder is not emptied
    broken = script("import sys; print('it cannot'); sys.exit(3)", "broken")
    outcome = compete([own, again(own), broken], 2, str(tmp_path / "run"), lambda _: None)
    assert outcome.failed == {"broken": "exit 3: it cannot"}
    assert {name: sorted(rounds) for name, rounds in outcome.runs.items()} == {"brasm": [0, 1], AGAIN: [0, 1]}
    assert all(run.size == 7 for run in outcome.runs["brasm"].values())


def test_our_own_failure_ends_the_contest(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="exit 4"):
        compete([script("raise SystemExit(4)", "brasm", peer=False)], 1, str(tmp_path / "run"), lambda _: None)


def test_one_that_does_not_do_its_job_is_out(tmp_path: Path) -> None:
    def check(folder: str) -> None:
        raise Failed(("x",), 0, f"nothing in {folder[:1]}")

    fake = Contender("fake", (sys.executable, "-c", "pass"), check=check)
    outcome = compete([fake], 1, str(tmp_path / "run"), lambda _: None)
    assert outcome.failed == {"fake": "exit 0: nothing in /"}


def test_a_program_that_is_not_there_fails_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(Failed) as caught:
        measure(("no-such-program-here",), str(tmp_path))
    assert "no-such-program-here" in caught.value.reason
    assert "\n" not in caught.value.reason


def test_a_command_has_the_environment_that_it_is_given(tmp_path: Path) -> None:
    sample = measure(("sh", "-c", 'test "$COLOUR" = blue'), str(tmp_path), environment={"COLOUR": "blue"})
    assert sample.wall > 0
    assert sample.peak > 0
