"""Users and groups as the root filesystem itself names them (passwd(5), group(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.content import read
from assembler.base.paths import from_bytes
from assembler.tree.entry import Regular
from assembler.tree.tree import Found

if TYPE_CHECKING:
    from assembler.tree.tree import Tree


def unknown_names(tree: Tree, user: str) -> list[str]:
    """Return which names of an image's `user` the root does not know, each as a sentence; numbers are always known.

    Args:
        tree: the root filesystem.
        user: `user`, `uid`, `user:group`, `uid:gid` (image-spec v1.1, config.md, `User`).
    """
    name, _, group = user.partition(":")
    found: list[str] = []
    for kind, text, file in (("user", name, "/etc/passwd"), ("group", group, "/etc/group")):
        if text and not text.isdecimal() and text not in _names(tree, file):
            found.append(f"{kind} {text!r} is not in {file}")
    return found


def _names(tree: Tree, path: str) -> set[str]:
    at = tree.walk(path)
    if not isinstance(at, Found) or not isinstance(at.entry, Regular):
        return set()
    return {line.partition(":")[0] for line in from_bytes(read(at.entry.content)).splitlines()}
