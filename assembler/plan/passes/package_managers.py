"""Package managers: their state, caches and logs. An image is replaced, not upgraded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.plan.passes.common import drop_folders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Graph
    from assembler.plan.types import Proposal
    from assembler.recipe import Recipe
    from assembler.tree import Tree

REASON: Final = "package managers"

_FOLDERS: Final = {
    "/var/lib/dpkg": "dpkg's database",
    "/var/lib/apt": "apt's lists",
    "/var/lib/ucf": "ucf's database",
    "/var/lib/apk": "apk's database",
    "/lib/apk": "apk's database",
    "/usr/lib/apk": "apk's database",
    "/var/lib/opkg": "opkg's database",
    "/usr/lib/opkg": "opkg's database",
    "/var/lib/rpm": "rpm's database",
    "/usr/lib/sysimage/rpm": "rpm's database",
    "/var/lib/dnf": "dnf's state",
    "/var/lib/pacman": "pacman's database",
    "/var/cache/apt": "apt's cache",
    "/var/cache/apk": "apk's cache",
    "/var/cache/debconf": "debconf's cache",
    "/var/cache/dnf": "dnf's cache",
    "/var/cache/yum": "yum's cache",
    "/var/cache/pacman": "pacman's cache",
    "/var/cache/man": "man's index",
    "/var/cache/ldconfig": "ldconfig's own cache",
    "/var/log/apt": "apt's log",
    "/var/log/dpkg.log": "dpkg's log",
    "/var/log/alternatives.log": "dpkg's log",
    "/var/log/bootstrap.log": "debootstrap's log",
    "/var/backups": "dpkg's backups",
}


def package_managers(tree: Tree, _graph: Graph, _recipe: Recipe) -> Iterator[Proposal]:
    """Propose to drop what only a package manager reads."""
    return drop_folders(tree, REASON, _FOLDERS)
