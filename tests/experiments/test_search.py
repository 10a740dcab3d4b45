"""The search: what it finds, what it keeps, and how many attempts that takes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler.base.errors import NegativeAnswer, UsageError
from assembler.base.paths import ancestors
from assembler.experiments.drops.search import Limits, search
from tests.experiments.hunting import Judge, trial

DATA = "".join(
    [
        *(f"/usr/share/zone/{area}/{city:02} file 0644 0:0 {'z' * 50}\n" for area in "abcd" for city in range(16)),
        *(f"/usr/lib/plugin/{number} file 0644 0:0 {'p' * 99}\n" for number in range(8)),
        "/etc/app.conf file 0644 0:0 conf\n/etc/extra.conf file 0644 0:0 more\n/usr/bin/app file 0755 0:0 app\n",
        "/usr/bin/helper file 0755 0:0 helper\n/usr/bin/unused file 0755 0:0 unused\n/var/log/app/old file\n/srv dir\n",
    ]
)
NEEDS = [["/etc/app.conf"], ["/usr/bin/app"], ["/usr/lib/plugin/5"], ["/usr/share/zone/c/07"]]


def test_it_finds_all_that_is_not_needed() -> None:
    judge = Judge(DATA, NEEDS)
    found = search(judge.candidates(), judge, "compressed")
    assert judge.files(found.drops) == {need[0] for need in NEEDS}
    assert [one.path for one in found.rejected] == sorted(need[0] for need in NEEDS)
    assert str(found.rejected[0]) == "needed: /etc/app.conf (test 'test 0' fails: ['/etc/app.conf'] is missing)"
    assert found.untried == ()
    assert found.stopped is None
    assert found.attempts == len(judge.asked) < 60
    assert found.before["compressed"] - found.after["compressed"] == sum(one.saved for one in found.accepted)
    assert {"/usr/share/zone/a", "/usr/share/zone/b", "/usr/share/zone/d", "/var", "/usr/lib/plugin/4"} <= set(
        found.drops
    )
    assert not set(found.drops) & {"/usr/share/zone/c", "/usr/lib/plugin", "/etc", "/srv"}


def test_findings_say_what_they_are_worth_and_why() -> None:
    judge = Judge(
        "/a/1 file 0644 0:0 12345\n/a/2 file 0644 0:0 12\n/b file 0644 0:0 x\n/bin/app file", [["/bin/app"], ["/b"]]
    )
    found = search(judge.candidates(), judge, "compressed")
    assert [(one.name, one.globs, one.files, one.size, one.saved) for one in found.accepted] == [
        ("/a", ("/a",), 2, 7, 307.0)
    ]
    assert found.accepted[0].tests == ("test 0", "test 1")
    assert judge.asked[found.accepted[0].number - 1] == ("/a",)
    assert found.after == {"compressed": found.before["compressed"] - 307, "files": 2}


def test_bytes_of_hard_links_count_once() -> None:
    judge = Judge(
        "/a/1 file 0644 0:0 12345\n/b/2 hard /a/1\n/b/3 file 0644 0:0 67\n/a/4 file\n/bin/app file", [["/a/4"]]
    )
    found = search(judge.candidates(), judge, "compressed")
    assert sum(one.size for one in found.accepted) == 7


def test_nothing_is_needed_but_what_starts() -> None:
    judge = Judge(
        "/bin/app file 0755 0:0 #!/bin/sh\n/bin/sh file\n/data/1 file", select={"mode": "prune", "keep": ["/bin/*"]}
    )
    found = search(judge.candidates(), judge, "compressed")
    assert found.drops == ("/data",)
    assert found.rejected == ()


def test_all_is_needed() -> None:
    judge = Judge(DATA, [[path] for path in Judge(DATA).files()])
    found = search(judge.candidates(), judge, "compressed")
    assert found.accepted == ()
    assert len(found.rejected) == len(judge.files())
    assert judge.asked[0] == ()


@pytest.mark.parametrize("width", [1, 2, 8])
def test_of_alternatives_one_stays(width: int) -> None:
    choices = ["/usr/lib/plugin/5", "/usr/share/zone/c/07", "/etc/app.conf", "/usr/bin/helper"]
    judge = Judge(DATA, [choices, ["/usr/bin/app"]])
    found = search(judge.candidates(), judge, "compressed", width=width)
    left = judge.files(found.drops)
    assert len(left) == 2
    assert left & set(choices)
    assert max(judge.rounds) <= width


def test_what_only_another_file_needed_goes_in_the_end() -> None:
    def config_is_whole(there: set[str]) -> bool:
        return "/etc/extra.conf" not in there or "/usr/bin/helper" in there

    judge = Judge(DATA, [["/usr/bin/app"], config_is_whole])
    found = search(judge.candidates(), judge, "compressed")
    assert judge.files(found.drops) == {"/usr/bin/app"}


def test_a_directory_that_is_needed_stays_without_its_files() -> None:
    judge = Judge(DATA, [["/usr/bin/app"], lambda there: "/var/log/app" in there and "/usr/share/zone" in there])
    found = search(judge.candidates(), judge, "compressed")
    assert judge.files(found.drops) == {"/usr/bin/app"}
    kept = {entry.path for entry in judge.plan(found.drops).entries}
    assert kept == {"/", "/srv", "/usr", "/usr/bin", "/usr/bin/app", "/usr/share", "/usr/share/zone"} | {
        "/var",
        "/var/log",
        "/var/log/app",
    }
    assert [one.path for one in found.rejected] == ["/usr/bin/app", "/usr/share/zone", "/var/log/app"]


def test_emptied_directories_of_two_packages_go() -> None:
    judge = Judge("/a/b/1 file\n/a/b/2 file\n/bin/app file", [["/bin/app"]])
    judge.packages = {"/a/b/1": "one", "/a/b/2": "two", "/bin/app": "app"}
    found = search(judge.candidates(), judge, "compressed")
    assert found.drops == ("/a",)
    assert found.accepted[0].name == "/a"


def test_a_contradiction_of_the_graph_is_no_end() -> None:
    judge = Judge(DATA, NEEDS)
    real = judge.judge

    def contradicts(globs: tuple[str, ...], number: int) -> Any:
        if any(glob in {"/usr", "/usr/bin", "/usr/bin/helper"} for glob in globs):
            return trial(number, "error", error="select.drop drops what starts")
        return real(globs, number)

    judge.judge = contradicts  # type: ignore[method-assign]
    found = search(judge.candidates(), judge, "compressed")
    helper = next(one for one in found.rejected if one.path == "/usr/bin/helper")
    assert str(helper) == "needed: /usr/bin/helper (select.drop drops what starts)"
    assert "/usr/bin/unused" in found.drops


def test_attempts_at_once_share_a_base() -> None:
    one, many = Judge(DATA, NEEDS), Judge(DATA, NEEDS)
    first = search(one.candidates(), one, "compressed")
    second = search(many.candidates(), many, "compressed", width=6)
    assert set(first.drops) == set(second.drops)
    assert len(many.rounds) < len(one.rounds) / 2
    assert max(many.rounds) == 6


def test_the_same_answers_make_the_same_search() -> None:
    one, two = Judge(DATA, NEEDS), Judge(DATA, NEEDS)
    assert search(one.candidates(), one, "files", width=3) == search(two.candidates(), two, "files", width=3)
    assert one.asked == two.asked


# Ends that come early


@pytest.mark.parametrize("most", [1, 2, 3, 10, 20, 25])
@pytest.mark.parametrize("width", [1, 4])
def test_attempts_are_limited(most: int, width: int) -> None:
    judge = Judge(DATA, NEEDS)
    found = search(judge.candidates(), judge, "compressed", width=width, limits=Limits(attempts=most))
    assert found.attempts == len(judge.asked) <= most
    assert found.stopped == f"the {most} attempts are used up"
    assert judge.files(found.drops) >= {need[0] for need in NEEDS}
    known = {one.path for one in found.rejected} | set(found.untried)
    assert judge.files(found.drops) == known


@pytest.mark.parametrize("finished", range(1, 40, 3))
def test_the_time_may_be_up_in_the_middle_of_a_round(finished: int) -> None:
    judge = Judge(DATA, NEEDS)
    judge.finished = finished
    found = search(judge.candidates(), judge, "compressed", width=3)
    assert found.stopped == "the time is up"
    assert judge.files(found.drops) >= {need[0] for need in NEEDS}
    assert not found.accepted or found.after["compressed"] < found.before["compressed"]


def test_no_round_begins_when_the_time_is_up() -> None:
    now = iter(range(1000))
    judge = Judge(DATA, NEEDS)
    found = search(judge.candidates(), judge, "compressed", limits=Limits(seconds=12), clock=lambda: next(now))
    assert found.stopped == "the time is up"
    assert 12 <= found.attempts <= 14, "the first one, one a second, and the last one"
    assert found.accepted


def test_a_recipe_that_fails_its_own_tests() -> None:
    judge = Judge(DATA, [["/nowhere"]])
    with pytest.raises(NegativeAnswer, match=r"the recipe's own tests fail: 'test 0': \['/nowhere'\] is missing"):
        search(judge.candidates(), judge, "compressed")


@pytest.mark.parametrize(
    ("outcome", "error", "message"),
    [("error", NegativeAnswer, "makes no image: no tar"), ("untested", UsageError, "the recipe has no tests")],
)
def test_a_recipe_that_cannot_be_judged(outcome: str, error: type[Exception], message: str) -> None:
    judge = Judge(DATA)
    judge.judge = lambda globs, number: trial(number, outcome, error="no tar")  # type: ignore[method-assign]
    with pytest.raises(error, match=message):
        search(judge.candidates(), judge, "compressed")


def test_time_that_is_up_at_once() -> None:
    judge = Judge(DATA)
    judge.finished = 0
    with pytest.raises(NegativeAnswer, match="the time was up"):
        search(judge.candidates(), judge, "compressed")


def test_tests_that_contradict_themselves_are_told() -> None:
    judge = Judge(DATA, NEEDS)
    real = judge.judge

    def forgets(globs: tuple[str, ...], number: int) -> Any:
        return real(globs, number) if list(globs) == sorted(globs) else trial(number, "failed", error="by chance")

    judge.judge = forgets  # type: ignore[method-assign]
    with pytest.raises(
        NegativeAnswer, match=r"not to be relied on: .* passed in trial \d+ and failed in trial \d+: by"
    ):
        search(judge.candidates(), judge, "compressed")


@pytest.mark.parametrize("measure", ["test_seconds", "weight"])
def test_a_measure_that_is_none(measure: str) -> None:
    judge = Judge(DATA)
    with pytest.raises(UsageError, match=f"{measure}: not a measure that is the same"):
        search(judge.candidates(), judge, measure)
    assert judge.asked == []


def test_each_round_is_told() -> None:
    told: list[str] = []
    judge = Judge(DATA, NEEDS)
    search(judge.candidates(), judge, "compressed", tell=told.append)
    assert told[0] == "attempt 2: of 78 files 0 can go, 0 cannot; compressed 13.41 kB"
    assert told[-1].endswith("of 78 files 74 can go, 4 cannot; compressed 1.56 kB")


# What always holds

NAMES = st.sampled_from("abcdefgh")
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@settings(max_examples=150, deadline=None)
@given(st.sets(PATHS, min_size=1, max_size=60), st.data(), st.sampled_from([1, 2, 5]), st.booleans())
def test_all_that_is_unused_goes_and_nothing_else(
    paths: set[str], data: st.DataObject, width: int, with_packages: bool
) -> None:
    above = {folder for path in paths for folder in ancestors(path)}
    leaves = sorted(paths - above)
    sizes = data.draw(st.lists(st.integers(0, 9), min_size=len(leaves), max_size=len(leaves)))
    needs = data.draw(st.lists(st.sets(st.sampled_from(leaves), min_size=1, max_size=3).map(sorted), max_size=6))
    judge = Judge(
        "".join(f"{path} file 0644 0:0 {'x' * size}\n" for path, size in zip(leaves, sizes, strict=True)), needs
    )
    if with_packages:
        judge.packages = {path: path[1] for path in leaves if path[-1] in "abcd"}
    candidates = judge.candidates()
    found = search(candidates, judge, data.draw(st.sampled_from(["compressed", "files"])), width=width)
    left = judge.files(found.drops)
    assert all(left & set(need) for need in needs), "no test fails"
    assert all(any(set(need) & left == {path} for need in needs) for path in left), "each file that stays is needed"
    assert {one.path for one in found.rejected} == left
    assert sum(one.files for one in found.accepted) == len(leaves) - len(left)
    assert found.before["files"] - found.after["files"] == len(leaves) - len(left)
    if width == 1:
        kept, depth = len(left), max(path.count("/") for path in leaves)
        most = 2 * kept * (math.log2(len(leaves)) + depth) + len(candidates.groups) + kept + 4
        assert found.attempts <= most
