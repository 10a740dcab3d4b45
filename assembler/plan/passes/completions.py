"""Shell completions: no one types in an image that has no shell user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.plan.passes.common import drop_folders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Graph
    from assembler.plan.types import Proposal
    from assembler.recipe import Recipe
    from assembler.tree import Tree

REASON: Final = "completions"

_FOLDERS: Final = {
    "/etc/bash_completion.d": "bash completions",
    **{
        f"{top}/{folder}": f"{shell} completions"
        for top in ("/usr/share", "/usr/local/share")
        for folder, shell in {
            "bash-completion": "bash",
            "zsh/site-functions": "zsh",
            "zsh/vendor-completions": "zsh",
            "fish/completions": "fish",
            "fish/vendor_completions.d": "fish",
        }.items()
    },
}


def completions(tree: Tree, _graph: Graph, _recipe: Recipe) -> Iterator[Proposal]:
    """Propose to drop shell completions."""
    return drop_folders(tree, REASON, _FOLDERS)
