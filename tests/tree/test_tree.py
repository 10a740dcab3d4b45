"""Trees: walking inside the root, laziness that changes nothing, globs along their pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.base.content import Bytes
from assembler.base.globs import compile_globs
from assembler.base.paths import join, parent
from assembler.tree import Directory, Found, Missing, Regular, Symlink, Tree, missing_directory
from assembler.tree.glob import select

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.tree import Entry


def file(path: str) -> Regular:
    return Regular(path, 0o644, 0, 0, 0, (), 0, Bytes(path.encode()))


def link(path: str, target: str) -> Symlink:
    return Symlink(path, 0o777, 0, 0, 0, (), 0, target)


ENTRIES = [
    missing_directory("/"),
    file("/usr/lib/libc.so.6"),
    link("/lib", "usr/lib"),
    link("/usr/lib/libc.so", "/lib/libc.so.6"),
    link("/out", "../../../../usr/lib/libc.so.6"),
    link("/loop", "loop2"),
    link("/loop2", "/loop"),
    link("/dangling", "nowhere/at/all"),
    link("/usr/up", ".."),
]


def lazy(entries: Iterable[Entry]) -> Tree:
    full = Tree(entries)
    return Tree([full["/"]], lambda path: [full[join(path, child)] for child in full.children(path)])


@pytest.mark.parametrize("make", [Tree, lazy])
@pytest.mark.parametrize(
    ("path", "expected", "via"),
    [
        ("/usr/lib/libc.so.6", "/usr/lib/libc.so.6", ()),
        ("usr/lib/libc.so.6", "/usr/lib/libc.so.6", ()),
        ("/lib/libc.so.6", "/usr/lib/libc.so.6", ("/lib",)),
        ("/lib/libc.so", "/usr/lib/libc.so.6", ("/lib", "/usr/lib/libc.so", "/lib")),
        ("/out", "/usr/lib/libc.so.6", ("/out",)),
        ("/lib/..", "/usr", ("/lib",)),
        ("/../../lib/", "/usr/lib", ("/lib",)),
        ("/usr/up/lib/libc.so.6", "/usr/lib/libc.so.6", ("/usr/up", "/lib")),
        ("/", "/", ()),
    ],
)
def test_walk_follows_symlinks_inside_the_root(
    make: type[Tree], path: str, expected: str, via: tuple[str, ...]
) -> None:
    found = make(ENTRIES).walk(path)
    assert isinstance(found, Found)
    assert (found.path, found.via) == (expected, via)


@pytest.mark.parametrize("make", [Tree, lazy])
@pytest.mark.parametrize(
    ("path", "reason", "at"),
    [
        ("/nope", "no such file or directory", "/nope"),
        ("/dangling", "no such file or directory", "/nowhere"),
        ("/usr/lib/libc.so.6/x", "not a directory", "/usr/lib/libc.so.6"),
        ("/loop", "too many levels of symbolic links", "/loop"),
    ],
)
def test_walk_says_where_it_ended(make: type[Tree], path: str, reason: str, at: str) -> None:
    missing = make(ENTRIES).walk(path)
    assert isinstance(missing, Missing)
    assert (missing.reason, missing.path) == (reason, at)


def test_a_last_symlink_need_not_be_followed() -> None:
    found = Tree(ENTRIES).walk("/lib/libc.so", follow_last=False)
    assert isinstance(found, Found)
    assert isinstance(found.entry, Symlink)
    assert (found.path, found.via) == ("/usr/lib/libc.so", ("/lib",))


def test_parents_that_nobody_named_are_made_up() -> None:
    tree = Tree([file("/a/b/c")])
    assert [entry.path for entry in tree] == ["/", "/a", "/a/b", "/a/b/c"]
    assert tree["/a/b"] == Directory("/a/b", 0o755, 0, 0, 0, (), 0)


def test_a_lazy_tree_lists_only_where_it_is_looked() -> None:
    listed: list[str] = []
    full = Tree([file("/a/x"), file("/b/y"), file("/a/deep/z")])

    def lister(path: str) -> list[Entry]:
        listed.append(path)
        return [full[join(path, child)] for child in full.children(path)]

    tree = Tree([full["/"]], lister)
    assert "/a/x" in tree
    assert listed == ["/", "/a"]
    assert [entry.path for entry in tree.seen()] == ["/", "/a", "/a/deep", "/a/x", "/b"]
    assert list(tree) == list(full)
    assert sorted(listed) == ["/", "/a", "/a/deep", "/b"]


def test_added_entries_win_over_what_a_lazy_tree_lists() -> None:
    tree = lazy([file("/etc/passwd"), file("/etc/group")])
    changed = tree.with_entries([link("/etc/passwd", "group")])
    assert isinstance(changed["/etc/passwd"], Symlink)
    assert changed.children("/etc") == ["group", "passwd"]


NAMES = st.sampled_from(["a", "b", "c-d", "e.f", "ü"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.sets(PATHS, max_size=12))
def test_lazy_and_eager_trees_agree(paths: set[str]) -> None:
    leaves = [path for path in paths if not any(other.startswith(path + "/") for other in paths)]
    eager, late = Tree(map(file, leaves)), lazy(map(file, leaves))
    assert list(late) == list(eager)
    for entry in eager:
        assert late.get(entry.path) == entry
        assert list(late.children(entry.path)) == list(eager.children(entry.path))
        assert entry.path == "/" or parent(entry.path) in late


PATTERNS = st.lists(
    st.sampled_from(["/a", "/a/*", "/**/b", "/a/**", "!/a/b", "/{a,b}/*.f", "/[ab]/c-?", "!/**/e.f", "/**"]), min_size=1
)


@given(st.sets(PATHS, max_size=12), PATTERNS)
def test_reading_along_a_pattern_finds_what_matching_every_path_finds(paths: set[str], patterns: list[str]) -> None:
    leaves = [path for path in paths if not any(other.startswith(path + "/") for other in paths)]
    tree, globs = lazy(map(file, leaves)), compile_globs(patterns)
    found = [entry.path for entry, _ in select(tree, globs)]
    assert found == [entry.path for entry in Tree(map(file, leaves)) if entry.path != "/" and globs.match(entry.path)]
