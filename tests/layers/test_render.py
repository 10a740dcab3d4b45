"""Rendering: what goes into a layer comes out of it, deterministically and in bounded pieces."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zlib
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler.base import digest as digests
from assembler.base.content import Bytes, read
from assembler.base.errors import DestinationError
from assembler.base.paths import from_bytes, to_bytes
from assembler.base.progress import Silent
from assembler.layers import compress
from assembler.layers.compress import BLOCK
from assembler.layers.group import LayerSpec
from assembler.layers.render import RenderOptions, render, tar_stream
from assembler.tree import Device, Directory, Entry, Fifo, Regular, Symlink, Tree, missing_directory

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.oci.image import Compression, Layer


def file(path: str, data: bytes = b"", inode: int = 0, mode: int = 0o644) -> Regular:
    return Regular(path, mode, 0, 0, 0, (), inode, Bytes(data))


def rendered(entries: list[Entry], folder: Path, compression: Compression = "gzip", level: int | None = None) -> Layer:
    spec = LayerSpec("root", tuple(Tree(entries)))
    return render(spec, RenderOptions(compression, level, 0, str(folder)), Silent())


def unpacked(layer: Layer) -> bytes:
    data = read(layer.blob)
    match layer.descriptor.media_type.rpartition("+")[2]:
        case "gzip":
            return gzip.decompress(data)
        case "zstd":
            return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
        case _:
            return data


BIG = [file("/big", os.urandom(1000) * 3500), file("/empty"), file("/small", b"x")]


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_digests_and_sizes_are_those_of_the_bytes(tmp_path: Path, compression: Compression) -> None:
    layer = rendered(list(BIG), tmp_path, compression)
    stored, plain = read(layer.blob), unpacked(layer)
    assert (layer.descriptor.digest, layer.descriptor.size) == (digests.sha256(stored), len(stored))
    assert (layer.diff_id, layer.uncompressed_size) == (digests.sha256(plain), len(plain))
    assert plain == b"".join(tar_stream(Tree(BIG), 0))
    assert layer.entries == 4
    assert list(tmp_path.iterdir()) == [], "the blob has no name"


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_bytes_do_not_depend_on_the_number_of_cores(
    tmp_path: Path, compression: Compression, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = set()
    for cores in (1, 2, 5):
        monkeypatch.setattr(compress, "cores", lambda cores=cores: cores)
        found.add(rendered(list(BIG), tmp_path, compression).descriptor.digest)
    assert len(found) == 1


def test_gzip_has_members_of_a_fixed_size_without_name_or_time(tmp_path: Path) -> None:
    data = read(rendered(list(BIG), tmp_path).blob)
    first = zlib.decompressobj(wbits=31)
    assert len(first.decompress(data)) == BLOCK
    assert first.unused_data[:3] == data[:3], "the next member"
    assert data[:3] == b"\x1f\x8b\x08"
    assert data[3] == 0, "no name, no comment"
    assert data[4:8] == bytes(4), "no time"
    assert unpacked(rendered([], tmp_path)) == bytes(1024)


def test_parents_stand_before_children_and_targets_before_links(tmp_path: Path) -> None:
    entries = [file("/b/link", b"data", 7), file("/a/first", b"data", 7), file("/a-b", b""), file("/a/z/deep")]
    with tarfile.open(fileobj=io.BytesIO(unpacked(rendered(list(entries), tmp_path)))) as tar:
        members = tar.getmembers()
    names = [member.name for member in members]
    assert names == ["a", "a-b", "a/first", "a/z", "a/z/deep", "b", "b/link"]
    assert members[-1].islnk()
    assert members[-1].linkname == "a/first"


def test_times_are_clamped_and_whole(tmp_path: Path) -> None:
    entries = [Regular(f"/{mtime}", 0o644, 0, 0, mtime, (), 0, Bytes(b"")) for mtime in (-5, 7, 2**33)]
    data = b"".join(tar_stream(entries, 1000))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert {member.name: member.mtime for member in tar} == {"-5": -5, "7": 7, str(2**33): 1000}
    assert rendered(list(entries), tmp_path).entries == 4


def test_the_root_directory_is_written_only_where_it_says_something() -> None:
    plain = b"".join(tar_stream([missing_directory("/")], 0))
    assert plain == bytes(1024)
    owned = Directory("/", 0o755, 5, 0, 0, (), 0)
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar_stream([owned], 0)))) as tar:
        assert [(member.name, member.uid) for member in tar] == [(".", 5)]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match="cannot be written there"):
        rendered([], tmp_path / "nope")


NAMES = st.binary(min_size=1, max_size=120).filter(lambda raw: not {0, 47} & set(raw) and raw not in {b".", b".."})
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(map(from_bytes, parts)))
IDS = st.one_of(st.integers(0, 70000), st.integers(2**21, 2**32 - 2))
MODES = st.integers(0, 0o7777)
XATTRS = st.dictionaries(st.sampled_from(["user.a", "security.capability"]), st.binary(max_size=30), max_size=2)


@st.composite
def leaves(draw: st.DrawFn) -> list[Entry]:
    found: list[Entry] = []
    paths = sorted(draw(st.sets(PATHS, max_size=8)))
    for path in paths:
        if any(other.startswith(path + "/") for other in paths):
            continue
        xattrs = tuple(sorted(draw(XATTRS).items()))
        common = (path, draw(MODES), draw(IDS), draw(IDS), draw(st.integers(0, 2**31)), xattrs, 0)
        plain = (*common[:5], (), 0)
        kinds: list[Entry] = [
            Regular(*common, Bytes(draw(st.binary(max_size=1500)))),
            Directory(*common),
            Symlink(path, 0o777, *plain[2:], from_bytes(draw(NAMES))),
            Device(*plain, "c", draw(st.integers(0, 2**12 - 1)), draw(st.integers(0, 2**20 - 1))),
            Fifo(*plain),
        ]
        found.append(draw(st.sampled_from(kinds)))
    return found


def _read_back(data: bytes) -> list[Entry]:
    """Read a tar with the standard library, as an independent reader."""
    found: list[Entry] = []
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            prefix = "SCHILY.xattr."
            pax = member.pax_headers
            xattrs = tuple(
                (key[len(prefix) :], to_bytes(value)) for key, value in pax.items() if key.startswith(prefix)
            )
            common = ("/" + member.name, member.mode, member.uid, member.gid, int(member.mtime), xattrs, 0)
            if member.isdir():
                found.append(Directory(*common))
            elif member.issym():
                found.append(Symlink(*common, member.linkname))
            elif member.isfifo():
                found.append(Fifo(*common))
            elif member.ischr():
                found.append(Device(*common, "c", member.devmajor, member.devminor))
            else:
                extracted = tar.extractfile(member)
                assert extracted is not None
                found.append(Regular(*common, Bytes(extracted.read())))
    return found


@settings(max_examples=200, deadline=None)
@given(leaves())
def test_any_tree_survives(entries: list[Entry]) -> None:
    tree = Tree(entries)
    data = b"".join(tar_stream(tree, 2**31))
    assert _read_back(data) == [entry for entry in tree if entry.path != "/"]
