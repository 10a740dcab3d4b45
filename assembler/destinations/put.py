"""Which destination a reference means, and whether it can be one: asked before any work, and again when writing.

In: a shipment and a reference. Out: where it is now. The last stage.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final, assert_never

from assembler.base.errors import DestinationError, UsageError
from assembler.base.paths import show
from assembler.remote.access import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assembler.base.progress import Progress
    from assembler.destinations.written import Written
    from assembler.oci.image import Compression
    from assembler.oci.reference import Reference
    from assembler.oci.shipment import Shipment
    from assembler.tree import Entry

_USUAL: Final = Access()


def put(
    shipment: Shipment,
    entries: Callable[[], Sequence[Entry]],
    reference: Reference,
    name: str | None,
    tag: str,
    access: Access = _USUAL,
    progress: Progress | None = None,
) -> Written:
    """Write an image or index where a reference says.

    Args:
        shipment: what is written.
        entries: gives what its one image unpacks to, sorted bytewise by path.
        reference: where to.
        name: the image's name where the reference has none; None where it has no name.
        tag: likewise.
        access: the way to registries and daemons.
        progress: told of what is sent to them; of what is written to files `Shipment.told` tells.

    Raises:
        SourceError, ImageError: a file or blob cannot be read, or is damaged.
        UsageError: there are several images, and there only one can be.
        DestinationError: it cannot be written; nothing is left behind.
    """
    name, tag = reference.name or name, reference.tag or tag
    match reference.transport:
        case "oci":
            from assembler.destinations import layout

            return layout.write(shipment, reference.path, name, tag)
        case "oci-archive" | "docker-archive" | "archive":
            from assembler.destinations import archive

            return archive.write(shipment, reference, name, tag)
        case "dir":
            from assembler.destinations import directory

            _, manifest = shipment.only_image("a folder")
            return directory.write(entries(), reference.path, shipment.config(manifest).created)
        case "docker":
            from assembler.destinations.registry import write

            return write(shipment, reference, tag, access, progress)
        case "docker-daemon":
            from assembler.destinations.daemon import write as load

            return load(shipment, reference, tag, access, progress)
        case _:
            assert_never(reference.transport)


def check_outputs(
    references: Sequence[Reference], compression: Compression | None = None, access: Access = _USUAL
) -> None:
    """Find what would fail at the end before the work begins.

    Args:
        references: where to.
        compression: of the layers that will be made; None where nothing will be made.
        access: the way to registries and daemons.

    Raises:
        UsageError: two outputs are one place, a format cannot hold the compression, or a daemon's image has no name.
        DestinationError: a folder is not there or may not be written, or something else is in the way.
    """
    _check_distinct(references)
    for reference in references:
        _check(reference, access)
        if compression == "zstd" and not _takes_zstd(reference, access):
            hint = "write gzip (layers.compression), or to oci: or oci-archive:"
            raise UsageError(f"{reference}: a {reference.transport} cannot hold zstd layers", hint=hint)


def _takes_zstd(reference: Reference, access: Access) -> bool:
    match reference.transport:
        case "docker-archive":
            return False
        case "docker-daemon":
            from assembler.destinations.daemon import takes_zstd

            return takes_zstd(access)
        case _:
            return True


def _check(reference: Reference, access: Access) -> None:
    match reference.transport:
        case "oci":
            from assembler.destinations import layout

            layout.check(reference.path)
            _check_writable(reference)
        case "dir":
            from assembler.destinations import directory

            directory.check(reference.path)
            _check_writable(reference)
        case "oci-archive" | "docker-archive" | "archive":
            _check_file(reference.path)
            _check_writable(reference)
        case "docker":
            from assembler.destinations.registry import check

            check(reference, access)
        case "docker-daemon":
            from assembler.destinations.daemon import check as check_daemon

            if reference.name is None:
                raise UsageError(f"{reference}: an image is given a name there", hint="write docker-daemon:NAME:TAG")
            check_daemon(reference, access)
        case _:
            assert_never(reference.transport)


def check_holders(references: Sequence[Reference]) -> None:
    """Make sure that all destinations can hold an index of several images.

    Raises:
        UsageError: one cannot.
    """
    for reference in references:
        if reference.transport in {"docker-archive", "docker-daemon", "dir"}:
            hint = "docker://, oci:, oci-archive: or FILE.tar"
            raise UsageError(f"{reference}: {reference.transport}: holds one image, no index", hint=hint)


def _check_distinct(references: Sequence[Reference]) -> None:
    """Only a layout takes more than one image, each with its own tag."""
    seen: dict[str, Reference] = {}
    for reference in references:
        remote = reference.transport in {"docker", "docker-daemon"}
        other = seen.setdefault(str(reference) if remote else os.path.realpath(reference.path), reference)
        both_layouts = reference.transport == other.transport == "oci"
        if other is not reference and not (both_layouts and reference.tag != other.tag):
            raise UsageError(f"{reference}: {other} is written to the same place", hint="name another path")


def _check_file(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # it is not there, or its folder is not: seen next
    if stat.S_ISDIR(mode):
        raise DestinationError(f"{show(path)}: is a folder", hint="name a file, or write a layout: oci:FOLDER")
    if not stat.S_ISREG(mode):
        raise DestinationError(f"{show(path)}: is not a regular file", hint="an archive is a file that is replaced")


def _check_writable(reference: Reference) -> None:
    path = os.path.realpath(reference.path)
    into = path if reference.transport == "oci" and os.path.isdir(path) else os.path.dirname(path)
    if not os.path.isdir(into):
        raise DestinationError(f"{show(reference.path)}: there is no folder {show(into)}", hint="make the folder first")
    if not os.access(into, os.W_OK | os.X_OK):
        raise DestinationError(f"{show(reference.path)}: the folder {show(into)} may not be written")
