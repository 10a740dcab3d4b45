"""Package databases: dpkg, apk, opkg, Buildroot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.content import Bytes
from assembler.sources.packages import read_packages
from assembler.tree import Regular, Symlink, Tree

if TYPE_CHECKING:
    from pathlib import Path


def file(path: str, text: str = "") -> Regular:
    return Regular(path, 0o644, 0, 0, 0, (), 0, Bytes(text.encode()))


def test_dpkg_and_the_merged_usr() -> None:
    tree = Tree(
        [
            Symlink("/bin", 0o777, 0, 0, 0, (), 0, "usr/bin"),
            file("/usr/bin/dash"),
            file("/var/lib/dpkg/info/dash.list", "/.\n/bin\n/bin/dash\n/usr/share/doc/dash\n"),
            file("/var/lib/dpkg/info/libc6:amd64.list", "/.\n/usr/lib/libc.so.6\n"),
            file("/var/lib/dpkg/info/dash.md5sums", "not a list"),
        ]
    )
    packages = read_packages(tree)
    assert packages["/usr/bin/dash"] == "dash"
    assert packages["/usr/lib/libc.so.6"] == "libc6"
    assert "/" not in packages


def test_apk() -> None:
    tree = Tree(
        [file("/lib/apk/db/installed", "P:musl\nV:1\nF:lib\nR:libc.so\nZ:x\n\nP:zlib\nF:usr/lib\nR:libz.so.1\n")]
    )
    packages = read_packages(tree)
    assert (packages["/lib/libc.so"], packages["/usr/lib/libz.so.1"]) == ("musl", "zlib")


def test_opkg_lists_have_more_columns() -> None:
    tree = Tree([file("/usr/lib/opkg/info/busybox.list", "/bin/busybox\t0100755\n")])
    assert read_packages(tree) == {"/bin/busybox": "busybox"}


def test_buildroot_lists_stand_beside_the_target(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "build" / "packages-file-list.txt").write_text(
        "busybox,./bin/busybox\nskeleton,./etc/x\nbusybox,./etc/x\n"
    )
    assert read_packages(Tree([]), str(tmp_path / "target")) == {"/bin/busybox": "busybox", "/etc/x": "busybox"}
    assert read_packages(Tree([]), str(tmp_path)) == {}


def test_no_database_no_owners() -> None:
    assert read_packages(Tree([file("/usr/bin/x")])) == {}
