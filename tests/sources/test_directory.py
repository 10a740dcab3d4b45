"""A directory as a tree: every type of entry with all that the file system knows of it."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from assembler.base.content import read
from assembler.base.errors import SourceError
from assembler.base.paths import from_bytes
from assembler.base.progress import Silent
from assembler.sources.directory import DirectoryOptions, read_directory
from assembler.tree import Device, Directory, Fifo, Regular, Symlink, Tree

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may make device nodes and give files away")


def read_tree(folder: Path, *, lazy: bool = False, mounts: tuple[str, ...] = ()) -> tuple[Tree, list[str], list[str]]:
    notes: list[str] = []
    unreadable: list[str] = []
    options = DirectoryOptions(notes.append, unreadable.append, mounts, lazy)
    return read_directory(str(folder), options, Silent()), notes, unreadable


def test_files_directories_and_links(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").write_bytes(b"data")
    os.chmod(tmp_path / "bin" / "tool", 0o4755)
    os.chmod(tmp_path / "bin", 0o1777)
    os.utime(tmp_path / "bin" / "tool", ns=(0, 1_999_999_999))
    (tmp_path / "link").symlink_to("../outside")
    os.mkfifo(tmp_path / "pipe", 0o600)
    tree, notes, _ = read_tree(tmp_path)
    tool, folder, link, pipe = tree["/bin/tool"], tree["/bin"], tree["/link"], tree["/pipe"]
    assert isinstance(tool, Regular)
    assert (tool.mode, tool.uid, tool.mtime, read(tool.content)) == (0o4755, os.getuid(), 1, b"data")
    assert isinstance(folder, Directory)
    assert folder.mode == 0o1777
    assert isinstance(link, Symlink)
    assert link.target == "../outside"
    assert isinstance(pipe, Fifo)
    assert notes == []


def test_the_folder_itself_says_nothing_of_the_root(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o700)
    tree, _, _ = read_tree(tmp_path)
    assert (tree["/"].mode, tree["/"].uid, tree["/"].mtime) == (0o755, 0, 0)


def test_hard_links_are_one_inode(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "c").write_bytes(b"x")
    tree, _, _ = read_tree(tmp_path)
    assert tree["/a"].inode == tree["/b"].inode != 0
    assert tree["/c"].inode == 0


def test_names_of_any_bytes(tmp_path: Path) -> None:
    names = [b"new\nline", b"\xff\xfe", "ümlaut".encode(), b"n" * 255]
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(name)
    tree, _, _ = read_tree(tmp_path)
    for name in names:
        entry = tree["/" + from_bytes(name)]
        assert isinstance(entry, Regular)
        assert read(entry.content) == name


def test_sockets_are_left_out_with_a_note(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "sock"))
        tree, notes, _ = read_tree(tmp_path)
    assert "/sock" not in tree
    assert notes == ["/sock: a socket, left out: no image can hold one"]


def test_extended_attributes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    try:
        os.setxattr(path, "user.b", b"\0\xff")
        os.setxattr(path, "user.a", b"1")
    except OSError:
        pytest.skip("this file system has no user xattrs")
    tree, _, _ = read_tree(tmp_path)
    assert tree["/file"].xattrs == (("user.a", b"1"), ("user.b", b"\0\xff"))


@root_only
def test_owners_devices_and_capabilities(tmp_path: Path) -> None:
    os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(tmp_path / "disk", stat.S_IFBLK | 0o660, os.makedev(259, 70000))
    (tmp_path / "ping").write_bytes(b"x")
    os.chown(tmp_path / "ping", 1234, 70000)
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    os.setxattr(tmp_path / "ping", "security.capability", capability)
    os.setxattr(tmp_path / "ping", "trusted.overlay.origin", b"x")
    tree, _, _ = read_tree(tmp_path)
    null, disk, ping = tree["/null"], tree["/disk"], tree["/ping"]
    assert isinstance(null, Device)
    assert isinstance(disk, Device)
    assert (null.kind, null.major, null.minor) == ("c", 1, 3)
    assert (disk.kind, disk.major, disk.minor) == ("b", 259, 70000)
    assert (ping.uid, ping.gid, ping.xattrs) == (1234, 70000, (("security.capability", capability),))


@root_only
def test_a_directory_that_may_not_be_listed_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir(mode=0o700)
    (tmp_path / "secret" / "x").write_bytes(b"")
    os.chmod(tmp_path, 0o755)
    for above in (tmp_path, *tmp_path.parents):
        if not above.stat().st_mode & 0o005:
            pytest.skip(f"{above} keeps others out")
    os.seteuid(65534)
    try:
        tree, _, unreadable = read_tree(tmp_path)
    finally:
        os.seteuid(0)
    assert unreadable == ["/secret"]
    assert "/secret" in tree


def test_the_machine_itself_without_what_is_this_boots() -> None:
    tree, _, _ = read_tree(Path("/"), lazy=True)
    assert tree.partial
    assert list(tree.children("/proc")) == []
    assert list(tree.children("/tmp")) == []
    assert isinstance(tree["/tmp"], Directory)
    assert "/etc/passwd" in tree
    assert len(tree) < 3000, "only what was looked at was read"


def test_mounts_are_not_followed_unless_named(tmp_path: Path) -> None:
    if os.stat("/").st_dev == os.stat("/proc").st_dev:
        pytest.skip("/proc is not mounted")
    tree, _, _ = read_tree(Path("/"), lazy=True)
    assert list(tree.children("/sys")) == []
    with pytest.raises(SourceError, match=r"source\.mounts|No such file"):
        read_tree(tmp_path, mounts=("/nope",))


@pytest.mark.parametrize(("name", "message"), [("nope", "No such file"), ("file", "not a directory")])
def test_what_is_no_directory(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceError, match=message):
        read_tree(tmp_path / name)
