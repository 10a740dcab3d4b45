"""A daemon's own store, docker's or podman's: the archive is made while it is sent, and lies nowhere in between.

In: a shipment. Out: the image under its name there, its identity checked. It goes as a universal archive: containerd's
store and podman read the layout, with the manifest as it is, docker's own store reads `manifest.json`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.errors import DestinationError
from assembler.base.progress import Silent
from assembler.destinations.archive import tar_chunks, universal_members
from assembler.destinations.written import Written
from assembler.oci.types import LAYER_FORMATS
from assembler.remote.daemon import connect

if TYPE_CHECKING:
    from assembler.base.progress import Progress
    from assembler.oci.reference import Reference
    from assembler.oci.shipment import Shipment
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
        members, _ = universal_members(shipment, name, tag, daemon.address)
        daemon.load(tar_chunks(members), progress)
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
