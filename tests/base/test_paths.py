"""In-root paths cannot escape, and survive any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.base import paths


@pytest.mark.parametrize(
    ("given_path", "expected"),
    [
        ("", "/"),
        ("/", "/"),
        ("usr//bin/./../lib/", "/usr/lib"),
        ("/../../etc", "/etc"),
        ("../..", "/"),
        ("/a/b/../../..", "/"),
    ],
)
def test_normalize(given_path: str, expected: str) -> None:
    assert paths.normalize(given_path) == expected


@given(st.binary(max_size=40))
def test_any_name_survives(raw: bytes) -> None:
    assert paths.to_bytes(paths.from_bytes(raw)) == raw


@given(st.text(alphabet="ab./", max_size=20))
def test_normal_paths_stay_inside_and_are_stable(text: str) -> None:
    path = paths.normalize(text)
    assert path.startswith("/")
    assert ".." not in path.split("/")
    assert paths.normalize(path) == path
    assert all(paths.is_below(path, above) for above in paths.ancestors(path))


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/usr/bin/sh", "/usr/bin/sh"),
        ("/ümlaut", "/ümlaut"),
        ("/a\nb", r"/a\x0ab"),
        (paths.from_bytes(b"/a\xff\\"), r"/a\xff\\"),
    ],
)
def test_show_is_one_printable_line(path: str, shown: str) -> None:
    assert paths.show(path) == shown
