"""What a destination says of what it wrote, and the names that an image gets there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.oci.types import CONTAINERD_NAME, REF_NAME

if TYPE_CHECKING:
    from assembler.oci.types import Annotations


class Written(Struct, frozen=True):
    """Where an image is now.

    Attributes:
        reference: the place, complete with name and tag.
        notes: one line each: what could not be done there, or who cannot read it.
    """

    reference: str
    notes: tuple[str, ...] = ()


def full_name(name: str, tag: str) -> str:
    """Return a reference with its registry, as docker and containerd read a short one.

    `app` is `docker.io/library/app`, `team/app` is `docker.io/team/app`; a first component with a dot, a colon or
    an upper-case letter, or `localhost`, is a registry. Source: distribution/reference, normalize.go,
    `splitDockerDomain`.
    """
    host, slash, rest = name.partition("/")
    if not slash or not ({".", ":"} & set(host) or host == "localhost" or host != host.lower()):
        host, rest = "docker.io", name
    if host == "index.docker.io":
        host = "docker.io"
    if host == "docker.io" and "/" not in rest:
        rest = f"library/{rest}"
    return f"{host}/{rest}:{tag}"


def name_annotations(name: str, tag: str) -> Annotations:
    """Return what names an image in an index: always both, for containerd reads one and all others the other."""
    return {CONTAINERD_NAME: full_name(name, tag), REF_NAME: tag}
