"""Images and whole indexes ready to go elsewhere: what is chosen, all that belongs to it, what is damaged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from assembler.base.content import SharedFile, Span, read
from assembler.base.digest import sha256
from assembler.base.errors import BrasmError, ImageError, SourceError, UsageError
from assembler.oci.reference import parse
from assembler.oci.types import CONTAINERD_NAME, INDEX, MANIFEST, REF_NAME, Descriptor, Platform
from assembler.remote.access import Access
from assembler.sources import platforms
from assembler.sources.blobs import Found
from assembler.sources.find import find
from assembler.sources.layout import tags_of
from assembler.sources.shipment import open_shipment
from assembler.sources.store import open_store, store_in
from tests.sources.archives import Blobs, blob_path, descriptor, image, index, layout, tagged, tar

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.oci.shipment import Shipment
    from assembler.sources.shipment import OpenedShipment

LAYERS = [tar("a file 1"), tar("b file 2")]
EMPTY = "application/vnd.oci.empty.v1+json"
PLATFORMS = ({"architecture": "amd64"}, {"architecture": "arm", "variant": "v7"}, {"architecture": "riscv64"})


def opened(reference: str, wanted: str | None = None, every: bool = False) -> OpenedShipment:
    return open_shipment(parse(reference), Access(), platform=wanted, every=every)


def artifact(blobs: Blobs, **more: Any) -> dict[str, Any]:
    """An SBOM or so, as an index lists it."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["config"] = descriptor(blobs, b"{}", EMPTY)

    return image(blobs, [b"sbom"], manifest=change, **more)


def parts(blobs: Blobs) -> list[dict[str, Any]]:
    """Images of three platforms, an attestation, and an artifact."""
    images = [
        image(
            blobs, [*LAYERS, tar(f"{number} file")], architecture=more["architecture"], platform={"os": "linux", **more}
        )
        for number, more in enumerate(PLATFORMS)
    ]
    attestation = image(blobs, [b"{}"], platform={"os": "unknown", "architecture": "unknown"})
    return [*images, attestation, artifact(blobs, artifactType="application/spdx+json")]


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A layout with an index of three images, an attestation and an artifact, tagged `all`."""
    blobs: Blobs = {}
    return layout(tmp_path / "l", blobs, tagged(descriptor(blobs, index(*parts(blobs)), INDEX), "all"))


def whole(shipment: Shipment) -> dict[str, bytes]:
    """Return all bytes of a shipment by digest, read and so checked."""
    found: dict[str, bytes] = {each.digest: data for each, data in shipment.documents}
    return found | {each.digest: read(content) for each, content in shipment.blobs}


def below(folder: Path, *digests: str) -> dict[str, bytes]:
    """Return the bytes of documents and all that they lead to, found without brasm's code."""
    found: dict[str, bytes] = {}
    for digest in digests:
        found[digest] = blob_path(folder, digest).read_bytes()
        document = json.loads(found[digest]) if found[digest][:1] == b"{" else {}
        inner = [*document.get("manifests", ()), *document.get("layers", ()), document.get("config", {})]
        found |= below(folder, *(one["digest"] for one in inner if "digest" in one))
    return found


def roots(folder: Path) -> list[str]:
    return [one["digest"] for one in json.loads((folder / "index.json").read_bytes())["manifests"]]


def test_a_whole_index(several: Path) -> None:
    found = opened(f"oci:{several}:all", every=True)
    assert whole(found.shipment) == below(several, *roots(several))
    assert len(whole(found.shipment)) == 1 + 5 + 3 + 2 + 2 + 5, "index, manifests, own and shared layers, configs"
    root = json.loads((several / "index.json").read_bytes())["manifests"][0]
    assert found.source == found.shipment.root.digest == root["digest"]
    assert (found.shipment.root.annotations, found.shipment.root.platform) == (None, None)
    assert found.notes == ()
    assert len(found.shipment.images()) == 3
    seen: set[str] = set()
    for each, data in found.shipment.documents:
        assert {one["digest"] for one in json.loads(data).get("manifests", ())} <= seen, "children before parents"
        seen.add(each.digest)
    assert found.shipment.documents[-1][0] == found.shipment.root
    digests = [each.digest for each, _ in found.shipment.blobs]
    assert len(set(digests)) == len(digests), "each once"


def test_one_image_of_it(several: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = opened(f"oci:{several}:all", "linux/arm/v7")
    index_digest = json.loads((several / "index.json").read_bytes())["manifests"][0]["digest"]
    wanted = json.loads(blob_path(several, index_digest).read_bytes())["manifests"][1]
    assert (found.shipment.root.digest, found.source) == (wanted["digest"], index_digest)
    assert found.shipment.root.platform == Platform("arm", "linux", variant="v7")
    assert found.notes == ("linux/arm/v7 of 3 platforms was copied: --all copies the index",)
    assert (found.name, found.tag) == (None, "all")
    assert len(found.shipment.documents) == 1
    manifest = json.loads(found.shipment.documents[0][1])
    order = [*manifest["layers"], manifest["config"]]
    assert [each.digest for each, _ in found.shipment.blobs] == [one["digest"] for one in order]
    monkeypatch.setattr(platforms, "this_machine", lambda: Platform("riscv64", "linux"))
    assert opened(f"oci:{several}:all").shipment.root.platform == Platform("riscv64", "linux")
    with pytest.raises(ImageError, match="no image for linux/s390x"):
        opened(f"oci:{several}:all", "linux/s390x")


def test_the_platform_of_a_manifest_is_its_config_s(tmp_path: Path) -> None:
    blobs: Blobs = {}
    folder = layout(tmp_path / "l", blobs, image(blobs, LAYERS, architecture="s390x"))
    found = opened(f"oci:{folder}")
    assert found.shipment.root.platform == Platform("s390x", "linux")
    assert found.shipment.documents[0][0] == found.shipment.root
    assert (found.notes, found.name, found.tag) == ((), None, None)
    assert whole(found.shipment) == below(folder, *roots(folder))


def test_what_a_layout_lists_under_one_tag_becomes_an_index(tmp_path: Path) -> None:
    blobs: Blobs = {}
    folder = layout(tmp_path / "l", blobs, *(tagged(one, "1") for one in parts(blobs)[:3]))
    found = opened(f"oci:{folder}:1", every=True)
    assert found.notes == ("an index was made of the 3 manifests that have the tag",)
    root, data = found.shipment.documents[-1]
    made = json.loads(data)
    assert (root.media_type, root.digest, made["mediaType"]) == (INDEX, sha256(data), INDEX)
    assert all("annotations" not in one for one in made["manifests"])
    assert [one["platform"] for one in made["manifests"]] == [{"os": "linux", **more} for more in PLATFORMS]
    assert whole(found.shipment) == {**below(folder, *roots(folder)), root.digest: data}
    assert opened(f"oci:{folder}:1", "linux/amd64").shipment.root.platform == Platform("amd64", "linux")
    assert opened(f"oci:{folder}", every=True).shipment == found.shipment


def test_one_of_what_two_tags_name(tmp_path: Path) -> None:
    blobs: Blobs = {}
    one = image(blobs, LAYERS)
    folder = layout(tmp_path / "l", blobs, tagged(one, "1"), tagged(one, "2"))
    found = opened(f"oci:{folder}", every=True)
    assert (found.shipment.root.digest, found.tag, found.notes) == (one["digest"], "1", ())


@pytest.mark.parametrize("kind", [{"artifactType": "application/spdx+json"}, {}])
def test_artifacts_without_a_tag_beside_an_image_are_no_choice(tmp_path: Path, kind: dict[str, Any]) -> None:
    blobs: Blobs = {}
    one = tagged(image(blobs, LAYERS), "1")
    folder = layout(tmp_path / "l", blobs, artifact(blobs, **kind), one, artifact(blobs))
    for every in (False, True):
        found = opened(f"oci:{folder}", every=every)
        assert (found.shipment.root.digest, found.tag) == (one["digest"], "1")
    folder = layout(tmp_path / "m", blobs, artifact(blobs), one, tagged(image(blobs, LAYERS[:1]), "2"))
    with pytest.raises(ImageError, match="there are several images") as caught:
        opened(f"oci:{folder}")
    assert caught.value.hint == "add ':' and one of the tags: 1, 2"


def test_an_artifact_with_a_tag_is_one_more(tmp_path: Path) -> None:
    blobs: Blobs = {}
    folder = layout(tmp_path / "l", blobs, tagged(artifact(blobs), "sbom"), tagged(image(blobs, LAYERS), "1"))
    with pytest.raises(ImageError, match="there are several images"):
        opened(f"oci:{folder}")
    found = opened(f"oci:{folder}:sbom")
    assert (len(found.shipment.blobs), found.shipment.root.platform, found.shipment.images()) == (2, None, ())


@pytest.mark.parametrize(
    ("annotations", "name", "tag"),
    [
        ({REF_NAME: "1", CONTAINERD_NAME: "docker.io/library/app:1"}, "docker.io/library/app", "1"),
        ({CONTAINERD_NAME: "host:5000/app:2"}, "host:5000/app", "2"),
        ({REF_NAME: "host:5000/team/app:2"}, "host:5000/team/app", "2"),
        ({REF_NAME: "2"}, None, "2"),
        ({}, None, None),
    ],
)
def test_what_a_layout_calls_it(tmp_path: Path, annotations: dict[str, str], name: str | None, tag: str | None) -> None:
    blobs: Blobs = {}
    kept = {**annotations, "org.example": "kept"}
    folder = layout(tmp_path / "l", blobs, {**image(blobs, LAYERS), "annotations": kept})
    found = opened(f"oci:{folder}")
    assert (found.name, found.tag) == (name, tag)
    assert found.shipment.root.annotations == {"org.example": "kept"}
    assert tags_of(open_store(str(folder), folder=True)) == ([tag] if tag else [])


def saved(path: Path, *names: str, layer: bytes = LAYERS[0]) -> str:
    """Write what `docker save` does."""
    config = json.dumps(
        {"architecture": "arm64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [sha256(layer)]}}
    )
    document = json.dumps([{"Config": "c.json", "RepoTags": list(names) or None, "Layers": ["l.tar"]}])
    import io
    import tarfile

    with tarfile.open(path, "w") as out:
        for name, data in (("c.json", config.encode()), ("l.tar", layer), ("manifest.json", document.encode())):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return str(path)


def test_a_docker_archive_has_a_manifest_that_is_made_up(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.tar", "team/app:1", "team/app:latest", "host:5000/app:2")
    for every in (False, True):
        found = opened(f"docker-archive:{path}", every=every)
        root, data = found.shipment.documents[0]
        assert (root, root.digest, root.media_type) == (found.shipment.root, sha256(data), MANIFEST)
        assert root.platform == Platform("arm64", "linux")
        assert (found.name, found.tag, found.source, found.notes) == ("team/app", "1", root.digest, ())
        assert len(whole(found.shipment)) == 3
    for name, expected in (
        ("team/app:latest", ("team/app", "latest")),
        ("docker.io/team/app", ("team/app", "1")),
        ("host:5000/app", ("host:5000/app", "2")),
    ):
        found = opened(f"docker-archive:{path}:{name}")
        assert (found.name, found.tag) == expected
    nameless = opened(f"docker-archive:{saved(tmp_path / 'y.tar')}")
    assert (nameless.name, nameless.tag) == (None, None)
    with pytest.raises(ImageError, match="no image for linux/amd64"):
        opened(f"docker-archive:{path}", "linux/amd64")


@pytest.mark.parametrize("compress", [False, True])
def test_an_archive_in_an_open_file(tmp_path: Path, compress: bool) -> None:
    import gzip

    data = (tmp_path / "x.tar", saved(tmp_path / "x.tar", "app:1"))[0].read_bytes()
    file = SharedFile.temporary(str(tmp_path))
    stored_bytes = gzip.compress(data) if compress else data
    file.write(b"before" + stored_bytes)
    store = store_in(Span(file, 6, len(stored_bytes)), "an open file")
    assert store.name == "an open file"
    assert store.document("/manifest.json").startswith(b"[")
    file.write(b"x")
    with pytest.raises(SourceError, match="an open file: "):
        store_in(Span(file, 6 + len(stored_bytes), 1), "an open file")


# What is missing or damaged


@pytest.mark.parametrize("every", [False, True])
def test_what_is_missing_is_said_before_anything_is_read(several: Path, every: bool) -> None:
    found = opened(f"oci:{several}:all", "linux/amd64").shipment
    for digest in (found.root.digest, found.blobs[0][0].digest, found.blobs[-1][0].digest):
        path = blob_path(several, digest)
        data = path.read_bytes()
        path.unlink()
        with pytest.raises(ImageError, match=f"blob {digest} is missing"):
            opened(f"oci:{several}:all", None if every else "linux/amd64", every)
        path.write_bytes(data)


def test_damage_is_named_when_it_is_read(several: Path) -> None:
    found = opened(f"oci:{several}:all", "linux/amd64").shipment
    digest = found.blobs[0][0].digest
    data = bytearray(blob_path(several, digest).read_bytes())
    data[-1] ^= 1
    blob_path(several, digest).write_bytes(data)
    damaged = opened(f"oci:{several}:all", every=True).shipment
    with pytest.raises(ImageError, match=f"blob {digest} has the digest sha256:.*: it is damaged"):
        whole(damaged)
    blob_path(several, found.root.digest).write_bytes(b"{}")
    for wanted, every in (("linux/amd64", False), (None, True)):
        with pytest.raises(ImageError, match=f"blob {found.root.digest} has 2 bytes"):
            opened(f"oci:{several}:all", wanted, every)


def test_indexes_that_lead_nowhere(tmp_path: Path) -> None:
    blobs: Blobs = {}
    at = image(blobs, LAYERS)
    for _ in range(10):
        at = descriptor(blobs, index(at), INDEX)
    strange = descriptor(blobs, b"{}", "application/x-strange")
    folder = layout(tmp_path / "l", blobs, tagged(at, "deep"), tagged(descriptor(blobs, index(strange), INDEX), "x"))
    with pytest.raises(ImageError, match="more than 8 indexes inside each other"):
        opened(f"oci:{folder}:deep", every=True)
    with pytest.raises(ImageError, match="unknown media type 'application/x-strange'"):
        opened(f"oci:{folder}:x", every=True)


@pytest.mark.parametrize(
    ("reference", "wanted", "kind", "message"),
    [
        ("oci:{}:none", None, ImageError, "there is no tag 'none'"),
        ("oci:{}:all", "linux", UsageError, "is not a platform"),
        ("oci:{}/none", None, SourceError, "no such folder"),
        ("dir:{}", None, UsageError, "not an image"),
        ("{}.tar", None, SourceError, "No such file"),
    ],
)
def test_what_is_not_there(
    several: Path, reference: str, wanted: str | None, kind: type[BrasmError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        opened(reference.format(several), wanted)


def test_a_place_of_another_kind_is_read_alike(several: Path) -> None:
    """What registries and daemons are to give: `Found`, and no more."""
    inner = find(parse(f"oci:{several}:all"), "", Access())

    class Counting:
        name = "somewhere"
        asked: list[Descriptor]

        def __init__(self) -> None:
            self.asked = []

        def blob(self, wanted: Descriptor) -> Any:
            self.asked.append(wanted)
            return inner.blobs.blob(wanted)

        def manifest(self, wanted: Descriptor) -> bytes:
            self.asked.append(wanted)
            return inner.blobs.manifest(wanted)

    from assembler.sources.index import choose_image, stored_image

    place = Counting()
    single = choose_image(inner, Platform("amd64", "linux")).descriptor
    found = Found(place, (single,))
    assert choose_image(found, None).descriptor == single
    assert place.asked == [], "nothing is asked where nothing is to be chosen"
    image_there = stored_image(found, single)
    layer = json.loads(image_there.manifest_bytes)["layers"][0]
    assert read(image_there.blob(layer["digest"])) == blob_path(several, layer["digest"]).read_bytes()
    with pytest.raises(ImageError, match=r"somewhere: blob sha256:0+ is none of manifest"):
        image_there.blob("sha256:" + "0" * 64)  # type: ignore[arg-type]
