"""Names of places that hold images, in skopeo's transport syntax.

oci:DIR[:TAG]                 an image layout
oci-archive:FILE[:TAG]        that layout as one tar
docker-archive:FILE[:NAME[:TAG]]  what `docker save` writes
dir:DIR                       (destination) an unpacked root filesystem
FILE.tar                      (destination) the universal archive: both of the above at once
"""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

from msgspec import Struct

from assembler.base.errors import UsageError

Transport = Literal["oci", "oci-archive", "docker-archive", "dir", "archive"]

_TRANSPORTS: Final = frozenset(get_args(Transport))
_LATER: Final = frozenset({"docker", "docker-daemon", "containers-storage"})
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_NAME: Final = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
)


class Reference(Struct, frozen=True):
    """A place. `name` is a repository's name, only of a docker-archive; `tag` is None where none was given."""

    transport: Transport
    path: str
    name: str | None = None
    tag: str | None = None

    def __str__(self) -> str:
        if self.transport == "archive":
            return self.path
        return ":".join(filter(None, (self.transport, self.path, self.name, self.tag)))


def parse(text: str) -> Reference:
    """Read a reference; a text without a transport is the path of an archive.

    Raises:
        UsageError: the transport is unknown, the path is empty, or a name or tag is malformed.
    """
    transport, colon, rest = text.partition(":")
    if not colon or "/" in transport or transport not in _TRANSPORTS | _LATER:
        if colon and "/" not in transport and "." not in transport:
            raise UsageError(f"{text!r}: unknown transport {transport!r}", hint=f"known are {_known()}")
        return _checked(Reference("archive", text), text)
    match transport:
        case "oci" | "oci-archive" as layout:
            path, _, after = rest.partition(":")
            return _checked(Reference(layout, path, tag=after or None), text)
        case "docker-archive":
            path, _, full = rest.partition(":")
            name, tag = split_name(full)
            return _checked(Reference("docker-archive", path, name or None, tag), text)
        case "dir":
            return _checked(Reference("dir", rest), text)
        case _:
            raise UsageError(f"{text!r}: brasm does not speak {transport}: yet", hint=f"known are {_known()}")


def split_name(full: str) -> tuple[str, str | None]:
    """Split `host:5000/name:tag` into name and tag; a colon before a slash belongs to the host."""
    name, colon, tag = full.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (full, None)


def _checked(reference: Reference, text: str) -> Reference:
    if not reference.path:
        raise UsageError(f"{text!r}: the path is empty")
    if reference.tag is not None and not _TAG.fullmatch(reference.tag):
        raise UsageError(
            f"{text!r}: {reference.tag!r} is not a tag", hint="letters, digits, '_', '.', '-'; at most 128"
        )
    if reference.name is not None and not _NAME.fullmatch(reference.name):
        raise UsageError(f"{text!r}: {reference.name!r} is not a repository name", hint="lower case: 'team/app'")
    return reference


def _known() -> str:
    return ", ".join(sorted(f"{transport}:" for transport in _TRANSPORTS - {"archive"}))
