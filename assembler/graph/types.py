"""The graph as a value. Nodes are in-root paths without symlinks on the way; edges say who needs whom, and why.

Roots are edges too: their `source` is the recipe's key that names them (`image.entrypoint[0]`), which no path
can be confused with, since paths begin with `/`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

from assembler.elf.machine import Machine

EdgeKind = Literal[
    "config",  # a key of the recipe
    "interp",  # PT_INTERP
    "needed",  # DT_NEEDED
    "filter",  # DT_FILTER
    "auxiliary",  # DT_AUXILIARY
    "preload",  # /etc/ld.so.preload
    "dlopen-note",
    "dlopen-rule",
    "dlopen-string",
    "shebang",
    "symlink",
]


_SOFT: Final = frozenset({"dlopen-rule", "dlopen-string", "dlopen-note"})


class Edge(Struct, frozen=True, gc=False):
    """Somebody needs something.

    Attributes:
        source: the path of the file that needs it, or the recipe's key.
        target: the path of what is needed, all symlinks followed.
        kind: what kind of need it is.
        name: the need as it was written: a soname, an interpreter, a glob.
        found: how it was found: `runpath of /usr/bin/x`, `ld.so.cache`, `system dir /usr/lib`, `absolute name`.
        via: the symlinks that were crossed on the way from the name to the target, in order.
        rule: the dlopen rule that found it, if one did.
    """

    source: str
    target: str
    kind: EdgeKind
    name: str
    found: str
    via: tuple[str, ...] = ()
    rule: str | None = None


class Unresolved(Struct, frozen=True, gc=False):
    """Somebody needs something that is not there.

    Attributes:
        source: the path of the file that needs it, or the recipe's key.
        kind: what kind of need it is.
        name: the need as it was written.
        tried: the places that were tried, in order, each as `found` of an edge would name it.
    """

    source: str
    kind: EdgeKind
    name: str
    tried: tuple[str, ...] = ()


def closure(roots: Iterable[Edge], edges: Mapping[str, tuple[Edge, ...]]) -> dict[str, Edge]:
    """Walk breadth first from roots; return what is reached, each path with the edge that reached it first.

    Symlinks that an edge crosses are reached by that edge; what they lead to is not reached by them.
    """
    reached: dict[str, Edge] = {}
    targets: set[str] = set()
    queue = deque(roots)
    while queue:
        edge = queue.popleft()
        for link in edge.via:
            reached.setdefault(link, edge)
        if edge.target not in targets:
            targets.add(edge.target)
            reached.setdefault(edge.target, edge)
            queue.extend(edges.get(edge.target, ()))
    return reached


class Graph(Struct, frozen=True):
    """All that was found from the roots.

    Attributes:
        roots: edges from keys of the recipe.
        edges: by source path, in the order in which they were found; every source is reached.
        reached: by path, the edge by which it was reached first (breadth first from the roots, so that chains
            are as short as can be); symlinks that were crossed are reached by the edge that crossed them.
            Directories on the way are not in it: they follow from the paths.
        unresolved: needs that nothing meets.
        machine: what the reached ELF programs and libraries run on; None where none was reached.
        hazards: (path, message): what is resolved but is likely to fail or surprise on another machine.
        offers: what may be opened at run time and is not followed, since its priority is below the one asked for.
    """

    roots: tuple[Edge, ...]
    edges: Mapping[str, tuple[Edge, ...]]
    reached: Mapping[str, Edge]
    unresolved: tuple[Unresolved, ...]
    machine: Machine | None
    hazards: tuple[tuple[str, str], ...] = ()
    offers: tuple[Edge, ...] = ()

    @property
    def hard_edges(self) -> dict[str, tuple[Edge, ...]]:
        """The edges without which a program does not start: all but what is opened at run time."""
        return {path: tuple(edge for edge in found if edge.kind not in _SOFT) for path, found in self.edges.items()}

    def chain(self, path: str) -> tuple[Edge, ...]:
        """Return the edges that lead from a root to a path, the root's first; empty where it is not reached."""
        chain: list[Edge] = []
        edge = self.reached.get(path)
        while edge is not None:
            chain.append(edge)
            edge = self.reached.get(edge.source)
        return tuple(reversed(chain))
