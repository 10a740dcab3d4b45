"""Tarballs as trees: every form of tar that people have, and what is refused."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import os
import random
import re
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assembler.base import decompress
from assembler.base.content import Bytes, read
from assembler.base.errors import SourceError
from assembler.base.paths import from_bytes
from assembler.base.progress import Silent
from assembler.layers.render import tar_stream
from assembler.sources.tarball import read_tarball
from assembler.tree import Device, Directory, Entry, Fifo, Regular, Symlink, Tree, missing_directory
from tests.sources.archives import archive, member, tar
from tests.tools import need, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def tree_of(path: Path, data: bytes) -> Tree:
    path.write_bytes(data)
    return read_tarball(str(path), Silent())


def text(tree: Tree, path: str) -> bytes:
    entry = tree[path]
    assert isinstance(entry, Regular)
    return read(entry.content)


def twice(compress: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda data: compress(data[:700]) + compress(data[700:])


@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress]
    + [twice(each) for each in (gzip.compress, bz2.compress, lzma.compress, zstandard.compress)],
)
def test_every_compression_by_its_first_bytes(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    data = tar("usr dir\nusr/a file hello\nusr/b file " + "x" * 5000)
    tree = tree_of(tmp_path / "a", compress(data))
    assert text(tree, "/usr/a") == b"hello"
    assert text(tree, "/usr/b") == b"x" * 5000


@pytest.mark.parametrize("dialect", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_type_with_all_it_has(tmp_path: Path, dialect: int) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=dialect) as out:
        for info, data in (
            member("./", "dir", mode=0o1711, uid=3, gid=4),
            member("./bin/su", "file", "x", mode=0o4755, uid=1, gid=2, mtime=1_700_000_000),
            member("bin/also", "hard", "./bin/su"),
            member("bin/sh", "link", "/../dash"),
            member("dev/null", "char", "1,3", mode=0o666),
            member("dev/sda", "block", "8,0"),
            member("run/pipe", "fifo"),
        ):
            out.addfile(info, data)
    tree = read_tarball(str(path), Silent())
    assert tree["/"] == Directory("/", 0o1711, 3, 4, 0, (), 0)
    su, also = tree["/bin/su"], tree["/bin/also"]
    assert isinstance(su, Regular)
    assert (su.mode, su.uid, su.gid, su.mtime, read(su.content)) == (0o4755, 1, 2, 1_700_000_000, b"x")
    assert su.inode == also.inode != 0
    assert isinstance(also, Regular)
    assert also.content == su.content
    assert tree["/bin/sh"] == Symlink("/bin/sh", 0o777, 0, 0, 0, (), 0, "/../dash")
    assert tree["/dev/null"] == Device("/dev/null", 0o666, 0, 0, 0, (), 0, "c", 1, 3)
    assert tree["/dev/sda"] == Device("/dev/sda", 0o644, 0, 0, 0, (), 0, "b", 8, 0)
    assert isinstance(tree["/run/pipe"], Fifo)
    assert tree["/bin"] == missing_directory("/bin")


CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def test_binary_xattrs_byte_for_byte(tmp_path: Path) -> None:
    raw = CAPABILITY + bytes(range(256))
    pax = {
        "SCHILY.xattr.security.capability": from_bytes(raw),
        "LIBARCHIVE.xattr.user.%2528a": base64.b64encode(raw).decode().rstrip("="),
        "LIBARCHIVE.xattr.security.capability": base64.b64encode(b"SCHILY counts").decode(),
    }
    # tarfile itself writes such values only as UTF-8, so that the header is made by hand.
    records = b"".join(_record(key.encode(), value.encode("utf-8", "surrogateescape")) for key, value in pax.items())
    info, data = member("ping", "file", "x")
    plain = info.tobuf(tarfile.USTAR_FORMAT) + data.getvalue().ljust(512, b"\0") if data else b""
    head = tarfile.TarInfo("x")
    head.type, head.size = tarfile.XHDTYPE, len(records)
    extended = head.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)
    tree = tree_of(tmp_path / "a.tar", extended + plain + bytes(1024))
    assert dict(tree["/ping"].xattrs) == {"security.capability": raw, "user.%28a": raw}


def _record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + len(str(len(body) + 3))
    return str(length).encode() + body


def test_names_of_any_bytes(tmp_path: Path) -> None:
    names = ["a\nb", "\udcff\udc80", "é" * 60, "d" * 200 + "/" + "f" * 250]
    path = archive(tmp_path / "a.tar", *(member(name, "file", "x") for name in names))
    tree = read_tarball(path, Silent())
    assert {f"/{name}" for name in names} <= {entry.path for entry in tree}


def test_of_members_with_one_name_the_last_counts(tmp_path: Path) -> None:
    data = tar("a file one\nd dir\nd/x file\na file two\nd dir\ne dir\ne file three")
    tree = tree_of(tmp_path / "a.tar", data)
    assert text(tree, "/a") == b"two"
    assert text(tree, "/e") == b"three"
    assert "/d/x" in tree


def test_a_symlink_on_the_way_is_followed_inside_the_root(tmp_path: Path) -> None:
    data = tar("usr/lib dir\nlib link ../../usr/lib\nlib/a file one\nb hard lib/a")
    tree = tree_of(tmp_path / "a.tar", data)
    assert text(tree, "/usr/lib/a") == b"one"
    assert tree["/b"].inode == tree["/usr/lib/a"].inode


def test_sparse_files_keep_their_holes(tmp_path: Path) -> None:
    need("tar")
    with open(tmp_path / "holes", "wb") as file:
        file.seek(1 << 20)
        file.write(b"middle")
        file.seek(3 << 20)
        file.write(b"end")
    expected = (tmp_path / "holes").read_bytes()
    for version in ("0.0", "0.1", "1.0"):
        out = tmp_path / f"{version}.tar"
        run("tar", "-cSf", out, "--format=pax", f"--sparse-version={version}", "-C", tmp_path, "holes")
        assert out.stat().st_size < 1 << 17
        assert text(read_tarball(str(out), Silent()), "/holes") == expected
    run("tar", "-cSf", tmp_path / "gnu.tar", "--format=gnu", "-C", tmp_path, "holes")
    assert text(read_tarball(str(tmp_path / "gnu.tar"), Silent()), "/holes") == expected


REFUSED = {
    "../etc/passwd file": "../etc/passwd: a name with '..' in it",
    "a/../b file": "a/../b: a name with '..' in it",
    "/etc/passwd file": "/etc/passwd: an absolute name",
    "a hard /etc/passwd": "a: hard link to /etc/passwd: an absolute name",
    "a hard ../b": "a: hard link to ../b: a name with '..' in it",
    "a hard b": "/a: hard link to /b: what is not in the archive",
    "a hard b\nb file": "/a: hard link to /b: what is not in the archive",
    "a hard a": "/a: hard link to /a: what is not in the archive",
    "a file\na hard a": "/a: hard link to /a: itself",
    "d dir\na hard d": "/a: hard link to /d: a directory",
    "a file\na/b file": "/a/b: stands below /a, which is no directory",
    "a/b file\na file": "/a/b: stands below /a, which is no directory",
    "a link b\nb link a\na/x file": "/a/x: too many levels of symbolic links at /a",
    ". file": "/: the root is no directory",
}


@pytest.mark.parametrize("lines", REFUSED)
def test_what_is_refused(tmp_path: Path, lines: str) -> None:
    (tmp_path / "a.tar").write_bytes(tar(lines))
    with pytest.raises(SourceError, match=re.escape(f"{tmp_path}/a.tar: {REFUSED[lines]}") + "$"):
        read_tarball(str(tmp_path / "a.tar"), Silent())


def test_other_types_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", member("a", "file", type=b"M"))
    with pytest.raises(SourceError, match=r"a: a member of type b'M', which no root filesystem has"):
        read_tarball(path, Silent())


def test_a_cut_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    data = tar("d dir\nd/a file " + "x" * 700 + "\nd/" + "n" * 120 + " file y")
    for length in range(0, len(data.rstrip(b"\0")) + 512, 100):
        with pytest.raises(SourceError, match=r"truncated|empty|not a tar archive|damaged"):
            tree_of(tmp_path / "a.tar", data[:length])
    for squeeze in (gzip.compress, bz2.compress, lzma.compress, zstandard.compress):
        packed = squeeze(data)
        for length in (3, len(packed) // 2, len(packed) - 1):
            with pytest.raises(SourceError, match=r"truncated|not a tar archive|not a sound"):
                tree_of(tmp_path / "a.tar", packed[:length])


@pytest.mark.parametrize("head", [b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"BZh9"])
def test_garbage(tmp_path: Path, head: bytes) -> None:
    with pytest.raises(SourceError, match=r"a\.tar: (not a|truncated)"):
        tree_of(tmp_path / "a.tar", head + random.Random(1).randbytes(3000))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 6000), byte=st.integers(0, 255))
def test_a_changed_byte_raises_nothing_else(tmp_path: Path, at: int, byte: int) -> None:
    pax = {"SCHILY.xattr.user.a": "b", "mtime": "1.5"}
    path = archive(
        tmp_path / "a.tar",
        member("d/" + "n" * 120, "file", "y", pax_headers=pax),
        member("l", "link", "d"),
        member("h", "hard", "l"),
    )
    data = bytearray((tmp_path / "a.tar").read_bytes())
    data[at % len(data)] = byte
    (tmp_path / "a.tar").write_bytes(data)
    try:
        tree = read_tarball(path, Silent())
    except SourceError:
        return
    assert "/" in tree


@pytest.mark.parametrize("key", ["mtime", "uid", "size", "GNU.sparse.map", "GNU.sparse.realsize"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e400", "99999999999999999999", "x", "1,2"])
def test_absurd_numbers(tmp_path: Path, key: str, value: str) -> None:
    path = archive(tmp_path / "a.tar", member("a", "file", "y", pax_headers={key: value}))
    try:
        entry = read_tarball(path, Silent())["/a"]
    except SourceError:
        return
    assert entry.uid >= 0


def test_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress, "FREE_SIZE", 1 << 20)
    for squeeze in (bz2.compress, lzma.compress, zstandard.compress):
        (tmp_path / "a.tar").write_bytes(squeeze(bytes(16 << 20)))
        with pytest.raises(SourceError, match="a bomb") as caught:
            read_tarball(str(tmp_path / "a.tar"), Silent())
        assert caught.value.hint is not None


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read_tarball(str(tmp_path / "none"), Silent())
    with pytest.raises(SourceError, match="not a file"):
        read_tarball(str(tmp_path), Silent())


def test_no_room_to_unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    (tmp_path / "a.tar").write_bytes(gzip.compress(tar("a file x")))
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(SourceError, match="No space left on device") as caught:
        read_tarball(str(tmp_path / "a.tar"), Silent())
    assert "TMPDIR" in (caught.value.hint or "")


names = st.text(
    st.one_of(
        st.characters(exclude_characters="/\0", exclude_categories=["Cs"]),
        st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF),
    ),
    min_size=1,
    max_size=30,
).filter(lambda name: name not in {".", ".."})
numbers = st.integers(0, 2**32 - 1)
xattr_sets = st.dictionaries(st.sampled_from(["security.capability", "user.a", "user.b"]), st.binary(max_size=40))


@st.composite
def trees(draw: st.DrawFn) -> list[Entry]:
    """Draw any tree: the entries sorted, parents before children, some files hard links of each other."""
    folders = ["/"]
    entries: dict[str, Entry] = {"/": Directory("/", 0o755, 0, 0, 0, (), 0)}
    for number in range(draw(st.integers(0, 12))):
        above = draw(st.sampled_from(folders))
        path = (above if above != "/" else "") + "/" + draw(names)
        if path in entries:
            continue
        xattrs = tuple(sorted(draw(xattr_sets).items()))
        common = (
            path,
            draw(st.integers(0, 0o7777)),
            draw(numbers),
            draw(numbers),
            draw(st.integers(-9, 2**35)),
            xattrs,
        )
        match draw(st.sampled_from(["dir", "file", "link", "hard", "device", "fifo"])):
            case "dir":
                entries[path] = Directory(*common, 0)
                folders.append(path)
            case "file":
                entries[path] = Regular(*common, 0, Bytes(draw(st.binary(max_size=1200))))
            case "link":
                entries[path] = Symlink(path, 0o777, *common[2:5], (), 0, draw(names))
            case "device":
                entries[path] = Device(*common, 0, "c", draw(st.integers(0, 4095)), draw(st.integers(0, 2**20 - 1)))
            case "fifo":
                entries[path] = Fifo(*common, 0)
            case _:
                shared = (*common, number + 1, Bytes(b"shared"))
                entries[path] = Regular(*shared)
                entries[path + "."] = Regular(path + ".", *shared[1:])
    return list(Tree(entries.values()))


def comparable(tree: Tree) -> list[tuple[object, ...]]:
    groups: dict[int, int] = {}
    return [
        (
            type(entry).__name__,
            *(getattr(entry, field) for field in entry.__struct_fields__ if field not in {"inode", "content"}),
            groups.setdefault(entry.inode, len(groups)) if entry.inode else None,
            read(entry.content) if isinstance(entry, Regular) else None,
        )
        for entry in tree
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=trees())
def test_any_tree_survives_being_a_layer(tmp_path: Path, entries: list[Entry]) -> None:
    data = b"".join(tar_stream(entries, 2**40))
    assert comparable(tree_of(tmp_path / "a.tar", data)) == comparable(Tree(entries))
