"""What a search tries to do without, from large to small: packages, guessed libraries, directories, files.

In: a plan and its recipe. Out: `Candidates`: groups that share no file, each of which falls apart into smaller ones.
"""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from assembler.base.paths import ancestors, name, parent, to_bytes
from assembler.experiments.drops.droppable import Droppable
from assembler.graph.types import closure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from assembler.graph.types import Edge, Graph
    from assembler.plan.types import Plan
    from assembler.recipe import Recipe

Kind = Literal["package", "guesses", "library", "directory", "several", "file"]


class Candidate(Struct, frozen=True):
    """What is tried to be left out at once.

    Attributes:
        kind: `package`: its files; `guesses`: libraries and programs that only something opened at run time needs;
            `library`: one of these, with what only it needs; `directory`; `several` of one group; `file`.
        name: what messages call it: a package's name, a path, `8 of /usr/share`.
        items: paths of files, and of directories that go with them.
        files: how many files these are.
        size: bytes that are gone without them, as they would be in the image.
        parts: what it falls apart into, sorted by path; a file has none.
    """

    kind: Kind
    name: str
    items: frozenset[str]
    files: int
    size: int
    parts: tuple[Candidate, ...] = ()

    def split(self, droppable: Droppable) -> tuple[Candidate, ...]:
        """Return two halves of about as many files each, no part torn; of two parts or less, these."""
        if len(self.parts) <= 2:
            return self.parts
        at = _middle(self.parts)
        return tuple(_several(self, half, droppable) for half in (self.parts[:at], self.parts[at:]))


class Candidates(Struct, frozen=True):
    """All groups, and how sets of them are written."""

    droppable: Droppable
    groups: tuple[Candidate, ...]

    def emptied(self, dropped: frozenset[str]) -> tuple[Candidate, ...]:
        """Return the directories that nothing is in any more, where they could go as well, as one group."""
        parts = _nested(self.droppable.emptied(dropped))
        return (_group("several", "emptied directories", parts, self.droppable),) if len(parts) > 1 else parts


def candidates(plan: Plan, recipe: Recipe) -> Candidates:
    """Find what may be tried.

    Args:
        plan: of the recipe as it is.
        recipe: with what it inherits from its source.
    """
    droppable = Droppable(plan, recipe)
    rest = dict.fromkeys(sorted(droppable.files, key=to_bytes))
    groups = list(_guesses(plan.graph, rest, droppable))
    for one in groups:
        for path in one.items:
            rest.pop(path, None)
    for package, paths in sorted(_by_package(rest, plan.packages).items()):
        groups.append(_group("package", package, _tree(paths, droppable), droppable))
        for path in paths:
            del rest[path]
    return Candidates(droppable, (*groups, *_tree(list(rest), droppable)))


def _group(kind: Kind, name: str, parts: Sequence[Candidate], droppable: Droppable) -> Candidate:
    """Put parts together; the directories in which they are all there is go with them."""
    items = droppable.complete(item for part in parts for item in part.items)
    return Candidate(kind, name, items, sum(part.files for part in parts), droppable.size(items), tuple(parts))


def _file(path: str, droppable: Droppable) -> Candidate:
    return Candidate("file", path, frozenset([path]), 1, droppable.size([path]))


def _several(whole: Candidate, parts: tuple[Candidate, ...], droppable: Droppable) -> Candidate:
    if len(parts) == 1:
        return parts[0]
    count = sum(part.files for part in parts) or len(parts)
    return _group("several", f"{count} of {whole.name.rpartition(' of ')[2]}", parts, droppable)


def _middle(parts: Sequence[Candidate]) -> int:
    """Return where to cut so that both sides have about as many items; neither is empty."""
    before = list(accumulate(len(part.items) for part in parts))
    return min(range(1, len(parts)), key=lambda at: abs(before[-1] - 2 * before[at - 1]))


# Directories


def _tree(paths: Sequence[str], droppable: Droppable) -> tuple[Candidate, ...]:
    """Group files by directory; a directory that holds a single group is no group of its own."""
    inside: dict[str, list[Candidate]] = {}
    for path in paths:
        inside.setdefault(parent(path), []).append(_file(path, droppable))
    for directory in _deepest_first(inside):
        parts = inside.pop(directory)
        whole = parts[0] if len(parts) == 1 else _group("directory", directory, _sorted(parts), droppable)
        inside.setdefault(parent(directory), []).append(whole)
    return tuple(_sorted(inside.get("/", ())))


def _nested(directories: Iterable[str]) -> tuple[Candidate, ...]:
    """Make candidates of directories that are empty but for one another."""
    inside: dict[str, list[Candidate]] = {}
    for directory in sorted(directories, key=lambda path: path.count("/"), reverse=True):
        parts = _sorted(inside.pop(directory, ()))
        items = frozenset([directory]).union(*(part.items for part in parts))
        inside.setdefault(parent(directory), []).append(Candidate("directory", directory, items, 0, 0, tuple(parts)))
    return tuple(_sorted(part for parts in inside.values() for part in parts))


def _deepest_first(inside: Iterable[str]) -> list[str]:
    directories = {above for path in inside for above in (path, *ancestors(path))} - {"/"}
    return sorted(directories, key=lambda path: (-path.count("/"), path))


def _sorted(parts: Iterable[Candidate]) -> list[Candidate]:
    return sorted(parts, key=lambda part: to_bytes(part.name))


# Packages


def _by_package(paths: Iterable[str], packages: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        if path in packages:
            found.setdefault(packages[path], []).append(path)
    return found


# Guesses


def _guesses(graph: Graph, paths: Iterable[str], droppable: Droppable) -> Iterator[Candidate]:
    """Yield one group of the libraries and programs that are kept only since something may open them."""
    needs = {target: found for target, found in _opened(graph, set(paths)) if ".so" in name(target) or len(found) > 1}
    shared = Counter(path for found in needs.values() for path in found)
    parts = [
        _library(target, [path for path in found if shared[path] == 1], droppable) for target, found in needs.items()
    ]
    parts += [_file(path, droppable) for path, count in shared.items() if count > 1]
    parts = _sorted(part for part in parts if part.files)
    if len(parts) > 1:
        yield _group("guesses", "guessed libraries", parts, droppable)
    else:
        yield from parts


def _opened(graph: Graph, paths: set[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield what is opened at run time, each with all that it needs to be loaded, of these paths."""
    hard = graph.hard_edges
    starts: dict[str, list[Edge]] = {}
    for source, edges in graph.edges.items():
        for edge in set(edges).difference(hard[source]):
            starts.setdefault(edge.target, []).append(edge)
    for target, start in sorted(starts.items()):
        found = sorted(paths & closure(start, hard).keys(), key=to_bytes)
        if found:
            yield target, found


def _library(target: str, paths: Sequence[str], droppable: Droppable) -> Candidate:
    parts = [_file(path, droppable) for path in paths]
    return parts[0] if len(parts) == 1 else _group("library", target, parts, droppable)
