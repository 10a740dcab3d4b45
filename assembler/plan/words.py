"""Evidence in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.paths import show

if TYPE_CHECKING:
    from assembler.graph.types import Edge


def word_edge(edge: Edge, path: str) -> str:
    """Say why an edge keeps a path: its target, or a symlink that it crosses."""
    if edge.kind == "config":
        need = f"{edge.source} names {show(edge.name)}"
    else:
        need = f"{show(edge.source)} needs {show(edge.name)} ({edge.kind}, {edge.found})"
    return need if path == edge.target else f"symlink on the way: {need}"
