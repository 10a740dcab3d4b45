"""What objects open at run time by their own word: the dlopen note, and names among their strings.

In: a scene. Out: edges with the priority of each, and what is missing. Rules are in `graph.rules`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.graph.request import Priority
from assembler.graph.rules.common import LIBC, Scene
from assembler.graph.types import Edge, Unresolved
from assembler.tree import Found, Regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.elf.types import DlopenNote
    from assembler.graph.loaders.base import Object

_CALLS: Final = {"dlopen", "dlmopen"}


class Offer(Struct, frozen=True):
    """Something that may be opened, or is asked for and is not there."""

    priority: Priority
    need: Edge | Unresolved


def noted(scene: Scene) -> Iterator[Offer]:
    """Yield what the objects' dlopen notes name: of each entry the first alternative that the root has (UAPI.12)."""
    for one in scene.load.objects:
        for note in one.elf.dlopens:
            yield Offer(note.priority, _first(scene, one, note))


def _first(scene: Scene, one: Object, note: DlopenNote) -> Edge | Unresolved:
    what = f"{note.priority}, for {note.feature}" if note.feature else note.priority
    for name in note.sonames:
        found = scene.find(one, name)
        if found is not None:
            hit, where = found
            return Edge(one.path, hit.path, "dlopen-note", name, f"note: {what}; {where}", hit.via)
    return Unresolved(one.path, "dlopen-note", " or ".join(note.sonames), (f"note: {what}",))


def guessed(scene: Scene) -> Iterator[Offer]:
    """Yield libraries and files of the root whose names stand among the strings of objects that call dlopen."""
    loaded = {one.path for one in scene.load.objects}
    for one in scene.load.objects:
        if _CALLS.intersection(one.elf.calls) and one.elf.soname not in LIBC:
            for edge in _named(scene, one):
                if edge.target not in loaded:
                    yield Offer("strings", edge)


def _named(scene: Scene, one: Object) -> Iterator[Edge]:
    strings = scene.facts.strings(one.path)
    for name in strings.libraries:
        found = scene.find(one, name)
        if found is not None:
            hit, where = found
            yield Edge(one.path, hit.path, "dlopen-string", name, f"a string in it; {where}", hit.via)
    for path in strings.paths:
        at = scene.tree.walk(path)
        if isinstance(at, Found) and isinstance(at.entry, Regular):
            yield Edge(one.path, at.path, "dlopen-string", path, "a string in it", at.via)
