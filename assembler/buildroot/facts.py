"""What Buildroot says of the packages that a configuration has: `make show-info` (package/pkg-utils.mk).

In: its JSON. Out: `Package`s by name. `packages-file-list.txt`, which says whose each file is, is read by
`sources/packages.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from assembler.base.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Package(Struct, frozen=True):
    """A package of a configuration.

    Attributes:
        type: `target`, `host` or `rootfs`.
        name: as in its folder's name; those for the machine have `host-` in the mapping's key, not here.
        virtual: whether it only names another one that provides it.
        version: empty where it has none.
        licenses: as Buildroot writes them: `LGPL-2.1+ (core library)`.
        dependencies: keys of the packages that are built before it.
        install_target: whether it installs into the target.
        stamp_dir: the folder of its stamps, relative to the output folder: `build/taskd-1.1.0`.
    """

    type: str
    name: str = ""
    virtual: bool = False
    version: str = ""
    licenses: str = ""
    dependencies: tuple[str, ...] = ()
    install_target: bool = False
    stamp_dir: str = ""


def parse_show_info(text: str, where: str) -> Mapping[str, Package]:
    """Read what `make show-info` printed; the filesystem images that it lists too are left out.

    Args:
        text: the JSON, and what make may have said before it.
        where: what errors call it.

    Raises:
        SourceError: it is not what show-info prints.
    """
    start = text.find("{")
    try:
        found = msgspec.json.decode(text[max(start, 0) :], type=dict[str, Package])
    except msgspec.MsgspecError as error:
        raise SourceError(f"{where}: not what Buildroot's show-info prints: {error}") from error
    return {key: package for key, package in found.items() if package.type != "rootfs"}


def symbol_of(package: str) -> str:
    """Return the symbol by which a configuration has a package: `libgpg-error` is `BR2_PACKAGE_LIBGPG_ERROR`."""
    return f"BR2_PACKAGE_{package.upper().replace('-', '_').replace('.', '_')}"
