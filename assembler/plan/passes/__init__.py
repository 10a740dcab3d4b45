"""Passes: pure functions of a tree, a graph and a recipe that propose what to drop, and rarely what to keep.

Which passes there are stands here. Their order settles which reason a table shows where two would drop a path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.plan.passes.buildroot import buildroot
from assembler.plan.passes.completions import completions
from assembler.plan.passes.development import development
from assembler.plan.passes.documentation import documentation
from assembler.plan.passes.gconv import gconv
from assembler.plan.passes.libraries import libraries
from assembler.plan.passes.locales import locales
from assembler.plan.passes.package_managers import package_managers
from assembler.plan.passes.python import python
from assembler.plan.passes.skeleton import skeleton

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from assembler.graph.types import Graph
    from assembler.plan.types import Proposal
    from assembler.recipe import Recipe
    from assembler.tree import Tree

    Pass = Callable[[Tree, Graph, Recipe], Iterable[Proposal]]

PASSES: tuple[Pass, ...] = (
    documentation,
    locales,
    gconv,
    development,
    completions,
    python,
    package_managers,
    buildroot,
    skeleton,
    libraries,
)
