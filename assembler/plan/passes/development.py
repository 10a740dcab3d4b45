"""Development files: headers, static archives, libtool archives, pkg-config, cmake, aclocal, start files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from assembler.plan.passes.common import drop_folders, entries
from assembler.plan.types import Proposal
from assembler.tree import Directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Graph
    from assembler.recipe import Recipe
    from assembler.tree import Tree

REASON: Final = "development"

_FOLDERS: Final = {
    f"{top}/{folder}": what
    for top in ("/usr", "/usr/local")
    for folder, what in {
        "include": "headers",
        "share/aclocal": "autoconf macros",
        "share/cmake": "cmake files",
        "share/pkgconfig": "pkg-config files",
        "share/gir-1.0": "introspection sources",
        "share/vala": "vala bindings",
        "share/gdb": "debugger scripts",
    }.items()
}
_LIBRARY: Final = re.compile(
    r"/(?:usr/(?:local/)?)?lib(?:32|64|x32)?/(?:.*/)?"
    r"(?:(?P<folder>pkgconfig|cmake)(?:/.*)?|[^/]*\.(?P<suffix>a|la)|(?P<start>[^/]*crt[0-9a-zA-Z]*\.o))"
)
_WHAT: Final = {
    "pkgconfig": "pkg-config files",
    "cmake": "cmake files",
    "a": "static archives",
    "la": "libtool archives",
}


def development(tree: Tree, _graph: Graph, _recipe: Recipe) -> Iterator[Proposal]:
    """Propose to drop what only a compiler reads."""
    yield from drop_folders(tree, REASON, _FOLDERS)
    for entry in entries(tree):
        match = _LIBRARY.fullmatch(entry.path)
        if match and (match["folder"] or not isinstance(entry, Directory)):
            what = _WHAT.get(match["folder"] or match["suffix"] or "", "start files")
            yield Proposal(entry.path, "drop", REASON, what)
