"""Making plans of text: a tree, a recipe's tables, and what came of it as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assembler.graph.build import build_graph
from assembler.plan.additions import with_additions
from assembler.plan.planner import make_plan
from assembler.plan.request import request_of
from assembler.recipe import recipe_from_mapping
from tests.trees import make_tree

if TYPE_CHECKING:
    from assembler.plan.types import Plan
    from assembler.recipe.types import LoadedRecipe
    from assembler.tree import Tree


def loaded_recipe(folder: str = "/", /, **tables: Any) -> LoadedRecipe:
    return recipe_from_mapping({"name": "x", "source": {"directory": "/"}, **tables}, folder)


def plan_of(tree: Tree | str, loaded: LoadedRecipe | None = None, **select: Any) -> Plan:
    """Plan a tree, with a recipe or with a `[select]` table; without either, mode `prune`."""
    recipe = loaded or loaded_recipe(select={"mode": "prune", **select})
    additions = with_additions(make_tree(tree) if isinstance(tree, str) else tree, recipe)
    graph = build_graph(additions.tree, request_of(recipe, additions))
    return make_plan(additions, graph, recipe, {})


def kept(plan: Plan) -> list[str]:
    """Return what comes into the image, without directories."""
    return [
        path
        for path, decision in plan.decisions.items()
        if decision.result is not None and type(decision.entry).__name__ != "Directory"
    ]


def dropped(plan: Plan) -> dict[str, str]:
    """Return what does not, each with its reason."""
    return {path: decision.reason for path, decision in plan.decisions.items() if decision.result is None}
