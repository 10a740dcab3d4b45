"""The planner: passes propose, this settles. One decision for each entry, by rules that do not depend on order.

In: a tree with the recipe's additions, the graph over it, the recipe. Out: `Plan`. What wins over what, and what
contradicts what, is in `decisions/0006-precedence.md`:

    an addition or select.keep  >  reached by the graph  >  select.drop  >  a pass  >  the mode's default
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.errors import BrasmError, RecipeError, RootError
from assembler.base.globs import compile_globs
from assembler.base.paths import ancestors, name, show
from assembler.graph.types import closure
from assembler.plan.links import link_identical
from assembler.plan.request import PRUNE_ROOT
from assembler.plan.required import required
from assembler.plan.types import Decision, Plan, Proposal
from assembler.plan.words import word_edge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from assembler.graph.types import Edge, Graph, Unresolved
    from assembler.plan.additions import Additions
    from assembler.recipe import Recipe
    from assembler.recipe.types import LoadedRecipe
    from assembler.tree import Entry, Tree

_WHITEOUT: Final = ".wh."
_WORST: Final = 5
_MAX_ID: Final = 65535
_SHARED: Final = 3
"""Files that have a hazard line each; where more have the same, they share one."""


def make_plan(additions: Additions, graph: Graph, loaded: LoadedRecipe, packages: Mapping[str, str]) -> Plan:
    """Decide about every entry.

    Raises:
        RecipeError: the recipe contradicts itself or the graph.
        RootError: something that a program needs is not in the root.
    """
    recipe, tree = loaded.recipe, additions.tree
    _check_roots(recipe, graph, additions)
    needed = required(graph)
    _check_resolved(graph, needed)
    judge = _Judge(additions, graph, recipe, needed)
    decisions = {entry.path: judge.decide(entry) for entry in tree.seen()}
    _keep_parents(tree, decisions)
    if tree.partial:
        decisions = _without_chance(decisions)
    warnings = [*judge.warnings(), *_warn_of_roots(graph), *_warn_of_owners(decisions.values())]
    _check_names(decisions)
    if recipe.ldconfig:
        from assembler.plan.ldconfig import with_final_cache

        decisions = with_final_cache(tree, decisions)
    if recipe.strip_mode != "none" and graph.machine is not None:
        from assembler.plan.strip import strip_entries

        decisions, stripped = strip_entries(decisions, recipe, graph.machine)
        warnings += stripped
    if recipe.links_identical:
        decisions = link_identical(decisions)
    return Plan(tree, graph, decisions, tuple(warnings), packages)


class _Judge:
    """Decides about single entries; what holds for all of them is worked out once."""

    def __init__(self, additions: Additions, graph: Graph, recipe: Recipe, needed: Mapping[str, Edge]) -> None:
        self._additions = additions
        self._graph = graph
        self._mode = recipe.select.mode
        self._drop = compile_globs(recipe.select.drop)
        self._keep = compile_globs(recipe.select.keep)
        self._kept = {edge.target: edge.source for edge in graph.roots if edge.source.startswith("select.keep")}
        own = [edge for edge in graph.roots if edge.source != PRUNE_ROOT]
        self._reached = closure(own, graph.edges) if len(own) < len(graph.roots) else graph.reached
        self._required = needed
        self._proposals = {} if self._mode == "all" else propose(additions.tree, graph, recipe)
        self._used: set[str] = set()

    def decide(self, entry: Entry) -> Decision:
        """Decide, but for what a directory is kept for only by what it holds."""
        path = entry.path
        glob = self._drop.match(path)
        if glob is not None:
            self._used.add(glob.pattern)
        if path in self._additions.keys:
            return _keep(entry, "files", self._additions.keys[path])
        if path in self._kept:
            return _keep(entry, "select.keep", self._kept[path])
        edge = self._reached.get(path)
        if edge is not None and glob is not None and path in self._required:
            raise _contradiction(glob.pattern, path, self._required[path])
        if glob is not None:
            return _drop(entry, "select.drop", f"select.drop {glob.pattern!r}")
        if edge is not None:
            return _keep(entry, "reached", word_edge(edge, path))
        return self._by_default(entry, self._proposals.get(path))

    def _by_default(self, entry: Entry, proposal: Proposal | None) -> Decision:
        if entry.path == "/":
            return _keep(entry, "directory", "the root")
        if proposal is not None:
            return (_keep if proposal.verdict == "keep" else _drop)(entry, proposal.reason, proposal.rule)
        if self._mode == "closure":
            return _drop(entry, "unreached", "nothing that the roots reach needs it")
        return _keep(entry, f"mode {self._mode}", f"select.mode is {self._mode!r}")

    def warnings(self) -> list[str]:
        """Return what of the recipe had no effect."""
        found = set(self._kept.values())
        keep = [
            f"select.keep {glob.pattern!r} matches nothing"
            for glob in self._keep.globs
            if not glob.negated and f"select.keep {glob.pattern!r}" not in found
        ]
        whole = not self._additions.tree.partial
        return keep + [
            f"select.drop {glob.pattern!r} matches nothing"
            for glob in self._drop.globs
            if whole and not glob.negated and glob.pattern not in self._used
        ]


def propose(tree: Tree, graph: Graph, recipe: Recipe) -> dict[str, Proposal]:
    """Ask all passes; the first that speaks of a path counts, and two that contradict each other are a bug.

    Raises:
        BrasmError: one pass would keep what another drops.
    """
    from assembler.plan.passes import PASSES  # mode `all` asks none

    found: dict[str, Proposal] = {}
    for one in (proposal for each in PASSES for proposal in each(tree, graph, recipe)):
        other = found.setdefault(one.path, one)
        if other.verdict != one.verdict:
            raise BrasmError(f"{show(one.path)}: {other.rule!r} says {other.verdict}, {one.rule!r} says {one.verdict}")
    return found


def _keep(entry: Entry, reason: str, rule: str) -> Decision:
    return Decision(entry, "keep", reason, rule, entry)


def _drop(entry: Entry, reason: str, rule: str) -> Decision:
    return Decision(entry, "drop", reason, rule, None)


def _without_chance(decisions: Mapping[str, Decision]) -> dict[str, Decision]:
    """Leave out what of a lazy tree was looked at and dropped: which entries those are is chance, and no news."""
    return {
        path: decision
        for path, decision in decisions.items()
        if decision.result is not None or decision.reason == "select.drop"
    }


def _keep_parents(tree: Tree, decisions: dict[str, Decision]) -> None:
    """Keep the directories above whatever is kept."""
    for path in [path for path, decision in decisions.items() if decision.result is not None]:
        for above in ancestors(path):
            if above in decisions and decisions[above].result is not None:
                break
            decisions[above] = _keep(tree[above], "directory", f"holds {show(path)}")


def _contradiction(pattern: str, path: str, edge: Edge) -> RecipeError:
    return RecipeError(
        f"select.drop {pattern!r} drops {show(path)}: {word_edge(edge, path)}",
        key="select.drop",
        hint="brasm why shows the whole chain; drop what needs it, or take it back with '!'",
    )


def _check_roots(recipe: Recipe, graph: Graph, additions: Additions) -> None:
    if recipe.select.mode == "closure" and not graph.roots and not additions.keys:
        raise RecipeError(
            f"{recipe.name}: mode closure has nothing to start from",
            key="select.roots",
            hint="give image.entrypoint (--entrypoint), select.roots or select.keep, or another select.mode",
        )


def _check_names(decisions: Mapping[str, Decision]) -> None:
    """Refuse names that a layer cannot hold: they would be whiteouts (image-spec v1.1, layer.md, "Whiteouts")."""
    for path, decision in decisions.items():
        if decision.result is not None and name(path).startswith(_WHITEOUT):
            hint = "drop it: select.drop = [...]"
            raise RootError(f"{show(path)}: a name that begins with .wh. is a whiteout in a layer", hint=hint)


def _check_resolved(graph: Graph, started: Mapping[str, Edge]) -> None:
    """Refuse a root in which a program that the recipe starts would not."""
    missing = [one for one in graph.unresolved if one.source in started or one.kind == "config"]
    if missing:
        shown = "; ".join(map(_word_unresolved, missing[:_WORST]))
        more = f"; and {len(missing) - _WORST} more" if len(missing) > _WORST else ""
        raise RootError(f"the root is not closed: {shown}{more}", hint=_tried(missing[0]))


def _word_unresolved(one: Unresolved) -> str:
    return f"{show(one.source)} needs {show(one.name)} ({one.kind}), which is not found"


def _tried(one: Unresolved) -> str | None:
    return f"tried {'; '.join(one.tried)}" if one.tried else None


def _warn_of_roots(graph: Graph) -> list[str]:
    """Word what is missing for what is only kept, and what may fail on another machine."""
    by_name = closure([edge for edge in graph.roots if edge.source != PRUNE_ROOT], graph.edges)
    missing = [_word_unresolved(one) for one in graph.unresolved if one.source in by_name]
    return [
        *missing,
        *_word_offers(graph),
        *_word_hazards([(path, message) for path, message in graph.hazards if path in by_name]),
    ]


def _word_offers(graph: Graph) -> Iterator[str]:
    """Word what programs may open at run time and will not find."""
    names: dict[str, list[str]] = {}
    for edge in graph.offers:
        if edge.target not in graph.reached:
            names.setdefault(edge.source, []).append(edge.name)
    for path, found in names.items():
        shown = ", ".join(map(show, found[:_WORST]))
        more = f" and {len(found) - _WORST} more" if len(found) > _WORST else ""
        yield f"{show(path)}: may open {shown}{more}, by names that it holds: select.keep or select.dlopen keeps them"


def _word_hazards(hazards: list[tuple[str, str]]) -> Iterator[str]:
    """Word hazards a line each, but those that many files share in one line."""
    paths: dict[str, list[str]] = {}
    for path, message in hazards:
        paths.setdefault(message, []).append(path)
    for message, found in paths.items():
        if len(found) > _SHARED:
            yield f"{len(found)} files: each {message}: {', '.join(map(show, found[:_SHARED]))}, …"
        else:
            yield from (f"{show(path)}: {message}" for path in found)


def _warn_of_owners(decisions: Iterable[Decision]) -> list[str]:
    """Warn of ids that most rootless mappings do not have."""
    kept = [decision.result for decision in decisions if decision.result is not None]
    far = [entry for entry in kept if max(entry.uid, entry.gid) > _MAX_ID]
    if not far:
        return []
    first = far[0]
    return [
        f"{len(far)} entries have ids above {_MAX_ID}, which rootless runtimes may not map: {show(first.path)} first"
    ]
