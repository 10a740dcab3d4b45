"""What a destination says of what it wrote, and the names that an image gets there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from assembler.oci.reference import split_host
from assembler.oci.types import CONTAINERD_NAME, REF_NAME

if TYPE_CHECKING:
    from assembler.oci.types import Descriptor


class Written(Struct, frozen=True):
    """Where an image is now.

    Attributes:
        reference: the place, complete with name and tag.
        notes: one line each: what could not be done there, or who cannot read it.
    """

    reference: str
    notes: tuple[str, ...] = ()


def full_name(name: str, tag: str) -> str:
    """Return a reference with its registry, as docker and containerd read a short one: `docker.io/library/app:1`."""
    return f"{'/'.join(split_host(name))}:{tag}"


def named(root: Descriptor, name: str | None, tag: str | None) -> Descriptor:
    """Return what an index says of an image that has a name there.

    Always both annotations, for containerd reads one and all others the other; without a name the tag alone, and
    without a tag none, as artifacts are listed.
    """
    if tag is None:
        return root
    names = {REF_NAME: tag} if name is None else {CONTAINERD_NAME: full_name(name, tag), REF_NAME: tag}
    return replace(root, annotations={**(root.annotations or {}), **names})
