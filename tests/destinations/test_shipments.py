"""Indexes, artifacts and images without a name: what each destination makes of what it did not make itself."""

from __future__ import annotations

import hashlib
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from assembler.base.content import Bytes, read
from assembler.base.digest import Digest
from assembler.base.errors import BrasmError, DestinationError, ImageError, UsageError
from assembler.destinations import layout as layout_destination
from assembler.destinations import put
from assembler.oci.reference import parse
from assembler.oci.shipment import Shipment
from assembler.oci.types import INDEX, LAYER_ZSTD, Descriptor, Manifest, encode
from assembler.remote.access import Access
from assembler.sources.shipment import open_shipment
from tests.destinations.failures import files_below
from tests.destinations.images import make_image
from tests.sources.archives import Blobs, descriptor, image, index, layout, tagged, tar

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.destinations import Written

SHARED = tar("etc dir\netc/a file 1")
UNKNOWN = {"os": "unknown", "architecture": "unknown"}
LOCAL = ("{}/x.tar", "oci-archive:{}/x.tar", "docker-archive:{}/x.tar", "oci:{}/x", "dir:{}/x")


def shipment(folder: Path, *architectures: str, attested: bool = True) -> Shipment:
    """Return an index of images, each with a layer of its own and a shared one, and an attestation."""
    blobs: Blobs = {}
    images = [
        image(blobs, [SHARED, tar(f"{each} file")], architecture=each, platform={"os": "linux", "architecture": each})
        for each in architectures
    ]
    images += [image(blobs, [b"{}"], platform=UNKNOWN)] if attested else []
    source = layout(folder / "source", blobs, tagged(descriptor(blobs, index(*images), INDEX), "1"))
    return open_shipment(parse(f"oci:{source}:1"), Access(), every=True).shipment


def write(goods: Shipment, text: str, name: str | None = "app") -> Written:
    return put(goods, tuple, parse(text), name, "1.0")


def members(path: Path) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member)
            found[member.name] = file.read() if file is not None else None
    return found


def blob_names(goods: Shipment) -> list[str]:
    return ["blobs/" + each.digest.replace(":", "/") for each, _ in (*goods.documents, *goods.blobs)]


def test_an_index_in_a_layout(tmp_path: Path) -> None:
    goods = shipment(tmp_path, "amd64", "arm64")
    assert write(goods, f"oci:{tmp_path}/x").reference == f"oci:{tmp_path}/x:1.0"
    (entry,) = json.loads((tmp_path / "x/index.json").read_bytes())["manifests"]
    assert (entry["mediaType"], entry["digest"]) == (INDEX, goods.root.digest)
    assert "platform" not in entry
    assert entry["annotations"] == {
        "io.containerd.image.name": "docker.io/library/app:1.0",
        "org.opencontainers.image.ref.name": "1.0",
    }
    stored = sorted(path for path in files_below(tmp_path / "x/blobs") if len(path) > 64)
    assert stored == sorted(name.removeprefix("blobs/") for name in blob_names(goods))
    for name in stored:
        assert hashlib.sha256((tmp_path / "x/blobs" / name).read_bytes()).hexdigest() == name.removeprefix("sha256/")
    again = open_shipment(parse(f"oci:{tmp_path}/x"), Access(), every=True).shipment
    assert [each for each, _ in again.documents] == [each for each, _ in goods.documents]


@pytest.mark.parametrize("form", ["", "oci-archive:"])
def test_an_index_in_an_archive(tmp_path: Path, form: str) -> None:
    goods = shipment(tmp_path, "amd64", "arm64")
    written = write(goods, f"{form}{tmp_path}/x.tar")
    found = members(tmp_path / "x.tar")
    assert list(found) == ["oci-layout", "index.json", "blobs", "blobs/sha256", *blob_names(goods)]
    note = f"{tmp_path}/x.tar: 2 images, so no manifest.json: docker cannot load it without containerd's image store"
    assert written.notes == (() if form else (note,))
    again = open_shipment(parse(f"{form}{tmp_path}/x.tar"), Access(), every=True).shipment
    assert again.root == goods.root
    assert [read(content) for _, content in again.blobs] == [read(content) for _, content in goods.blobs]


def test_an_index_of_one_image_has_a_part_for_docker(tmp_path: Path) -> None:
    goods = shipment(tmp_path, "arm64")
    assert write(goods, f"{tmp_path}/x.tar").notes == ()
    found = members(tmp_path / "x.tar")
    assert list(found)[:5] == ["oci-layout", "index.json", "manifest.json", "blobs", "blobs/sha256"]
    _, manifest = goods.only_image("x")
    assert manifest.config is not None
    saved = json.loads(found["manifest.json"] or b"")
    assert saved == [
        {
            "Config": "blobs/" + manifest.config.digest.replace(":", "/"),
            "RepoTags": ["app:1.0"],
            "Layers": ["blobs/" + layer.digest.replace(":", "/") for layer in manifest.layers],
        }
    ]
    write(goods, f"docker-archive:{tmp_path}/d.tar")
    alone = members(tmp_path / "d.tar")
    assert set(alone) == {"manifest.json", "blobs", "blobs/sha256", saved[0]["Config"], *saved[0]["Layers"]}
    assert all(alone[name] == found[name] for name in alone)


@pytest.mark.parametrize("text", ["docker-archive:{}/x.tar", "dir:{}/x"])
def test_what_holds_one_image_refuses_several(tmp_path: Path, text: str) -> None:
    goods = shipment(tmp_path, "amd64", "arm64")
    before = files_below(tmp_path)
    with pytest.raises(UsageError, match=r"holds one image, and sha256:\w+ has 2: linux/amd64, linux/arm64") as caught:
        write(goods, text.format(tmp_path))
    assert caught.value.hint == "choose one with --platform, without --all"
    assert files_below(tmp_path) == before


def test_an_image_without_a_name(tmp_path: Path) -> None:
    goods = Shipment.of(make_image(tmp_path))
    assert write(goods, f"docker-archive:{tmp_path}/x.tar", None).reference == f"docker-archive:{tmp_path}/x.tar"
    assert json.loads(members(tmp_path / "x.tar")["manifest.json"] or b"")[0]["RepoTags"] is None
    write(goods, f"oci:{tmp_path}/x", None)
    (entry,) = json.loads((tmp_path / "x/index.json").read_bytes())["manifests"]
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": "1.0"}


def test_annotations_that_it_had_are_kept(tmp_path: Path) -> None:
    goods = Shipment.of(make_image(tmp_path))
    goods = replace(goods, root=replace(goods.root, annotations={"org.example": "x"}))
    write(goods, f"oci:{tmp_path}/x")
    (entry,) = json.loads((tmp_path / "x/index.json").read_bytes())["manifests"]
    assert entry["annotations"]["org.example"] == "x"
    assert len(entry["annotations"]) == 3


def with_layer(goods: Shipment, layer: Descriptor, data: bytes) -> Shipment:
    """Return an image with one more layer."""
    descriptor, manifest = goods.only_image("x")
    assert manifest.config is not None
    document = encode(replace(manifest, layers=(*manifest.layers, layer)))
    root = replace(descriptor, digest=Digest("sha256:" + hashlib.sha256(document).hexdigest()), size=len(document))
    return Shipment(root, ((root, document),), ((layer, Bytes(data)), *goods.blobs))


def test_blobs_of_another_algorithm_have_their_own_folder(tmp_path: Path) -> None:
    layer = Descriptor(
        "application/vnd.oci.image.layer.v1.tar", Digest("sha512:" + hashlib.sha512(SHARED).hexdigest()), len(SHARED)
    )
    goods = with_layer(Shipment.of(make_image(tmp_path)), layer, SHARED)
    write(goods, f"oci:{tmp_path}/x")
    assert (tmp_path / "x/blobs/sha512" / layer.digest[7:]).read_bytes() == SHARED
    write(goods, f"oci-archive:{tmp_path}/x.tar")
    assert list(members(tmp_path / "x.tar"))[2:5] == ["blobs", "blobs/sha256", "blobs/sha512"]
    again = open_shipment(parse(f"oci-archive:{tmp_path}/x.tar"), Access()).shipment
    assert read(again.blob(layer.digest)) == SHARED


@pytest.mark.parametrize("media_type", [LAYER_ZSTD, "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"])
def test_layers_that_docker_cannot_read(tmp_path: Path, media_type: str) -> None:
    layer = Descriptor(media_type, Digest("sha256:" + hashlib.sha256(b"x").hexdigest()), 1)
    goods = with_layer(Shipment.of(make_image(tmp_path)), layer, b"x")
    with pytest.raises(DestinationError, match=rf"layer {layer.digest}: a docker-archive cannot hold"):
        write(goods, f"docker-archive:{tmp_path}/x.tar")
    assert not (tmp_path / "x.tar").exists()
    written = write(goods, f"{tmp_path}/x.tar")
    assert ("manifest.json" in members(tmp_path / "x.tar")) == (media_type == LAYER_ZSTD)
    assert ("docker before version 23" if media_type == LAYER_ZSTD else "no manifest.json") in written.notes[0]


def test_an_artifact_is_no_image_and_goes_where_images_need_not_be(tmp_path: Path) -> None:
    blob = Descriptor("application/spdx+json", Digest("sha256:" + hashlib.sha256(b"x").hexdigest()), 1)
    data = encode(Manifest(2, "application/vnd.oci.image.manifest.v1+json", "application/spdx+json", blob, (blob,)))
    root = Descriptor(
        "application/vnd.oci.image.manifest.v1+json",
        Digest("sha256:" + hashlib.sha256(data).hexdigest()),
        len(data),
        artifact_type="application/spdx+json",
    )
    goods = Shipment(root, ((root, data),), ((blob, Bytes(b"x")),))
    write(goods, f"oci:{tmp_path}/x")
    assert "no image that can run" in write(goods, f"{tmp_path}/x.tar").notes[0]
    for text in ("docker-archive:{}/d.tar", "dir:{}/d"):
        with pytest.raises(ImageError, match="no image that can run"):
            write(goods, text.format(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "x.tar"]


class Damaged(Bytes, frozen=True):
    """Bytes that turn out wrong when all were read."""

    def chunks(self) -> Any:
        yield from super().chunks()
        raise ImageError("blob sha256:x has the digest sha256:y: it is damaged")


@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize("text", LOCAL[:4])
def test_damage_leaves_nothing_behind(tmp_path: Path, text: str, which: int) -> None:
    goods = Shipment.of(make_image(tmp_path))
    blobs = list(goods.blobs)
    blobs[which] = (blobs[which][0], Damaged(read(blobs[which][1])))
    with pytest.raises(BrasmError, match="it is damaged"):
        write(replace(goods, blobs=tuple(blobs)), text.format(tmp_path))
    assert files_below(tmp_path) == []


def test_without_a_tag_it_is_listed_once(tmp_path: Path) -> None:
    goods, other = Shipment.of(make_image(tmp_path)), Shipment.of(make_image(tmp_path, "/other file"))
    write(goods, f"oci:{tmp_path}/x")
    before = json.loads((tmp_path / "x/index.json").read_bytes())["manifests"]
    for each in (other, goods, other):
        assert layout_destination.write(each, f"{tmp_path}/x", None, None).reference == f"oci:{tmp_path}/x"
    after = json.loads((tmp_path / "x/index.json").read_bytes())["manifests"]
    assert after[:1] == before
    assert [one["digest"] for one in after[1:]] == [other.root.digest, goods.root.digest]
    assert all("annotations" not in one for one in after[1:])
