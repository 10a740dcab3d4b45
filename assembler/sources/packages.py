"""Which package owns which path, as the root filesystem's own package database says.

In: a tree. Out: paths to package names. Known are dpkg (`/var/lib/dpkg/info/*.list`), apk (`/lib/apk/db/installed`
and apk-tools 3's `/usr/lib/apk/db/installed`), opkg (`/usr/lib/opkg/info/*.list`) and, for a Buildroot output, its
`packages-file-list.txt` beside the target folder.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from assembler.base.content import read
from assembler.base.paths import from_bytes, join, name, normalize
from assembler.tree import Found, Regular, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE_LIST = "build/packages-file-list.txt"
"""Of a Buildroot output; `target-finalize` writes it."""

_LISTS = ("/var/lib/dpkg/info", "/usr/lib/opkg/info", "/var/lib/opkg/info")
_APK = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")


def read_packages(tree: Tree, folder: str | None = None) -> Mapping[str, str]:
    """Return the owner of each path that some package owns; empty where no database is known.

    Args:
        tree: the root filesystem.
        folder: the machine's folder that the tree was read from, where it was one.
    """
    pairs = [*_from_lists(tree), *_from_apk(tree), *_from_buildroot(folder)]
    tops: dict[str, str] = {}
    return {_canonical(tree, path, tops): package for path, package in pairs if path != "/"}


def _canonical(tree: Tree, path: str, tops: dict[str, str]) -> str:
    """Follow a symlink at the top (`/bin` -> `usr/bin`): databases name paths as they were before the merge of /usr."""
    top, slash, rest = path[1:].partition("/")
    if not slash:
        return path
    if top not in tops:
        at = tree.walk("/" + top)
        tops[top] = at.path if isinstance(at, Found) else "/" + top
    return f"{tops[top]}/{rest}"


def _from_lists(tree: Tree) -> Iterator[tuple[str, str]]:
    for folder in _LISTS:
        for file in tree.children(folder):
            if file.endswith(".list"):
                package = file.removesuffix(".list").partition(":")[0]
                for line in _text(tree, join(folder, file)).splitlines():
                    yield normalize(line.partition("\t")[0]), package


def _from_apk(tree: Tree) -> Iterator[tuple[str, str]]:
    for database in _APK:
        package = folder = ""
        for line in _text(tree, database).splitlines():
            key, _, value = line.partition(":")
            match key:
                case "P":
                    package = value
                case "F":
                    folder = normalize(value)
                    yield folder, package
                case "R":
                    yield join(folder, value), package


def read_file_list(output: str) -> Iterator[tuple[str, str]]:
    """Yield path and package of each line `package,./path` of a Buildroot output's list; nothing where it has none."""
    listing = os.path.join(output, FILE_LIST)
    if os.path.isfile(listing):
        with open(listing, "rb") as file:
            for line in file:
                package, comma, path = from_bytes(line).rstrip("\n").partition(",")
                if comma:
                    yield normalize(path), package


def _from_buildroot(folder: str | None) -> Iterator[tuple[str, str]]:
    """Read the list beside a target; a path that several packages touched is the last one's (it overwrote theirs)."""
    if folder is not None and name(os.path.abspath(folder)) == "target":
        yield from read_file_list(os.path.dirname(os.path.abspath(folder)))


def _text(tree: Tree, path: str) -> str:
    entry = tree.get(path)
    return from_bytes(read(entry.content)) if isinstance(entry, Regular) else ""
