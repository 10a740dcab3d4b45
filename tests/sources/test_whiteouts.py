"""Layers one over the other: what a whiteout hides, what a member replaces, what a hard link reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assembler.base.content import Bytes, SharedFile, Span, read
from assembler.base.errors import SourceError
from assembler.base.paths import to_bytes
from assembler.base.progress import Silent
from assembler.sources.members import Archive, read_entries
from assembler.sources.whiteouts import apply_layer
from assembler.tree import Directory, Regular, Symlink
from tests.sources.archives import tar

if TYPE_CHECKING:
    from assembler.tree import Entry


def stacked(*layers: str) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for layer in layers:
        entries = apply_layer(entries, members(layer))
    return entries


def members(lines: str) -> list[Entry]:
    data, file = tar(lines), SharedFile.temporary()
    file.write(data)
    return read_entries(Archive(Span(file, 0, len(data)), "layer", layer=True), Silent())


def shown(entries: dict[str, Entry]) -> str:
    """Write a tree as `path=content`, `path/` and `path->target`, sorted, without the root."""
    return " ".join(_shown(entries[path]) for path in sorted(entries, key=to_bytes) if path != "/")


def _shown(entry: Entry) -> str:
    match entry:
        case Directory():
            return entry.path[1:] + "/"
        case Symlink():
            return f"{entry.path[1:]}->{entry.target}"
        case Regular():
            return f"{entry.path[1:]}={read(entry.content).decode()}"
        case _:
            return f"{entry.path[1:]}?"


LOWER = "d dir\nd/a file 1\nd/b file 2\nd/e dir\nd/e/x file 3\nl link d\nf file 4"

CASES = {
    "nothing": ("n file 5", "d/ d/a=1 d/b=2 d/e/ d/e/x=3 f=4 l->d n=5"),
    "a file": ("d/.wh.a file", "d/ d/b=2 d/e/ d/e/x=3 f=4 l->d"),
    "a directory with all below": ("d/.wh.e file", "d/ d/a=1 d/b=2 f=4 l->d"),
    "what is not there": ("d/.wh.zzz file\n.wh.none file", "d/ d/a=1 d/b=2 d/e/ d/e/x=3 f=4 l->d"),
    "below what is not there": ("q/.wh.a file", "d/ d/a=1 d/b=2 d/e/ d/e/x=3 f=4 l->d"),
    "a symlink, not what it leads to": (".wh.l file", "d/ d/a=1 d/b=2 d/e/ d/e/x=3 f=4"),
    "through a symlink": ("l/.wh.a file", "d/ d/b=2 d/e/ d/e/x=3 f=4 l->d"),
    "whiteout, then file": ("d/.wh.a file\nd/a file 5", "d/ d/a=5 d/b=2 d/e/ d/e/x=3 f=4 l->d"),
    "file, then whiteout": ("d/a file 5\nd/.wh.a file", "d/ d/a=5 d/b=2 d/e/ d/e/x=3 f=4 l->d"),
    "opaque first": ("d dir\nd/.wh..wh..opq file\nd/n file 5", "d/ d/n=5 f=4 l->d"),
    "opaque last": ("d dir\nd/n file 5\nd/.wh..wh..opq file", "d/ d/n=5 f=4 l->d"),
    "opaque root": (".wh..wh..opq file\nn file 5", "n=5"),
    "opaque below keeps what is beside": ("d/e/.wh..wh..opq file", "d/ d/a=1 d/b=2 d/e/ f=4 l->d"),
    "AUFS's own": (
        ".wh..wh.plnk dir\n.wh..wh.plnk/1.2 file\n.wh..wh.aufs file",
        "d/ d/a=1 d/b=2 d/e/ d/e/x=3 f=4 l->d",
    ),
    "a file replaces a directory": ("d file 5", "d=5 f=4 l->d"),
    "a symlink replaces a directory": ("d link f", "d->f f=4 l->d"),
    "a directory replaces a file": ("f dir\nf/n file 5", "d/ d/a=1 d/b=2 d/e/ d/e/x=3 f/ f/n=5 l->d"),
    "a directory over a directory": ("d dir", "d/ d/a=1 d/b=2 d/e/ d/e/x=3 f=4 l->d"),
    "a directory replaces a symlink": ("l dir\nl/n file 5", "d/ d/a=1 d/b=2 d/e/ d/e/x=3 f=4 l/ l/n=5"),
    "a member through a symlink": ("l/n file 5", "d/ d/a=1 d/b=2 d/e/ d/e/x=3 d/n=5 f=4 l->d"),
    "a symlink climbs no higher than the root": (
        "up link ../../d\nup/n file 5",
        "d/ d/a=1 d/b=2 d/e/ d/e/x=3 d/n=5 f=4 l->d up->../../d",
    ),
    "a symlink to nowhere is made": (
        "to link /q/r\nto/n file 5",
        "d/ d/a=1 d/b=2 d/e/ d/e/x=3 f=4 l->d q/ q/r/ q/r/n=5 to->/q/r",
    ),
    "a hard link down": ("h hard d/a", "d/ d/a=1 d/b=2 d/e/ d/e/x=3 f=4 h=1 l->d"),
    "a hard link down, through a symlink": ("h hard l/a", "d/ d/a=1 d/b=2 d/e/ d/e/x=3 f=4 h=1 l->d"),
    "names with a slash in front": ("/n file 5\n/h hard /d/a", "d/ d/a=1 d/b=2 d/e/ d/e/x=3 f=4 h=1 l->d n=5"),
}


@pytest.mark.parametrize("case", CASES)
def test_over_a_layer(case: str) -> None:
    upper, expected = CASES[case]
    assert shown(stacked(LOWER, upper)) == expected


def test_in_the_lowest_layer_a_whiteout_hides_nothing() -> None:
    assert shown(stacked("a file 1\n.wh.a file\n.wh..wh..opq file")) == "a=1"


def test_metadata_of_a_directory_is_the_upper_ones() -> None:
    lower = {"/d": Directory("/d", 0o700, 1, 1, 1, (), 0)}
    assert apply_layer(lower, [Directory("/d", 0o755, 2, 2, 2, (), 0)])["/d"].mode == 0o755
    assert apply_layer(lower, members("d/n file 5"))["/d"] == lower["/d"]
    root = Directory("/", 0o1777, 2, 2, 2, (("user.a", b"b"),), 0)
    assert apply_layer(lower, [root])["/"] == root


def test_inode_numbers_do_not_collide() -> None:
    entries = stacked("a file 1\nb hard a", "c file 2\nd hard c\ne hard b")
    inodes = {path: entry.inode for path, entry in entries.items()}
    assert inodes["/a"] == inodes["/b"] == inodes["/e"] != 0
    assert inodes["/c"] == inodes["/d"] not in {0, inodes["/a"]}


def test_one_name_of_a_group_is_replaced_alone() -> None:
    entries = stacked("a file 1\nb hard a\nc hard a", "a file 2")
    assert shown(entries) == "a=2 b=1 c=1"
    assert entries["/a"].inode == 0
    assert entries["/b"].inode == entries["/c"].inode != 0


@pytest.mark.parametrize(
    ("upper", "message"),
    [
        (".wh. file", "/.wh.: a whiteout of nothing"),
        ("d/.wh... file", "/d/.wh...: a whiteout of nothing"),
        ("f/n file", "/f/n: stands below /f, which is no directory"),
        ("f/.wh.n file", "/f/.wh.n: stands below /f, which is no directory"),
        ("h hard none", "/h: hard link to /none: what is not in the archive"),
        (".wh.f file\nh hard f", "/h: hard link to /f: what is not in the archive"),
    ],
)
def test_refusals_name_layer_and_member(upper: str, message: str) -> None:
    lower = stacked(LOWER)
    before = dict(lower)
    with pytest.raises(SourceError) as caught:
        apply_layer(lower, members(upper), "layer sha256:0")
    assert caught.value.message == f"layer sha256:0: {message}"
    assert lower == before


def test_layers_below_stay_as_they_are() -> None:
    lower: dict[str, Entry] = {"/a": Regular("/a", 0o644, 0, 0, 0, (), 0, Bytes(b""))}
    before = dict(lower)
    apply_layer(lower, members("h hard a\nb/c file"))
    assert lower == before
