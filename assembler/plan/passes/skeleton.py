"""What Buildroot's skeleton has for a device that boots, and a container trips over (its system/skeleton).

Only for `source.buildroot`: elsewhere these paths may be what somebody wants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.plan.passes.common import below
from assembler.plan.types import Proposal
from assembler.tree import Symlink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Graph
    from assembler.recipe import Recipe
    from assembler.tree import Tree

REASON: Final = "skeleton"

_LINKS: Final = {
    "/etc/resolv.conf": "a link into /tmp or /run, where nothing writes it: the runtime mounts its own",
    "/etc/mtab": "a link into /proc, which an image cannot rely on when it is unpacked: runtimes make their own",
}
_PATHS: Final = {
    "/etc/hosts": "the runtime mounts its own over it",
    "/etc/hostname": "the runtime mounts its own over it",
    "/etc/fstab": "a container mounts nothing at boot",
    "/etc/inittab": "a container has no init that reads it",
    "/etc/init.d": "scripts of an init that a container has not",
    "/etc/securetty": "a container has no terminals to log in on",
    "/etc/network": "interfaces are the runtime's",
    "/linuxrc": "only a kernel's initrd starts it",
}
_DEVICES: Final = "the runtime mounts its own /dev, and a user without root cannot unpack nodes"


def skeleton(tree: Tree, _graph: Graph, recipe: Recipe) -> Iterator[Proposal]:
    """Propose to drop what is for a device that boots."""
    if recipe.source.buildroot is None:
        return
    for path, why in _LINKS.items():
        if isinstance(tree.get(path), Symlink):
            yield Proposal(path, "drop", REASON, f"{path}: {why}")
    for folder, why in _PATHS.items():
        for entry in below(tree, folder):
            yield Proposal(entry.path, "drop", REASON, f"{folder}: {why}")
    for entry in below(tree, "/dev"):
        if entry.path != "/dev":
            yield Proposal(entry.path, "drop", REASON, f"/dev: {_DEVICES}")
