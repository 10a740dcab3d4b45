"""What differs between two root filesystems, path by path.

In: two trees. Out: `FileChange`, one for each path that only one of them has, or that is something else in the other.
Hard links count once: the first name of a file has its bytes, its further names have none, so that the changes of all
sizes add up to the change of the whole. Contents are compared by digest, piece by piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.digest import of_chunks
from assembler.base.paths import to_bytes
from assembler.tree.entry import Device, Entry, Regular, Symlink, size_of, type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from assembler.base.content import Content
    from assembler.base.progress import Progress
    from assembler.tree.tree import Tree

State = Literal["added", "removed", "changed"]
Aspect = Literal["type", "content", "target", "device", "mode", "owner", "xattrs", "links"]
"""What of an entry may differ; `links`: which file it is a further name of."""


class FileChange(Struct, frozen=True):
    """A path that differs.

    Attributes:
        path: of the entry.
        before: what was there; None where nothing was.
        after: what is there now; None where nothing is.
        size_before: bytes that the path had: those of a regular file, 0 for its further names.
        size_after: bytes that it has now.
        link_before: the first name of the file that it was a further name of.
        link_after: the same now.
        what: what differs, where it was there before and is now.
        also: further names of the same file, of which the same is true.
        package: that owns it, or owned it, where one is known.
    """

    path: str
    before: Entry | None
    after: Entry | None
    size_before: int = 0
    size_after: int = 0
    link_before: str | None = None
    link_after: str | None = None
    what: tuple[Aspect, ...] = ()
    also: tuple[str, ...] = ()
    package: str | None = None

    @property
    def state(self) -> State:
        """Whether it came, went, or is another one."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"

    @property
    def delta(self) -> int:
        """Bytes that it grew by."""
        return self.size_after - self.size_before


class Comparison(Struct, frozen=True):
    """All that differs.

    Attributes:
        changes: the largest first, whether it grew or shrank; those alike by path.
        times: how many files, hard links once, differ in nothing but their modification time.
    """

    changes: tuple[FileChange, ...]
    times: int


def compare(before: Tree, after: Tree, progress: Progress) -> Comparison:
    """Compare two root filesystems.

    Raises:
        SourceError: a content cannot be read.
    """
    progress.start("compare", unit="B")
    old_links, new_links = further_names(before), further_names(after)
    found: dict[str, FileChange] = {}
    also: dict[str, list[str]] = {}
    times = 0
    for path in sorted({entry.path for tree in (before, after) for entry in tree}, key=to_bytes):
        one = _pair(path, before.get(path), after.get(path), old_links.get(path), new_links.get(path))
        first = _first(one, before, after)
        if first in found:
            also.setdefault(first, []).append(path)
        elif first is None and (change := _judged(one, progress)) is not None:
            found[path] = change
        elif first is None and _mtime(one.before) != _mtime(one.after):
            times += 1
    changes = (replace(one, also=tuple(also.get(path, ()))) for path, one in found.items())
    return Comparison(tuple(sorted(changes, key=lambda one: (-abs(one.delta), to_bytes(one.path)))), times)


def further_names(entries: Iterable[Entry]) -> Mapping[str, str]:
    """Return, for each path that is a further name of a file, the first name of it; of entries sorted by path."""
    firsts: dict[int, str] = {}
    further: dict[str, str] = {}
    for entry in entries:
        first = firsts.setdefault(entry.inode, entry.path) if entry.inode else entry.path
        if first != entry.path:
            further[entry.path] = first
    return further


def _pair(path: str, old: Entry | None, new: Entry | None, old_link: str | None, new_link: str | None) -> FileChange:
    return FileChange(
        path,
        old,
        new,
        size_before=0 if old is None or old_link is not None else size_of(old),
        size_after=0 if new is None or new_link is not None else size_of(new),
        link_before=old_link,
        link_after=new_link,
    )


def _first(one: FileChange, before: Tree, after: Tree) -> str | None:
    """Return the first name of the file, where what is true of that name is true of this one too."""
    match one.state:
        case "added":
            return one.link_after if one.link_after is not None and one.link_after not in before else None
        case "removed":
            return one.link_before if one.link_before is not None and one.link_before not in after else None
        case _:
            return one.link_after if one.link_after == one.link_before else None


def _judged(one: FileChange, progress: Progress) -> FileChange | None:
    """Return a change with what differs; None where nothing does."""
    if one.before is None or one.after is None:
        return one
    what = tuple(_aspects(one.before, one.after, progress))
    if one.link_before != one.link_after:
        what = (*what, "links")
    return replace(one, what=what) if what else None


def _aspects(old: Entry, new: Entry, progress: Progress) -> Iterator[Aspect]:
    if type_name(old) != type_name(new):
        yield "type"
    elif isinstance(old, Regular) and isinstance(new, Regular):
        if not _same(old.content, new.content, progress):
            yield "content"
    elif isinstance(old, Symlink) and isinstance(new, Symlink):
        if old.target != new.target:
            yield "target"
    elif isinstance(old, Device) and isinstance(new, Device) and (old.major, old.minor) != (new.major, new.minor):
        yield "device"
    if old.mode != new.mode and not isinstance(old, Symlink) and not isinstance(new, Symlink):
        yield "mode"  # that of a symlink means nothing
    if (old.uid, old.gid) != (new.uid, new.gid):
        yield "owner"
    if old.xattrs != new.xattrs:
        yield "xattrs"


def _same(old: Content, new: Content, progress: Progress) -> bool:
    if old.size != new.size:
        return False
    if old == new:  # the same bytes of the same layer
        return True
    progress.advance(old.size)
    return of_chunks(old.chunks()) == of_chunks(new.chunks())


def _mtime(entry: Entry | None) -> int:
    return 0 if entry is None else entry.mtime
