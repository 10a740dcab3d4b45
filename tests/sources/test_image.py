"""Images as trees: layouts and archives of every tool, which of several, and damage of every kind."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from assembler.base.content import read
from assembler.base.digest import Digest, sha256
from assembler.base.errors import ImageError, RootError, SourceError, UsageError
from assembler.base.progress import Silent
from assembler.oci.reference import parse
from assembler.oci.types import DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_MANIFEST, INDEX, LAYER_ZSTD, REF_NAME, Platform
from assembler.sources import platforms
from assembler.sources.image import flatten, open_image
from assembler.tree import Regular
from tests.sources.archives import Blobs, blob_path, descriptor, image, index, layout, tagged, tar
from tests.tools import need, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LAYERS = [tar("etc dir\netc/a file 1\netc/b file 2"), tar("etc dir\netc/.wh.a file\netc/c file 3")]
RESULT = {"/etc/b": b"2", "/etc/c": b"3"}


def files(reference: str, wanted: str | None = None) -> dict[str, bytes]:
    tree = flatten(open_image(parse(reference), platform=wanted), Silent())
    return {entry.path: read(entry.content) for entry in tree if isinstance(entry, Regular)}


def packed(folder: Path, out: Path, squeeze: bool = False) -> Path:
    """Put a folder into a tar."""
    with tarfile.open(out, "w:gz" if squeeze else "w") as archive:
        archive.add(folder, ".")
    return out


@pytest.fixture
def simple(tmp_path: Path) -> Path:
    """A layout with one image, tagged `one`."""
    blobs: Blobs = {}
    return layout(tmp_path / "layout", blobs, tagged(image(blobs, LAYERS), "one"))


def test_a_layout(simple: Path) -> None:
    assert files(f"oci:{simple}:one") == files(f"oci:{simple}") == RESULT
    opened = open_image(parse(f"oci:{simple.name}:one"), folder=str(simple.parent))
    assert opened.digest == sha256(opened.manifest_bytes)
    assert opened.config.architecture == "amd64"
    assert read(opened.blob(opened.layers[0].digest)) == gzip.compress(LAYERS[0], mtime=0)
    with opened.blob(opened.layers[0].digest).open() as blob:
        assert blob.read(2) == b"\x1f\x8b"


@pytest.mark.parametrize("squeeze", [False, True])
def test_a_layout_as_an_archive(simple: Path, tmp_path: Path, squeeze: bool) -> None:
    out = packed(simple, tmp_path / "x.tar", squeeze)
    assert files(f"oci-archive:{out}:one") == files(str(out)) == RESULT


def test_plain_layers(tmp_path: Path) -> None:
    blobs: Blobs = {}
    folder = layout(tmp_path / "layout", blobs, image(blobs, LAYERS, compress=False))
    assert files(f"oci:{folder}") == files(str(packed(folder, tmp_path / "x.tar"))) == RESULT


def test_zstd_and_docker_media_types(tmp_path: Path) -> None:
    blobs: Blobs = {}

    def zstd(manifest: dict[str, Any]) -> None:
        manifest["layers"] = [descriptor(blobs, zstandard.compress(layer), LAYER_ZSTD) for layer in LAYERS]

    def docker(manifest: dict[str, Any]) -> None:
        manifest["mediaType"] = DOCKER_MANIFEST
        manifest["config"]["mediaType"] = DOCKER_CONFIG
        for layer in manifest["layers"]:
            layer["mediaType"] = DOCKER_LAYER_GZIP

    ours = image(blobs, LAYERS, manifest=zstd)
    theirs = image(blobs, LAYERS, manifest=docker) | {"mediaType": DOCKER_MANIFEST}
    folder = layout(tmp_path / "layout", blobs, tagged(ours, "zstd"), tagged(theirs, "docker"))
    assert files(f"oci:{folder}:zstd") == files(f"oci:{folder}:docker") == RESULT


# Which of several


def test_which_tag(tmp_path: Path) -> None:
    blobs: Blobs = {}
    one, two = image(blobs, LAYERS), image(blobs, LAYERS[:1])
    named = two | {"annotations": {REF_NAME: "host:5000/team/app:2"}}
    folder = layout(tmp_path / "layout", blobs, tagged(one, "1"), named, image(blobs, LAYERS[1:]))
    assert files(f"oci:{folder}:2") == {"/etc/a": b"1", "/etc/b": b"2"}
    with pytest.raises(ImageError, match="there is no tag '3'") as caught:
        files(f"oci:{folder}:3")
    assert caught.value.hint == "there are: 1, 2, (none)"
    with pytest.raises(ImageError, match="there are several images") as caught:
        files(f"oci:{folder}")
    assert caught.value.hint == "add ':' and one of the tags: 1, 2, (none)"


def test_one_image_with_two_tags_needs_none(tmp_path: Path) -> None:
    blobs: Blobs = {}
    one = image(blobs, LAYERS)
    folder = layout(tmp_path / "layout", blobs, tagged(one, "1"), tagged(one, "latest"))
    assert files(f"oci:{folder}") == RESULT


def several(folder: Path, nested: bool) -> Path:
    """Images of four platforms and an attestation: in index.json itself, or in an index below it."""
    blobs: Blobs = {}
    all_of_them = [
        image(blobs, [tar(f"{number} file")], architecture=architecture, platform={"os": "linux", **more})
        for number, (architecture, more) in enumerate(
            (
                ("amd64", {"architecture": "amd64"}),
                ("arm", {"architecture": "arm", "variant": "v6"}),
                ("arm64", {"architecture": "arm64"}),
                ("riscv64", {"architecture": "riscv64"}),
            )
        )
    ]
    all_of_them.append(image(blobs, [], platform={"os": "unknown", "architecture": "unknown"}))
    if nested:
        return layout(folder, blobs, tagged(descriptor(blobs, index(*all_of_them), INDEX), "all"))
    return layout(folder, blobs, *all_of_them)


@pytest.mark.parametrize("nested", [False, True])
def test_which_platform(tmp_path: Path, nested: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = several(tmp_path / "layout", nested)
    assert set(files(f"oci:{folder}", "linux/arm64/v8")) == {"/2"}
    assert set(files(f"oci:{folder}", "linux/arm64")) == {"/2"}
    monkeypatch.setattr(platforms, "this_machine", lambda: Platform("riscv64", "linux"))
    assert set(files(f"oci:{folder}")) == {"/3"}
    assert set(files(f"oci:{folder}", "linux/arm")) == {"/1"}
    assert set(files(f"oci:{folder}", "linux/arm/v7")) == {"/1"}
    with pytest.raises(ImageError, match="no image for linux/arm/v5") as caught:
        files(f"oci:{folder}", "linux/arm/v5")
    assert caught.value.hint == (
        "there are: linux/amd64, linux/arm/v6, linux/arm64, linux/riscv64; choose with --platform"
    )


def test_the_only_image_whatever_its_platform(tmp_path: Path) -> None:
    blobs: Blobs = {}
    folder = layout(tmp_path / "layout", blobs, image(blobs, LAYERS, architecture="s390x"))
    assert files(f"oci:{folder}") == RESULT
    with pytest.raises(ImageError, match="no image for linux/amd64"):
        files(f"oci:{folder}", "linux/amd64")


def test_signatures_beside_an_image_do_not_count(tmp_path: Path) -> None:
    blobs: Blobs = {}

    def artifact(manifest: dict[str, Any]) -> None:
        manifest["config"] = descriptor(blobs, b"{}", "application/vnd.oci.empty.v1+json")

    folder = layout(tmp_path / "layout", blobs, image(blobs, [], manifest=artifact), image(blobs, LAYERS))
    assert files(f"oci:{folder}") == RESULT
    folder = layout(tmp_path / "alone", blobs, image(blobs, [], manifest=artifact))
    with pytest.raises(ImageError, match=r"'application/vnd\.oci\.empty\.v1\+json' is not the config of an image"):
        files(f"oci:{folder}")


@pytest.mark.parametrize("text", ["linux", "linux/", "/amd64", "Linux amd64", "linux/arm/v7/x"])
def test_a_malformed_platform(simple: Path, text: str) -> None:
    with pytest.raises(UsageError, match="is not a platform"):
        files(f"oci:{simple}", text)


# docker-archive


def saved(folder: Path, images: Sequence[Mapping[str, object]], contents: Mapping[str, bytes]) -> Path:
    """Write an archive as `docker save` does."""
    out = folder / "saved.tar"
    with tarfile.open(out, "w") as archive:
        for name, data in {**contents, "manifest.json": json.dumps(images).encode()}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out


def config_of(*layers: bytes) -> bytes:
    rootfs = {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]}
    return json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).encode()


def test_docker_save_of_every_time(tmp_path: Path) -> None:
    old = {"Config": "c.json", "RepoTags": ["team/app:1"], "Layers": ["1/layer.tar", "2/layer.tar"]}
    new = {"Config": "blobs/sha256/c", "RepoTags": ["busybox:latest"], "Layers": ["blobs/sha256/1"]}
    out = saved(
        tmp_path,
        [old, new],
        {
            "c.json": config_of(*LAYERS),
            "1/layer.tar": LAYERS[0],
            "2/layer.tar": gzip.compress(LAYERS[1]),
            "repositories": b'{"team/app":{"1":"2"}}',
            "blobs/sha256/c": config_of(LAYERS[0]),
            "blobs/sha256/1": zstandard.compress(LAYERS[0]),
        },
    )
    assert files(f"docker-archive:{out}:team/app:1") == RESULT
    assert files(f"docker-archive:{out}:team/app") == RESULT
    assert files(f"docker-archive:{out}:docker.io/team/app:1") == RESULT
    assert set(files(f"docker-archive:{out}:docker.io/library/busybox:latest")) == {"/etc/a", "/etc/b"}
    with pytest.raises(ImageError, match="there is no image 'team/app:2'") as caught:
        files(f"docker-archive:{out}:team/app:2")
    assert caught.value.hint == "there are: team/app:1, busybox:latest"
    with pytest.raises(ImageError, match="there are several images") as caught:
        files(str(out))
    assert caught.value.hint == "add ':' and one of the names: team/app:1, busybox:latest"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"Config": "c.json", "Layers": ["none"]}, "manifest.json names none, which is missing"),
        ({"Config": "none", "Layers": []}, "manifest.json names none, which is missing"),
        ({"Config": "c.json", "Layers": ["bz2"]}, "bz2: a layer compressed by bzip2"),
        ({"Config": "c.json", "Layers": []}, "it has 2 diff_ids, and the manifest 0 layers"),
        ({"Config": "c.json", "Layers": ["2.tar", "1.tar"]}, "but the config says"),
        ({"Layers": []}, "manifest.json: Object missing required field `Config`"),
    ],
)
def test_broken_docker_archives(tmp_path: Path, image: dict[str, object], message: str) -> None:
    contents = {"c.json": config_of(*LAYERS), "1.tar": LAYERS[0], "2.tar": LAYERS[1], "bz2": b"BZh9abc"}
    with pytest.raises(ImageError, match=re.escape(message)):
        files(str(saved(tmp_path, [image], contents)))


def test_no_image_in_an_archive(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"manifest\.json is empty"):
        files(str(saved(tmp_path, [], {})))
    (tmp_path / "root.tar").write_bytes(LAYERS[0])
    with pytest.raises(ImageError, match=r"manifest\.json is not there") as caught:
        files(str(tmp_path / "root.tar"))
    assert caught.value.hint == "a root filesystem's tarball is a source.archive"
    (tmp_path / "old.tar").write_bytes(tar("repositories file {}"))
    with pytest.raises(ImageError, match=r"manifest\.json is not there") as caught:
        files(str(tmp_path / "old.tar"))
    assert "docker before 1.10" in (caught.value.hint or "")


# Damage


def test_what_is_no_layout(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        files(f"oci:{tmp_path}/none")
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="not a folder"):
        files(f"oci:{tmp_path}/file")
    with pytest.raises(ImageError, match=r"index\.json is not there"):
        files(f"oci:{tmp_path}")
    with pytest.raises(UsageError):
        files(f"dir:{tmp_path}")
    (tmp_path / "index.json").write_bytes(index())
    with pytest.raises(ImageError, match="there is no image in it"):
        files(f"oci:{tmp_path}")
    (tmp_path / "index.json").write_bytes(b"{")
    with pytest.raises(ImageError, match=r"index.json: Input data was truncated"):
        files(f"oci:{tmp_path}")


def blobs_of(folder: Path) -> dict[str, str]:
    """Return the digests of the manifest, the config and the first layer."""
    opened = open_image(parse(f"oci:{folder}"))
    assert opened.manifest.config is not None
    return {"manifest": opened.digest, "config": opened.manifest.config.digest, "layer": opened.layers[0].digest}


@pytest.mark.parametrize("kind", ["manifest", "config", "layer"])
def test_a_damaged_blob_is_named(simple: Path, kind: str) -> None:
    digest = blobs_of(simple)[kind]
    path = blob_path(simple, digest)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ImageError, match=rf"{digest} has the digest sha256:[0-9a-f]{{64}}: it is damaged"):
        files(f"oci:{simple}")
    path.write_bytes(data + b" ")
    with pytest.raises(ImageError, match=rf"{digest} has {len(data) + 1} bytes, but its descriptor says {len(data)}"):
        files(f"oci:{simple}")
    path.unlink()
    with pytest.raises(ImageError, match=f"blob {digest} is missing"):
        files(f"oci:{simple}")
    path.symlink_to("/etc/passwd")
    with pytest.raises(ImageError, match=f"blob {digest} is missing"):
        files(f"oci:{simple}")


def changed(folder: Path, **changes: Any) -> str:
    blobs: Blobs = {}
    return f"oci:{layout(folder / 'changed', blobs, image(blobs, LAYERS, **changes))}"


def test_a_wrong_diff_id(tmp_path: Path) -> None:
    wrong = Digest("sha256:" + "0" * 64)
    reference = changed(tmp_path, config=lambda config: config["rootfs"]["diff_ids"].__setitem__(1, wrong))
    with pytest.raises(ImageError, match=rf"layer sha256:\w+: its diff_id is {sha256(LAYERS[1])}, .* says {wrong}"):
        files(reference)


def test_a_malformed_diff_id(tmp_path: Path) -> None:
    reference = changed(tmp_path, config=lambda config: config["rootfs"]["diff_ids"].__setitem__(1, "md5:0"))
    with pytest.raises(ImageError, match="not a digest: 'md5:0'"):
        files(reference)


def test_unknown_media_types(tmp_path: Path) -> None:
    def strange(manifest: dict[str, Any]) -> None:
        manifest["layers"][1]["mediaType"] = "application/x-strange"

    with pytest.raises(ImageError, match=r"layer sha256:\w+: unknown media type 'application/x-strange'"):
        files(changed(tmp_path, manifest=strange))
    blobs: Blobs = {}
    folder = layout(tmp_path / "top", blobs, image(blobs, LAYERS) | {"mediaType": "text/plain"})
    with pytest.raises(ImageError, match=r"sha256:\w+: unknown media type 'text/plain'"):
        files(f"oci:{folder}")


def test_another_compression_than_the_media_type_says(tmp_path: Path) -> None:
    blobs: Blobs = {}

    def plain(manifest: dict[str, Any]) -> None:
        manifest["layers"][0] = descriptor(blobs, LAYERS[0], manifest["layers"][0]["mediaType"])

    folder = layout(tmp_path / "layout", blobs, image(blobs, LAYERS, manifest=plain))
    with pytest.raises(ImageError, match=r"layer sha256:\w+: not a sound gzip stream"):
        files(f"oci:{folder}")


def test_an_index_that_is_too_deep(tmp_path: Path) -> None:
    blobs: Blobs = {}
    at = image(blobs, LAYERS)
    for _ in range(10):
        at = descriptor(blobs, index(at), INDEX)
    with pytest.raises(ImageError, match="more than 8 indexes inside each other"):
        files(f"oci:{layout(tmp_path / 'layout', blobs, at)}")


def test_a_layer_that_cannot_stand_on_those_below(tmp_path: Path) -> None:
    blobs: Blobs = {}
    folder = layout(tmp_path / "layout", blobs, image(blobs, [tar("a file"), tar("a/b file")]))
    with pytest.raises(RootError, match=r"layer sha256:\w+: /a/b: stands below /a, which is no directory"):
        files(f"oci:{folder}")


# What other programs write


def test_what_skopeo_and_umoci_write_is_read(tmp_path: Path) -> None:
    need("skopeo", "umoci")
    root = tmp_path / "root"
    (root / "d").mkdir(parents=True)
    (root / "d" / "a").write_bytes(b"1" * 700)
    os.link(root / "d" / "a", root / "d" / "b")
    (root / "l").symlink_to("d/a")
    made = f"{tmp_path}/made"
    umoci: list[tuple[str, ...]] = [("init", "--layout", made), ("new", "--image", f"{made}:x")]
    umoci += [("insert", "--image", f"{made}:x", str(root), "/root")]
    umoci += [("insert", "--image", f"{made}:x", "--whiteout", "/root/d/a")]
    for arguments in umoci:
        run("umoci", *arguments)
    expected = {"/root/d/b": b"1" * 700}
    assert files(f"oci:{made}:x") == expected
    for number, (target, *options) in enumerate(
        (
            ("docker-archive:{}:team/app:1",),
            ("oci-archive:{}:x",),
            ("oci:{}:x", "--dest-compress-format=zstd", "--dest-compress-level=3"),
            ("oci:{}:x", "--format=v2s2"),
        )
    ):
        reference = target.format(tmp_path / str(number))
        run("skopeo", "copy", "--quiet", *options, f"oci:{made}:x", reference)
        assert files(reference) == expected
