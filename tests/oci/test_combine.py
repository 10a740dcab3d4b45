"""Indexes made of images: what they list, what goes with it, and what they refuse."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.base.content import Bytes
from assembler.base.digest import sha256
from assembler.base.errors import ImageError, NegativeAnswer, UsageError
from assembler.oci.combine import add, combine, index_of, remove
from assembler.oci.shipment import Shipment
from assembler.oci.types import CONFIG, INDEX, LAYER, MANIFEST, Descriptor, Index, Manifest, Platform, encode

AMD64, ARM64, ARMV7 = Platform("amd64", "linux"), Platform("arm64", "linux"), Platform("arm", "linux", variant="v7")


def image(text: str, platform: Platform | None = AMD64, layers: tuple[bytes, ...] = (b"base",)) -> Shipment:
    """An image whose config is a text: nothing here reads it."""
    blobs = [(Descriptor(LAYER, sha256(each), len(each)), Bytes(each)) for each in layers]
    config = (Descriptor(CONFIG, sha256(text.encode()), len(text)), Bytes(text.encode()))
    manifest = Manifest(2, MANIFEST, config=config[0], layers=tuple(each for each, _ in blobs))
    data = encode(manifest)
    root = Descriptor(MANIFEST, sha256(data), len(data), platform=platform)
    return Shipment(root, ((root, data),), (*blobs, config))


def attested(base: Shipment) -> Shipment:
    """An index of one image and what buildkit says about it."""
    note = image("attestation", Platform("unknown", "unknown"), (b"statement",))
    listed = msgspec.structs.replace(note.root, annotations={"vnd.docker.reference.digest": base.root.digest})
    data = encode(Index(2, INDEX, manifests=(base.root, listed)))
    root = Descriptor(INDEX, sha256(data), len(data))
    return Shipment(root, (*base.documents, (listed, note.documents[0][1]), (root, data)), (*base.blobs, *note.blobs))


def platforms(shipment: Shipment) -> list[str]:
    return [str(each.platform) for each in index_of(shipment).manifests]


def is_whole(shipment: Shipment) -> bool:
    """Whether all that the root leads to is there, once, and nothing else."""
    names = [each.digest for each, _ in (*shipment.documents, *shipment.blobs)]
    wanted = {shipment.root.digest}
    for descriptor, data in shipment.documents:
        if descriptor.media_type == INDEX:
            wanted |= {each.digest for each in msgspec.json.decode(data, type=Index).manifests}
        else:
            manifest = msgspec.json.decode(data, type=Manifest)
            wanted |= {each.digest for each in (*manifest.layers, manifest.config) if each is not None}
    return len(names) == len(set(names)) and set(names) == wanted and shipment.documents[-1][0] == shipment.root


def test_an_index_lists_its_images_in_their_order_and_shares_their_blobs() -> None:
    made = combine([("b", image("b", ARM64)), ("a", image("a", AMD64))])
    assert platforms(made) == ["linux/arm64", "linux/amd64"]
    assert made.root.media_type == INDEX
    assert is_whole(made)
    assert len(made.blobs) == 3  # two configs and the layer that both have


def test_indexes_are_taken_apart_with_their_attestations() -> None:
    made = combine([("a", attested(image("a"))), ("b", image("b", ARMV7))])
    assert platforms(made) == ["linux/amd64", "unknown/unknown", "linux/arm/v7"]
    assert is_whole(made)


@pytest.mark.parametrize("other", [image("other"), attested(image("other"))])
def test_one_image_for_a_platform(other: Shipment) -> None:
    with pytest.raises(UsageError, match=r"^y and x are both for linux/amd64$"):
        combine([("x", image("a")), ("y", other)])


def test_the_same_image_twice_is_one() -> None:
    assert platforms(combine([("x", image("a")), ("x", image("a"))])) == ["linux/amd64"]


def test_an_image_must_say_what_it_runs_on() -> None:
    with pytest.raises(ImageError, match="does not say what it runs on"):
        combine([("x", image("a", None))])


def test_adding_replaces_the_image_of_a_platform_and_what_was_said_about_it() -> None:
    base = combine([("a", attested(image("a"))), ("b", image("b", ARM64))])
    made, replaced = add(base, "new", image("new"))
    assert platforms(made) == ["linux/arm64", "linux/amd64"]
    assert [each.digest for each in replaced] == [image("a").root.digest]
    assert is_whole(made)


def test_adding_to_an_image_makes_an_index() -> None:
    made, replaced = add(image("a"), "b", image("b", ARM64))
    assert platforms(made) == ["linux/amd64", "linux/arm64"]
    assert replaced == ()
    assert is_whole(made)


def test_adding_what_is_there_changes_nothing() -> None:
    base = combine([("a", image("a")), ("b", image("b", ARM64))])
    made, replaced = add(base, "b", image("b", ARM64))
    assert made.root == base.root
    assert replaced == ()


def test_an_index_keeps_its_annotations() -> None:
    index = Index(2, INDEX, manifests=(image("a").root,), annotations={"key": "value"})
    data = encode(index)
    root = Descriptor(INDEX, sha256(data), len(data))
    base = Shipment(root, (*image("a").documents, (root, data)), image("a").blobs)
    made, _ = add(base, "b", image("b", ARM64))
    assert index_of(made).annotations == {"key": "value"}


def test_removing() -> None:
    base = combine([("a", attested(image("a"))), ("b", image("b", ARM64))])
    made, gone = remove(base, lambda each: each.platform == AMD64, "linux/amd64")
    assert platforms(made) == ["linux/arm64"]
    assert [each.digest for each in gone] == [image("a").root.digest]
    assert is_whole(made)


def test_removing_what_is_not_there_or_all_there_is() -> None:
    base = combine([("a", image("a"))])
    with pytest.raises(NegativeAnswer, match="there is no image for linux/s390x") as error:
        remove(base, lambda _: False, "linux/s390x")
    assert error.value.hint == "there are: linux/amd64"
    with pytest.raises(NegativeAnswer, match="nothing would be left"):
        remove(base, lambda _: True, "linux/amd64")
    with pytest.raises(UsageError, match="is one image, no index"):
        remove(image("a"), lambda _: True, "linux/amd64")


@given(st.lists(st.sampled_from(["amd64", "arm64", "riscv64", "s390x"]), min_size=1, unique=True), st.data())
def test_adding_and_removing_undo_each_other(names: list[str], data: st.DataObject) -> None:
    base = combine([(name, image(name, Platform(name, "linux"))) for name in names])
    new = Platform("loong64", "linux")
    grown, _ = add(base, "new", image("new", new, (data.draw(st.binary(max_size=4)),)))
    shrunk, _ = remove(grown, lambda each: each.platform == new, "new")
    assert is_whole(grown)
    assert shrunk.root == base.root
    assert is_whole(shrunk)
