"""Limits: times, mounts, and which folders may be written to."""

from __future__ import annotations

import pytest

from assembler.base.errors import UsageError
from assembler.recipe.types import RunSpec
from assembler.runtime.box import Bind, Box, Scratch, box_of, is_bound, parse_bind, parse_duration, scratches
from tests.runtime.making import TREE
from tests.trees import make_tree


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("2h", 7200), ("5", 5), ("0.25", 0.25)]
)
def test_times(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "0", "0s", "1x", "s", "1s2", "-1", "1 s"])
def test_no_times(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        parse_duration(text)


def test_binds() -> None:
    assert parse_bind("./a:/srv/./www:ro") == Bind("./a", "/srv/www", read_only=True)
    assert parse_bind("/a:/b") == Bind("/a", "/b")
    for text in ("/a", ":/b", "/a:b", "/a:/b:rx", ""):
        with pytest.raises(UsageError, match="not of the form"):
            parse_bind(text)


def test_a_recipe_s_limits() -> None:
    spec = RunSpec(("CAP_KILL",), "host", "64 MB", "1s", ("/run",), read_only=False)
    assert box_of(spec) == Box("host", 64_000_000, ("CAP_KILL",), ("/run",), read_only=False)
    assert box_of(RunSpec()) == Box()


def test_folders_in_memory_begin_as_they_are_in_the_image() -> None:
    box = Box(tmpfs=("/run", "/srv/data/", "/var"), binds=(Bind("/x", "/bound"),))
    assert scratches(make_tree(TREE), ["/lib/new", "/bound"], box) == (
        Scratch("/lib/new", 0o755, 0, 0),
        Scratch("/run", 0o1777, 0, 0),
        Scratch("/srv/data", 0o750, 101, 102),
        Scratch("/var", 0o755, 0, 0),
    )


def test_what_the_container_alone_has() -> None:
    box = Box(tmpfs=("/run",), binds=(Bind("/x", "/opt/x"),))
    assert [is_bound(path, box) for path in ("/opt/x/y", "/opt/x", "/opt/xy", "/run/z", "/bin/sh")] == [
        True,
        True,
        False,
        True,
        False,
    ]
