"""A daemon's own store, docker's or podman's: the archive is made while it is sent, and lies nowhere in between.

In: a shipment. Out: the image under its name there, its identity checked. It goes as a universal archive: containerd's
store and podman read the layout, with the manifest as it is, docker's own store reads `manifest.json`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from assembler.base.content import Bytes
from assembler.base.errors import DestinationError
from assembler.base.progress import Silent
from assembler.destinations.archive import OCI_LAYOUT, blob_path, folders
from assembler.destinations.written import Written, named
from assembler.oci import tar
from assembler.oci.types import INDEX, LAYER_FORMATS, Index, encode
from assembler.remote.daemon import connect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.base.progress import Progress
    from assembler.destinations.archive import Member
    from assembler.oci.reference import Reference
    from assembler.oci.shipment import Shipment
    from assembler.oci.types import Manifest
    from assembler.remote.access import Access
    from assembler.remote.daemon import Daemon


def write(
    shipment: Shipment, reference: Reference, tag: str, access: Access, progress: Progress | None = None
) -> Written:
    """Load an image or index into a daemon.

    Args:
        shipment: what is loaded; zstd layers only where `takes_zstd`.
        reference: its name there.
        tag: where the reference has none.
        access: the way to the daemon.
        progress: told of the bytes that were sent.

    Raises:
        SourceError, ImageError: a blob cannot be read, or is damaged; nothing is loaded.
        UsageError: there are several images, and the daemon keeps one under a name.
        DestinationError: the daemon cannot be reached, refuses, or has something else under the name afterwards.
    """
    name, tag = reference.name or "", reference.tag or tag
    progress = progress or Silent()
    with connect(access) as daemon:
        _check_fits(shipment, daemon)
        progress.start("load", shipment.size, unit="B")
        daemon.load(_chunks(_members(shipment, name, tag)), progress)
        notes = _verified(shipment, daemon, f"{name}:{tag}")
    return Written(f"docker-daemon:{name}:{tag}", notes)


def takes_zstd(access: Access) -> bool:
    """Ask a daemon whether it takes zstd layers: podman does, and docker from version 23 on.

    Raises:
        RemoteError: it cannot be reached.
    """
    with connect(access) as daemon:
        return daemon.facts.takes_zstd


def check(reference: Reference, access: Access) -> None:
    """Make sure that the daemon is there.

    Raises:
        RemoteError: it cannot be reached.
    """
    del reference
    with connect(access):
        pass


def _check_fits(shipment: Shipment, daemon: Daemon) -> None:
    facts = daemon.facts
    engine = f"{facts.engine} {facts.version}"
    if not facts.takes_index:
        # podman would choose an image itself, and might have none for its own platform.
        shipment.only_image(engine)
    known = {"none", "gzip", "zstd"} if facts.takes_zstd else {"none", "gzip"}
    for _, manifest in shipment.images():
        for layer in manifest.layers:
            if LAYER_FORMATS.get(layer.media_type) not in known:
                raise DestinationError(f"{daemon.address}: {engine} takes no layers of type {layer.media_type!r}")


def _members(shipment: Shipment, name: str, tag: str) -> Iterator[Member]:
    """Yield the members of a universal archive; of an index, which docker's own store does not take, a layout's."""
    index = Index(schema_version=2, media_type=INDEX, manifests=(named(shipment.root, name, tag),))
    yield "oci-layout", Bytes(OCI_LAYOUT)
    yield "index.json", Bytes(encode(index))
    images = shipment.images()
    if len(images) == 1:
        yield "manifest.json", Bytes(_saved(images[0][1], f"{name}:{tag}"))
    for folder in folders(each.digest for each, _ in (*shipment.documents, *shipment.blobs)):
        yield f"{folder}/", None
    for each, data in shipment.documents:
        yield blob_path(each.digest), Bytes(data)
    for each, content in shipment.blobs:
        yield blob_path(each.digest), content


def _saved(manifest: Manifest, name: str) -> bytes:
    config = manifest.config
    layers = [blob_path(layer.digest) for layer in manifest.layers]
    saved = {"Config": config and blob_path(config.digest), "RepoTags": [name], "Layers": layers}
    return msgspec.json.encode([saved])


def _chunks(members: Iterable[Member]) -> Iterator[bytes]:
    """Yield a tar of members, made as it is read."""
    for path, content in members:
        if content is None:
            yield tar.header(path.encode(), mode=0o755, type=b"5")
            continue
        yield tar.header(path.encode(), size=content.size)
        yield from content.chunks()
        yield tar.padding(content.size)
    yield bytes(2 * tar.RECORD)


def _verified(shipment: Shipment, daemon: Daemon, name: str) -> tuple[str, ...]:
    """Compare the identity of what has the name now; return notes of what the daemon did not keep."""
    known = daemon.identity(name)
    if daemon.facts.containerd_store:
        wanted = shipment.root.digest
    else:
        _, manifest = shipment.only_image(daemon.address)
        wanted = manifest.config.digest if manifest.config is not None else shipment.root.digest
    if known != wanted:
        hint = "was another image given the name meanwhile?"
        raise DestinationError(f"{daemon.address}: {name} is {known} there, not {wanted}", hint=hint)
    if daemon.facts.keeps_digest:
        return ()
    return (f"{name}: docker's own store keeps no manifest: the image's ID there is {known}, its config's digest",)
