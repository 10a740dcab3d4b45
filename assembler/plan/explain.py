"""Explaining a decision: the chain that keeps a path, hop by hop, or the rule that drops it and what would keep it.

In: a plan, its recipe and a path. Out: `Explanation`, for `brasm why`.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from msgspec import Struct, field

from assembler.base.errors import NegativeAnswer
from assembler.base.paths import is_below, name, normalize, parent, show
from assembler.plan.planner import propose
from assembler.plan.types import Verdict
from assembler.tree import Found

if TYPE_CHECKING:
    from collections.abc import Callable

    from assembler.graph.types import Edge, Graph
    from assembler.plan.types import Decision, Plan
    from assembler.recipe.types import LoadedRecipe


class Hop(Struct, frozen=True):
    """One step of a chain: who needs whom, of what kind, by which name, and how it was found."""

    source: str = field(name="from")
    target: str = field(name="to")
    kind: str
    name: str
    found: str


class Owner(Struct, frozen=True):
    """The package that a path is of; version and licence where they are known."""

    name: str
    version: str | None = None
    license: str | None = None


class Explanation(Struct, frozen=True):
    """Why a path is in the image, or is not.

    Attributes:
        path: without symlinks on the way to it.
        verdict: what happens to it.
        reason: the group that the plan's table sums up by.
        rule: the single rule.
        chain: the hops from a key of the recipe to the path, where the graph keeps it.
        keep_with: the nearest line of a recipe that would keep it, where it is dropped.
        package: that it is of, where one is known.
    """

    path: str
    verdict: Verdict
    reason: str
    rule: str
    chain: tuple[Hop, ...] = ()
    keep_with: str | None = None
    package: Owner | None = None


def explain(plan: Plan, loaded: LoadedRecipe, path: str, widest: Callable[[], Graph] | None = None) -> Explanation:
    """Explain what happens to a path.

    Args:
        plan: what was decided.
        loaded: the recipe.
        path: what is asked about.
        widest: makes the graph that follows whatever may be opened at run time, where that is worth asking.

    Raises:
        NegativeAnswer: the root has no such path.
    """
    at = plan.tree.walk(normalize(path), follow_last=False)
    if not isinstance(at, Found):
        near = difflib.get_close_matches(name(path), plan.tree.children(parent(at.path)), n=1)
        where = parent(at.path).rstrip("/")
        hint = f"did you mean {show(f'{where}/{near[0]}')}?" if near else None
        raise NegativeAnswer(f"{show(path)}: not in the root: {show(at.path)}: {at.reason}", hint=hint)
    decision = plan.decisions.get(at.path)
    if decision is None:
        keep_with = _keep_line(at.path) + _would_reach(at.path, widest)
        return Explanation(at.path, "drop", "unreached", "nothing that the roots reach needs it", (), keep_with)
    if decision.verdict == "drop":
        return _explain_drop(plan, loaded, decision, widest)
    below = at.path
    if decision.reason == "directory":
        below = next((one for one in plan.decisions if one != below and _keeps(plan, one, below)), below)
    return Explanation(at.path, decision.verdict, decision.reason, decision.rule, _hops(plan, below, at.path))


def _keeps(plan: Plan, path: str, directory: str) -> bool:
    decision = plan.decisions[path]
    return is_below(path, directory) and decision.result is not None and decision.reason != "directory"


def _hops(plan: Plan, path: str, asked: str) -> tuple[Hop, ...]:
    hops = [_hop(edge, edge.target) for edge in plan.graph.chain(path)]
    if not hops:
        return ()
    last = plan.graph.reached[path]
    if last.target != path:
        hops[-1] = Hop(last.source, path, "symlink", last.name, f"on the way to {last.target}")
    if asked != path:
        hops.append(Hop(path, asked, "directory", name(path), "holds it"))
    return tuple(hops)


def _hop(edge: Edge, target: str) -> Hop:
    return Hop(edge.source, target, edge.kind, edge.name, edge.found)


def _explain_drop(
    plan: Plan, loaded: LoadedRecipe, decision: Decision, widest: Callable[[], Graph] | None
) -> Explanation:
    path = decision.entry.path
    keep_with = {
        "licenses": "select.licenses = true",
        "locales": f"select.locales = [{_locale_of(path)}]",
        "gconv": 'select.charsets = ["…"], the character sets that programs convert',
        "select.drop": f"select.drop without {decision.rule.removeprefix('select.drop ')}, or {_keep_line(path)}",
    }.get(decision.reason, _keep_line(path))
    keep_with += _would_reach(path, widest)
    if decision.reason == "unreached" and path not in propose(plan.tree, plan.graph, loaded.recipe):
        keep_with += ', or select.mode = "prune"'
    return Explanation(path, "drop", decision.reason, decision.rule, (), keep_with)


def _would_reach(path: str, widest: Callable[[], Graph] | None) -> str:
    """Return the setting by which something that is opened at run time would bring a path."""
    chain = widest().chain(path) if widest is not None else ()
    for edge in chain:
        if edge.rule is not None:
            return f", or select.rules.{edge.rule} = true"
        if edge.kind == "dlopen-note":
            return ', or select.dlopen = "suggested"'
        if edge.kind == "dlopen-string":
            return ', or select.dlopen = "strings"'
    return ""


def _keep_line(path: str) -> str:
    return f'select.keep = ["{show(path)}"]'


def _locale_of(path: str) -> str:
    """Return the listing that would keep a locale's file: its folder is named after it."""
    parts = path.split("/")
    found = parts[4] if len(parts) > 4 else "…"
    return f'"C", "{found}"'
