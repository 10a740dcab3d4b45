"""Programs and shared libraries that came, went, or ask for other things than before.

In: two trees and the files that differ between them. Out: `ObjectChange`. A library that stands elsewhere and has its
old soname is the same library: `libz.so.1.2.13` became `libz.so.1.3.1`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from assembler.base.paths import to_bytes
from assembler.elf.types import ElfFile
from assembler.graph.facts import Facts
from assembler.tree import Regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.tree import Tree
    from assembler.tree.compare import FileChange, State

Kind = Literal["program", "library"]

_MINOR: Final = ("dlopens", "flags_1", "calls", "faults")
"""Fields that say nothing of what a file asks for or defines."""


class Delta(Struct, frozen=True):
    """What a list has now that it had not, and what it had; each in its order."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class ObjectChange(Struct, frozen=True):
    """A program or shared library whose bytes differ.

    Attributes:
        kind: what it is now; what it was, where it is gone.
        path_before: where it was; None where it was not there.
        path_after: where it is; None where it is gone.
        size_before: bytes.
        size_after: bytes.
        before: what was known of it.
        after: what is known of it.
        what: the fields of `ElfFile` that differ; none where only code and data do.
        needed: DT_NEEDED.
        version_needs: versions that it asks of libraries: `GLIBC_2.34 of libc.so.6`.
        versions: versions that it defines.
    """

    kind: Kind
    path_before: str | None
    path_after: str | None
    size_before: int
    size_after: int
    before: ElfFile | None
    after: ElfFile | None
    what: tuple[str, ...] = ()
    needed: Delta = Delta()
    version_needs: Delta = Delta()
    versions: Delta = Delta()

    @property
    def path(self) -> str:
        """Where it is, or where it was."""
        return self.path_after or self.path_before or "/"

    @property
    def delta(self) -> int:
        """Bytes that it grew by."""
        return self.size_after - self.size_before

    @property
    def state(self) -> State:
        """Whether it came, went, or is another one."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


class _Side(Struct, frozen=True):
    path: str
    size: int
    elf: ElfFile


def compare_objects(before: Tree, after: Tree, changes: Iterable[FileChange]) -> tuple[ObjectChange, ...]:
    """Return the programs and libraries among files that differ, the largest change first.

    Raises:
        SourceError: a file cannot be read.
    """
    rows: list[ObjectChange] = []
    gone: list[_Side] = []
    come: list[_Side] = []
    with Facts(before) as old_facts, Facts(after) as new_facts:
        for one in changes:
            if one.state == "changed" and not {"content", "type"} & set(one.what):
                continue
            old = _object(one.path, before, old_facts)
            new = _object(one.path, after, new_facts)
            if old is not None and new is not None:
                rows.append(_row(old, new))
            else:
                gone += [old] if old is not None else []
                come += [new] if new is not None else []
    rows += _by_soname(gone, come)
    return tuple(sorted(rows, key=lambda row: (-abs(row.delta), to_bytes(row.path))))


def _object(path: str, tree: Tree, facts: Facts) -> _Side | None:
    """Return a program or shared library; None for all else, damaged ones too: they are files like others."""
    entry = tree.get(path)
    elf = facts.elf(path)
    if not isinstance(entry, Regular) or not isinstance(elf, ElfFile) or not (elf.dynamic or elf.is_program):
        return None
    return _Side(path, entry.content.size, elf)


def _by_soname(gone: Iterable[_Side], come: Iterable[_Side]) -> Iterator[ObjectChange]:
    """Pair what went with what came, where both are the only ones of their soname and processor."""
    sides: dict[object, tuple[list[_Side], list[_Side]]] = defaultdict(lambda: ([], []))
    for index, found in enumerate((gone, come)):
        for one in found:
            name = one.elf.soname
            sides[one.path if name is None else (name, one.elf.machine)][index].append(one)
    for old, new in sides.values():
        if len(old) == len(new) == 1:
            yield _row(old[0], new[0])
        else:
            yield from (_row(one, None) for one in old)
            yield from (_row(None, one) for one in new)


def _row(old: _Side | None, new: _Side | None) -> ObjectChange:
    before, after = (one.elf if one is not None else None for one in (old, new))
    path_before, path_after = (one.path if one is not None else None for one in (old, new))
    size_before, size_after = (one.size if one is not None else 0 for one in (old, new))
    shown = after or before
    return ObjectChange(
        "program" if shown is not None and shown.is_program else "library",
        path_before,
        path_after,
        size_before,
        size_after,
        before,
        after,
        tuple(_differing(before, after)),
        _delta(_needed(before), _needed(after)),
        _delta(_version_needs(before), _version_needs(after)),
        _delta(_versions(before), _versions(after)),
    )


def _differing(before: ElfFile | None, after: ElfFile | None) -> Iterator[str]:
    if before is not None and after is not None:
        fields = (field for field in ElfFile.__struct_fields__ if field not in _MINOR)
        yield from (field for field in fields if getattr(before, field) != getattr(after, field))


def _needed(elf: ElfFile | None) -> tuple[str, ...]:
    return elf.needed if elf is not None else ()


def _version_needs(elf: ElfFile | None) -> tuple[str, ...]:
    return tuple(f"{one.version} of {one.file}" for one in elf.version_needs) if elf is not None else ()


def _versions(elf: ElfFile | None) -> tuple[str, ...]:
    return elf.versions if elf is not None else ()


def _delta(old: tuple[str, ...], new: tuple[str, ...]) -> Delta:
    return Delta(
        tuple(one for one in new if one not in set(old)),
        tuple(one for one in old if one not in set(new)),
    )
