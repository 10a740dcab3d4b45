"""What rules share: finding a library as `dlopen` would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.graph.types import Edge
from assembler.tree import Found, Regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.loaders import Loader
    from assembler.graph.loaders.base import Object
    from assembler.tree import Tree


def dlopened(tree: Tree, loader: Loader, by: Object, name: str, rule: str) -> Iterator[Edge]:
    """Yield the edge to a library in the default directories; none where the root does not have it."""
    for directory in loader.directories:
        at = tree.walk(f"{directory}/{name}")
        if isinstance(at, Found) and isinstance(at.entry, Regular):
            yield Edge(by.path, at.path, "dlopen-rule", name, f"{rule}; system dir {directory}", at.via)
            return
