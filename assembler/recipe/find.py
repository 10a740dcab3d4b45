"""Where recipes are: a path, or the name of one that ships with brasm."""

from __future__ import annotations

import difflib
import os

from assembler.base.errors import RecipeError

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def share_folder(kind: str) -> str:
    """Return the folder of shipped `recipes` or `toolchain`: inside the wheel, or beside `assembler/` in a checkout."""
    installed = os.path.join(_PACKAGE, "share", kind)
    return installed if os.path.isdir(installed) else os.path.join(os.path.dirname(_PACKAGE), kind)


def shipped_recipes() -> list[str]:
    """Return the names of the recipes that ship, sorted."""
    folder = share_folder("recipes")
    if not os.path.isdir(folder):
        return []
    return sorted(name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name, "recipe.toml")))


def find_recipe(text: str) -> str:
    """Return the path of a `recipe.toml`, given the file, its folder, or the name of a shipped recipe.

    Raises:
        RecipeError: it is none of them.
    """
    if os.path.isdir(text) and os.path.isfile(os.path.join(text, "recipe.toml")):
        return os.path.join(text, "recipe.toml")
    if os.path.isfile(text):
        return text
    shipped = os.path.join(share_folder("recipes"), text, "recipe.toml")
    if "/" not in text and os.path.isfile(shipped):
        return shipped
    if os.path.isdir(text):
        raise RecipeError(f"{text}: the folder has no recipe.toml", hint="for a root filesystem: --source FOLDER")
    near = difflib.get_close_matches(text, shipped_recipes(), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"shipped recipes: {', '.join(shipped_recipes())}"
    raise RecipeError(f"{text}: no such recipe, file or folder", hint=hint)
