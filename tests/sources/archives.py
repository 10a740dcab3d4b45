"""Tars, layouts and `docker save` archives of a few bytes, right ones and wrong ones."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any, Final

from assembler.base.digest import sha256
from assembler.base.paths import from_bytes
from assembler.oci.types import CONFIG, INDEX, LAYER, LAYER_GZIP, MANIFEST, REF_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_TYPES: Final = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "link": tarfile.SYMTYPE,
    "hard": tarfile.LNKTYPE,
    "char": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
    "fifo": tarfile.FIFOTYPE,
}


def tar(lines: str, *, format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002  (tarfile's name for it)
    r"""Make a tar of lines `name type [rest]`, in their order; names as they stand, `\n`-like escapes not read.

    The rest is a file's content, a link's target, or a device's numbers.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format, encoding="utf-8", errors="surrogateescape") as archive:
        for line in filter(None, map(str.strip, lines.splitlines())):
            name, kind, rest = (*line.split(" ", 2), "")[:3]
            archive.addfile(*member(name, kind, rest))
    return buffer.getvalue()


def member(name: str, kind: str, rest: str = "", **fields: Any) -> tuple[tarfile.TarInfo, io.BytesIO | None]:
    """Make one member; `fields` are those of TarInfo."""
    info = tarfile.TarInfo(name)
    info.type = _TYPES[kind]
    info.mode = 0o755 if kind == "dir" else 0o644
    data = None
    match kind:
        case "file":
            data = io.BytesIO(rest.encode("utf-8", "surrogateescape"))
            info.size = len(data.getvalue())
        case "link" | "hard":
            info.linkname = rest
        case "char" | "block":
            info.devmajor, info.devminor = map(int, rest.split(","))
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def archive(path: Path, *members: tuple[tarfile.TarInfo, io.BytesIO | None]) -> str:
    """Write a tar of members."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape") as out:
        for info, data in members:
            out.addfile(info, data)
    return from_bytes(os.fsencode(path))


Blobs = dict[str, bytes]


def descriptor(blobs: Blobs, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    """Put a blob among others and return its descriptor."""
    digest = sha256(data)
    blobs[digest] = data
    return {"mediaType": media_type, "digest": digest, "size": len(data), **more}


def image(
    blobs: Blobs,
    layers: Sequence[bytes],
    *,
    architecture: str = "amd64",
    compress: bool = True,
    config: Callable[[dict[str, Any]], object] | None = None,
    manifest: Callable[[dict[str, Any]], object] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Put an image of layers (tars) among blobs and return its manifest's descriptor.

    `config` and `manifest` change the documents before they are stored.
    """
    document: dict[str, Any] = {
        "architecture": architecture,
        "os": "linux",
        "created": "2001-09-09T01:46:40Z",
        "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]},
    }
    if config is not None:
        config(document)
    stored = [gzip.compress(layer, mtime=0) if compress else layer for layer in layers]
    kind = LAYER_GZIP if compress else LAYER
    top: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(blobs, json.dumps(document).encode(), CONFIG),
        "layers": [descriptor(blobs, layer, kind) for layer in stored],
    }
    if manifest is not None:
        manifest(top)
    return descriptor(blobs, json.dumps(top).encode(), MANIFEST, **more)


def tagged(described: dict[str, Any], tag: str) -> dict[str, Any]:
    """Give a descriptor a tag."""
    return {**described, "annotations": {REF_NAME: tag}}


def index(*manifests: Mapping[str, Any]) -> bytes:
    """Make an index."""
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).encode()


def layout(folder: Path, blobs: Blobs, *manifests: Mapping[str, Any]) -> Path:
    """Write an image layout."""
    (folder / "blobs" / "sha256").mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_bytes(index(*manifests))
    for digest, data in blobs.items():
        blob_path(folder, digest).write_bytes(data)
    return folder


def blob_path(folder: Path, digest: str) -> Path:
    """Return where a layout has a blob."""
    return folder / "blobs" / "sha256" / digest.removeprefix("sha256:")
