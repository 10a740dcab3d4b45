"""The waterfall: from the source's bytes to the image's, rule by rule, and it adds up."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from assembler.base.content import Bytes
from assembler.plan.waterfall import waterfall
from assembler.tree import Regular, Tree
from tests.plan.making import loaded_recipe, plan_of
from tests.tools import need
from tests.trees import make_tree

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.plan.types import Plan

ROOT = make_tree(r"""
    /usr/bin/app       file 0755 0:0 program
    /usr/bin/again     hard /usr/bin/app
    /usr/share/doc/a   file 0644 0:0 documentation
    /usr/share/man/m.1 file 0644 0:0 manual
    /etc/one           file 0644 0:0 the same bytes
    /etc/two           file 0644 0:0 the same bytes
    /opt/dropped       file 0644 0:0 away
""")


def planned(tree: Tree = ROOT, **tables: Any) -> Plan:
    return plan_of(tree, loaded_recipe(**{"select": {"mode": "prune"}, **tables}))


def bytes_of(plan: Plan) -> int:
    """Return the bytes of the files, each inode once, by another way than the module's."""
    sizes = {(entry.inode or -number): entry.content.size for number, entry in _files(plan)}
    return sum(sizes.values())


def _files(plan: Plan) -> list[tuple[int, Regular]]:
    return [(number, entry) for number, entry in enumerate(plan.entries, 1) if isinstance(entry, Regular)]


def test_each_rule_says_what_it_saved() -> None:
    added = {"path": "/etc/added", "content": "12345"}
    fall = waterfall(planned(select={"mode": "prune", "drop": ["/opt"]}, files=[added], layers={"hardlinks": True}))
    assert (fall.size, fall.files) == (7 + 13 + 6 + 14 + 14 + 4, 6), "hard links count once, additions not"
    steps = {step.reason: (step.files, step.size) for step in fall.steps}
    assert steps["files"] == (1, -5)
    assert steps["select.drop"] == (1, 4)
    assert {step.rule: step.size for step in fall.steps if step.reason == "documentation"} == {
        "package documentation (/usr/share/doc)": 13,
        "manual pages (/usr/share/man)": 6,
    }
    assert steps["links"] == (1, 14)
    assert fall.steps[0].reason == "files", "additions come first"
    assert fall.steps[-1].reason == "links", "what the planner does to what is kept comes last"
    assert fall.rest == fall.size - sum(step.size for step in fall.steps) == 7 + 14 + 5


def test_mode_all_saves_nothing() -> None:
    fall = waterfall(planned(select={"mode": "all"}))
    assert fall.steps == ()
    assert fall.size == fall.rest == 58


def test_a_dropped_name_of_a_hard_link_keeps_the_sum() -> None:
    plan = planned(select={"mode": "prune", "drop": ["/usr/bin/again"]})
    fall = waterfall(plan)
    assert fall.size - sum(step.size for step in fall.steps) == fall.rest == bytes_of(plan)


def test_stripping_is_a_step_of_its_own(tmp_path: Path) -> None:
    need("gcc", "strip")
    subprocess.run(["gcc", "-g", "-static", "-xc", "-o", tmp_path / "main", "-"], input=b"int main(){}", check=True)
    program = (tmp_path / "main").read_bytes()
    one, two = (Regular(path, 0o755, 0, 0, 0, (), 7, Bytes(program)) for path in ("/bin/one", "/bin/two"))
    plan = plan_of(Tree([one, two]), loaded_recipe(image={"entrypoint": ["/bin/one"]}, select={"keep": ["/bin/two"]}))
    fall = waterfall(plan)
    assert fall.size == len(program)
    assert fall.size - sum(step.size for step in fall.steps) == fall.rest == bytes_of(plan)
    stripped = next(step for step in fall.steps if step.reason == "strip")
    assert stripped.rule == "strip --strip-unneeded --remove-section=.comment"
    assert 0 < stripped.size == len(program) - fall.rest


NAMES = st.sampled_from(["/a", "/etc/b", "/usr/share/doc/c", "/usr/share/man/d", "/opt/e", "/opt/f", "/srv/g"])
FILES = st.dictionaries(NAMES, st.tuples(st.binary(max_size=4), st.integers(0, 3)), min_size=1)


@given(files=FILES, dropped=st.sets(NAMES, max_size=3), hardlinks=st.booleans(), mode=st.sampled_from(["prune", "all"]))
def test_it_adds_up_whatever_the_tree(
    files: dict[str, tuple[bytes, int]], dropped: set[str], hardlinks: bool, mode: str
) -> None:
    inodes: dict[int, bytes] = {}
    tree = Tree(
        Regular(path, 0o644, 0, 0, 0, (), inode, Bytes(inodes.setdefault(inode, data) if inode else data))
        for path, (data, inode) in files.items()
    )
    plan = planned(
        tree, select={"mode": mode, "drop": sorted(dropped)}, layers={"hardlinks": hardlinks}, strip={"mode": "none"}
    )
    fall = waterfall(plan)
    assert fall.size - sum(step.size for step in fall.steps) == fall.rest == bytes_of(plan)
    sizes = {inode or path: len(inodes.get(inode, data)) for path, (data, inode) in files.items()}
    assert fall.size == sum(sizes.values())
