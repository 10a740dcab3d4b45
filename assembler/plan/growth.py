"""What grew and what shrank, in sums: by directory, by kind, by package.

In: the sums of two inventories. Out: those that differ, the largest change first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from assembler.plan.inventory import NO_PACKAGE, PackageSum, Sum

if TYPE_CHECKING:
    from collections.abc import Sequence


class Growth(Struct, frozen=True):
    """Files that have something in common: how many there were and are, and their bytes; hard links once."""

    name: str
    files_before: int
    files_after: int
    size_before: int
    size_after: int

    @property
    def delta(self) -> int:
        """Bytes that they grew by."""
        return self.size_after - self.size_before


class PackageGrowth(Growth, frozen=True):
    """Files of a package.

    Attributes:
        state: whether the package came, went, or is another one.
        version_before: empty where none is known.
        version_after: likewise.
    """

    state: Literal["added", "removed", "changed"]
    version_before: str
    version_after: str


def compare_sums(before: Sequence[Sum], after: Sequence[Sum]) -> tuple[Growth, ...]:
    """Return the sums that differ."""
    old, new = {one.name: one for one in before}, {one.name: one for one in after}
    rows = []
    for name in old.keys() | new.keys():
        one, other = old.get(name) or Sum(name, 0, 0), new.get(name) or Sum(name, 0, 0)
        if one != other:
            rows.append(Growth(name, one.files, other.files, one.size, other.size))
    return tuple(sorted(rows, key=_largest_first))


def compare_packages(before: Sequence[PackageSum], after: Sequence[PackageSum]) -> tuple[PackageGrowth, ...]:
    """Return the packages that differ, by their version too, and what is of none; none where either knows none.

    Of a side without a package database, and without the annotation, all packages would seem to be gone.
    """
    if not before or not after:
        return ()
    old, new = {one.name: one for one in before}, {one.name: one for one in after}
    rows = [_package(name, old.get(name), new.get(name)) for name in old.keys() | new.keys()]
    return tuple(sorted(filter(None, rows), key=_largest_first))


def _package(name: str, old: PackageSum | None, new: PackageSum | None) -> PackageGrowth | None:
    one, other = old or PackageSum(name, 0, 0), new or PackageSum(name, 0, 0)
    both = (old is not None and new is not None) or name == NO_PACKAGE  # files of no package are no package
    if both and (one.files, one.size, one.version) == (other.files, other.size, other.version):
        return None
    return PackageGrowth(
        name,
        one.files,
        other.files,
        one.size,
        other.size,
        "changed" if both else "added" if old is None else "removed",
        one.version or "",
        other.version or "",
    )


def _largest_first(one: Growth) -> tuple[int, str]:
    return -abs(one.delta), one.name
