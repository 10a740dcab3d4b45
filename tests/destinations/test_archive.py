"""Archives: members, order, headers, and the programs that read them."""

from __future__ import annotations

import json
import os
import stat
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from assembler.base.digest import sha256
from assembler.base.errors import DestinationError
from assembler.destinations import Written, put
from assembler.oci.reference import parse
from assembler.oci.shipment import Shipment
from tests.destinations.failures import FAILURES, failing, files_below, interrupt_at
from tests.destinations.images import make_image
from tests.tools import need, run

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.oci.image import Image

TRANSPORTS = ["{}/x.tar", "oci-archive:{}/x.tar", "docker-archive:{}/x.tar"]


def write(image: Image, text: str) -> Written:
    return put(Shipment.of(image), tuple, parse(text), "app", "1.0")


def blobs(image: Image) -> list[str]:
    digests = (image.digest, *(layer.descriptor.digest for layer in image.layers), sha256(image.config_bytes))
    return ["blobs/sha256/" + digest[7:] for digest in dict.fromkeys(digests)]


@pytest.mark.parametrize(
    ("text", "documents", "manifest", "complete"),
    [
        ("{}/x.tar", ["oci-layout", "index.json", "manifest.json"], True, "{}/x.tar"),
        ("oci-archive:{}/x.tar", ["oci-layout", "index.json"], True, "oci-archive:{}/x.tar:1.0"),
        ("oci-archive:{}/x.tar:2", ["oci-layout", "index.json"], True, "oci-archive:{}/x.tar:2"),
        ("docker-archive:{}/x.tar", ["manifest.json"], False, "docker-archive:{}/x.tar:app:1.0"),
        ("docker-archive:{}/x.tar:a/b", ["manifest.json"], False, "docker-archive:{}/x.tar:a/b:1.0"),
        ("docker-archive:{}/x.tar:b:2", ["manifest.json"], False, "docker-archive:{}/x.tar:b:2"),
    ],
)
def test_members(tmp_path: Path, text: str, documents: list[str], manifest: bool, complete: str) -> None:
    image = make_image(tmp_path)
    assert write(image, text.format(tmp_path)) == Written(complete.format(tmp_path))
    with tarfile.open(tmp_path / "x.tar") as archive:
        members = archive.getmembers()
    expected = [*documents, "blobs", "blobs/sha256", *blobs(image)[0 if manifest else 1 :]]
    assert [member.name for member in members] == expected
    for member in members:
        assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (0, 0, "", "", 0)
        folder = member.name in {"blobs", "blobs/sha256"}
        assert (member.isdir(), member.isreg(), member.mode) == (folder, not folder, 0o755 if folder else 0o644)


@pytest.mark.parametrize("layers", [1, 3])
def test_docker_reads_config_and_layers_by_their_blobs(tmp_path: Path, layers: int) -> None:
    image = make_image(tmp_path, layers=layers)
    write(image, f"docker-archive:{tmp_path}/x.tar:team/app:2")
    config, layer = "blobs/sha256/" + sha256(image.config_bytes)[7:], blobs(image)[1]
    expected = [{"Config": config, "RepoTags": ["team/app:2"], "Layers": [layer] * layers}]
    assert json.loads(member(tmp_path / "x.tar", "manifest.json")) == expected
    assert member(tmp_path / "x.tar", config) == image.config_bytes
    assert len(member(tmp_path / "x.tar", layer)) == image.layers[0].descriptor.size


def test_the_index_names_the_image(tmp_path: Path) -> None:
    image = make_image(tmp_path)
    write(image, f"{tmp_path}/x.tar")
    index = json.loads(member(tmp_path / "x.tar", "index.json"))
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    (descriptor,) = index["manifests"]
    assert descriptor["digest"] == image.digest
    assert descriptor["platform"] == {"architecture": "amd64", "os": "linux"}
    assert descriptor["annotations"] == {
        "io.containerd.image.name": "docker.io/library/app:1.0",
        "org.opencontainers.image.ref.name": "1.0",
    }


def member(path: Path, name: str) -> bytes:
    with tarfile.open(path) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return file.read()


@pytest.mark.parametrize("text", TRANSPORTS)
def test_the_same_image_is_the_same_bytes(tmp_path: Path, text: str) -> None:
    seen = []
    for _ in range(2):
        write(make_image(tmp_path), text.format(tmp_path))
        seen.append((tmp_path / "x.tar").read_bytes())
    assert seen[0] == seen[1]


def test_old_dockers_do_not_read_zstd(tmp_path: Path) -> None:
    image = make_image(tmp_path, compression="zstd")
    assert "docker before version 23" in write(image, f"{tmp_path}/x.tar").notes[0]
    assert write(image, f"oci-archive:{tmp_path}/y.tar").notes == ()


def test_the_umask_applies_and_a_link_stays(tmp_path: Path) -> None:
    (tmp_path / "link.tar").symlink_to("x.tar")
    before = os.umask(0o027)
    try:
        write(make_image(tmp_path), f"{tmp_path}/link.tar")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.tar").lstat().st_mode) == 0o640
    assert (tmp_path / "link.tar").is_symlink()


@pytest.mark.parametrize("text", TRANSPORTS)
@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_failure_leaves_what_was_there(tmp_path: Path, text: str, error: BaseException) -> None:
    (tmp_path / "x.tar").write_text("old")
    with pytest.raises(DestinationError if isinstance(error, OSError) else type(error)):
        write(failing(make_image(tmp_path), error), text.format(tmp_path))
    assert files_below(tmp_path) == ["x.tar"]
    assert (tmp_path / "x.tar").read_text() == "old"


@pytest.mark.parametrize("call", range(28))
def test_an_interruption_at_any_system_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    image = make_image(tmp_path)
    interrupt_at(monkeypatch, call)
    try:
        write(image, f"{tmp_path}/x.tar")
    except KeyboardInterrupt:
        pass
    finally:
        monkeypatch.undo()
    assert files_below(tmp_path) in ([], ["x.tar"])


@pytest.mark.parametrize(("path", "reason"), [("nowhere/x.tar", "No such file"), ("folder", "Is a directory")])
def test_where_no_file_can_be(tmp_path: Path, path: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DestinationError, match=f"{path}: cannot be written: {reason}"):
        write(make_image(tmp_path), f"{tmp_path}/{path}")
    assert files_below(tmp_path) == ["folder"]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_skopeo_reads_all_of_them(tmp_path: Path, compression: Any, layers: int) -> None:
    need("skopeo")
    image = make_image(tmp_path, compression=compression, layers=layers)
    for name, text in enumerate(TRANSPORTS):
        write(image, text.replace("x.tar", f"{name}.tar").format(tmp_path))
    for source in ("oci-archive:{}/0.tar", "oci-archive:{}/1.tar:1.0"):
        found = run("skopeo", "inspect", "--format", "{{.Digest}}", source.format(tmp_path)).strip()
        assert found == image.digest
    for number, source in enumerate(
        ("docker-archive:{}/0.tar", "docker-archive:{}/0.tar:app:1.0", "docker-archive:{}/2.tar:app:1.0")
    ):
        run("skopeo", "copy", source.format(tmp_path), f"oci:{tmp_path}/copy{number}:1")
        config = json.loads(run("skopeo", "inspect", "--config", f"oci:{tmp_path}/copy{number}:1"))
        assert config["rootfs"]["diff_ids"] == [layer.diff_id for layer in image.layers]


def test_skopeo_reads_zstd_from_an_oci_archive(tmp_path: Path) -> None:
    need("skopeo")
    image = make_image(tmp_path, compression="zstd")
    write(image, f"{tmp_path}/x.tar")
    run("skopeo", "copy", f"oci-archive:{tmp_path}/x.tar", f"oci:{tmp_path}/copy:1")
