"""Buildroot's marker in `output/target`, which tells people not to use that folder as it is (fs/common.mk drops it)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.plan.types import Proposal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Graph
    from assembler.recipe import Recipe
    from assembler.tree import Tree

MARKER: Final = "/THIS_IS_NOT_YOUR_ROOT_FILESYSTEM"


def buildroot(tree: Tree, _graph: Graph, _recipe: Recipe) -> Iterator[Proposal]:
    """Propose to drop the marker."""
    if MARKER in tree:
        yield Proposal(MARKER, "drop", "buildroot", "marker of Buildroot's target folder")
