"""Grouping: which entry comes into which layer.

In: a plan's entries and how the recipe wants them cut. Out: layer specs from the lowest up. Every entry that is no
directory stands in exactly one of them; every directory stands in each layer that has something below it, and an
empty one in the last (`oci-writing.md`: every parent is explicit, no path twice in a layer).
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.paths import ancestors, to_bytes
from assembler.tree import Directory, Entry, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from assembler.graph.types import Graph
    from assembler.plan.types import Plan
    from assembler.recipe.types import Split

MAX_LAYERS: Final = 100
"""What stays below the 125 or so that docker's overlay driver mounts, with room for layers on top."""

REST: Final = "other"

_RUNTIME_KINDS: Final = frozenset({"interp", "needed", "filter", "auxiliary", "preload", "dlopen-note"})


class LayerSpec(Struct, frozen=True):
    """A layer before it is rendered: what it is for (`runtime`, a package, …), and its entries sorted bytewise."""

    title: str
    entries: tuple[Entry, ...]


def group(plan: Plan, split: Split) -> tuple[LayerSpec, ...]:
    """Cut a plan into layers, the lowest first; at least one, even if it is empty."""
    entries = plan.entries
    match split:
        case "single":
            return (LayerSpec("root", entries),)
        case "runtime+app":
            runtime = _runtime_paths(plan.graph, entries)
            return _cut(entries, lambda entry: "runtime" if entry.path in runtime else "app", ("runtime", "app"))
        case "package":
            owner = _package_of(plan.packages)
            return _cut(entries, owner, _package_order(entries, owner))


def _cut(entries: Sequence[Entry], title_of: Callable[[Entry], str], order: Sequence[str]) -> tuple[LayerSpec, ...]:
    """Put entries into layers by title; `order` is from the lowest up, and what it does not name is in the last."""
    directories = {entry.path: entry for entry in entries if isinstance(entry, Directory)}
    layers: dict[str, dict[str, Entry]] = {title: {} for title in order}
    titles = _titles_with_links(entries, title_of)
    for entry in entries:
        if not isinstance(entry, Directory):
            layer = layers.get(titles[entry.path], layers[order[-1]])
            layer[entry.path] = entry
            _add_parents(layer, entry.path, directories)
    placed = {path for layer in layers.values() for path in layer}
    for path in sorted(directories.keys() - placed):
        layers[order[-1]][path] = directories[path]
        _add_parents(layers[order[-1]], path, directories)
    return tuple(
        LayerSpec(title, tuple(sorted(layer.values(), key=_by_path))) for title, layer in layers.items() if layer
    ) or (LayerSpec(order[-1], ()),)


def _titles_with_links(entries: Iterable[Entry], title_of: Callable[[Entry], str]) -> dict[str, str]:
    """Give hard links one title, that of the first: a link into another layer cannot be extracted everywhere."""
    first: dict[int, str] = {}
    return {
        entry.path: first.setdefault(entry.inode or -index, title_of(entry)) for index, entry in enumerate(entries, 1)
    }


def _add_parents(layer: dict[str, Entry], path: str, directories: Mapping[str, Entry]) -> None:
    for above in ancestors(path):
        if above in layer:
            return
        layer[above] = directories[above]


def _runtime_paths(graph: Graph, entries: Iterable[Entry]) -> frozenset[str]:
    """Return the loader, libc and every shared library that something is linked to, with the symlinks to them."""
    edges = [edge for found in graph.edges.values() for edge in found if edge.kind in _RUNTIME_KINDS]
    targets = {edge.target for edge in edges}
    return frozenset(entry.path for entry in entries if entry.path in targets) | {
        path for edge in edges for path in edge.via
    }


def _package_of(packages: Mapping[str, str]) -> Callable[[Entry], str]:
    return lambda entry: packages.get(entry.path, REST)


def _package_order(entries: Sequence[Entry], owner: Callable[[Entry], str]) -> tuple[str, ...]:
    """Order packages by name; where there are too many for a daemon, the smallest share the last layer."""
    files = sorted((entry for entry in entries if not isinstance(entry, Directory)), key=owner)
    sizes = {title: sum(map(size_of, found)) for title, found in groupby(files, key=owner)}
    sizes.pop(REST, None)
    largest = sorted(sizes, key=lambda title: (-sizes[title], title))[: MAX_LAYERS - 1]
    return (*sorted(largest), REST)


def _by_path(entry: Entry) -> bytes:
    return to_bytes(entry.path)
