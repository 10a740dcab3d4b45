"""What of an output folder is not of its configuration: files of packages that were taken out, a newer `.config`.

In: the folder, its symbols, the tree of `target/`. Out: an error, or a note. What a package installed stays there
when it is taken out of the configuration (Buildroot's manual, "Understanding when a full rebuild is necessary").
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from assembler.base.errors import SourceError
from assembler.base.paths import show
from assembler.sources.packages import FILE_LIST, read_file_list
from assembler.tree import Directory, Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from assembler.tree import Tree

_NO_SYMBOL: Final = "toolchain"
"""Packages whose names begin so had no symbol of their own in older releases."""

_SHOWN: Final = 5


def check_stale(output: str, config: Mapping[str, str], tree: Tree) -> None:
    """Refuse a target with files of packages that are not in the configuration.

    A package counts only by files that are there and that no package of the configuration installed too.

    Raises:
        SourceError: there are such packages, by name.
    """
    files: dict[str, list[str]] = {}
    for path, package in read_file_list(output):
        files.setdefault(package, []).append(path)
    gone = [package for package in files if not _is_configured(package, config)]
    current = {path for package in files.keys() - set(gone) for path in files[package]} if gone else set()
    stale = sorted(one for one in gone if _any_there(tree, (path for path in files[one] if path not in current)))
    if stale:
        raise _stale(output, stale)


def word_newer(output: str) -> Iterator[str]:
    """Yield a note where the configuration was changed after the target was finished."""
    config, listing = os.path.join(output, ".config"), os.path.join(output, FILE_LIST)
    if os.path.isfile(listing) and os.stat(config).st_mtime_ns > os.stat(listing).st_mtime_ns:
        yield f"{config} was changed after target/ was finished: target/ may be of another configuration"


def _is_configured(package: str, config: Mapping[str, str]) -> bool:
    """Say whether a configuration has a package: by any of the symbols that KCONFIG_VAR of pkg-generic.mk may be."""
    if package.startswith((_NO_SYMBOL, "host-")):
        return True
    name = package.upper().replace("-", "_").replace(".", "_")
    symbols = [f"BR2_PACKAGE_{name}", f"BR2_PACKAGE_HAS_{name}", f"BR2_TARGET_{name}", f"BR2_{name}"]
    symbols += ["BR2_LINUX_KERNEL"] if package == "linux" else []
    return any(config.get(symbol) == "y" for symbol in symbols)


def _any_there(tree: Tree, paths: Iterable[str]) -> bool:
    found = (tree.walk(path, follow_last=False) for path in paths)
    return any(isinstance(at, Found) and not isinstance(tree.get(at.path), Directory) for at in found)


def _stale(output: str, packages: list[str]) -> SourceError:
    more = f" and {len(packages) - _SHOWN} more" if len(packages) > _SHOWN else ""
    names = ", ".join(map(show, packages[:_SHOWN])) + more
    what, they = ("package", "it was") if len(packages) == 1 else ("packages", "they were")
    return SourceError(
        f"{output}: {what} {names} in target/ and not in the configuration: {they} taken out after the build, "
        "and Buildroot leaves such files there",
        hint="build in a fresh output folder: `make clean all`, or brasm build",
    )
