"""The rules of a layer's tar: image-spec v1.1, layer.md, and what engines refuse beyond it.

Beyond it: docker 29 refuses a member whose directory does not stand before it, or in a layer below.

In: the uncompressed tar as a stream, layers from the lowest up. Out: violations. Only names are kept, no contents.
"""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Final

from assembler.base.paths import ancestors, join, name, normalize, parent, show
from assembler.oci.untar import members, xattrs
from assembler.oci.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.base.digest import Digest
    from assembler.oci.untar import Stream

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_KINDS: Final = {tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink"}
_TYPES: Final = frozenset(
    {
        tarfile.REGTYPE,
        tarfile.AREGTYPE,
        tarfile.LNKTYPE,
        tarfile.SYMTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.DIRTYPE,
        tarfile.FIFOTYPE,
    }
)
"""Layers have ustar's types and no others (layer.md, "File Types"; a socket has none)."""


class LayerRules:
    """Checks layer after layer, and so knows what the layers below have."""

    def __init__(self) -> None:
        self._lower: dict[str, str] = {"/": "directory"}
        self._complete = True

    def skip(self) -> None:
        """Pass over a layer that cannot be read: from here on, what is not found below may have been in it."""
        self._complete = False

    def check(self, digest: Digest, tar: Stream) -> Iterator[Violation]:
        """Yield what is wrong with the next layer, and with each of its members; the stream is read to its end.

        Whatever the stream raises goes through.
        """
        own: dict[str, str] = {}
        whiteouts: list[str] = []
        whole = False
        try:
            # umoci leaves the records at the end away, and engines do without; diff_id and size vouch for the rest.
            for member in members(tar, end_required=False):
                yield from self._check(member, own, whiteouts)
            whole = True
        except tarfile.TarError as error:
            yield Violation("layer-tar", digest, f"the tar in it: {error}")
        finally:
            self._settle(own, whiteouts)
            self._complete = self._complete and whole
        tar.drain()

    def _check(self, member: tarfile.TarInfo, own: dict[str, str], whiteouts: list[str]) -> Iterator[Violation]:
        if problem := _name_problem(member.name):
            yield Violation("layer-name", member.name, problem)
            return
        path = normalize(member.name)
        if path in own:
            yield Violation("layer-duplicate", path, "stands twice in one layer")
        yield from self._check_place(path, own)
        yield from _check_type(member, path)
        if name(path).startswith(_WHITEOUT):
            yield from _check_whiteout(member, path)
            whiteouts.append(path)
        elif member.islnk():
            yield from self._check_link(member, path, own)
        own[path] = _KINDS.get(member.type, "file")

    def _check_place(self, path: str, own: dict[str, str]) -> Iterator[Violation]:
        above = parent(path)
        kind = own.get(above) or self._lower.get(above)
        if kind == "file":
            yield Violation("layer-order", path, f"stands below {show(above)}, which is no directory")
        elif kind is None and not self._may_be_there(above, own):
            yield Violation("layer-order", path, f"its directory {show(above)} does not stand before it")

    def _check_link(self, member: tarfile.TarInfo, path: str, own: dict[str, str]) -> Iterator[Violation]:
        if problem := _name_problem(member.linkname):
            yield Violation("layer-link", path, f"hard link to {show(member.linkname)}: {problem}")
            return
        target = normalize(member.linkname)
        kind = own.get(target) or self._lower.get(target)
        if kind == "directory" or target == path:
            yield Violation("layer-link", path, f"hard link to {show(target)}: {kind if target != path else 'itself'}")
        elif kind is None and not self._may_be_there(target, own):
            yield Violation("layer-link", path, f"hard link to {show(target)}, which does not stand before it")

    def _may_be_there(self, path: str, own: dict[str, str]) -> bool:
        """Say whether names alone do not tell: a symlink is on the way, or a layer below could not be read."""
        return not self._complete or any(
            (own.get(above) or self._lower.get(above)) == "symlink" for above in (path, *ancestors(path))
        )

    def _settle(self, own: dict[str, str], whiteouts: list[str]) -> None:
        """Make the layer part of what the next one has below it."""
        opaque = {parent(path) for path in whiteouts if name(path) == _OPAQUE}
        gone = {join(parent(path), name(path).removeprefix(_WHITEOUT)) for path in whiteouts}
        if whiteouts:
            self._lower = {
                path: kind
                for path, kind in self._lower.items()
                if path not in gone and (gone | opaque).isdisjoint(ancestors(path))
            }
        self._lower |= {path: kind for path, kind in own.items() if not name(path).startswith(_WHITEOUT)}


def _name_problem(text: str) -> str | None:
    if not text or text.startswith("/"):
        return "an absolute or empty name"
    if ".." in text.split("/"):
        return "a name with '..' in it"
    return "a name with a NUL in it" if "\0" in text else None


def _check_type(member: tarfile.TarInfo, path: str) -> Iterator[Violation]:
    if member.type not in _TYPES:
        yield Violation("layer-type", path, f"a member of type {member.type!r}, which layers do not have")
    if getattr(member, "sparse", None) is not None:
        yield Violation("layer-type", path, "a sparse file, which not every reader understands")
    try:
        xattrs(member)
    except tarfile.TarError as error:
        yield Violation("layer-type", path, str(error))


def _check_whiteout(member: tarfile.TarInfo, path: str) -> Iterator[Violation]:
    hidden = name(path).removeprefix(_WHITEOUT)
    if hidden in {"", ".", ".."}:
        yield Violation("layer-whiteout", path, "a whiteout of nothing")
    elif hidden.startswith(_WHITEOUT) and name(path) != _OPAQUE:
        yield Violation("layer-whiteout", path, "a whiteout of a whiteout")
    elif not member.isreg() or member.size:
        yield Violation("layer-whiteout", path, "a whiteout that is no empty file")
