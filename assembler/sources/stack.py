"""Stacking members on what is there: where each ends up, what it replaces, what a hard link shares.

In: the entries below by path, and members in order. Out: all entries by path. This is what unpacking would do, inside
the root: a symlink on the way to a member is followed, a directory over a directory changes its metadata only, and
anything else replaces what was there. Source: containerd, `archive/tar.go`, `applyNaive`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.errors import SourceError
from assembler.base.paths import ancestors, join, name, parent, show
from assembler.sources.members import HardLink
from assembler.tree import Directory, Symlink, missing_directory, replace
from assembler.tree.tree import MAX_SYMLINKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from assembler.tree import Entry


class Stack:
    """A root filesystem while members are put on it; used by one function at a time, and then read."""

    def __init__(self, lower: Mapping[str, Entry], archive: str) -> None:
        """Start from what is below; `archive` is what errors call the members' origin."""
        self.entries: dict[str, Entry] = dict(lower)
        self.entries.setdefault("/", missing_directory("/"))
        self._archive = archive
        self._own: set[str] = set()
        self._directories: dict[str, str] = {}
        self._inode = max((entry.inode for entry in self.entries.values()), default=0)

    def put_all(self, members: Iterable[Entry]) -> None:
        """Put members on it in order.

        Raises:
            SourceError: a member stands below what is no directory, replaces a directory that the same archive fills,
                or is a hard link to what is not there.
        """
        for member in members:
            if member.path == "/":
                self._put_root(member)
            else:
                path = join(self.directory(parent(member.path), member.path), name(member.path))
                self._put(replace(member, path=path) if path != member.path else member)

    def directory(self, path: str, member: str) -> str:
        """Return where the directory at a path is once symlinks are followed; what is missing is made.

        Raises:
            SourceError: there is something else than a directory on the way, or symlinks loop; it names the member.
        """
        if path not in self._directories:
            self._directories[path] = self._resolve(path, member)
        return self._directories[path]

    def _resolve(self, path: str, member: str) -> str:
        at, left, followed = "/", path.split("/")[::-1], 0
        while left:
            part = left.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                at = parent(at)
                continue
            step = join(at, part)
            entry = self.entries.setdefault(step, missing_directory(step))
            if isinstance(entry, Symlink):
                followed += 1
                if followed > MAX_SYMLINKS:
                    raise self._error(member, f"too many levels of symbolic links at {show(path)}")
                left += entry.target.split("/")[::-1]
                at = "/" if entry.target.startswith("/") else at
            elif isinstance(entry, Directory):
                at = step
            else:
                raise self._error(member, f"stands below {show(step)}, which is no directory")
        return at

    def _put_root(self, member: Entry) -> None:
        if not isinstance(member, Directory):
            raise self._error("/", "the root is no directory")
        self.entries["/"] = member

    def _put(self, member: Entry) -> None:
        path = member.path
        old = self.entries.get(path)
        if isinstance(member, HardLink):
            member = self._linked(member)
        if old is not None and not (isinstance(old, Directory) and isinstance(member, Directory)):
            self._remove(old)
        self.entries[path] = member
        self._own.add(path)

    def _linked(self, link: HardLink) -> Entry:
        """Return the link as one more of what it links to, which from now on has an inode number."""
        path = join(self.directory(parent(link.target), link.path), name(link.target))
        target = self.entries.get(path)
        if target is None or isinstance(target, Directory) or path == link.path:
            kind = {True: "itself", False: "a directory"}[path == link.path] if target else "what is not in the archive"
            raise self._error(link.path, f"hard link to {show(link.target)}: {kind}")
        if not target.inode:
            self._inode += 1
            target = self.entries[path] = replace(target, inode=self._inode)
        return replace(target, path=link.path)

    def _remove(self, old: Entry) -> None:
        """Take away what a member replaces, a directory with all below. Only replaced directories cost a search."""
        self._directories.clear()
        if isinstance(old, Directory):
            below = [path for path in self.entries if old.path in ancestors(path)]
            if filled := next((path for path in below if path in self._own), None):
                raise self._error(filled, f"stands below {show(old.path)}, which is no directory")
            for path in below:
                del self.entries[path]

    def _error(self, member: str, problem: str) -> SourceError:
        return SourceError(f"{self._archive}: {show(member)}: {problem}")
