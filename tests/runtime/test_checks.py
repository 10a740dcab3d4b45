"""What a test asks of what came."""

from __future__ import annotations

import pytest

from assembler.recipe.types import TestSpec
from assembler.runtime.checks import Outcome, describe_code, file_problems, last_lines, problems
from assembler.runtime.setting import title
from tests.runtime.making import TREE
from tests.trees import make_tree

RUN = ("app",)


@pytest.mark.parametrize(
    ("test", "outcome", "expected"),
    [
        (TestSpec(run=RUN), Outcome(0, "", "", 0), []),
        (TestSpec(run=RUN, exit=3, stdout="^a", stderr="b$"), Outcome(3, "ab", "ab", 0), []),
        (TestSpec(run=RUN, exit=3), Outcome(0, "", "", 0), ["exit code 0, not 3"]),
        (TestSpec(run=RUN), Outcome(1, "out", "e1\ne2\n", 0), ["exit code 1, not 0: e1 | e2"]),
        (TestSpec(run=RUN), Outcome(1, "out\n", "", 0), ["exit code 1, not 0: out"]),
        (TestSpec(run=RUN), Outcome(139, "", "", 0), ["killed by SIGSEGV (exit code 139), not 0"]),
        (TestSpec(run=RUN), Outcome(None, "", "still", 9), ["no end within 1.5 s: still"]),
        (TestSpec(run=RUN, stdout="x"), Outcome(0, "", "", 0), ["'x' is not found in standard output: (empty)"]),
        (TestSpec(run=RUN, stderr="x"), Outcome(0, "x", "y", 0), ["'x' is not found in standard error: y"]),
        (
            TestSpec(run=RUN, stdout="x", stderr="y"),
            Outcome(1, "", "", 0),
            [
                "exit code 1, not 0",
                "'x' is not found in standard output: (empty)",
                "'y' is not found in standard error: (empty)",
            ],
        ),
    ],
)
def test_programs(test: TestSpec, outcome: Outcome, expected: list[str]) -> None:
    assert list(problems(test, outcome, 1.5)) == expected


def test_files() -> None:
    tree = make_tree(TREE + "/dangling link nowhere")
    assert list(file_problems(["/bin/sh", "!/bin/ash", "/srv/data", "/dangling"], tree)) == []
    assert list(file_problems(["/bin/ash", "!/bin/sh", "!/dangling"], tree)) == [
        "/bin/ash is not in the image",
        "/bin/sh is in the image",
        "/dangling is in the image",
    ]


def test_codes_and_lines() -> None:
    assert [describe_code(code) for code in (0, 127, 137, 255)] == [
        "exit code 0",
        "exit code 127",
        "killed by SIGKILL (exit code 137)",
        "exit code 255",
    ]
    assert last_lines("1\n2\n3\n4\n5\x1b[m\n") == "… 2 | 3 | 4 | 5\\x1b[m"
    assert last_lines(" \n") == ""


def test_titles() -> None:
    assert title(TestSpec(name="n", run=RUN)) == "n"
    assert title(TestSpec(run=("sh", "-c", "a b"))) == "sh -c 'a b'"
    assert title(TestSpec(files=("/a", "!/b"))) == "files /a !/b"
