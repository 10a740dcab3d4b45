"""The documents that are written: the image-spec's own schemas take them, and the same image is the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import referencing
from referencing.jsonschema import DRAFT4

from assembler.oci.types import ImageConfig, decode
from tests.oci.making import make_image, make_layout
from tests.tools import lack

if TYPE_CHECKING:
    from assembler.oci.image import Compression

SCHEMAS = Path("/usr/share/gocode/src/github.com/opencontainers/image-spec/schema")


def check(document: bytes, schema: str) -> None:
    if not SCHEMAS.is_dir():
        lack("the image-spec's schemas are not installed: apt install golang-github-opencontainers-image-spec-dev")
    found = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    # attrs makes the argument of a private field, which mypy does not see.
    registry: referencing.Registry[Any] = referencing.Registry(retrieve=lambda uri: _resource(found, uri))  # type: ignore[call-arg]
    jsonschema.Draft4Validator(found[schema], registry=registry).validate(json.loads(document))


def _resource(found: dict[str, Any], uri: str) -> referencing.Resource[Any]:
    """Find a schema that another refers to, whatever address it gives it: their file names are unique."""
    return DRAFT4.create_resource(found[uri.rpartition("/")[2]])


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_the_specs_own_schemas_take_manifest_config_and_index(tmp_path: Path, compression: Compression) -> None:
    image = make_image(tmp_path, compression)
    check(image.manifest_bytes, "image-manifest-schema.json")
    check(image.config_bytes, "config-schema.json")
    layout = make_layout(tmp_path, compression)
    check((layout / "index.json").read_bytes(), "image-index-schema.json")
    check((layout / "oci-layout").read_bytes(), "image-layout-schema.json")


def test_the_schemas_refuse_what_is_wrong(tmp_path: Path) -> None:
    document = make_image(tmp_path).manifest_bytes.replace(b"sha256:", b"sha256=")
    with pytest.raises(jsonschema.ValidationError):
        check(document, "image-manifest-schema.json")


def test_the_config_says_what_the_recipe_says(tmp_path: Path) -> None:
    config = json.loads(make_image(tmp_path).config_bytes)
    assert (config["architecture"], config["variant"], config["os"]) == ("arm", "v7", "linux")
    assert config["created"] == "2023-11-14T22:13:20Z"
    inner = config["config"]
    assert inner["Entrypoint"] == ["/bin/app"]
    assert inner["Env"][1:] == ["A=b"]
    assert inner["ExposedPorts"] == {"53/udp": {}, "80/tcp": {}}
    assert list(inner["Labels"]) == ["a", "b"]
    assert inner["Healthcheck"]["Interval"] == 90 * 10**9
    assert len(config["history"]) == len(config["rootfs"]["diff_ids"]) == 1


def test_the_same_image_is_the_same_bytes_and_has_no_white_space(tmp_path: Path) -> None:
    first, second = make_image(tmp_path), make_image(tmp_path)
    assert first.manifest_bytes == second.manifest_bytes
    assert first.digest == second.digest
    assert b": " not in first.config_bytes.replace(b"brasm root: ", b"")
    assert decode(first.config_bytes, ImageConfig, "config") == first.config
