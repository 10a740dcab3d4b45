"""Shipments: what an image becomes, which of their manifests are images, and what is told while they are read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from assembler.base.content import Bytes, read
from assembler.base.digest import Digest, sha256
from assembler.base.errors import ImageError, UsageError
from assembler.base.progress import Silent
from assembler.oci.shipment import Shipment, made_up_manifest
from assembler.oci.types import (
    CONFIG,
    DOCKER_LAYER_GZIP,
    INDEX,
    LAYER,
    LAYER_GZIP,
    MANIFEST,
    Descriptor,
    Index,
    Manifest,
    Platform,
    encode,
)
from tests.destinations.images import make_image

if TYPE_CHECKING:
    from pathlib import Path


class Told(Silent):
    """What a listener was told."""

    def __init__(self) -> None:
        self.amount = 0

    def advance(self, amount: int) -> None:
        self.amount += amount


def test_an_image_that_was_made(tmp_path: Path) -> None:
    image = make_image(tmp_path, layers=2)
    shipment = Shipment.of(image)
    assert shipment.root == image.descriptor
    assert shipment.documents == ((image.descriptor, image.manifest_bytes),)
    assert [each.digest for each, _ in shipment.blobs] == [
        image.layers[0].descriptor.digest,
        sha256(image.config_bytes),
    ], "two layers are one blob"
    assert shipment.document(image.digest) == image.manifest_bytes
    assert read(shipment.blob(sha256(image.config_bytes))) == image.config_bytes
    assert shipment.size == len(image.manifest_bytes) + len(image.config_bytes) + image.layers[0].descriptor.size
    ((descriptor, manifest),) = shipment.images()
    assert (descriptor, manifest) == shipment.only_image("a folder") == (image.descriptor, image.manifest)
    assert shipment.config(manifest) == image.config
    for missing in (shipment.document, shipment.blob):
        with pytest.raises(ImageError, match="is not in the image"):
            missing(Digest("sha256:" + "0" * 64))


def part(
    platform: Platform | None = None, config: str = CONFIG, artifact: str | None = None
) -> tuple[Descriptor, bytes]:
    data = encode(Manifest(2, MANIFEST, config=Descriptor(config, sha256(b"{}"), 2), annotations={"p": str(platform)}))
    return Descriptor(MANIFEST, sha256(data), len(data), platform=platform, artifact_type=artifact), data


AMD64, ARM64 = part(Platform("amd64", "linux")), part(Platform("arm64", "linux"))
ATTESTATION = part(Platform("unknown", "unknown"))
SIGNATURE = part(config="application/vnd.oci.empty.v1+json")


def index_of(*parts: tuple[Descriptor, bytes]) -> Shipment:
    data = encode(Index(schema_version=2, media_type=INDEX, manifests=tuple(each for each, _ in parts)))
    root = Descriptor(INDEX, sha256(data), len(data))
    return Shipment(root, (*parts, (root, data)), ((Descriptor(CONFIG, sha256(b"{}"), 2), Bytes(b"{}")),))


def test_artifacts_and_attestations_are_no_images() -> None:
    shipment = index_of(AMD64, ATTESTATION, ARM64, SIGNATURE)
    assert [str(descriptor.platform) for descriptor, _ in shipment.images()] == ["linux/amd64", "linux/arm64"]
    with pytest.raises(UsageError, match=r"a folder holds one image, and sha256:\w+ has 2: linux/amd64, linux/arm64"):
        shipment.only_image("a folder")
    assert index_of(ATTESTATION, ARM64).only_image("a folder")[0] == ARM64[0]
    with pytest.raises(ImageError, match="no image that can run, which a folder must have"):
        index_of(ATTESTATION, SIGNATURE).only_image("a folder")


def test_a_manifest_that_is_no_manifest() -> None:
    bad = Descriptor(MANIFEST, sha256(b"[]"), 2)
    with pytest.raises(ImageError, match=f"manifest {bad.digest}: Expected `object`"):
        Shipment(bad, ((bad, b"[]"),), ()).images()


def test_a_listener_is_told_of_the_bytes_of_blobs(tmp_path: Path) -> None:
    told = Told()
    before = Shipment.of(make_image(tmp_path))
    after = before.told(told)
    for (_, content), (_, again) in zip(before.blobs, after.blobs, strict=True):
        assert read(content) == read(again)
        with again.open() as file:
            assert file.read() == read(content)
    assert told.amount == sum(content.size for _, content in before.blobs)
    assert after.size == before.size


@pytest.mark.parametrize(
    ("there", "stored"), [(LAYER, LAYER), (LAYER_GZIP, LAYER_GZIP), (DOCKER_LAYER_GZIP, LAYER_GZIP)]
)
def test_a_made_up_manifest_says_what_bytes_say(there: str, stored: str) -> None:
    layer = Descriptor(there, sha256(b"x"), 1, annotations={"a": "b"})
    config = Descriptor("application/vnd.docker.container.image.v1+json", sha256(b"{}"), 2)
    found = json.loads(made_up_manifest(config, (layer,)))
    assert found["mediaType"] == MANIFEST
    assert found["config"] == {"mediaType": CONFIG, "digest": config.digest, "size": 2}
    assert found["layers"] == [{"mediaType": stored, "digest": layer.digest, "size": 1}]
