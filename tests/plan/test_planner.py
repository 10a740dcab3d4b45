"""Precedence: which rule wins, and which two contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.base.content import Bytes
from assembler.base.errors import RecipeError, RootError
from assembler.base.paths import ancestors
from assembler.layers.render import tar_stream
from assembler.tree import Directory, Regular, Symlink, Tree, size_of
from tests.elf.build import elf
from tests.plan.making import dropped, kept, loaded_recipe, plan_of

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.plan.types import Plan

LD = "/lib/ld-linux-x86-64.so.2"


def file(path: str, data: bytes = b"x", mode: int = 0o755, uid: int = 0) -> Regular:
    return Regular(path, mode, uid, 0, 0, (), 0, Bytes(data))


def link(path: str, target: str) -> Symlink:
    return Symlink(path, 0o777, 0, 0, 0, (), 0, target)


ROOT = Tree(
    [
        file(LD, elf(soname="ld-linux-x86-64.so.2")),
        file("/lib/libc.so.6", elf(soname="libc.so.6")),
        file("/lib/libz.so.1.3", elf(soname="libz.so.1")),
        link("/lib/libz.so.1", "libz.so.1.3"),
        file("/lib/libunused.so.1", elf(soname="libunused.so.1")),
        file("/lib/libgcc_s.so.1", elf(soname="libgcc_s.so.1")),
        file("/usr/bin/app", elf(interp=LD, needed=("libz.so.1", "libc.so.6"), calls=("pthread_exit",))),
        file("/usr/bin/other", elf(interp=LD, needed=("libc.so.6",))),
        file("/usr/share/doc/app/example", b"#!/usr/bin/other\n"),
        file("/etc/app.conf", b"conf", 0o644),
    ]
)
APP = {"image": {"entrypoint": ["/usr/bin/app"]}}


def planned(**tables: Any) -> Plan:
    return plan_of(ROOT, loaded_recipe(**{**APP, **tables}))


def test_closure_keeps_what_is_reached_and_its_parents() -> None:
    plan = planned()
    assert kept(plan) == [
        "/lib/ld-linux-x86-64.so.2",
        "/lib/libc.so.6",
        "/lib/libgcc_s.so.1",
        "/lib/libz.so.1",
        "/lib/libz.so.1.3",
        "/usr/bin/app",
    ]
    assert plan.decisions["/usr/bin"].reason == "directory"
    assert dropped(plan)["/usr/share/doc/app/example"] == "documentation"
    assert dropped(plan)["/etc/app.conf"] == "unreached"


@pytest.mark.parametrize(
    ("select", "path", "verdict", "reason"),
    [
        ({"keep": ["/etc/*"]}, "/etc/app.conf", "keep", "select.keep"),
        ({"keep": ["/etc/**"], "drop": ["/etc/app.conf"]}, "/etc/app.conf", "keep", "select.keep"),
        ({"keep": ["/etc/**", "!/etc/app.conf"]}, "/etc/app.conf", "drop", "unreached"),
        ({"keep": ["/usr/share/doc/app/example"]}, "/usr/share/doc/app/example", "keep", "select.keep"),
        ({"keep": ["/usr/share/doc/app/example"]}, "/usr/bin/other", "keep", "reached"),
        ({"mode": "prune"}, "/usr/share/doc/app/example", "drop", "documentation"),
        ({"mode": "prune"}, "/lib/libunused.so.1", "drop", "unreachable libraries"),
        ({"mode": "prune"}, "/usr/bin/other", "keep", "mode prune"),
        ({"mode": "prune"}, "/lib/libz.so.1.3", "keep", "reached"),
        ({"mode": "prune", "drop": ["/usr/bin/other"]}, "/usr/bin/other", "drop", "select.drop"),
        ({"mode": "all"}, "/usr/share/doc/app/example", "keep", "mode all"),
        ({"mode": "all", "drop": ["/etc"]}, "/etc/app.conf", "drop", "select.drop"),
        ({"drop": ["/lib/libgcc_s*"]}, "/lib/libgcc_s.so.1", "drop", "select.drop"),
    ],
)
def test_precedence(select: dict[str, Any], path: str, verdict: str, reason: str) -> None:
    decision = planned(select=select).decisions[path]
    assert (decision.verdict, decision.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        (
            "/lib/libz.so.*",
            r"select.drop '/lib/libz.so.\*' drops /lib/libz.so.1.*: .*/usr/bin/app needs libz.so.1 \(needed",
        ),
        ("/lib/libz.so.1", r"drops /lib/libz.so.1: symlink on the way: /usr/bin/app needs libz.so.1"),
        (LD, r"needs /lib/ld-linux-x86-64.so.2 \(interp"),
        ("/usr/bin/app", r"image.entrypoint names /usr/bin/app"),
    ],
)
@pytest.mark.parametrize("mode", ["closure", "prune", "all"])
def test_dropping_what_is_needed_names_both(drop: str, message: str, mode: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        planned(select={"mode": mode, "drop": [drop]})
    assert caught.value.key == "select.drop"


def test_what_has_no_effect_is_told() -> None:
    warnings = planned(select={"keep": ["/nope/*"], "drop": ["/neither"]}).warnings
    assert warnings == ("select.keep '/nope/*' matches nothing", "select.drop '/neither' matches nothing")


def test_a_closure_needs_something_to_start_from() -> None:
    with pytest.raises(RecipeError, match="mode closure has nothing to start from"):
        plan_of(ROOT, loaded_recipe())


def test_a_root_that_is_not_closed_is_refused() -> None:
    broken = Tree([*ROOT, file("/usr/bin/app", elf(interp=LD, needed=("libnope.so", "libc.so.6")))])
    with pytest.raises(
        RootError, match=r"not closed: /usr/bin/app needs libnope.so \(needed\), which is not found"
    ) as caught:
        plan_of(broken, loaded_recipe(**APP))
    assert "system dir /lib: /lib/libnope.so" in str(caught.value.hint)


def test_what_is_only_kept_may_miss_something() -> None:
    tree = Tree([*ROOT, file("/opt/plugin.so", elf(needed=("libnope.so",)))])
    plan = plan_of(tree, loaded_recipe(**APP, select={"keep": ["/opt/**"]}))
    assert plan.warnings == ("/opt/plugin.so needs libnope.so (needed), which is not found",)


def test_far_owners_are_told() -> None:
    plan = plan_of(Tree([*ROOT, file("/data", uid=70000)]), loaded_recipe(**APP, select={"keep": ["/data"]}))
    assert plan.warnings == ("1 entries have ids above 65535, which rootless runtimes may not map: /data first",)


def test_files_are_added_and_replace(tmp_path: Path) -> None:
    (tmp_path / "beside").write_bytes(b"beside")
    files = [
        {"path": "/etc/app.conf", "content": "new", "owner": "7:8", "mode": "0600"},
        {"path": "/etc/beside", "source": "beside"},
        {"path": "/var/lib/app", "type": "directory", "owner": "7"},
        {"path": "/usr/bin/alias", "type": "symlink", "target": "other"},
    ]
    plan = plan_of(ROOT, loaded_recipe(str(tmp_path), **APP, files=files))
    by_path = {entry.path: entry for entry in plan.entries}
    conf, folder = by_path["/etc/app.conf"], by_path["/var/lib/app"]
    assert (conf.mode, conf.uid, conf.gid) == (0o600, 7, 8)
    assert isinstance(folder, Directory)
    assert (folder.uid, folder.gid) == (7, 7)
    assert plan.decisions["/etc/beside"].rule == "files[1]"
    assert plan.decisions["/usr/bin/other"].reason == "reached", "a link that is added brings its target"


def test_an_overlay_goes_through_the_roots_links(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay"
    (overlay / "lib").mkdir(parents=True)
    (overlay / "lib" / "tool").write_bytes(b"#!/usr/bin/app\n")
    (overlay / "lib" / "tool").chmod(0o777)
    tree = Tree([link("/lib", "usr/lib"), file("/usr/lib/x"), file("/usr/bin/app", elf(static=True, kind=2))])
    plan = plan_of(tree, loaded_recipe(str(tmp_path), overlay="overlay", select={"mode": "closure"}))
    assert plan.decisions["/usr/lib/tool"].reason == "files"
    assert plan.decisions["/usr/lib/tool"].entry.mode == 0o755, "the umask of a checkout says nothing"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([{"path": "/etc", "content": ""}], r"files\[0\]: /etc is a directory in the root, and none in the recipe"),
        ([{"path": "/etc/app.conf", "type": "directory"}], r"is no directory in the root, and one in the recipe"),
        ([{"path": "/etc/app.conf/x", "content": ""}], r"/etc/app.conf is not a directory"),
        ([{"path": "/x", "source": "nope"}], r"files\[0\].source: .*nope: No such file"),
    ],
)
def test_additions_that_do_not_fit(files: list[dict[str, str]], message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        plan_of(ROOT, loaded_recipe(str(tmp_path), **APP, files=files))


def test_a_missing_overlay_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"overlay: .*nope: not a folder"):
        plan_of(ROOT, loaded_recipe(str(tmp_path), **APP, overlay="nope"))


def test_totals_add_up() -> None:
    plan = planned(select={"mode": "prune"})
    totals = plan.totals()
    assert sum(row.entries for row in totals) == len(plan.decisions)
    assert sum(row.result_size for row in totals) == sum(map(size_of, plan.entries))
    assert plan.tar_size == len(b"".join(tar_stream(plan.entries, 0))) - 1024 + 512, "the root is left out"
    assert [row.verdict for row in totals] == sorted((row.verdict for row in totals), key="keep transform drop".find)


NAMES = st.sampled_from(["a", "b", "doc", "man"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda parts: "/usr/share/" + "/".join(parts))
GLOBS = st.lists(
    st.sampled_from(["/usr/share/a", "/usr/share/doc/**", "/**/b", "!/**/man", "/usr/share/*/a"]), max_size=3
)


@given(st.sets(PATHS, min_size=1, max_size=10), GLOBS, GLOBS, st.sampled_from(["closure", "prune", "all"]))
def test_every_entry_is_decided_once_and_parents_are_kept(
    paths: set[str], keep: list[str], drop: list[str], mode: str
) -> None:
    leaves = [path for path in paths if not any(other.startswith(path + "/") for other in paths)]
    tree = Tree([*ROOT, *(file(path) for path in leaves)])
    drop = [glob for glob in drop if glob not in {*keep, leaves[0]}]
    plan = plan_of(tree, loaded_recipe(**APP, select={"keep": keep, "drop": drop, "mode": mode}))
    assert list(plan.decisions) == [entry.path for entry in tree]
    images = {entry.path for entry in plan.entries}
    assert all(above in images for path in images for above in ancestors(path))
    more = plan_of(tree, loaded_recipe(**APP, select={"keep": [*keep, leaves[0]], "drop": drop, "mode": mode}))
    assert leaves[0] in {entry.path for entry in more.entries}


@given(st.sets(PATHS, min_size=2, max_size=8), st.data())
def test_closure_is_monotonic_in_what_is_kept(paths: set[str], data: st.DataObject) -> None:
    leaves = sorted(path for path in paths if not any(other.startswith(path + "/") for other in paths))
    tree = Tree([*ROOT, *(file(path) for path in leaves)])
    some = data.draw(st.lists(st.sampled_from(leaves), unique=True))
    small = plan_of(tree, loaded_recipe(**APP, select={"keep": some}))
    large = plan_of(tree, loaded_recipe(**APP, select={"keep": leaves}))
    assert {entry.path for entry in small.entries} <= {entry.path for entry in large.entries}
