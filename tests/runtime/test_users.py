"""Names of users become numbers by the image's own files."""

from __future__ import annotations

import pytest

from assembler.base.errors import RootError
from assembler.runtime.users import User, resolve
from tests.runtime.making import TREE
from tests.trees import make_tree


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, User(0, 0, (), "/root")),
        ("", User(0, 0, (), "/root")),
        ("web", User(101, 102, (7, 5), "/srv")),
        ("101", User(101, 102, (7, 5), "/srv")),
        ("web:root", User(101, 0, (), "/srv")),
        ("web:9", User(101, 9, (), "/srv")),
        ("1000", User(1000, 0, (), "/")),
        ("1000:1000", User(1000, 1000, (), "/")),
        ("0:log", User(0, 7, (), "/root")),
    ],
)
def test_users(text: str | None, expected: User) -> None:
    assert resolve(make_tree(TREE), text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nobody", "user 'nobody' is not in /etc/passwd of the image"),
        ("web:staff", "group 'staff' is not in /etc/group of the image"),
        ("broken", "user 'broken' is not in"),
        ("x", "user 'x' is not in"),
        ("4294967295", "4294967295: no id that Linux has"),
    ],
)
def test_who_is_unknown(text: str, message: str) -> None:
    with pytest.raises(RootError, match=message):
        resolve(make_tree(TREE), text)


def test_a_root_without_files_knows_numbers() -> None:
    assert resolve(make_tree("/bin/sh file"), "5:6") == User(5, 6, (), "/")
