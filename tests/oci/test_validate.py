"""Validation: what is sound has no violations, and what is not has all of them at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from assembler.base import digest as digests
from assembler.oci.reference import parse
from assembler.oci.validate import validate
from assembler.sources.image import find_image
from tests.oci.making import make_image, make_layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from assembler.oci.image import Compression


def rules(layout: Path) -> set[str]:
    return {violation.rule for violation in validate(find_image(parse(f"oci:{layout}:t")))}


def layer_of(layout: Path) -> Path:
    (layer,) = (path for path in (layout / "blobs/sha256").iterdir() if path.read_bytes()[:1] != b"{")
    return layer


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_what_is_written_is_sound(tmp_path: Path, compression: Compression) -> None:
    assert rules(make_layout(tmp_path, compression)) == set()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("damage", "expected"),
    [(flip, {"digest"}), (cut, {"digest", "size"}), (lambda path: path.unlink(), {"blob"})],
)
def test_a_damaged_layer_breaks_these_rules_at_least(
    tmp_path: Path, damage: Callable[[Path], None], expected: set[str]
) -> None:
    layout = make_layout(tmp_path)
    damage(layer_of(layout))
    assert expected <= rules(layout)


def test_a_marker_that_is_missing_or_of_another_version(tmp_path: Path) -> None:
    layout = make_layout(tmp_path)
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"9"}')
    assert rules(layout)


def _with_config(layout: Path, change: Callable[[dict[str, object]], None]) -> Path:
    """Change the config, and all that names it, so that only the config's own rules are broken."""
    blobs = layout / "blobs/sha256"
    index = json.loads((layout / "index.json").read_bytes())
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_bytes())
    config = json.loads((blobs / manifest["config"]["digest"][7:]).read_bytes())
    change(config)
    manifest["config"] |= _store(blobs, config)
    index["manifests"][0] |= _store(blobs, manifest)
    (layout / "index.json").write_text(json.dumps(index))
    return layout


def _store(blobs: Path, document: object) -> dict[str, object]:
    data = json.dumps(document).encode()
    digest = digests.sha256(data)
    (blobs / digest[7:]).write_bytes(data)
    return {"digest": digest, "size": len(data)}


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.update(rootfs={"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}),
        lambda config: config.update(rootfs={"type": "other", "diff_ids": config["rootfs"]["diff_ids"]}),
        lambda config: config["rootfs"]["diff_ids"].append("sha256:" + "0" * 64),
        lambda config: config["history"].append({"created_by": "nobody"}),
        lambda config: config.update(created="yesterday"),
        lambda config: config.update(architecture=""),
    ],
)
def test_a_config_that_breaks_the_spec(tmp_path: Path, change: Callable[[dict[str, object]], None]) -> None:
    assert len(rules(_with_config(make_layout(tmp_path), change))) == 1


def test_all_violations_come_at_once(tmp_path: Path) -> None:
    layout = _with_config(make_layout(tmp_path), lambda config: config.update(created="yesterday"))
    cut(layer_of(layout))
    assert len(rules(layout)) >= 3


def test_the_layer_is_told_from_the_documents(tmp_path: Path) -> None:
    layout = make_layout(tmp_path)
    assert layer_of(layout).name == make_image(tmp_path).layers[0].descriptor.digest[7:]
