"""Which destination a reference means, and whether it can be one: asked before any work, and again when writing.

In: a finished image and a reference. Out: where it is now. The last stage.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, assert_never

from assembler.base.errors import DestinationError, UsageError
from assembler.base.paths import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.destinations.written import Written
    from assembler.oci.image import Compression, Image
    from assembler.oci.reference import Reference
    from assembler.tree import Entry


def put(image: Image, entries: tuple[Entry, ...], reference: Reference, name: str, tag: str) -> Written:
    """Write an image where a reference says.

    Args:
        image: what is written.
        entries: what its layers hold together, sorted bytewise by path: for an unpacked root filesystem.
        reference: where to.
        name: the image's name where the reference has none.
        tag: likewise.

    Raises:
        SourceError: a file or blob cannot be read.
        DestinationError: it cannot be written; nothing is left behind.
    """
    name, tag = reference.name or name, reference.tag or tag
    match reference.transport:
        case "oci":
            from assembler.destinations import layout

            return layout.write(image, reference.path, name, tag)
        case "oci-archive" | "docker-archive" | "archive":
            from assembler.destinations import archive

            return archive.write(image, reference, name, tag)
        case "dir":
            from assembler.destinations import directory

            return directory.write(entries, reference.path, image.config.created)
        case _:
            assert_never(reference.transport)


def check_outputs(references: Sequence[Reference], compression: Compression) -> None:
    """Find what would fail at the end before the work begins.

    Raises:
        UsageError: two outputs are one place, or a format cannot hold the compression.
        DestinationError: a folder is not there or may not be written, or something else is in the way.
    """
    _check_distinct(references)
    for reference in references:
        if reference.transport == "docker-archive" and compression == "zstd":
            hint = "write gzip (layers.compression), or to oci: or oci-archive:"
            raise UsageError(f"{reference}: a docker-archive cannot hold zstd layers", hint=hint)
        match reference.transport:
            case "oci":
                from assembler.destinations import layout

                layout.check(reference.path)
            case "dir":
                from assembler.destinations import directory

                directory.check(reference.path)
            case "oci-archive" | "docker-archive" | "archive":
                _check_file(reference.path)
            case _:
                assert_never(reference.transport)
        _check_writable(reference)


def _check_distinct(references: Sequence[Reference]) -> None:
    """Only a layout takes more than one image, each with its own tag."""
    seen: dict[str, Reference] = {}
    for reference in references:
        path = os.path.realpath(reference.path)
        other = seen.setdefault(path, reference)
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
