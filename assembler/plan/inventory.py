"""Where the bytes of a root filesystem are: by directory, by kind, by package, and the largest files.

In: entries and what package owns which. Out: sums for `brasm inspect`. Hard links count once, for their first path.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.paths import is_below
from assembler.base.units import on_disk
from assembler.elf.identify import identify
from assembler.oci.packages import PackageRecord
from assembler.tree import Directory, Entry, Regular, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from assembler.oci.image import Image
    from assembler.oci.types import Descriptor

Kind = Literal["program or library", "script", "python", "locale", "documentation", "configuration", "data"]

NO_PACKAGE: Final = "(none)"
"""What tables call files that are of no package."""

_DOCUMENTATION: Final = ("/usr/share/doc", "/usr/share/man", "/usr/share/info", "/usr/share/gtk-doc")
_LOCALE: Final = ("/usr/share/locale", "/usr/share/i18n", "/usr/lib/locale")
_HEAD: Final = 64


class Sum(Struct, frozen=True):
    """Files that have something in common: how many, and their bytes."""

    name: str
    files: int
    size: int


class PackageSum(Sum, frozen=True):
    """Files of a package, with its version and licence where they are known."""

    version: str | None = None
    license: str | None = None


class Inventory(Struct, frozen=True):
    """Sums, each list with the largest first; `largest` are the largest files themselves."""

    directories: tuple[Sum, ...]
    kinds: tuple[Sum, ...]
    packages: tuple[PackageSum, ...]
    largest: tuple[Entry, ...]


class Sizes(Struct, frozen=True):
    """The sizes of an image: tools disagree on which of them "the size" is.

    Attributes:
        transferred: layers as stored, config and manifest: what a registry sends.
        unpacked: the bytes of the files, hard links once.
        on_disk: the same in blocks of 4 KiB, directories with one each.
        files: regular files, hard links once.
    """

    transferred: int
    unpacked: int
    on_disk: int
    files: int


def sizes_of(entries: Sequence[Entry], image: Image) -> Sizes:
    """Return the sizes of an image that holds these entries."""
    return sizes_with(entries, (descriptor for descriptor, _ in image.blobs()), len(image.manifest_bytes))


def sizes_with(entries: Sequence[Entry], blobs: Iterable[Descriptor], manifest: int) -> Sizes:
    """Return the same of an image of which only its blobs' descriptors and the bytes of its manifest are known."""
    files = [size_of(entry) for entry in _once(entries)]
    directories = sum(isinstance(entry, Directory) for entry in entries)
    stored = {descriptor.digest: descriptor.size for descriptor in blobs}
    return Sizes(
        transferred=sum(stored.values()) + manifest,
        unpacked=sum(files),
        on_disk=sum(map(on_disk, files)) + on_disk(1) * directories,
        files=len(files),
    )


def take_inventory(entries: Sequence[Entry], packages: Mapping[str, str], *, most: int = 15) -> Inventory:
    """Sum up.

    Args:
        entries: of a tree, sorted by path.
        packages: the package that owns each path, where one is known.
        most: how many of the largest files are named.
    """
    files = _once(entries)
    return Inventory(
        directories=_sums(files, lambda entry: _directory_of(entry.path)),
        kinds=_sums(files, kind_of),
        packages=tuple(PackageSum(one.name, one.files, one.size) for one in _package_sums(files, packages)),
        largest=tuple(sorted(files, key=lambda entry: (-size_of(entry), entry.path))[:most]),
    )


def with_records(inventory: Inventory, records: Mapping[str, PackageRecord]) -> Inventory:
    """Return an inventory whose packages are those of an image's annotation, and what is of none of them."""
    rows = [
        PackageSum(name, one.files, one.size, one.version or None, one.license or None) for name, one in records.items()
    ]
    files = sum(one.files for one in inventory.kinds) - sum(one.files for one in rows)
    size = sum(one.size for one in inventory.kinds) - sum(one.size for one in rows)
    if files > 0:
        rows.append(PackageSum(NO_PACKAGE, files, max(size, 0)))
    return replace(inventory, packages=tuple(sorted(rows, key=lambda one: (-one.size, one.name))))


def with_versions(inventory: Inventory, versions: Mapping[str, str]) -> Inventory:
    """Return an inventory whose packages have their versions, where these are known."""
    return replace(
        inventory, packages=tuple(replace(one, version=versions.get(one.name)) for one in inventory.packages)
    )


def package_records(entries: Iterable[Entry], packages: Mapping[str, str]) -> dict[str, PackageRecord]:
    """Sum up the files of each package, for an image's annotation; what is of none is left out."""
    sums = _package_sums(_once(entries), packages)
    return {one.name: PackageRecord(files=one.files, size=one.size) for one in sums if one.name != NO_PACKAGE}


def kind_of(entry: Regular) -> Kind:
    """Say what kind of file it is, by its first bytes and where it stands."""
    head = _head(entry)
    if identify(head) is not None:
        return "program or library"
    if head.startswith(b"#!"):
        return "script"
    if entry.path.endswith((".py", ".pyc")):
        return "python"
    for kind, folders in _FOLDERS.items():
        if any(is_below(entry.path, folder) for folder in folders):
            return kind
    return "data"


_FOLDERS: Final[dict[Kind, tuple[str, ...]]] = {
    "documentation": _DOCUMENTATION,
    "locale": _LOCALE,
    "configuration": ("/etc",),
}


def _head(entry: Regular) -> bytes:
    if not entry.content.size:
        return b""
    with entry.content.open() as stream:
        return stream.read(_HEAD)


def _once(entries: Iterable[Entry]) -> list[Regular]:
    seen: set[int] = set()
    files: list[Regular] = []
    for entry in entries:
        if isinstance(entry, Regular) and entry.inode not in seen:
            seen |= {entry.inode} - {0}
            files.append(entry)
    return files


def _sums(files: Iterable[Regular], key: Callable[[Regular], str]) -> tuple[Sum, ...]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for entry in files:
        count = counts[key(entry)]
        count[0] += 1
        count[1] += entry.content.size
    found = (Sum(title, *count) for title, count in counts.items())
    return tuple(sorted(found, key=lambda one: (-one.size, one.name)))


def _package_sums(files: Iterable[Regular], packages: Mapping[str, str]) -> tuple[Sum, ...]:
    return _sums(files, lambda entry: packages.get(entry.path, NO_PACKAGE)) if packages else ()


def _directory_of(path: str) -> str:
    """Return the directory that a table sums up by: two levels deep."""
    parts = path.split("/")[1:-1]
    return "/" + "/".join(parts[:2])
