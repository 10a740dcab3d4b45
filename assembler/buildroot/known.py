"""What is known of the packages of an output folder: versions, licences, dependencies, build times.

In: the folder, whoever built it. Out: `Package`s by name; what there is to know of them lies in the folder, or its own
make says it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from assembler.base.errors import ProgramError, SourceError
from assembler.buildroot.facts import Package, parse_show_info
from assembler.buildroot.job import SHOW_INFO
from assembler.buildroot.make import NOTES, Make, query

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_LICENSE: Final = "unknown"


def noted_packages(output: str) -> Mapping[str, Package]:
    """Return the packages that lie noted in an output folder; none where brasm did not build it.

    Raises:
        SourceError: the note is damaged.
    """
    path = os.path.join(output, NOTES, SHOW_INFO)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return parse_show_info(file.read(), path)
    except FileNotFoundError:
        return {}


def packages_of_output(output: str) -> Mapping[str, Package]:
    """Return the packages of an output folder, noted or as its make says now; that takes some seconds.

    Raises:
        SourceError: its make cannot be asked, or does not answer as Buildroot's does.
    """
    return noted_packages(output) or _ask(output)


def known_version(package: Package | None) -> str | None:
    """Return a package's version, where it has one."""
    return package.version or None if package is not None else None


def known_license(package: Package | None) -> str | None:
    """Return a package's licence, where it says one."""
    return package.licenses or None if package is not None and package.licenses != _NO_LICENSE else None


class _OwnMake(Make, frozen=True):
    """The make of an output folder that somebody configured: its Makefile knows the tree, and the tree all else."""

    def command(self, *words: str) -> list[str]:
        """Return the command line; no external tree is named, so that those that it remembers stay."""
        return ["make", "-C", self.tree, *words]


def _ask(output: str) -> Mapping[str, Package]:
    make = _OwnMake(_folder_of_make(output), output)
    try:
        text = query(make, "show-info")
    except ProgramError as error:
        raise SourceError(
            f"{output}: its make does not tell of its packages: {error.message}",
            hint=f"{make.shown('show-info')} must work: is Buildroot's tree still where it was?",
            context=error.context,
        ) from error
    return parse_show_info(text, f"{output}: show-info")


def _folder_of_make(output: str) -> str:
    """Return the folder where make runs: an output out of tree has a Makefile, `output/` in the tree has not."""
    above = os.path.dirname(os.path.abspath(output))
    for folder, sign in ((output, "Makefile"), (above, "Config.in")):
        if os.path.isfile(os.path.join(folder, sign)) and os.path.isfile(os.path.join(folder, "Makefile")):
            return folder
    raise SourceError(
        f"{output}: nothing tells of its packages: neither it nor Buildroot's tree above it has a Makefile",
        hint="cost needs dependencies of packages, which `make show-info` prints: build it with brasm build, or O=",
    )
