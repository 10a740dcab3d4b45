"""Names of places that hold images, in skopeo's transport syntax.

oci:DIR[:TAG]                 an image layout
oci-archive:FILE[:TAG]        that layout as one tar
docker-archive:FILE[:NAME[:TAG]]  what `docker save` writes
docker://[HOST[:PORT]/]NAME[:TAG][@DIGEST]  a repository of a registry
docker-daemon:NAME[:TAG]      an image of docker's own store; docker-daemon:sha256:ID too
dir:DIR                       (destination) an unpacked root filesystem
FILE.tar                      (destination) the universal archive: both of the above at once
"""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

from msgspec import Struct

from assembler.base import digest as digests
from assembler.base.digest import Digest
from assembler.base.errors import UsageError

Transport = Literal["oci", "oci-archive", "docker-archive", "docker", "docker-daemon", "dir", "archive"]

HUB: Final = "docker.io"
"""The registry of names that have none."""

_TRANSPORTS: Final = frozenset(get_args(Transport))
_LATER: Final = frozenset({"containers-storage"})
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST: Final = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]{{1,5}})?"
_PART: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = rf"{_PART}(?:/{_PART})*"
_NAME: Final = re.compile(rf"(?:{_HOST}/)?{_REPOSITORY}")
"""distribution/reference, `regexp.go`."""

_MAX_REPOSITORY: Final = 255


class Reference(Struct, frozen=True):
    """A place.

    Attributes:
        transport: what kind of place.
        path: of the folder or file; of `docker` the registry's host, with its port where one is given; of
            `docker-daemon` empty.
        name: a repository's name: of a docker-archive and of `docker-daemon` as written, of `docker` whole, without
            the host (`library/alpine`).
        tag: None where none was given.
        digest: of a manifest in a registry; of `docker-daemon` an image's ID, which is its config's digest.
    """

    transport: Transport
    path: str
    name: str | None = None
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        match self.transport:
            case "archive":
                return self.path
            case "docker":
                tag = f":{self.tag}" if self.tag else ""
                digest = f"@{self.digest}" if self.digest else ""
                return f"docker://{self.path}/{self.name}{tag}{digest}"
            case _:
                return ":".join(filter(None, (self.transport, self.path, self.name, self.tag, self.digest)))


def parse(text: str) -> Reference:
    """Read a reference; a text without a transport is the path of an archive.

    Raises:
        UsageError: the transport is unknown, the path is empty, or a name, tag or digest is malformed.
    """
    transport, colon, rest = text.partition(":")
    if not colon or "/" in transport or transport not in _TRANSPORTS | _LATER:
        if colon and "/" not in transport and "." not in transport:
            raise UsageError(f"{text!r}: unknown transport {transport!r}", hint=f"known are {_known()}")
        return _with_path(Reference("archive", text), text)
    match transport:
        case "oci" | "oci-archive" as layout:
            path, _, after = rest.partition(":")
            return _with_path(Reference(layout, path, tag=after or None), text)
        case "docker-archive":
            path, _, full = rest.partition(":")
            name, tag = split_name(full)
            if tag is not None and not name:
                raise UsageError(f"{text!r}: a tag without a name", hint="docker-archive:FILE:NAME:TAG")
            return _with_path(Reference("docker-archive", path, name or None, tag), text)
        case "docker":
            return _in_registry(rest, text)
        case "docker-daemon":
            return _in_daemon(rest, text)
        case "dir":
            return _with_path(Reference("dir", rest), text)
        case _:
            raise UsageError(f"{text!r}: brasm does not speak {transport}: yet", hint=f"known are {_known()}")


def split_name(full: str) -> tuple[str, str | None]:
    """Split `host:5000/name:tag` into name and tag; a colon before a slash belongs to the host."""
    name, colon, tag = full.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (full, None)


def split_host(name: str) -> tuple[str, str]:
    """Return the registry and the repository of a name without a tag, as docker and containerd read a short one.

    `app` is `docker.io` and `library/app`, `team/app` is `docker.io` and `team/app`; a first component with a dot, a
    colon or an upper-case letter, or `localhost`, is a registry. Source: distribution/reference, normalize.go,
    `splitDockerDomain`.
    """
    host, slash, rest = name.partition("/")
    if not slash or not ({".", ":"} & set(host) or host == "localhost" or host != host.lower()):
        host, rest = HUB, name
    if host == "index.docker.io":
        host = HUB
    if host == HUB and "/" not in rest:
        rest = f"library/{rest}"
    return host, rest


def short_name(name: str) -> str:
    """Return a name as people write it, the inverse of `split_host`: `docker.io/library/app` is `app`."""
    host, repository = split_host(name)
    for short in (repository.removeprefix("library/"), repository) if host == HUB else ():
        if split_host(short) == (host, repository):
            return short
    return f"{host}/{repository}"


def is_tag(text: str) -> bool:
    """Say whether a text has the form of a tag (distribution-spec, "Pulling manifests")."""
    return _TAG.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Say whether a text has the form of a repository's name, with or without a registry's host."""
    return _NAME.fullmatch(text) is not None and len(text) <= _MAX_REPOSITORY


def is_host(text: str) -> bool:
    """Say whether a text has the form of a registry's host, with or without a port."""
    return re.fullmatch(_HOST, text) is not None and int(text.rpartition(":")[2] if _has_port(text) else 0) <= 0xFFFF


def _in_registry(rest: str, text: str) -> Reference:
    if not rest.startswith("//"):
        raise UsageError(f"{text!r}: no registry's reference", hint=f"write docker://{rest.lstrip('/')}")
    full, at, digest = rest[2:].partition("@")
    if at and not digests.is_valid(digest):
        raise UsageError(f"{text!r}: {digest!r} is not a digest", hint="sha256: and 64 hexadecimal digits")
    name, tag = split_name(full)
    host, repository = split_host(name)
    if not is_host(host):
        raise UsageError(f"{text!r}: {host!r} is not a registry's host", hint="HOST or HOST:PORT")
    return _checked(Reference("docker", host, repository, tag, Digest(digest) if at else None), text)


def _has_port(host: str) -> bool:
    return ":" in host and not host.endswith("]")


def _in_daemon(rest: str, text: str) -> Reference:
    if digests.is_valid(rest):
        return Reference("docker-daemon", "", digest=Digest(rest))
    if rest.startswith(("sha256:", "sha512:")):
        raise UsageError(f"{text!r}: {rest!r} is not an image's ID", hint="sha256: and 64 hexadecimal digits")
    name, tag = split_name(rest)
    return _checked(Reference("docker-daemon", "", name, tag), text)


def _with_path(reference: Reference, text: str) -> Reference:
    if not reference.path:
        raise UsageError(f"{text!r}: the path is empty")
    return _checked(reference, text)


def _checked(reference: Reference, text: str) -> Reference:
    if reference.tag is not None and not is_tag(reference.tag):
        raise UsageError(
            f"{text!r}: {reference.tag!r} is not a tag", hint="letters, digits, '_', '.', '-'; at most 128"
        )
    if reference.name is not None:
        if not _NAME.fullmatch(reference.name):
            raise UsageError(f"{text!r}: {reference.name!r} is not a repository name", hint="lower case: 'team/app'")
        if len(reference.name) > _MAX_REPOSITORY:
            raise UsageError(f"{text!r}: a repository name has at most {_MAX_REPOSITORY} characters")
    return reference


def _known() -> str:
    return ", ".join(sorted(f"{transport}:" for transport in _TRANSPORTS - {"archive"}))
