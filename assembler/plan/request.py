"""From a recipe to what the graph starts from.

In: a recipe and its tree, additions laid over it. Out: `Request`. Sources: recipe keys `image.entrypoint`, `image.cmd`,
`image.healthcheck`, `image.user`, `test`, `select.roots`, `select.keep`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.errors import RecipeError
from assembler.base.globs import compile_globs
from assembler.base.paths import name
from assembler.graph.hazards import Limits
from assembler.graph.request import Request
from assembler.tree import Regular
from assembler.tree.glob import select

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.plan.additions import Additions
    from assembler.recipe import Recipe
    from assembler.recipe.types import LoadedRecipe
    from assembler.tree import Tree


PRUNE_ROOT: Final = "select.mode prune"
"""Key of roots that only tell what libraries programs map; they keep nothing by themselves."""


def request_of(loaded: LoadedRecipe, additions: Additions) -> Request:
    """Return where the graph starts.

    In mode `closure` and `prune` all that is kept by name brings what it needs; in mode `prune` every program of
    the tree starts too, so that a library that nothing reaches is known to be unreachable.

    Raises:
        RecipeError: `select.rules` names a rule that there is not.
    """
    recipe, tree = loaded.recipe, additions.tree
    _check_rules(recipe)
    kept = [*_kept(recipe, tree), *((key, path) for path, key in additions.keys.items())]
    if recipe.select.mode == "prune":
        kept += [(PRUNE_ROOT, path) for path in _programs(tree)]
    return Request(
        programs=tuple(_programs_of(recipe)),
        kept=tuple({path: (key, path) for key, path in reversed(kept)}.values())[::-1],
        user=recipe.image.user,
        env=recipe.image.env,
        dlopen=recipe.select.dlopen,
        rules=recipe.select.rules,
        charsets=recipe.select.charsets,
        workdir=recipe.image.workdir or "/",
        limits=_limits(recipe),
        guesses=recipe.select.mode == "closure" or recipe.select.dlopen == "strings",
    )


def _check_rules(recipe: Recipe) -> None:
    if not recipe.select.rules:
        return
    import difflib  # most recipes name none

    from assembler.graph.rules import RULES

    known = [rule.name for rule in RULES]
    for given in recipe.select.rules:
        if given not in known:
            near = difflib.get_close_matches(given, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise RecipeError(f"select.rules: no rule is called {given!r}", key="select.rules", hint=hint)


def _limits(recipe: Recipe) -> Limits:
    cpu, kernel = recipe.image.cpu, recipe.image.kernel
    level = None if cpu is None else int(cpu.partition("-v")[2] or 1)
    if kernel is None:
        return Limits(level)
    major, minor, patch = (*map(int, kernel.split(".")), 0)[:3]
    return Limits(level, (major, minor, patch))


def _programs_of(recipe: Recipe) -> Iterator[tuple[str, str]]:
    image = recipe.image
    if image.entrypoint:
        yield "image.entrypoint", image.entrypoint[0]
    elif image.cmd:
        yield "image.cmd", image.cmd[0]
    if image.healthcheck is not None:
        yield "image.healthcheck.test", image.healthcheck.test[0]
    for number, test in enumerate(recipe.test):
        if test.run:
            yield f"test[{number}].run", test.run[0]
    for number, path in enumerate(recipe.select.roots):
        yield f"select.roots[{number}]", path


def _kept(recipe: Recipe, tree: Tree) -> Iterator[tuple[str, str]]:
    for entry, glob in select(tree, compile_globs(recipe.select.keep)):
        yield f"select.keep {glob.pattern!r}", entry.path


def _programs(tree: Tree) -> Iterator[str]:
    """Yield what could be started; libraries that happen to be executable are none."""
    for entry in tree:
        is_library = ".so" in name(entry.path) and "/lib" in entry.path
        if isinstance(entry, Regular) and entry.mode & 0o111 and not is_library:
            yield entry.path
