"""Images of a few bytes, rendered and composed as the pipeline does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.progress import Silent
from assembler.layers.group import LayerSpec
from assembler.layers.render import RenderOptions, render
from assembler.oci.image import Compression, Image
from assembler.oci.types import ContainerConfig, History, ImageConfig, RootFS
from tests.trees import make_tree

if TYPE_CHECKING:
    import os

CREATED = "2001-09-09T01:46:40Z"
EPOCH = 10**9
TREE = """
/usr/bin/sh    file 0755 0:0 #!/bin/true\\n
/usr/bin/ash   hard /usr/bin/sh
/bin           link usr/bin
/etc/motd      file 0640 0:0 hello
/tmp           dir 1777
"""


def make_image(
    folder: os.PathLike[str], lines: str = TREE, compression: Compression = "gzip", layers: int = 1
) -> Image:
    """Make an image of a tree that is written as text; with several layers, each holds the whole tree."""
    options = RenderOptions(compression, None, EPOCH, str(folder))
    spec = LayerSpec("root", tuple(make_tree(lines)))
    rendered = tuple(render(spec, options, Silent()) for _ in range(layers))
    config = ImageConfig(
        architecture="amd64",
        os="linux",
        created=CREATED,
        config=ContainerConfig(cmd=("/usr/bin/sh",)),
        rootfs=RootFS("layers", tuple(layer.diff_id for layer in rendered)),
        history=tuple(History(created=CREATED, created_by=layer.created_by) for layer in rendered),
    )
    return Image(config, rendered)
