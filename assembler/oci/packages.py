"""The packages of an image, as an annotation of its manifest: images of ours carry no package database.

The key has the form that the image-spec asks for (annotations.md, "Rules"). The value is compact JSON, sorted by name:
`{"gnutls":{"files":1,"license":"LGPL-2.1+","size":1956192,"version":"3.8.13"}}`; what is not known is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGES: Final = "io.brasm.packages"


class PackageRecord(Struct, frozen=True, omit_defaults=True):
    """A package that has files in an image.

    Attributes:
        version: empty where it has none, or none is known.
        license: likewise, in the words of whoever packaged it.
        files: regular files of it, hard links once.
        size: their bytes.
    """

    version: str = ""
    license: str = ""
    files: int = 0
    size: int = 0


def write_records(records: Mapping[str, PackageRecord]) -> dict[str, str]:
    """Return the annotation; none where there are no packages."""
    if not records:
        return {}
    return {PACKAGES: msgspec.json.encode(records, order="sorted").decode()}


def read_records(annotations: Mapping[str, str]) -> Mapping[str, PackageRecord]:
    """Return the packages that an annotation names; none where it is missing, or not of this form."""
    try:
        return msgspec.json.decode(annotations.get(PACKAGES, "{}"), type=dict[str, PackageRecord])
    except msgspec.MsgspecError:
        return {}  # anybody may write annotations
