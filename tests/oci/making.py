"""A small image of our own, whole, and where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.progress import Silent
from assembler.destinations import put
from assembler.layers.compose import compose
from assembler.layers.group import LayerSpec
from assembler.layers.render import RenderOptions, render
from assembler.oci.reference import parse
from assembler.oci.shipment import Shipment
from assembler.oci.types import Platform
from assembler.recipe import recipe_from_mapping
from tests.trees import make_tree

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.oci.image import Compression, Image

RECIPE = {
    "name": "app",
    "source": {"directory": "/"},
    "image": {
        "entrypoint": ["/bin/app"],
        "cmd": ["serve"],
        "env": {"A": "b"},
        "user": "7:8",
        "workdir": "/srv",
        "expose": ["80", "53/udp"],
        "volumes": ["/data"],
        "stop_signal": "SIGTERM",
        "labels": {"b": "2", "a": "1"},
        "annotations": {"org.opencontainers.image.licenses": "MIT"},
        "author": "somebody",
        "healthcheck": {"test": ["/bin/app", "ping"], "interval": "1m30s", "retries": 3},
    },
}
TREE = "/bin/app file 0755 0:0 program\n/etc/app.conf file\n/bin/alias hard /bin/app\n/lib link usr/lib"


def make_image(folder: Path, compression: Compression = "gzip", tree: str = TREE) -> Image:
    spec = LayerSpec("root", tuple(make_tree(tree)))
    layer = render(spec, RenderOptions(compression, None, 0, str(folder)), Silent())
    platform = Platform("arm", "linux", variant="v7")
    return compose(recipe_from_mapping(RECIPE, "/").recipe, platform, [layer], 1_700_000_000)


def make_layout(folder: Path, compression: Compression = "gzip") -> Path:
    put(Shipment.of(make_image(folder, compression)), tuple, parse(f"oci:{folder}/layout:t"), "app", "t")
    return folder / "layout"
