"""One layer on the layers below it (image-spec v1.1, layer.md, "Applying Changesets" and "Whiteouts").

In: what the layers below make together, and the members of a layer. Out: what they make with it. A whiteout hides
what the layers *below* have, wherever in the layer it stands:

    usr/bin/.wh.sh      /usr/bin/sh of the layers below is gone
    etc/.wh..wh..opq    all that the layers below have in /etc is gone
    .wh..wh.plnk        any other `.wh..wh.` is AUFS's own and counts for nothing, as in docker and containerd
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.errors import SourceError
from assembler.base.paths import ancestors, join, name, parent, show
from assembler.sources.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from assembler.tree import Entry

PREFIX: Final = ".wh."
META: Final = PREFIX + PREFIX
OPAQUE: Final = META + ".opq"


def apply_layer(lower: Mapping[str, Entry], layer: Sequence[Entry], archive: str = "layer") -> dict[str, Entry]:
    """Return all entries by path.

    Args:
        lower: entries of the layers below, by path.
        layer: members in the layer's order, as `read_entries` gives them.
        archive: how an error calls the layer: its digest.

    Raises:
        SourceError: a whiteout names nothing, or a member cannot stand where it is (`Stack.put_all`).
    """
    whiteouts = [entry.path for entry in layer if name(entry.path).startswith(PREFIX)]
    stack = Stack(_without(lower, whiteouts, archive) if whiteouts else lower, archive)
    stack.put_all(entry for entry in layer if PREFIX not in entry.path or not _is_whiteout(entry.path))
    return stack.entries


def _is_whiteout(path: str) -> bool:
    return name(path).startswith(PREFIX) or any(name(above).startswith(META) for above in ancestors(path))


def _without(lower: Mapping[str, Entry], whiteouts: Iterable[str], archive: str) -> dict[str, Entry]:
    """Return what the whiteouts leave of the layers below."""
    gone: set[str] = set()
    opaque: set[str] = set()
    below = Stack(lower, archive)
    for path in whiteouts:
        hidden = name(path).removeprefix(PREFIX)
        if hidden in {"", ".", ".."}:
            raise SourceError(f"{archive}: {show(path)}: a whiteout of nothing")
        folder = below.directory(parent(path), path)
        if name(path) == OPAQUE:
            opaque.add(folder)
        elif not hidden.startswith(PREFIX):
            gone.add(join(folder, hidden))

    def is_left(path: str) -> bool:
        above = list(ancestors(path))
        return path not in gone and gone.isdisjoint(above) and opaque.isdisjoint(above)

    return {path: entry for path, entry in lower.items() if is_left(path)}
