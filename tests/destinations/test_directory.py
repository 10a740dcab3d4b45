"""Unpacked root filesystems: every attribute, nothing through links, whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assembler.base.content import Bytes
from assembler.base.errors import DestinationError
from assembler.destinations import Written, put
from assembler.destinations import directory as module
from assembler.oci.reference import parse
from assembler.oci.shipment import Shipment
from assembler.tree import Directory, Regular, Symlink, replace
from tests.destinations.failures import FAILURES, Failing, files_below, interrupt_at
from tests.destinations.images import CREATED, EPOCH, TREE, make_image
from tests.tools import need_root
from tests.trees import make_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.tree import Entry


CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def write(entries: Sequence[Entry], path: Path) -> Written:
    return module.write(tuple(entries), str(path), CREATED)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def ordinary() -> Iterator[Path]:
    """A folder of an ordinary user, who the test goes on as, in all that the kernel decides."""
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid():
            yield Path(folder)
            return
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("umask", [0, 0o077])
def test_a_tree_is_unpacked(tmp_path: Path, umask: int) -> None:
    lines = TREE.replace("0:0", f"{os.getuid()}:{os.getgid()}")
    entries = [replace(entry, uid=os.getuid(), gid=os.getgid()) for entry in make_tree(lines)]
    before = os.umask(umask)
    try:
        image = make_image(tmp_path)
        written = put(Shipment.of(image), lambda: entries, parse(f"dir:{tmp_path}/r"), "a", "1")
        assert written == Written(f"dir:{tmp_path}/r")
    finally:
        os.umask(before)
    root = tmp_path / "r"
    assert files_below(root) == ["bin", "etc", "etc/motd", "tmp", "usr", "usr/bin", "usr/bin/ash", "usr/bin/sh"]
    assert os.readlink(root / "bin") == "usr/bin"
    assert (root / "bin/sh").read_bytes() == b"#!/bin/true\n"
    assert os.path.samefile(root / "usr/bin/sh", root / "usr/bin/ash")
    modes = {"": 0o755, "usr/bin/sh": 0o755, "etc/motd": 0o640, "etc": 0o755, "tmp": 0o1777}
    assert {path: mode(root / path) for path in modes} == modes


def test_times_are_those_of_the_tree_but_not_after_the_images(tmp_path: Path) -> None:
    times = {"/": 5, "/a": 7, "/a/late": EPOCH + 5, "/a/old": -3, "/link": 9}
    made = make_tree("/a/late file\n/a/old file\n/link link a")
    write([replace(entry, mtime=times[entry.path]) for entry in made], tmp_path / "r")
    found = {path: int((tmp_path / f"r{path}").lstat().st_mtime) for path in times}
    assert found == {**times, "/a/late": EPOCH}


def test_a_closed_folder_is_filled_before_it_is_closed(ordinary: Path) -> None:
    write(tuple(make_tree("/a dir 0555\n/a/b dir 0000\n/a/b/c file 0400")), ordinary / "r")
    assert mode(ordinary / "r/a") == 0o555
    assert mode(ordinary / "r/a/b") == 0
    with pytest.raises(PermissionError):
        os.listdir(ordinary / "r/a/b")
    (ordinary / "r/a").chmod(0o755)
    (ordinary / "r/a/b").chmod(0o755)


def test_a_failure_leaves_nothing_of_closed_folders(ordinary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(DestinationError, match="busy"):
        write(tuple(make_tree("/ dir 0000\n/a/b dir 0000\n/a/b/c file 0400\n/out link /etc")), ordinary / "r")
    assert files_below(ordinary) == []


def test_what_an_ordinary_user_cannot_do_is_said(ordinary: Path) -> None:
    entries = list(make_tree("/dev/null char 0666 0:0 1,3\n/dev/zero hard /dev/null\n/su file 4755\n/run/p fifo 0600"))
    entries[-1] = replace(entries[-1], xattrs=(("security.capability", CAPABILITY),))
    written = write(entries, ordinary / "r")
    assert files_below(ordinary / "r") == ["dev", "run", "run/p", "su"]
    assert mode(ordinary / "r/su") == 0o755
    assert stat.S_ISFIFO((ordinary / "r/run/p").lstat().st_mode)
    assert written.notes == (
        "device nodes: 1 entry not made: not root; first: /dev/null",
        "owner of 5 entries not set: not root; first: /run/p",
        "extended attribute security.capability of 1 entry not set: not root; first: /su",
        "set-ID bits of 1 entry not set: the owner is another; first: /su",
    )


def test_root_sets_owners_devices_and_attributes(tmp_path: Path) -> None:
    need_root()
    entries = [
        replace(entry, xattrs=(("security.capability", CAPABILITY),)) if entry.path == "/ping" else entry
        for entry in make_tree(
            "/dev/null char 0666 1:2 1,3\n/ping file 6755 3:4 x\n/link link nowhere\n/d dir 0700 5:6"
        )
    ]
    entries = [replace(entry, uid=7, gid=8) if entry.path == "/link" else entry for entry in entries]
    assert write(entries, tmp_path / "r").notes == ()
    owners = {"dev/null": (1, 2), "ping": (3, 4), "link": (7, 8), "d": (5, 6)}
    found = {path: (tmp_path / "r" / path).lstat() for path in owners}
    assert {path: (status.st_uid, status.st_gid) for path, status in found.items()} == owners
    assert found["dev/null"].st_rdev == os.makedev(1, 3)
    assert mode(tmp_path / "r/ping") == 0o6755
    assert os.getxattr(tmp_path / "r/ping", "security.capability") == CAPABILITY


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    root = Directory("/", 0o755, 0, 0, 0, (), 0)
    link = Symlink("/a", 0o777, 0, 0, 0, (), 0, str(tmp_path / "outside"))
    file = Regular("/a/b", 0o644, 0, 0, 0, (), 0, Bytes(b"x"))
    for entries in ((root, link, file), (root, link, replace(file, path="/a")), (root, link, replace(root, path="/a"))):
        with pytest.raises(DestinationError, match="r: cannot be written: /a"):
            write(entries, tmp_path / "r")
    assert files_below(tmp_path) == ["outside"]


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    write(tuple(make_tree("/\\xff file 0644 0:0 x\n/l link \\xfe")), tmp_path / "r")
    assert sorted(os.listdir(os.fsencode(tmp_path / "r"))) == [b"l", b"\xff"]
    assert os.readlink(os.fsencode(tmp_path / "r/l")) == b"\xfe"


def test_an_empty_folder_is_taken_and_a_link_to_it_stays(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    write((), tmp_path / "link")
    write(tuple(make_tree("/x file")), tmp_path / "link/")
    assert (tmp_path / "link").is_symlink()
    assert files_below(tmp_path) == ["empty", "empty/x", "link"]


@pytest.mark.parametrize("there", ["file", "folder", "dangling"])
def test_what_is_there_stays(tmp_path: Path, there: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/x").touch()
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    before = files_below(tmp_path)
    with pytest.raises(DestinationError, match="not an empty folder"):
        write(tuple(make_tree("/x file")), tmp_path / there)
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_failure_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    entries = (*make_tree("/a/b file\n/bin link a\n/out link /etc"), Regular("/z", 0, 0, 0, 0, (), 0, Failing(error)))
    with pytest.raises(DestinationError if isinstance(error, OSError) else type(error)):
        write(entries, tmp_path / "r")
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("call", range(36))
def test_an_interruption_at_any_system_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    entries = tuple(make_tree("/a/b file 0644 0:0 x\n/a/c dir 0000\n/l link a"))
    interrupt_at(monkeypatch, call)
    try:
        write(entries, tmp_path / "r")
    except KeyboardInterrupt:
        pass
    finally:
        monkeypatch.undo()
    assert files_below(tmp_path) in ([], ["r", "r/a", "r/a/b", "r/a/c", "r/l"])
