"""What differs between two trees: every kind of difference, hard links once, and what always holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.base.content import Bytes
from assembler.base.progress import Silent
from assembler.tree import Directory, Entry, Fifo, Regular, Symlink, Tree, replace, size_of
from assembler.tree.compare import Comparison, compare, further_names
from tests.trees import make_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.tree.compare import FileChange


def compared(before: Tree, after: Tree) -> Comparison:
    return compare(before, after, Silent())


def written(one: FileChange) -> str:
    """Write a change as a row of a test: path, state, bytes it grew by, what differs, further names."""
    return " ".join([one.path, one.state, f"{one.delta:+d}", *one.what, *(f"&{path}" for path in one.also)])


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        ("/a file 0644 0:0 x", "/a file 0644 0:0 x", []),
        ("/b file 0644 0:0 x", "/b file 0644 0:0 x\n/a file 0644 0:0 xyz", ["/a added +3"]),
        ("/a file 0644 0:0 xyz\n/d dir", "", ["/a removed -3", "/d removed +0"]),
        ("/a file 0644 0:0 x", "/a file 0644 0:0 y", ["/a changed +0 content"]),
        ("/a file 0644 0:0 x", "/a file 0755 0:0 xx", ["/a changed +1 content mode"]),
        ("/a file 0644 0:0 x", "/a file 0644 7:8 x", ["/a changed +0 owner"]),
        ("/a dir 0755", "/a dir 1777", ["/a changed +0 mode"]),
        ("/a link b", "/a link c", ["/a changed +0 target"]),
        ("/a file 0644 0:0 xy", "/a link b", ["/a changed -2 type"]),
        ("/a char 0600 0:0 1,3", "/a char 0600 0:0 1,5", ["/a changed +0 device"]),
        ("/a char 0600 0:0 1,3", "/a block 0600 0:0 1,3", ["/a changed +0 type"]),
        (
            "/a file 0644 0:0 1\n/b file 0644 0:0 1",
            "/a file\n/b file 0644 0:0 12345",
            ["/b changed +4 content", "/a changed -1 content"],
        ),
    ],
)
def test_what_differs(before: str, after: str, rows: list[str]) -> None:
    found = compared(make_tree(before), make_tree(after))
    assert list(map(written, found.changes)) == rows
    assert found.times == 0


LINKED = "/a file 0644 0:0 12345\n/b hard /a\n/c hard /a"


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        (LINKED, LINKED, []),
        (LINKED, "", ["/a removed -5 &/b &/c"]),
        ("", LINKED, ["/a added +5 &/b &/c"]),
        (LINKED, LINKED.replace("12345", "1"), ["/a changed -4 content &/b &/c"]),
        # one name less, or more, of a file that is there all the while
        (LINKED, "/a file 0644 0:0 12345\n/c hard /a", ["/b removed +0"]),
        ("/a file 0644 0:0 12345", LINKED, ["/b added +0", "/c added +0"]),
        # the first name goes: the next one has the bytes now
        (LINKED, "/b file 0644 0:0 12345\n/c hard /b", ["/a removed -5", "/b changed +5 links", "/c changed +0 links"]),
        # a copy in place of a link
        (
            LINKED,
            "/a file 0644 0:0 12345\n/b file 0644 0:0 12345\n/c hard /a",
            ["/b changed +5 links"],
        ),
    ],
)
def test_hard_links_count_once(before: str, after: str, rows: list[str]) -> None:
    found = compared(make_tree(before), make_tree(after))
    assert list(map(written, found.changes)) == rows


def test_extended_attributes_and_times() -> None:
    file = Regular("/a", 0o644, 0, 0, 10, (), 0, Bytes(b"x"))
    capable = replace(file, xattrs=(("security.capability", b"\1"),))
    assert list(map(written, compared(Tree([file]), Tree([capable])).changes)) == ["/a changed +0 xattrs"]
    later = compared(Tree([file]), Tree([replace(file, mtime=11)]))
    assert (later.changes, later.times) == ((), 1)
    linked = [replace(file, inode=1), replace(file, inode=1, path="/b")]
    assert compared(Tree(linked), Tree([replace(one, mtime=11) for one in linked])).times == 1


def test_a_content_is_read_only_where_it_must_be() -> None:
    class Unreadable(Bytes, frozen=True):
        def chunks(self) -> Iterator[bytes]:
            raise AssertionError("read")

    def tree(data: bytes, mode: int = 0o644) -> Tree:
        return Tree([Regular("/a", mode, 0, 0, 0, (), 0, Unreadable(data))])

    assert compared(tree(b"x"), tree(b"x")).changes == (), "equal contents of one layer"
    assert [one.what for one in compared(tree(b"x"), tree(b"xy")).changes] == [("content",)], "another size"
    with pytest.raises(AssertionError):
        compared(tree(b"x"), tree(b"y"))


def test_names_that_are_no_text() -> None:
    found = compared(make_tree(""), Tree([Fifo("/\udcff", 0o644, 0, 0, 0, (), 0)]))
    assert [one.path for one in found.changes] == ["/\udcff"]


# What always holds

NAMES = ("/a", "/b", "/c", "/d/x", "/d/y")


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Trees of a few paths, which meet often: files with hard links, symlinks, pipes, directories."""
    entries: list[Entry] = [Directory("/d", draw(st.sampled_from((0o755, 0o700))), 0, 0, 0, (), 0)]
    files: dict[int, Regular] = {}
    for path in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        common = (path, 0o644, draw(st.integers(0, 1)), 0, draw(st.integers(0, 1)), (), 0)
        kind = draw(st.sampled_from(("file", "file", "hard", "link", "fifo")))
        if kind == "link":
            entries.append(Symlink(*common, draw(st.sampled_from(("x", "y")))))
        elif kind == "fifo":
            entries.append(Fifo(*common))
        else:
            file = Regular(*common, Bytes(draw(st.sampled_from((b"", b"1", b"2", b"333")))))
            if kind == "hard":
                number = draw(st.integers(1, 2))
                file = replace(files.setdefault(number, replace(file, inode=number)), path=path)
            entries.append(file)
    return Tree(entries)


def facts(tree: Tree, *, times: bool = False) -> Mapping[str, object]:
    """Return all that there is to say of each path, by the first name of hard links and not by their number."""
    further = further_names(tree)
    found = {}
    for entry in tree:
        plain = replace(entry, inode=0, mtime=entry.mtime if times else 0)
        found[entry.path] = (type(entry), plain, further.get(entry.path))
    return found


def unpacked(tree: Tree) -> int:
    files = {entry.inode or entry.path: size_of(entry) for entry in tree}
    return sum(files.values())


@given(trees())
def test_a_tree_does_not_differ_from_itself(tree: Tree) -> None:
    assert compared(tree, tree) == Comparison((), 0)


@given(trees(), trees())
def test_just_what_differs_is_named_once(before: Tree, after: Tree) -> None:
    old, new = facts(before), facts(after)
    found = compared(before, after)
    named = [path for one in found.changes for path in (one.path, *one.also)]
    assert sorted(named) == sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    if not named:
        assert bool(found.times) == (facts(before, times=True) != facts(after, times=True))


@given(trees(), trees())
def test_sizes_add_up(before: Tree, after: Tree) -> None:
    found = compared(before, after)
    assert sum(one.delta for one in found.changes) == unpacked(after) - unpacked(before)
    assert [abs(one.delta) for one in found.changes] == sorted((abs(one.delta) for one in found.changes), reverse=True)


@given(trees(), trees())
def test_the_other_way_round_it_is_the_mirror(before: Tree, after: Tree) -> None:
    there, back = compared(before, after), compared(after, before)
    mirrored = (
        replace(
            one,
            before=one.after,
            after=one.before,
            size_before=one.size_after,
            size_after=one.size_before,
            link_before=one.link_after,
            link_after=one.link_before,
        )
        for one in back.changes
    )
    assert there == Comparison(tuple(mirrored), back.times)
