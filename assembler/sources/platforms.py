"""Which of several images runs on a platform (image-spec v1.1, image-index.md, `platform`).

In: descriptors with their platforms and the platform that is wanted. Out: one of them.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from assembler.base.errors import ImageError, UsageError
from assembler.oci.types import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.oci.types import Descriptor

_FORM: Final = re.compile(r"([a-z0-9]+)/([a-z0-9_]+)(?:/([A-Za-z0-9.]+))?")
_DEFAULT_VARIANTS: Final = {"arm": "v7", "arm64": "v8", "amd64": "v1"}
"""What no variant means (containerd/platforms, `normalizeArch`)."""

_ORDERED: Final = frozenset({"amd64", "arm", "arm64"})
"""Architectures whose machines run what is for the variants before theirs."""

_LAST: Final = 1 << 30
"""Farther than any variant's number."""

_MACHINES: Final = {
    "x86_64": Platform("amd64", "linux"),
    "i386": Platform("386", "linux"),
    "i686": Platform("386", "linux"),
    "aarch64": Platform("arm64", "linux"),
    "armv7l": Platform("arm", "linux", variant="v7"),
    "armv6l": Platform("arm", "linux", variant="v6"),
    "loongarch64": Platform("loong64", "linux"),
}
"""`uname -m` to Go's names; where they agree (riscv64, s390x, ppc64le) it is not listed."""


def parse_platform(text: str) -> Platform:
    """Read `linux/arm64/v8`.

    Raises:
        UsageError: it is not of that form.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a platform", hint="write OS/ARCHITECTURE[/VARIANT], such as linux/arm64/v8")
    return Platform(match[2], match[1], variant=match[3])


def this_machine() -> Platform:
    """Return the platform that this process runs on."""
    name = os.uname().machine
    return _MACHINES.get(name, Platform(name, "linux"))


def matches(there: Platform, wanted: Platform) -> bool:
    """Say whether an image is for a platform; a variant that is not asked for may be any."""
    if (there.os, there.architecture) != (wanted.os, wanted.architecture):
        return False
    return wanted.variant is None or _variant(there) == _variant(wanted)


def distance(there: Platform, wanted: Platform) -> int | None:
    """Return how far what an image is for is from a platform, 0 being that; None where it does not run there.

    A machine runs what is for an older variant of its architecture (containerd/platforms, `platformVector`). Where no
    variant is asked for, the usual one is nearest, and any other is better than none.
    """
    if (there.os, there.architecture) != (wanted.os, wanted.architecture):
        return None
    if _variant(there) == _variant(wanted):
        return 0
    has, wants = _number(there), _number(wanted)
    if wanted.architecture in _ORDERED and has is not None and wants is not None and has < wants:
        return wants - has
    return _LAST if wanted.variant is None else None


def _variant(platform: Platform) -> str | None:
    return platform.variant or _DEFAULT_VARIANTS.get(platform.architecture)


def _number(platform: Platform) -> int | None:
    digits = (_variant(platform) or "").removeprefix("v")
    return int(digits) if digits.isdecimal() and digits.isascii() else None


def choose(
    there: Sequence[tuple[Descriptor, Platform | None]], wanted: Platform | None, name: str
) -> tuple[Descriptor, Platform | None]:
    """Return the image for a platform: the wanted one, else the only one, else this machine's.

    Args:
        there: what there is, with its platform; None of what has none, such as signatures beside an image.
        wanted: what was asked for.
        name: where it lies, for errors.

    Raises:
        ImageError: there is none for that platform; the message says which there are.
    """
    images = [each for each in there if each[1] is not None] or there
    if wanted is None and len({descriptor.digest for descriptor, _ in images}) == 1:
        return images[0]
    looked_for = wanted or this_machine()
    nearest, best = None, _LAST + 1
    for each in images:
        far = None if each[1] is None else distance(each[1], looked_for)
        if far is not None and far < best:
            nearest, best = each, far
    if nearest is not None:
        return nearest
    known = ", ".join(dict.fromkeys(str(platform or "(unknown)") for _, platform in images)) or "none"
    raise ImageError(f"{name}: no image for {looked_for}", hint=f"there are: {known}; choose with --platform")
