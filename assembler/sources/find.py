"""Which place a reference names: the one way in for all transports.

In: a reference. Out: `Found`. What a transport needs is imported only for it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from assembler.base.errors import UsageError

if TYPE_CHECKING:
    from assembler.oci.reference import Reference
    from assembler.remote.access import Access
    from assembler.sources.blobs import Found
    from assembler.sources.store import Store


def find(reference: Reference, folder: str, access: Access) -> Found:
    """Find what a reference names, looking at nothing but what leads to it.

    Args:
        reference: a layout or archive (a plain archive may be either, `index.json` first), a repository of a
            registry, an image of a daemon.
        folder: what a relative path starts from.
        access: the way to registries and daemons.

    Raises:
        SourceError: it is not there or cannot be read.
        ImageError: there is no such tag or name, or several and none is asked for.
        UsageError: the reference names no image.
    """
    match reference.transport:
        case "docker":
            from assembler.sources.registry import open_registry

            return open_registry(reference, access)
        case "docker-daemon":
            from assembler.sources.daemon import open_daemon

            return open_daemon(reference, access)
        case "dir":
            raise UsageError(f"{reference}: an unpacked root filesystem, not an image")
        case _:
            from assembler.sources.store import open_store

            store = open_store(os.path.join(folder, reference.path), folder=reference.transport == "oci")
            return find_in_store(store, reference)


def find_in_store(store: Store, reference: Reference) -> Found:
    """Find what a reference names in a layout or archive that is open.

    Raises:
        ImageError: see `find`.
    """
    layout = store.get("/index.json") is not None
    if reference.transport in {"oci", "oci-archive"} or (reference.transport == "archive" and layout):
        from assembler.sources.layout import open_layout

        return open_layout(store, reference.tag)
    from assembler.sources.docker_archive import open_docker_archive

    return open_docker_archive(store, reference.name, reference.tag)
