"""Programs that make a compressed layer of a folder, each set up as its own users would."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple

from benches.measure import measure

if TYPE_CHECKING:
    from collections.abc import Callable

BRASM = os.path.join(os.path.dirname(os.path.abspath(sys.executable)), "brasm")
PLATFORM = ("--set", "image.platform=linux/" + {"aarch64": "arm64"}.get(platform.machine(), "amd64"))
"""What an image of files that are no programs is for."""


class Contender(NamedTuple):
    """A way to make a layer.

    Attributes:
        name: as it stands in the table.
        prepare: makes an empty folder ready; not counted.
        command: what is measured, run in that folder.
        size: returns the bytes of the layer that the command has made in that folder.
    """

    name: str
    prepare: Callable[[str], None]
    command: tuple[str, ...]
    size: Callable[[str], int]


def brasm(root: str, level: int | None = None) -> Contender:
    """Pack everything into an image layout; level None is the default."""
    how = ("--set", f"layers.level={level}") if level is not None else ()
    title = f"brasm pack, level {level}" if level is not None else "brasm pack, default level"
    command = (BRASM, "pack", "-q", "-s", root, "--mode", "all", *PLATFORM, *how, "-o", "oci:layout:x")
    return Contender(title, _nothing, command, _layer_size)


def tar_gzip(root: str) -> Contender:
    """GNU tar in sorted order through gzip at level 6: a layer and nothing else."""
    pipe = 'tar --sort=name --numeric-owner --xattrs -C "$1" -cf - . | gzip -6n > layer.tar.gz'
    return Contender(
        "tar --sort=name \\| gzip -6n",
        _nothing,
        ("sh", "-c", pipe, "sh", root),
        lambda folder: os.path.getsize(f"{folder}/layer.tar.gz"),
    )


def umoci(root: str) -> Contender:
    """`umoci insert` into an empty image."""

    def prepare(folder: str) -> None:
        measure(("umoci", "init", "--layout", "layout"), folder)
        measure(("umoci", "new", "--image", "layout:x"), folder)

    return Contender("umoci insert", prepare, ("umoci", "insert", "--image", "layout:x", root, "/"), _layer_size)


def buildah(root: str) -> Contender:
    """`buildah copy` and `commit` to a layout, in storage of its own."""
    private = "buildah --root storage --runroot run --storage-driver overlay"

    def prepare(folder: str) -> None:
        measure(("sh", "-c", f"{private} from --name x scratch"), folder)

    job = f'{private} copy --quiet x "$1" / && {private} commit --quiet --disable-compression=false x oci:layout:x'
    return Contender("buildah copy + commit", prepare, ("sh", "-c", job, "sh", root), _layer_size)


def _nothing(folder: str) -> None:
    """All that the command needs is an empty folder."""


def fresh(folder: str) -> str:
    """Return a folder, emptied."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def _layer_size(folder: str) -> int:
    def blob(digest: str) -> str:
        return f"{folder}/layout/blobs/{digest.replace(':', '/')}"

    with open(f"{folder}/layout/index.json", encoding="utf-8") as file:
        index = json.load(file)
    with open(blob(index["manifests"][-1]["digest"]), encoding="utf-8") as file:
        manifest = json.load(file)
    return sum(int(layer["size"]) for layer in manifest["layers"])
