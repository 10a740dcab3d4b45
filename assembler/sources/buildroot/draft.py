"""A root filesystem while the tables are applied to it: what stays a value outside, is a dictionary in here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.content import Bytes, read
from assembler.base.paths import from_bytes, join, name, normalize, parent, to_bytes
from assembler.tree import Directory, Entry, Found, Missing, Regular, Tree, missing_directory, replace

if TYPE_CHECKING:
    from collections.abc import Iterable


class Draft:
    """Entries by path. Symlinks are followed inside the root, as the tables' tools do in the folder.

    What was put waits beside the tree and is laid over it when it is needed: a table of device nodes has hundreds of
    lines, and a root filesystem tens of thousands of entries.
    """

    def __init__(self, tree: Tree) -> None:
        """Start from a tree; all in it becomes root's (fs/common.mk: `chown -h -R 0:0`)."""
        self._settled = Tree(replace(entry, uid=0, gid=0) for entry in tree)
        self._waiting: dict[str, Entry] = {}

    def tree(self) -> Tree:
        """Return the tree as it is now."""
        if self._waiting:
            self._settled = self._settled.with_entries(self._waiting.values())
            self._waiting = {}
        return self._settled

    def __contains__(self, path: str) -> bool:
        return path in self._waiting or path in self._settled

    def walk(self, path: str) -> Found | Missing:
        """Follow a path."""
        at = self._settled.walk(normalize(path))
        if isinstance(at, Missing) and self._waiting:
            at = self.tree().walk(normalize(path))
        return Found(at.path, self._waiting.get(at.path, at.entry), at.via) if isinstance(at, Found) else at

    def put(self, *entries: Entry) -> None:
        """Add entries, or replace them by others of their type."""
        self._waiting |= {entry.path: entry for entry in entries}

    def change(self, entries: Iterable[Entry], **values: object) -> None:
        """Give entries other attributes."""
        self.put(*(replace(entry, **values) for entry in entries))

    def below(self, path: str) -> list[Entry]:
        """Return an entry and all below it, no symlink followed."""
        return self.tree().below(path)

    def links(self, entry: Entry) -> list[Entry]:
        """Return an entry and its hard links: they are one file."""
        return [one for one in self.tree() if one.inode == entry.inode] if entry.inode else [entry]

    def make_directory(self, path: str) -> Found | None:
        """Make a directory with whatever is missing above it, 0755 and root's; None where something else is there."""
        at = self.walk(path)
        if isinstance(at, Found):
            return at if isinstance(at.entry, Directory) else None
        above = self.make_directory(parent(normalize(path)))
        goal = join(above.path, name(normalize(path))) if above is not None else at.path
        if goal in self or above is None:  # a dangling symlink, or a file on the way
            return None
        made = missing_directory(goal)
        self.put(made)
        return Found(made.path, made, ())

    def text(self, path: str) -> str | None:
        """Return the text of a file; None where there is none."""
        at = self.walk(path)
        return from_bytes(read(at.entry.content)) if isinstance(at, Found) and isinstance(at.entry, Regular) else None

    def write(self, path: str, text: str) -> None:
        """Replace the content of a file that is there; a hard link of it is written through."""
        at = self.walk(path)
        if isinstance(at, Found) and isinstance(at.entry, Regular):
            self.change(self.links(at.entry), content=Bytes(to_bytes(text)))

    def empty(self, path: str) -> None:
        """Remove what a directory holds."""
        at = self.walk(path)
        if isinstance(at, Found) and isinstance(at.entry, Directory):
            self._without({entry.path for entry in self.below(at.path)} - {at.path})

    def remove(self, path: str) -> None:
        """Remove an entry, with what it holds where it is a directory; no symlink is followed at the end."""
        at = self.tree().walk(normalize(path), follow_last=False)
        if isinstance(at, Found) and at.path != "/":
            self._without({entry.path for entry in self.below(at.path)})

    def _without(self, gone: set[str]) -> None:
        self._settled = Tree(entry for entry in self.tree() if entry.path not in gone)
