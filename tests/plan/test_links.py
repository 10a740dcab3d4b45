"""Identical files become hard links where nothing else tells them apart."""

from __future__ import annotations

import pytest

from tests.plan.making import loaded_recipe, plan_of
from tests.trees import make_tree

TREE = """
/a file 0644 0:0 same
/b file 0644 0:0 same
/c file 0755 0:0 same
/d file 0644 1:0 same
/e file 0644 0:0 other
/f file 0644 0:0
/g file 0644 0:0
/h hard /e
/i file 0644 0:0 other
"""


def inodes(**tables: object) -> dict[str, int]:
    recipe = loaded_recipe(**{"select": {"mode": "prune"}, **tables})
    return {entry.path: entry.inode for entry in plan_of(make_tree(TREE), recipe).entries}


def test_what_agrees_in_all_is_linked() -> None:
    found = inodes()
    assert found["/a"] == found["/b"] != 0
    assert found["/c"] == found["/d"] == 0, "another mode, another owner"
    assert found["/f"] == found["/g"] == 0, "empty files are not worth a link"
    assert found["/e"] == found["/h"] == found["/i"] != found["/a"], "an old pair takes the third in"


def test_the_first_stays_and_the_others_say_whose_link_they_are() -> None:
    plan = plan_of(TREE)
    assert plan.decisions["/a"].verdict == "keep"
    assert (plan.decisions["/b"].verdict, plan.decisions["/b"].rule.rpartition("; ")[2]) == (
        "transform",
        "hard link to /a, which is identical",
    )


@pytest.mark.parametrize("tables", [{"layers": {"hardlinks": False}}, {"select": {"mode": "all"}}])
def test_old_links_stay_where_no_new_ones_are_made(tables: dict[str, object]) -> None:
    found = inodes(**tables)
    assert found["/e"] == found["/h"] != 0
    assert found["/a"] == found["/b"] == found["/i"] == 0
