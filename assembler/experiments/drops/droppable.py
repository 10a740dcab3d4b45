"""What of a plan may go at all, and how a set of it is written as globs that match nothing else.

In: a plan and its recipe. Out: `Droppable`: the files (links, devices and pipes too) that no key of the recipe and no
hard edge keeps, the directories that go once all in them goes, and for any set of both the shortest list of paths.

A directory is an item of its own where it is in the image for its own sake (modes `prune` and `all`); where it is only
there for what it holds, it comes and goes with that. What stays: directories that are empty in the source, those that
the recipe names, that a runtime mounts over, that are sticky or have another owner than what they stand in. A name
that is not UTF-8 cannot be written in a recipe: such a file stays too.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Final

from assembler.base.paths import ancestors, is_below, join, normalize, parent
from assembler.plan.planner import propose
from assembler.plan.required import required
from assembler.tree import Directory, size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from assembler.plan.types import Plan
    from assembler.recipe import Recipe
    from assembler.tree import Entry, Tree

_WITH_PARENTS: Final = "directory"
"""The reason of a directory that is only there for what it holds."""
_UNREACHED: Final = "unreached"
_OWN_WORD: Final = frozenset({"files", "select.keep"})
"""Reasons of what the recipe itself wants: `keep` beats `drop`."""
_MOUNTED: Final = ("/", "/dev", "/proc", "/run", "/sys", "/tmp")  # noqa: S108, in-root paths
_SPECIAL: Final = re.compile(r"[*?\[{}]")
_STICKY: Final = 0o1000
_MOST: Final = 5000
"""Entries that are listed of a directory of a whole machine, of which a recipe takes a few."""


class Droppable:
    """What may go. An item is a file's path, or that of a directory that is there for its own sake."""

    def __init__(self, plan: Plan, recipe: Recipe) -> None:
        self._plan = plan
        self._recipe = recipe
        self._kept = {entry.path: entry for entry in plan.entries}
        held = required(plan.graph, with_kept=True)
        self.files: Mapping[str, Entry] = {
            path: entry
            for path, entry in self._kept.items()
            if not isinstance(entry, Directory)
            and plan.decisions[path].reason not in _OWN_WORD
            and path not in held
            and _can_be_written(path)
        }
        self._own, self._implied = self._directories(_named(recipe))
        self._files_below = _below(self.files)
        self._items_below = _below((*self.files, *self._own))
        self._links = Counter(entry.inode for entry in self._kept.values() if entry.inode)  # of 0 there are none

    def _directories(self, named: frozenset[str]) -> tuple[set[str], set[str]]:
        """Find the directories in which nothing stays once all files are gone: their own, and those for their files."""
        held = {above for path in self.files for above in ancestors(path)}
        stuck = {above for path in self._kept.keys() - self.files.keys() - held for above in ancestors(path)}
        own: set[str] = set()
        implied: set[str] = set()
        for path in sorted(held, key=lambda path: path.count("/"), reverse=True):
            is_implied = self._plan.decisions[path].reason == _WITH_PARENTS
            if path not in stuck and path not in _MOUNTED and (is_implied or self._may_go(path, named)):
                (implied if is_implied else own).add(path)
            else:
                stuck.update(ancestors(path))
        return own, implied

    def _may_go(self, path: str, named: frozenset[str]) -> bool:
        entry, above = self._kept[path], self._kept.get(parent(path))
        return (
            path not in named
            and self._plan.decisions[path].reason not in _OWN_WORD
            and _can_be_written(path)
            and not entry.mode & _STICKY
            and (above is None or (entry.uid, entry.gid) == (above.uid, above.gid))
            and not any(map(self._is_foreign, _files_in(self._plan.tree, path) or [path]))
        )

    def _is_foreign(self, path: str) -> bool:
        """Say whether the source has something that no rule speaks of: another recipe might want it."""
        decision = self._plan.decisions.get(path)
        return decision is None or decision.reason == _UNREACHED

    @cached_property
    def _shared(self) -> frozenset[str]:
        """The directories, of those that are only there for what they hold, in which the source has more.

        Decisions of a lazy tree lack what a pass drops: the passes are asked again, once all is listed that matters.
        """
        inside = {directory: _files_in(self._plan.tree, directory) for directory in sorted(self._implied)}
        dropped = propose(self._plan.tree, self._plan.graph, self._recipe) if self._plan.tree.partial else {}
        return frozenset(
            directory
            for directory, files in inside.items()
            if files is None or any(self._is_foreign(path) and path not in dropped for path in files)
        )

    def complete(self, files: Iterable[str]) -> frozenset[str]:
        """Return files with the directories of their own in which they are all there is."""
        found = frozenset(files)
        below = _below(found & self.files.keys())
        whole = {path for path, count in below.items() if path in self._own and count == self._files_below[path]}
        return found | whole

    def emptied(self, dropped: frozenset[str]) -> frozenset[str]:
        """Return the directories of their own that stay where all that was in them has gone."""
        return self.complete(dropped) - dropped

    def size(self, items: Iterable[str]) -> int:
        """Return the bytes that are gone without these items: those of hard links once the last of them is gone."""
        entries = [self.files[path] for path in items if path in self.files]
        gone = Counter(entry.inode for entry in entries)
        once = {entry.inode: size_of(entry) for entry in entries if gone[entry.inode] == self._links[entry.inode]}
        return sum(size_of(entry) for entry in entries if not entry.inode) + sum(once.values())

    def rules(self, dropped: frozenset[str]) -> dict[str, frozenset[str]]:
        """Write a set of items as globs, each with the items that it stands for, sorted.

        A directory stands for all in it where nothing of it is kept and the source has nothing else there.
        """
        below = _below(dropped)
        tops: dict[str, list[str]] = {}
        for path in dropped:
            tops.setdefault(self._top(path, dropped, below), []).append(path)
        rules = {_narrow(top, found, dropped): frozenset(found) for top, found in tops.items()}
        return {exact_glob(path): rules[path] for path in sorted(rules)}

    def _top(self, path: str, dropped: frozenset[str], below: Mapping[str, int]) -> str:
        """Return the highest directory of which nothing stays; the path itself where there is none."""
        top = path
        for above in ancestors(path):
            if not (above in dropped or above in self._implied) or below[above] != self._items_below[above]:
                break
            if above in self._implied and above in self._shared:
                break
            top = above
        return top


def exact_glob(path: str) -> str:
    """Write a path as a glob that matches it, and what is below it, alone."""
    return _SPECIAL.sub(lambda match: f"[{match[0]}]", path)


def _named(recipe: Recipe) -> frozenset[str]:
    """Return the directories that a recipe names: they are there for those who use the image."""
    paths = (*recipe.image.volumes, *recipe.run.tmpfs, *filter(None, (recipe.image.workdir,)))
    return frozenset(map(normalize, paths))


def _can_be_written(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _files_in(tree: Tree, directory: str) -> list[str] | None:
    """List what is below a directory, without directories; None where that is too much to list for this."""
    found: list[str] = []
    pending = [directory]
    while pending:
        at = pending.pop()
        for path in (join(at, child) for child in tree.children(at)):
            (pending if isinstance(tree.get(path), Directory) else found).append(path)
        if tree.partial and len(found) + len(pending) > _MOST:
            return None
    return found


def _below(paths: Iterable[str]) -> Counter[str]:
    """Count what stands below each directory, at whatever depth."""
    return Counter(above for path in paths for above in ancestors(path))


def _narrow(top: str, found: list[str], dropped: frozenset[str]) -> str:
    """Go down from a directory that is no item itself to the lowest one that holds the same."""
    if top in dropped:
        return top
    at = found[0]
    for above in _upwards(at):
        at = above
        if all(is_below(path, at) for path in found):
            break
    return at


def _upwards(path: str) -> Iterator[str]:
    yield path
    yield from ancestors(path)
