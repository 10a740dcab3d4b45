"""Unreachable libraries, in mode `prune`: what no program of the root maps and no rule opens.

Only what the loader's search would find counts as a library: `lib*.so*` in a library directory itself. Those that
are opened by name are kept (`libnss_*`, `libgcc_s`), and so is the loader.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from assembler.plan.types import Proposal
from assembler.tree import Directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Graph
    from assembler.recipe import Recipe
    from assembler.tree import Tree

REASON: Final = "unreachable libraries"

_LIBRARY: Final = re.compile(
    r"/(?:usr/)?(?:local/)?lib(?:32|64|x32)?/(?:[a-z0-9_]+-linux-[a-z0-9]+/)?lib(?!nss_|gcc_s)[^/]+\.so(?:\.[^/]*)?"
)


def libraries(tree: Tree, graph: Graph, recipe: Recipe) -> Iterator[Proposal]:
    """Propose to drop libraries that nothing reaches, with the symlinks that lead to them."""
    if recipe.select.mode != "prune":
        return
    for entry in tree:
        unreached = entry.path not in graph.reached and not isinstance(entry, Directory)
        if unreached and _LIBRARY.fullmatch(entry.path):
            yield Proposal(entry.path, "drop", REASON, "no program of the root maps it")
