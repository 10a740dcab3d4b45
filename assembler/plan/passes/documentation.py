"""Documentation: manuals, info, doc, gtk-doc, help, and what distributions keep beside it. Nobody reads it in an image.

Licences and copyright notices go with the rest unless `select.licenses` keeps them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from assembler.base.paths import name
from assembler.plan.passes.common import below
from assembler.plan.types import Proposal
from assembler.tree import Directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Graph
    from assembler.recipe import Recipe
    from assembler.tree import Tree

REASON: Final = "documentation"

_KINDS: Final = {
    "man": "manual pages",
    "info": "info pages",
    "doc": "package documentation",
    "gtk-doc": "API documentation",
    "doc-base": "documentation index",
    "help": "help texts",
    "bug": "bug reporting scripts",
    "lintian": "lintian overrides",
    "linda": "linda overrides",
}
_FOLDERS: Final = {
    **{f"/usr/share/{folder}": what for folder, what in _KINDS.items()},
    **{f"/usr/local/share/{folder}": what for folder, what in _KINDS.items()},
    **{f"{top}/{folder}": _KINDS[folder] for top in ("/usr", "/usr/local") for folder in ("man", "info", "doc")},
}
_LICENSE_FOLDERS: Final = ("/usr/share/licenses", "/usr/share/common-licenses")
_LICENSE: Final = re.compile(r"(?:copyright|licen[cs]es?|copying|notice|copyrights?)(?:[._-].*)?", re.IGNORECASE)


def documentation(tree: Tree, _graph: Graph, recipe: Recipe) -> Iterator[Proposal]:
    """Propose to drop documentation, and to keep licences where the recipe asks for them."""
    wanted = recipe.select.licenses
    for folder in _LICENSE_FOLDERS:
        for entry in below(tree, folder) if not wanted or not tree.partial else tree.below(folder):
            yield Proposal(entry.path, "keep" if wanted else "drop", "licenses", f"licence texts ({folder})")
    for folder, what in _FOLDERS.items():
        found = tree.below(folder) if wanted and folder.endswith("/doc") else below(tree, folder)
        for entry in found:
            if wanted and _LICENSE.fullmatch(name(entry.path)) and not isinstance(entry, Directory):
                yield Proposal(entry.path, "keep", "licenses", "select.licenses")
            else:
                yield Proposal(entry.path, "drop", REASON, f"{what} ({folder})")
