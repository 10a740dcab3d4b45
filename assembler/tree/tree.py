"""The immutable tree: entries by path, and walking inside the root.

In: the entries of a source. Out: what stands at a path, and where a path leads when symlinks are followed
inside the root (POSIX.1-2017 4.13, pathname resolution; an absolute link restarts at `/`, and `..` at `/`
stays there).

A tree may be lazy: it is told how to list a directory, lists it at the first look, and remembers. That
changes when the work is done, not what comes of it; it is how a whole machine (`/`) is a source of which
only what an image needs is ever read.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.paths import ancestors, join, name, parent, to_bytes
from assembler.tree.entry import Directory, Entry, Symlink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Lister = Callable[[str], Iterable[Entry]]

MAX_SYMLINKS: Final = 40
"""Symlinks followed in one walk, as Linux (`MAXSYMLINKS`)."""


class Found(Struct, frozen=True):
    """Where a walk ended.

    Attributes:
        path: the path without any symlink on the way to it.
        entry: what stands there.
        via: the symlinks that were crossed, in order, each by its own path without symlinks.
    """

    path: str
    entry: Entry
    via: tuple[str, ...]


class Missing(Struct, frozen=True):
    """A walk that led nowhere.

    Attributes:
        path: the path, without symlinks, that is not there, is no directory, or begins a loop.
        reason: `no such file or directory`, `not a directory`, or `too many levels of symbolic links`.
        via: the symlinks that were crossed.
    """

    path: str
    reason: str
    via: tuple[str, ...]


class Tree:
    """An immutable root filesystem. Iterating yields the entries sorted bytewise by path, `/` first."""

    def __init__(self, entries: Iterable[Entry], lister: Lister | None = None) -> None:
        """Take entries by path; where two have the same path, the last counts.

        Directories that entries stand in but nobody named are made up (`missing_directory`).

        Args:
            entries: what the tree holds; with a `lister`, at least the root directory.
            lister: makes the tree lazy: given a directory's path, returns the entries in it.
        """
        self._entries = {entry.path: entry for entry in entries}
        for path in [path for path in self._entries if parent(path) not in self._entries]:
            for above in (path, *ancestors(path)):
                if above not in self._entries:
                    self._entries[above] = missing_directory(above)
        self._entries.setdefault("/", missing_directory("/"))
        self._lister = lister
        self._listed: set[str] = set()
        self._children: dict[str, list[str]] | None = None
        self._walks: dict[str, Found | Missing] = {}
        self._seen: tuple[Entry, ...] = ()

    @property
    def partial(self) -> bool:
        """Whether there may be more in the tree than was looked at so far."""
        return self._lister is not None

    def get(self, path: str) -> Entry | None:
        """Return the entry at a path, following no symlink, or None."""
        if self._lister is not None:
            self._list_down_to(parent(path))
        return self._entries.get(path)

    def __contains__(self, path: str) -> bool:
        return self.get(path) is not None

    def __getitem__(self, path: str) -> Entry:
        entry = self.get(path)
        if entry is None:
            raise KeyError(path)
        return entry

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.below("/"))

    def seen(self) -> tuple[Entry, ...]:
        """Return all entries, or of a lazy tree those that were looked at so far; sorted."""
        if len(self._seen) != len(self._entries):  # entries only come to it
            self._seen = tuple(sorted(self._entries.values(), key=_sort_key))
        return self._seen

    def seen_below(self, path: str) -> list[Entry]:
        """Return the entry at a path and all below it, of a lazy tree those that were looked at so far; sorted."""
        seen, own = self.seen(), self._entries.get(path)
        start = b"/" if path == "/" else to_bytes(path) + b"/"
        first = bisect_left(seen, start, key=_sort_key)
        last = bisect_left(seen, start[:-1] + b"0", lo=first, key=_sort_key)  # in ASCII "0" comes after "/"
        inside = seen[first:last]
        return [*inside] if own is None or path == "/" else [own, *inside]

    def children(self, path: str) -> Sequence[str]:
        """Return the names in a directory, sorted bytewise; empty for what is no directory."""
        if self._lister is not None:
            self._list_down_to(path)
        return self._names().get(path, ())

    def below(self, path: str) -> list[Entry]:
        """Return the entry at a path and all below it, sorted bytewise by path."""
        if path == "/" and not self.partial:
            return list(self.seen())
        return sorted(self._descend(path), key=_sort_key)

    def walk(self, path: str, *, follow_last: bool = True) -> Found | Missing:
        """Follow a path from `/` as the kernel would in a chroot.

        Args:
            path: absolute or relative to `/`; need not be normal, since `..` after a symlink is not lexical.
            follow_last: whether a symlink at the very end is followed as well.
        """
        head, _, last = path.rstrip("/").rpartition("/")
        if last in {"", ".", ".."}:
            return self._follow(path)
        if not follow_last:
            return self._step(self._directory(head), last, follow=False)
        key = f"{head}/{last}"
        if key not in self._walks:
            self._walks[key] = self._step(self._directory(head), last, follow=True)
        return self._walks[key]

    def with_entries(self, entries: Iterable[Entry]) -> Tree:
        """Return a tree with some entries added or replaced."""
        tree = Tree((*self._entries.values(), *entries), self._lister)
        tree._listed = set(self._listed)
        return tree

    def _directory(self, path: str) -> Found | Missing:
        if path not in self._walks:
            self._walks[path] = self._follow(path)
        return self._walks[path]

    def _follow(self, path: str, via: tuple[str, ...] = ()) -> Found | Missing:
        at: Found | Missing = Found("/", self._entries["/"], via)
        for part in path.split("/"):
            if part not in {"", "."}:
                at = self._step(at, part, follow=True)
        return at

    def _step(self, at: Found | Missing, part: str, *, follow: bool) -> Found | Missing:
        if isinstance(at, Missing):
            return at
        if not isinstance(at.entry, Directory):
            return Missing(at.path, "not a directory", at.via)
        path = parent(at.path) if part == ".." else join(at.path, part)
        entry = self.get(path)
        if entry is None:
            return Missing(path, "no such file or directory", at.via)
        if not isinstance(entry, Symlink) or not follow:
            return Found(path, entry, at.via)
        if len(at.via) >= MAX_SYMLINKS:
            return Missing(path, "too many levels of symbolic links", at.via)
        target = entry.target if entry.target.startswith("/") else f"{at.path}/{entry.target}"
        return self._follow(target, (*at.via, path))

    def _descend(self, path: str) -> Iterator[Entry]:
        pending = [path]
        while pending:
            entry = self.get(pending.pop())
            if entry is not None:
                yield entry
                if isinstance(entry, Directory):
                    pending.extend(join(entry.path, child) for child in self.children(entry.path))

    def _list_down_to(self, path: str) -> None:
        if path in self._listed or self._lister is None:
            return
        if path != "/":
            self._list_down_to(parent(path))
        self._listed.add(path)
        if isinstance(self._entries.get(path), Directory):
            for entry in self._lister(path):
                if self._entries.setdefault(entry.path, entry) is entry:
                    self._add_name(path, name(entry.path))

    def _names(self) -> dict[str, list[str]]:
        if self._children is None:
            self._children = {}
            for path in sorted(self._entries.keys() - {"/"}, key=to_bytes):
                self._children.setdefault(parent(path), []).append(name(path))
        return self._children

    def _add_name(self, directory: str, child: str) -> None:
        if self._children is not None:
            insort(self._children.setdefault(directory, []), child, key=to_bytes)


def missing_directory(path: str) -> Directory:
    """Make a directory that no source describes: root's, 0755, at the epoch."""
    return Directory(path, 0o755, 0, 0, 0, (), 0)


def _sort_key(entry: Entry) -> bytes:
    return to_bytes(entry.path)
