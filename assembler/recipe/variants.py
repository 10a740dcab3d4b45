"""Variants: another build of the same image, laid over the recipe before it is checked.

In: a recipe's plain values and the name of one of its `[variant.NAME]`. Out: the values with that variant's own.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

from assembler.base.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_TAG: Final = "latest"


def variant_values(values: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    """Return the keys that a variant sets, by their path: its toolchain, options and fragment, its `set`, its tag.

    Args:
        values: of the recipe; a table of another form than the recipe's types want is left for them to refuse.
        name: of the variant.
        where: what errors call the recipe.

    Raises:
        RecipeError: the recipe has no such variant.
    """
    variants = values.get("variant", {})
    if not isinstance(variants, dict) or name not in variants:
        known = list(variants) if isinstance(variants, dict) else []
        raise RecipeError(f"{where}: no variant is called {name!r}", key="variant", hint=_hint(name, known))
    variant, buildroot = _table(variants, name), _table(values, "buildroot")
    given: dict[str, Any] = {f"buildroot.{key}": variant[key] for key in ("toolchain", "options") if key in variant}
    if "defconfig" in variant:
        given["buildroot.fragments"] = [*buildroot.get("fragments", ()), variant["defconfig"]]
    given["version"] = f"{values.get('version', _DEFAULT_TAG)}-{name}"
    return {**given, **_table(variant, "set")}


def _table(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = values.get(key, {})
    return found if isinstance(found, dict) else {}


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"it has: {', '.join(known)}" if known else "it has none: add [variant.NAME]"
