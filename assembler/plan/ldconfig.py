"""`ldconfig = true`: the cache of glibc's loader, which a root needs where libraries stand outside of its directories.

In: a tree and which of its paths are kept. Out: the entry of /etc/ld.so.cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.content import Bytes
from assembler.graph.facts import Facts
from assembler.graph.loaders.glibc_cache import CACHE
from assembler.graph.loaders.ldconfig import cache_of
from assembler.plan.types import Decision
from assembler.tree import Regular

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assembler.tree import Tree


def cache_entry(tree: Tree, kept: Callable[[str], bool]) -> Regular:
    """Make the entry, naming the libraries that are kept.

    Raises:
        RootError: the root has no glibc.
    """
    return Regular(CACHE, 0o644, 0, 0, 0, (), 0, Bytes(cache_of(tree, Facts(tree), kept)))


def with_final_cache(tree: Tree, decisions: Mapping[str, Decision]) -> dict[str, Decision]:
    """Write the cache anew, of what comes into the image."""

    def kept(path: str) -> bool:
        decision = decisions.get(path)
        return decision is not None and decision.result is not None

    entry = cache_entry(tree, kept)
    decision = decisions[CACHE]
    return {**decisions, CACHE: Decision(entry, decision.verdict, decision.reason, decision.rule, entry)}
