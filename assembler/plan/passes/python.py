"""Python: byte code whose source stays (Python makes it anew, and times in layers would make it stale), and tests.

Sources: PEP 3147 (`__pycache__`), PEP 488; the layout of Lib/ in CPython, where each package's tests are `test`,
`tests` or `idle_test`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from assembler.plan.passes.common import entries
from assembler.plan.types import Proposal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Graph
    from assembler.recipe import Recipe
    from assembler.tree import Tree

REASON: Final = "python"

_LIBRARY: Final = re.compile(r"/(?:usr/)?(?:local/)?lib(?:32|64)?/python[23](?:\.\d+)?/.*", re.DOTALL)
_CACHED: Final = re.compile(r"(?P<folder>.*)/__pycache__/(?P<module>[^/]+?)\.[^./]+(?:\.opt-\d)?\.pyc", re.DOTALL)
_TESTS: Final = re.compile(r".*/(?:test|tests|idle_test)(?:/.*)?", re.DOTALL)


def python(tree: Tree, _graph: Graph, _recipe: Recipe) -> Iterator[Proposal]:
    """Propose to drop byte code beside its source, and tests."""
    for entry in entries(tree):
        path = entry.path
        if "python" not in path:
            continue
        if _has_source(tree, path) or _is_cache(tree, path):
            yield Proposal(path, "drop", REASON, "byte code of a source that stays")
        elif _LIBRARY.fullmatch(path) and _TESTS.fullmatch(path):
            yield Proposal(path, "drop", REASON, "tests of the library")


def _is_cache(tree: Tree, path: str) -> bool:
    """Say whether a directory holds nothing but byte code whose source is there."""
    return path.endswith("/__pycache__") and all(_has_source(tree, f"{path}/{one}") for one in tree.children(path))


def _has_source(tree: Tree, path: str) -> bool:
    if not path.endswith((".pyc", ".pyo")):
        return False
    cached = _CACHED.fullmatch(path)
    source = f"{cached['folder']}/{cached['module']}.py" if cached else path[:-1]
    return source in tree
