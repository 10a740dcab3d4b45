"""An image in a daemon's own store, docker's or podman's.

In: `docker-daemon:NAME[:TAG]` or an ID. Out: `Found`, in what `docker save` would write: a layout from docker 25 on and
for what podman cannot write otherwise, a docker-archive from others. It lies in an unnamed temporary file, for a tar is
read at random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from assembler.base.progress import Silent
from assembler.remote.daemon import connect
from assembler.sources.registry import source_errors
from assembler.sources.spool import spool
from assembler.sources.store import store_in

if TYPE_CHECKING:
    from assembler.oci.reference import Reference
    from assembler.remote.access import Access
    from assembler.sources.blobs import Found

_DEFAULT_TAG: Final = "latest"


def open_daemon(reference: Reference, access: Access) -> Found:
    """Find what a name or an ID names.

    Raises:
        SourceError: the daemon cannot be reached, has no such image, or cannot save it; there is no room in TMPDIR.
        ImageError: what it saved is no image.
    """
    tag = None if reference.name is None else reference.tag or _DEFAULT_TAG
    name = str(reference.digest) if tag is None else f"{reference.name}:{tag}"
    where = f"docker-daemon:{name}"
    with source_errors(), connect(access) as daemon:
        store = store_in(spool(daemon.save(name), where, Silent()), where)
    # It holds this image and no other: what the daemon calls it does not matter.
    if store.get("/index.json") is not None:
        from assembler.sources.layout import open_layout

        found = open_layout(store, None)
    else:
        from assembler.sources.docker_archive import open_docker_archive

        found = open_docker_archive(store, None, None)
    return replace(found, name=reference.name or found.name, tag=tag or found.tag)
