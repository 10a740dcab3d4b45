"""Docker's manifests as OCI ones: media types change, and with them the digests of documents; nothing else does."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from assembler.base.content import Bytes
from assembler.base.digest import sha256
from assembler.oci.convert import as_oci, has_docker_manifests
from assembler.oci.shipment import Shipment
from assembler.oci.types import (
    CONFIG,
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LAYER_GZIP,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEX,
    LAYER,
    LAYER_GZIP,
    LAYER_ZSTD,
    MANIFEST,
    Descriptor,
    Index,
    Manifest,
    Platform,
    encode,
)

TO_DOCKER = {MANIFEST: DOCKER_MANIFEST, CONFIG: DOCKER_CONFIG, LAYER: DOCKER_LAYER, LAYER_GZIP: DOCKER_LAYER_GZIP}
AMD64, ARM64 = Platform("amd64", "linux"), Platform("arm64", "linux")


def image(text: str, platform: Platform = AMD64, *, docker: bool = False, layer: str = LAYER_GZIP) -> Shipment:
    """An image whose layer and config are texts."""

    def kind(media_type: str) -> str:
        return TO_DOCKER.get(media_type, media_type) if docker else media_type

    blobs = tuple(
        (Descriptor(kind(media_type), sha256(data), len(data)), Bytes(data))
        for media_type, data in ((layer, f"layer {text}".encode()), (CONFIG, f"config {text}".encode()))
    )
    manifest = Manifest(2, kind(MANIFEST), config=blobs[1][0], layers=(blobs[0][0],), annotations={"a": text})
    data = encode(manifest)
    root = Descriptor(kind(MANIFEST), sha256(data), len(data), platform=platform)
    return Shipment(root, ((root, data),), blobs)


def index(*parts: Shipment, docker: bool = False, about: int | None = None) -> Shipment:
    """An index of images; the last one is an attestation about another where `about` says which."""
    roots = [part.root for part in parts]
    if about is not None:
        roots[-1] = msgspec.structs.replace(
            roots[-1], annotations={"vnd.docker.reference.digest": roots[about].digest, "kept": "x"}
        )
    kind = DOCKER_LIST if docker else INDEX
    data = encode(Index(2, kind, manifests=tuple(roots)))
    root = Descriptor(kind, sha256(data), len(data))
    documents = tuple(pair for part in parts for pair in part.documents)
    return Shipment(root, (*documents, (root, data)), tuple(pair for part in parts for pair in part.blobs))


def test_an_image_becomes_what_it_would_have_been() -> None:
    made = as_oci(image("a", docker=True))
    assert made == image("a")
    assert not has_docker_manifests(made)


def test_the_blobs_are_the_same_bytes() -> None:
    before = image("a", docker=True)
    after = as_oci(before)
    assert [content for _, content in after.blobs] == [content for _, content in before.blobs]
    assert [each.digest for each, _ in after.blobs] == [each.digest for each, _ in before.blobs]


def test_a_list_becomes_an_index_of_what_its_images_became() -> None:
    assert has_docker_manifests(index(image("a", docker=True), image("b", ARM64, docker=True), docker=True))
    made = as_oci(index(image("a", docker=True), image("b", ARM64, docker=True), docker=True))
    assert made == index(image("a"), image("b", ARM64))


def test_an_index_of_both_kinds() -> None:
    made = as_oci(index(image("a", docker=True), image("b", ARM64, layer=LAYER_ZSTD)))
    assert made == index(image("a"), image("b", ARM64, layer=LAYER_ZSTD))


def test_an_attestation_is_still_about_its_image() -> None:
    before = index(image("a", docker=True), image("said of a", Platform("unknown", "unknown")), docker=True, about=0)
    made = as_oci(before)
    listed = msgspec.json.decode(made.document(made.root.digest), type=Index).manifests
    assert listed[1].annotations == {"vnd.docker.reference.digest": listed[0].digest, "kept": "x"}


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True), st.booleans())
def test_what_is_oci_s_stays_and_once_is_enough(names: list[str], one: bool) -> None:
    platforms = {"a": AMD64, "b": ARM64, "c": Platform("arm", "linux", variant="v7")}
    images = [image(name, platforms[name]) for name in names]
    shipment = images[0] if one else index(*images)
    assert as_oci(shipment) == shipment
    assert not has_docker_manifests(shipment)
    docker = [image(name, platforms[name], docker=True) for name in names]
    converted = as_oci(docker[0] if one else index(*docker, docker=True))
    assert as_oci(converted) == converted == shipment
