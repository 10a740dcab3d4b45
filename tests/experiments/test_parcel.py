"""Parcels: what a worker makes of them is what the parent had, and each content travels once."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from assembler.base import digest as digests
from assembler.base.content import Bytes, FileContent, read
from assembler.base.digest import Digest
from assembler.base.errors import DestinationError, ImageError, SourceError, UsageError
from assembler.base.paths import from_bytes
from assembler.base.progress import Silent
from assembler.experiments.cluster import depot
from assembler.experiments.cluster.depot import Depot, folder_of
from assembler.experiments.cluster.parcel import ARTIFACT, SCRIPT, Parcel, Sender, Share, check_share, open_parcel
from assembler.layers.group import LayerSpec
from assembler.layers.tars import Tar, tar_of
from assembler.oci.reference import Reference, parse
from assembler.oci.types import LAYER_ZSTD, Descriptor
from assembler.remote.access import Access
from assembler.sources.directory import DirectoryOptions, read_directory
from assembler.tree import Device, Directory, Entry, Fifo, Regular, Symlink, Tree
from tests.tools import need, pack, run
from tests.trees import make_folder, make_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.base.content import Content

SMALL = """
/bin dir
/bin/sh file 0755 0:0 the shell
/bin/ash hard /bin/sh
/etc/empty file 0600 7:8
/etc/twice file same
/etc/again file same
/lib link usr/lib
/run/pipe fifo
/dev/null char 0666 0:0 1,3
/very/long/{long} file of a long name
""".format(long="x" * 200)


class Counted:
    """A content that counts how often it is read."""

    def __init__(self, data: bytes) -> None:
        self._content = Bytes(data)
        self.size = len(data)
        self.reads = 0
        self.open = self._content.open

    def chunks(self) -> Iterator[bytes]:
        self.reads += 1
        return self._content.chunks()


def tar(entries: str | list[Entry], epoch: int = 0) -> Tar:
    return tar_of(LayerSpec("root", tuple(make_tree(entries) if isinstance(entries, str) else Tree(entries))), epoch)


def share_in(folder: Path | str) -> Share:
    return Share(Reference("oci", os.path.join(os.path.realpath(folder), "share")), Access())


def blobs_of(share: Share) -> dict[str, bytes]:
    folder = Path(share.place.path, "blobs", "sha256")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def layers(share: Share, parcel: Descriptor) -> list[Descriptor]:
    return list(open_parcel(share, parcel).manifest.layers)


def carried(share: Share, parcel: Descriptor, folder: Path) -> list[str]:
    """Return the digests of the contents that a parcel carries."""
    need("tar")
    at = folder / "contents.tar"
    at.write_bytes(b"".join(open_parcel(share, parcel).contents()))
    return sorted(f"sha256:{name}" for name in run("tar", "tf", at).split()) if at.stat().st_size else []


@pytest.fixture
def depots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs keep their folders."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def made(share: Share, sender: Sender, diff_id: Digest, run_id: str = "ab12") -> bytes:
    return read(Depot(run_id, share, sender.needs(diff_id)).content(diff_id))


def bytes_of(tar: Tar) -> bytes:
    return b"".join(tar.chunks())


def contents_of(tar: Tar) -> list[bytes]:
    return [read(piece) for piece in tar.pieces() if not isinstance(piece, bytes) and piece.size]


def sent(share: Share, entries: str = SMALL) -> Descriptor:
    parcel = Sender(share, Silent()).send([tar(entries)])
    assert parcel is not None
    return parcel


def test_a_tar_is_made_of_contents_and_a_script(tmp_path: Path, depots: Path) -> None:
    share, one = share_in(tmp_path), tar(SMALL)
    sender = Sender(share, Silent())
    parcel = sender.send([one])
    assert parcel is not None
    assert made(share, sender, one.diff_id) == bytes_of(one)
    wanted = {b"the shell", b"same", b"of a long name"}
    assert carried(share, parcel, tmp_path) == sorted(map(digests.sha256, wanted)), (
        "each once, and nothing that is empty"
    )
    names = {path.name for path in Path(folder_of("ab12")).iterdir() if path.suffix != ".lock"}
    assert names == {f"{one.diff_id.replace(':', '-')}.tar", f"{parcel.digest.replace(':', '-')}.contents"}
    assert Path(folder_of("ab12")).stat().st_mode & 0o777 == 0o700


def test_a_later_parcel_carries_what_is_new(tmp_path: Path, depots: Path) -> None:
    share = share_in(tmp_path)
    sender = Sender(share, Silent())
    first, second = tar(SMALL), tar(SMALL + "/etc/new file something new\n")
    third = tar("/etc/empty file\n/a dir\n", 5)
    one, two = sender.send([first]), sender.send([first, second, second])
    assert one is not None
    assert two is not None
    assert carried(share, two, tmp_path) == [digests.sha256(b"something new")]
    assert sender.needs(second.diff_id) == (two, one)
    assert sender.needs(first.diff_id) == (one,)
    assert sender.send([first, second]) is None
    assert sender.send([]) is None
    bare = sender.send([third])
    assert bare is not None
    assert [layer.media_type for layer in layers(share, bare)] == ["application/vnd.brasm.trials.script.v1.jsonl+zstd"]
    for each in (third, second, first):
        assert made(share, sender, each.diff_id) == bytes_of(each)


def test_a_content_is_read_once_for_its_digest(tmp_path: Path, depots: Path) -> None:
    contents: list[Content] = [Counted(b"one"), Counted(b"one"), Counted(b"two")]
    entries: list[Entry] = [Regular(f"/{i}", 0o644, 0, 0, 0, (), 0, content) for i, content in enumerate(contents)]
    tars = [tar(entries, epoch) for epoch in range(3)] + [tar(entries[:2])]
    before = [content.reads for content in contents if isinstance(content, Counted)]
    share = share_in(tmp_path)
    sender = Sender(share, Silent())
    for each in tars:
        sender.send([each])
    more = [content.reads for content in contents if isinstance(content, Counted)]
    assert [new - old for new, old in zip(more, before, strict=True)] == [2, 1, 2], "its digest, and on its way"


def test_the_same_tars_are_the_same_parcel(tmp_path: Path) -> None:
    tars, found = [tar(SMALL), tar("/a file x\n")], []
    for name in "ab":
        (tmp_path / name).mkdir()
        share = share_in(tmp_path / name)
        found.append((Sender(share, Silent()).send(tars if name == "a" else tars[::-1]), blobs_of(share)))
    assert found[0] == found[1]


def test_a_parcel_is_an_artifact_without_a_tag(tmp_path: Path) -> None:
    share = share_in(tmp_path)
    parcel = sent(share)
    assert sent(share, SMALL + "/b file\n") != parcel == sent(share)
    manifest = open_parcel(share, parcel).manifest
    assert manifest.artifact_type == ARTIFACT
    assert [layer.media_type for layer in manifest.layers] == [LAYER_ZSTD, SCRIPT]
    listed = json.loads(Path(share.place.path, "index.json").read_bytes())["manifests"]
    assert [(one["artifactType"], one.get("annotations")) for one in listed] == [(ARTIFACT, None)] * 2


NAMES = st.binary(min_size=1, max_size=150).filter(lambda raw: not {0, 47} & set(raw) and raw not in {b".", b".."})
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(map(from_bytes, parts)))
XATTRS = st.dictionaries(st.sampled_from(["user.a", "security.capability"]), st.binary(max_size=30), max_size=2)
DATA = st.one_of(st.binary(max_size=1200), st.sampled_from([b"", b"same", bytes(512), b"x" * 300_000]))


@st.composite
def trees(draw: st.DrawFn) -> list[Entry]:
    """Any entries: long and odd names, extended attributes, hard links, empty files, contents more than once."""
    found: list[Entry] = []
    paths = sorted(draw(st.sets(PATHS, max_size=6)))
    for number, path in enumerate(paths):
        if any(other.startswith(path + "/") for other in paths):
            continue
        xattrs = tuple(sorted(draw(XATTRS).items()))
        plain = (path, draw(st.integers(0, 0o7777)), draw(st.integers(0, 2**32 - 2)), 0, draw(st.integers(0, 2**34)))
        linked = Regular(*plain, xattrs, number + 1, Bytes(draw(DATA)))
        kinds: list[list[Entry]] = [
            [Regular(*plain, xattrs, 0, Bytes(draw(DATA)))],
            [linked, *([replace(linked, path=path + "-too")] if path + "-too" not in paths else [])],
            [Directory(*plain, xattrs, 0)],
            [Symlink(*plain, (), 0, from_bytes(draw(NAMES)))],
            [Device(*plain, (), 0, "b", 8, 1)],
            [Fifo(*plain, (), 0)],
        ]
        found += draw(st.sampled_from(kinds))
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(trees(), st.integers(0, 2**33)), min_size=1, max_size=4), st.data())
def test_whatever_is_sent_arrives(given_trees: list[tuple[list[Entry], int]], data: st.DataObject) -> None:
    """However tars are spread over parcels, each is made as it was, and no content travels twice."""
    tars = [tar(entries, epoch) for entries, epoch in given_trees]
    with tempfile.TemporaryDirectory() as folder:
        share, run_id = share_in(folder), secrets.token_hex(8)
        sender, parcels = Sender(share, Silent()), []
        for each in tars:
            together = [each, *data.draw(st.lists(st.sampled_from(tars), max_size=2))]
            parcels.append(sender.send(together))
        try:
            for each in data.draw(st.permutations(tars)):
                assert made(share, sender, each.diff_id, run_id) == bytes_of(each)
        finally:
            depot.remove(run_id)
        seen = [name for parcel in parcels if parcel for name in carried(share, parcel, Path(folder))]
        every = {digests.sha256(part) for each in tars for part in contents_of(each)}
        assert sorted(seen) == sorted(every)


def test_files_of_a_folder(tmp_path: Path, depots: Path) -> None:
    folder = make_folder("/bin/sh file 0755 0:0 shell\n/etc/x file\n", tmp_path / "root")
    tree = read_directory(folder, DirectoryOptions(lambda _: None, lambda _: None), Silent())
    one, share = tar_of(LayerSpec("root", tuple(tree)), 0), share_in(tmp_path)
    assert any(isinstance(piece, FileContent) for piece in one.pieces())
    sender = Sender(share, Silent())
    sender.send([one])
    wanted = bytes_of(one)
    shutil.rmtree(folder)
    assert made(share, sender, one.diff_id) == wanted, "nothing of the source is needed any more"


def test_a_file_that_changed_meanwhile(tmp_path: Path) -> None:
    at = tmp_path / "file"
    at.write_bytes(b"before")
    content = FileContent.of(os.fsencode(at), os.stat(at))
    one = tar([Regular("/x", 0o644, 0, 0, 0, (), 0, content)])
    at.write_bytes(b"thereafter")
    share = share_in(tmp_path)
    with pytest.raises(SourceError, match="changed while it was read"):
        Sender(share, Silent()).send([one])
    assert not Path(share.place.path).exists(), "nothing was sent"


def damaged(share: Share, blob: str, how: str) -> None:
    path = Path(share.place.path, "blobs", "sha256", blob.partition(":")[2])
    data = path.read_bytes()
    match how:
        case "missing":
            path.unlink()
        case "cut off":
            path.write_bytes(data[:-3])
        case "changed":
            path.write_bytes(bytes([data[0]]) + bytes([data[1] ^ 1]) + data[2:])
        case _:
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


@pytest.mark.parametrize("which", ["manifest", "contents", "script"])
@pytest.mark.parametrize("how", ["missing", "cut off", "changed", "changed at its end"])
def test_a_damaged_parcel_is_refused(tmp_path: Path, depots: Path, which: str, how: str) -> None:
    share, one = share_in(tmp_path), tar(SMALL)
    sender = Sender(share, Silent())
    parcel = sender.send([one])
    assert parcel is not None
    contents, script = layers(share, parcel)
    blob = {"manifest": parcel, "contents": contents, "script": script}[which].digest
    damaged(share, blob, how)
    with pytest.raises(ImageError, match=blob) as caught:
        made(share, sender, one.diff_id)
    assert "\n" not in str(caught.value)
    left = [path.name for path in Path(folder_of("ab12")).iterdir() if not path.name.endswith((".lock", ".contents"))]
    assert left == [], "nothing half-made"


def test_a_digest_that_is_something_else(tmp_path: Path, depots: Path) -> None:
    image, root = tmp_path / "share", make_folder("/x file x\n", tmp_path / "root")
    pack("--source", root, "--mode", "all", "--set", "image.platform=linux/amd64", "-o", f"oci:{image}:1")
    listed = json.loads((image / "index.json").read_bytes())["manifests"][0]
    found = Descriptor(listed["mediaType"], listed["digest"], listed["size"])
    with pytest.raises(ImageError, match="is no parcel, but an image"):
        open_parcel(share_in(tmp_path), found)


def test_a_tar_that_no_parcel_has(tmp_path: Path, depots: Path) -> None:
    share, one = share_in(tmp_path), tar(SMALL)
    sender = Sender(share, Silent())
    sender.send([one])
    with pytest.raises(ImageError, match="has no script for the tar sha256:0000"):
        Depot("ab12", share, sender.needs(one.diff_id)).content(Digest("sha256:" + "0" * 64))


def test_a_script_whose_contents_are_elsewhere(tmp_path: Path, depots: Path) -> None:
    share, first, second = share_in(tmp_path), tar(SMALL), tar(SMALL + "/b dir\n")
    sender = Sender(share, Silent())
    sender.send([first])
    sender.send([second])
    of_script = sender.needs(second.diff_id)[:1]
    with pytest.raises(SourceError, match="which its parcels do not have"):
        Depot("ab12", share, of_script).content(second.diff_id)


def test_a_share_that_is_not_there(tmp_path: Path, depots: Path) -> None:
    share = share_in(tmp_path)
    parcel = sent(share)
    away = Share(Reference("oci", str(tmp_path / "nope")), Access())
    with pytest.raises(SourceError, match="nope: no such folder"):
        Depot("ab12", away, [parcel]).fetch()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("docker-daemon:app:1", "nothing can be shared there"),
        ("x.tar", "nothing can be shared there"),
        ("oci:share:1", "has no tag"),
        ("docker://localhost:1/app:1", "has no tag"),
    ],
)
def test_places_that_cannot_be_shared(text: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        check_share(parse(text))


def test_a_share_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, match in (("file", "not a folder"), ("nope/share", "no folder")):
        with pytest.raises(DestinationError, match=match):
            Sender(Share(Reference("oci", str(tmp_path / path)), Access()), Silent())


def test_a_relative_share_is_told_as_an_absolute_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_share(parse("oci:share")) == Reference("oci", str(tmp_path / "share"))
    assert check_share(parse("docker://localhost:5000/team/app")) == parse("docker://localhost:5000/team/app")


def test_parcels_travel_by_a_registry(tmp_path: Path, depots: Path, registry: str) -> None:
    share = Share(parse(f"docker://{registry}/trials-{secrets.token_hex(4)}"), Access())
    sender, tars = (
        Sender(share, Silent()),
        [tar(SMALL), tar(SMALL + "/b dir\n"), tar("/big file " + "x" * 100_000 + "\n")],
    )
    for each in tars:
        sender.send([each])
    for each in tars:
        assert made(share, sender, each.diff_id) == bytes_of(each)
    nobody = Share(replace(share.place, name="nobody"), Access())
    with pytest.raises((ImageError, SourceError), match="nobody"):
        Depot("cd34", nobody, sender.needs(tars[0].diff_id)).fetch()


def test_each_file_is_made_once_by_however_many(tmp_path: Path, depots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share, one = share_in(tmp_path), tar(SMALL)
    sender = Sender(share, Silent())
    sender.send([one])
    opened: list[Descriptor] = []

    def counted(share: Share, parcel: Descriptor) -> Parcel:
        opened.append(parcel)
        time.sleep(0.05)
        return open_parcel(share, parcel)

    monkeypatch.setattr(depot, "open_parcel", counted)
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(made(share, sender, one.diff_id)), daemon=True) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [bytes_of(one)] * 5
    assert len(opened) == 2, "once for the contents, once for the script"


def test_tars_that_are_forgotten_are_made_again(tmp_path: Path, depots: Path) -> None:
    share, one = share_in(tmp_path), tar(SMALL)
    sender = Sender(share, Silent())
    sender.send([one])
    place = Depot("ab12", share, sender.needs(one.diff_id))
    content = place.content(one.diff_id)
    place.forget([one.diff_id, Digest("sha256:" + "0" * 64)])
    assert not list(Path(folder_of("ab12")).glob("*.tar"))
    assert read(content) == bytes_of(one), "who has it open keeps it"
    assert read(place.content(one.diff_id)) == bytes_of(one)
    depot.remove("ab12")
    assert list(depots.iterdir()) == []


def test_a_folder_of_somebody_else_is_not_used(depots: Path) -> None:
    Path(folder_of("ab12")).symlink_to(depots)
    with pytest.raises(DestinationError, match="belongs to somebody else"):
        Depot("ab12", share_in(depots), ())


def test_what_a_run_left_long_ago_goes(tmp_path: Path, depots: Path) -> None:
    share = share_in(tmp_path)
    for run_id, age in (("aa", 100_000), ("bb", 1000)):
        Depot(run_id, share, ())
        (Path(folder_of(run_id)) / "x.tar").touch()
        os.utime(folder_of(run_id), (time.time() - age,) * 2)
    (depots / "brasm-trials-of mine").mkdir()
    os.utime(depots / "brasm-trials-of mine", (0, 0))
    Depot("cc", share, ())
    assert {path.name for path in depots.iterdir()} == {"brasm-trials-bb", "brasm-trials-cc", "brasm-trials-of mine"}
