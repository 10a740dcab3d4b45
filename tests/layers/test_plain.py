"""zstd layers stored plain: the tars that they are, held to the diff_ids of a config that stays what it is."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import zstandard
from msgspec.structs import replace

from assembler.base.content import Bytes, read
from assembler.base.digest import Digest, sha256
from assembler.base.errors import BrasmError, DestinationError, ImageError
from assembler.base.progress import Silent
from assembler.layers.plain import store_plain, zstd_layers
from assembler.oci.shipment import Shipment
from assembler.oci.types import LAYER, LAYER_GZIP, LAYER_ZSTD, Descriptor, ImageConfig, RootFS, decode, encode
from tests.destinations.images import make_image

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.oci.image import Image


def two_of_three(folder: Path) -> tuple[Image, Shipment]:
    """Return an image of a zstd, a gzip and again the zstd layer."""
    zstd, gzip = make_image(folder, compression="zstd"), make_image(folder, "/x file")
    layers = (zstd.layers[0], gzip.layers[0], zstd.layers[0])
    config = replace(zstd.config, rootfs=RootFS("layers", tuple(layer.diff_id for layer in layers)))
    image = replace(zstd, config=config, layers=layers)
    return image, Shipment.of(image)


def test_only_zstd_layers_change(tmp_path: Path) -> None:
    image, before = two_of_three(tmp_path)
    assert zstd_layers(before) == 2
    after = store_plain(before, str(tmp_path), Silent())
    assert zstd_layers(after) == 0
    ((_, manifest),) = after.images()
    assert [layer.media_type for layer in manifest.layers] == [LAYER, LAYER_GZIP, LAYER]
    assert [layer.digest for layer in manifest.layers] == [
        image.layers[0].diff_id,
        image.layers[1].descriptor.digest,
        image.layers[0].diff_id,
    ]
    assert manifest.config == image.manifest.config
    for descriptor, content in after.blobs:
        assert (sha256(read(content)), content.size) == (descriptor.digest, descriptor.size)
    assert read(after.blobs[-1][1]) == image.config_bytes
    assert len(after.blobs) == 3, "each once"
    (root, data), *rest = after.documents
    assert (root, root.digest, root.size, rest) == (after.root, sha256(data), len(data), [])
    assert after.root.platform == before.root.platform
    assert os.listdir(tmp_path) == [], "temporary files have no name"


def changed(shipment: Shipment, data: bytes, diff_id: Digest | None = None) -> Shipment:
    """Return a shipment whose one layer has other bytes, and whose config has another diff_id."""
    (_, manifest), (_, content) = shipment.only_image("x"), shipment.blobs[-1]
    config = decode(read(content), ImageConfig, "config")
    if diff_id is not None:
        config = replace(config, rootfs=RootFS("layers", (diff_id,)))
    assert manifest.config is not None
    stored = encode(config)
    layer = Descriptor(LAYER_ZSTD, sha256(data), len(data))
    described = replace(manifest.config, digest=sha256(stored), size=len(stored))
    document = encode(replace(manifest, layers=(layer,), config=described))
    root = replace(shipment.root, digest=sha256(document), size=len(document))
    return Shipment(root, ((root, document),), ((layer, Bytes(data)), (described, Bytes(stored))))


@pytest.mark.parametrize(
    ("data", "diff_id", "kind", "message"),
    [
        (
            zstandard.compress(b"tar"),
            None,
            ImageError,
            rf"its diff_id is {sha256(b'tar')}, but the config says sha256:",
        ),
        (b"\x28\xb5\x2f\xfdxxxxxx", None, ImageError, "not a sound zstd stream"),
        (zstandard.compress(b"tar" * 9)[:-3], None, ImageError, "truncated"),
        (zstandard.compress(b"tar"), Digest("md5:1"), ImageError, "not a digest: 'md5:1'"),
    ],
)
def test_what_is_damaged(
    tmp_path: Path, data: bytes, diff_id: Digest | None, kind: type[BrasmError], message: str
) -> None:
    shipment = changed(Shipment.of(make_image(tmp_path, compression="zstd")), data, diff_id)
    with pytest.raises(kind, match=message):
        store_plain(shipment, str(tmp_path), Silent())


def test_as_many_diff_ids_as_layers(tmp_path: Path) -> None:
    image, _ = two_of_three(tmp_path)
    shipment = Shipment.of(replace(image, layers=image.layers[:2]))
    with pytest.raises(ImageError, match="3 diff_ids, and the manifest 2 layers"):
        store_plain(shipment, str(tmp_path), Silent())


def test_where_no_file_can_be(tmp_path: Path) -> None:
    _, shipment = two_of_three(tmp_path)
    with pytest.raises(DestinationError, match=r"layer sha256:\w+: cannot be unpacked in .*nowhere: No such file"):
        store_plain(shipment, f"{tmp_path}/nowhere", Silent())


def test_what_has_no_zstd_has_none(tmp_path: Path) -> None:
    image = make_image(tmp_path)
    assert zstd_layers(Shipment.of(image)) == 0
    assert json.loads(image.manifest_bytes)["layers"][0]["mediaType"] == LAYER_GZIP
