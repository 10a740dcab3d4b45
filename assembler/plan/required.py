"""What the roots need to start: nothing may drop it, and where it is missing the root is not closed.

In: a graph. Out: paths, each with the edge that reached it first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.graph.types import closure
from assembler.plan.request import PRUNE_ROOT

if TYPE_CHECKING:
    from assembler.graph.types import Edge, Graph

_KEPT = "select.keep"


def required(graph: Graph, *, with_kept: bool = False) -> dict[str, Edge]:
    """Follow what is needed to start, from all that the recipe starts or adds.

    What is only kept starts nothing, unless `with_kept` asks for what it would need.
    """
    without = (PRUNE_ROOT,) if with_kept else (PRUNE_ROOT, _KEPT)
    return closure([edge for edge in graph.roots if not edge.source.startswith(without)], graph.hard_edges)
