"""Tarballs and images as sources: hostile, truncated, spoilt."""

from __future__ import annotations

import io
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.images import blob, layer, manifest
from tests.acceptance.refusals import refused, whole
from tests.tools import BRASM, attempt, need, pack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def tarball(path: Path, *members: tuple[str, bytes, str]) -> Path:
    """Write a tar of (name, type, link) members."""
    with tarfile.open(path, "w") as tar:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, link, 0o755
            tar.addfile(member, io.BytesIO())
    return path


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../escape", tarfile.REGTYPE, ""),
        ("a/../../escape", tarfile.REGTYPE, ""),
        ("/etc/escape", tarfile.REGTYPE, ""),
        ("hard", tarfile.LNKTYPE, "../../etc/passwd"),
        ("hard", tarfile.LNKTYPE, "nowhere"),
    ],
)
def test_a_tarball_that_climbs_out(name: str, kind: bytes, link: str, out: Path, tmp_path: Path) -> None:
    path = tarball(tmp_path / "root.tar", ("app", tarfile.REGTYPE, ""), (name, kind, link))
    assert name in refused(out, 4, *whole(path))


@pytest.mark.parametrize("cut", [10, 600, -700])
def test_a_truncated_tarball(cut: int, out: Path, tmp_path: Path) -> None:
    packed = tmp_path / "root.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        for number in range(20):
            member = tarfile.TarInfo(f"file{number}")
            member.size = 2000
            tar.addfile(member, io.BytesIO(os.urandom(2000)))
    packed.write_bytes(packed.read_bytes()[:cut])
    assert "root.tar.gz" in refused(out, 4, *whole(packed))


@pytest.fixture
def layout(static: Path, out: Path) -> Path:
    """A sound layout to spoil."""
    pack("-s", static, "-e", "/bin/busybox", "-o", f"oci:{out}/layout:1")
    return out / "layout"


def spoil_layer(layout: Path) -> None:
    path = layer(layout, "1")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_layer(layout: Path) -> None:
    path = layer(layout, "1")
    path.write_bytes(path.read_bytes()[:-10])


def remove_layer(layout: Path) -> None:
    layer(layout, "1").unlink()


def remove_config(layout: Path) -> None:
    blob(layout, manifest(layout, "1")["config"]["digest"]).unlink()


def change_manifest(layout: Path) -> None:
    index = json.loads((layout / "index.json").read_bytes())
    path = blob(layout, index["manifests"][0]["digest"])
    path.write_bytes(path.read_bytes().replace(b"tar+gzip", b"tar+gzap"))


def garble_index(layout: Path) -> None:
    (layout / "index.json").write_text('{"schemaVersion": 2, "manifests": [{]}')


def unknown_media_type(layout: Path) -> None:
    index: dict[str, Any] = json.loads((layout / "index.json").read_bytes())
    index["manifests"][0]["mediaType"] = "application/x-unheard-of"
    (layout / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "spoil",
    [spoil_layer, cut_layer, remove_layer, remove_config, change_manifest, garble_index, unknown_media_type],
    ids=lambda spoil: str(spoil.__name__),
)
def test_a_spoilt_image(spoil: Callable[[Path], None], layout: Path, out: Path) -> None:
    spoil(layout)
    refused(out, 4, *whole(f"oci:{layout}:1"))
    done = attempt(*BRASM, "verify", f"oci:{layout}:1")
    assert done.returncode == 4
    assert "Traceback" not in done.stderr


def test_an_image_that_is_not_there(layout: Path, out: Path) -> None:
    refused(out, 4, *whole(f"oci:{layout}:2"))
    refused(out, 4, *whole("oci:nowhere:1"))
    refused(out, 4, "verify", "nowhere.tar")


def test_a_bomb(out: Path, tmp_path: Path) -> None:
    from zstandard import ZstdCompressor

    need("prlimit")
    path = tmp_path / "bomb.tar.zst"
    member = tarfile.TarInfo("app")
    member.size = 1 << 32
    zeros = bytes(1 << 20)
    with path.open("wb") as file, ZstdCompressor().stream_writer(file) as packed:
        packed.write(member.tobuf())
        for _ in range(1100):
            packed.write(zeros)
    assert "bomb" in refused(out, 4, *whole(path), under=("prlimit", "--data=400000000"))
