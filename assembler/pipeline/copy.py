"""Copying images from place to place, bytes as they are.

source ─▶ Shipment ─▶ destination
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.digest import Digest, sha256
from assembler.base.errors import UsageError
from assembler.destinations import check_outputs, put
from assembler.oci.convert import as_oci, has_docker_manifests
from assembler.oci.reference import is_name, is_tag, short_name
from assembler.oci.shipment import made_up_manifest
from assembler.sources.shipment import open_shipment, stored_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.base.progress import Progress
    from assembler.destinations import Written
    from assembler.oci.reference import Reference
    from assembler.oci.shipment import Shipment
    from assembler.remote.access import Access
    from assembler.sources.shipment import OpenedShipment
    from assembler.tree import Entry

_REMOTE: Final = frozenset({"docker", "docker-daemon"})
_LAYOUTS: Final = frozenset({"oci", "oci-archive", "archive"})


class Copied(Struct, frozen=True):
    """An image or index that was copied.

    Attributes:
        digest: what it has at its destination; of a docker-archive, which holds no manifest, what reading it back
            gives.
        source_digest: what the source's tag names.
        media_type: of the manifest or index that was sent.
        size: bytes of all that it leads to, documents and blobs.
        output: where it is now, complete with name and tag.
        notes: one line each: what differs from the source, and who cannot read it.
    """

    digest: Digest
    source_digest: Digest
    media_type: str
    size: int
    output: str
    notes: tuple[str, ...]


class Way(Struct, frozen=True):
    """How something is copied.

    Attributes:
        platform: of which image of an index; None for the only one, else this machine's.
        every: whether an index is copied whole.
        to_oci: whether docker's manifests become OCI ones, with digests of their own.
    """

    platform: str | None = None
    every: bool = False
    to_oci: bool = False


def copy(source: Reference, destination: Reference, way: Way, access: Access, progress: Progress) -> Copied:
    """Copy an image, or a whole index.

    Raises:
        BrasmError: any of the tree; nothing half-written is left.
    """
    check_outputs((destination,), None, access)
    progress.start("find")
    opened = open_shipment(source, access, platform=way.platform, every=way.every)
    names = names_for(opened)
    _check_apart(source, destination, opened.tag, destination.tag or names[1])
    shipment = as_oci(opened.shipment) if way.to_oci else opened.shipment
    shipment, notes = _fitting(shipment, destination, access, progress)
    written = send(shipment, destination, names, access, progress)
    digest, more = _read_back(shipment, destination)
    notes = (*opened.notes, *notes, *written.notes, *more)
    return Copied(digest, opened.source, shipment.root.media_type, shipment.size, written.reference, notes)


def names_for(opened: OpenedShipment) -> tuple[str | None, str]:
    """Return the name and tag for a destination that has none of its own: the source's, else no name and `latest`."""
    name = short_name(opened.name) if opened.name is not None else None
    tag = opened.tag if opened.tag is not None and is_tag(opened.tag) else "latest"
    return (name if name is not None and is_name(name) else None), tag


def send(
    shipment: Shipment, destination: Reference, names: tuple[str | None, str], access: Access, progress: Progress
) -> Written:
    """Write a shipment where a reference says.

    Args:
        shipment: what is written.
        destination: where to.
        names: name and tag, where the destination has none.
        access: the way to registries and daemons.
        progress: told of the bytes of blobs.

    Raises:
        BrasmError: see `put`.
    """

    def entries() -> Sequence[Entry]:
        from assembler.sources.image import flatten, read_image

        return tuple(flatten(read_image(stored_in(shipment, str(destination))), progress))

    told = shipment
    if destination.transport not in {*_REMOTE, "dir"}:
        progress.start("copy", sum(content.size for _, content in shipment.blobs), unit="B")
        told = shipment.told(progress)
    return put(told, entries, destination, *names, access, progress)


def _check_apart(source: Reference, destination: Reference, its_tag: str | None, tag: str) -> None:
    """Make sure that the source is not what would be replaced.

    Raises:
        UsageError: it is, or the destination is a path in the source's folder.
    """
    if source.transport in _REMOTE or destination.transport in _REMOTE:
        same = (source.transport, source.path) == (destination.transport, destination.path)
        same = same and short_name(source.name or "") == short_name(destination.name or "") and its_tag == tag
    elif source.transport == destination.transport == "oci":
        same = its_tag == tag and os.path.realpath(source.path) == os.path.realpath(destination.path)
    else:
        same = os.path.exists(destination.path) and os.path.samefile(source.path, destination.path)
    if same:
        raise UsageError(f"{destination}: is the source itself", hint="name another path or tag")
    if source.transport == "oci" and destination.transport not in _REMOTE:
        outer, inner = os.path.realpath(source.path), os.path.realpath(destination.path)
        if inner.startswith(outer.rstrip("/") + "/"):
            raise UsageError(f"{destination}: is in the folder of the source", hint="name a path elsewhere")


def _fitting(
    shipment: Shipment, destination: Reference, access: Access, progress: Progress
) -> tuple[Shipment, tuple[str, ...]]:
    """Return what the destination's format can hold, and notes of what changes by it."""
    if destination.transport in _LAYOUTS and has_docker_manifests(shipment):
        return shipment, (
            "docker's manifest is kept; skopeo and umoci want OCI's in a layout: --format oci converts it",
        )
    if destination.transport not in {"docker-archive", "docker-daemon"}:
        return shipment, ()
    from assembler.layers.plain import store_plain, zstd_layers

    if not (count := zstd_layers(shipment)):
        return shipment, ()
    if destination.transport == "docker-daemon":
        from assembler.destinations.daemon import takes_zstd

        if takes_zstd(access):
            return shipment, ()
    archive = destination.transport == "docker-archive"
    folder = os.path.dirname(os.path.realpath(destination.path)) if archive else None
    layers = "1 zstd layer is" if count == 1 else f"{count} zstd layers are"
    return store_plain(shipment, folder, progress), (f"{layers} stored plain: {destination.transport}: holds no zstd",)


def _read_back(shipment: Shipment, destination: Reference) -> tuple[Digest, tuple[str, ...]]:
    """Return the digest at the destination, and a note where it is another."""
    root = shipment.root.digest
    if destination.transport != "docker-archive":
        return root, ()
    _, manifest = shipment.only_image("a docker-archive")
    if manifest.config is None:
        return root, ()
    digest = sha256(made_up_manifest(manifest.config, manifest.layers))
    return digest, () if digest == root else (f"a docker-archive holds no manifest: reading it back gives {digest}",)
