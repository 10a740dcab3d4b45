"""What a trial is known by: the recipe that it packs with what lies beside it, the source, and whether it is tested.

In: a recipe. Out: digests. Two recipes with the same digest make the same image of the same source, and put it to the
same tests; what says nothing of either (`description`, `version`, `budget`, `tune`, the variants that there are) does
not count, and what is left out counts as its default.
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from assembler.base.digest import Digest, of_chunks, sha256
from assembler.layers.compose import creation_epoch
from assembler.layers.compress import DEFAULT_LEVELS
from assembler.plan.additions import with_additions
from assembler.recipe.types import BudgetSpec, LoadedRecipe, TuneSpec
from assembler.tree import Regular, Symlink, Tree, type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.recipe import Recipe
    from assembler.tree import Entry

_FORM: Final = 1
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def recipe_digest(loaded: LoadedRecipe, environment: Mapping[str, str] = _NOTHING) -> Digest:
    """Digest a recipe, with the contents of its files and overlay. What Buildroot builds it of is part of the source.

    Args:
        loaded: the recipe.
        environment: for SOURCE_DATE_EPOCH.

    Raises:
        RecipeError: a file beside the recipe is not there, or a time is none.
        SourceError: a file beside the recipe cannot be read.
    """
    return RecipeDigests(environment).of(loaded)


def trial_id(recipe: Digest, source: Digest | None, *, tested: bool) -> Digest:
    """Return what a trial is known by, on every machine.

    Args:
        recipe: its `recipe_digest`.
        source: the digest of its source; None where that cannot be read.
        tested: whether it is put to the recipe's tests.
    """
    return sha256(f"brasm trial {_FORM}\n{recipe}\n{source or ''}\n{'tested' if tested else 'untested'}\n".encode())


class RecipeDigests:
    """Digests many recipes; files beside them are read once."""

    def __init__(self, environment: Mapping[str, str] = _NOTHING) -> None:
        self._environment = environment
        self._beside: dict[tuple[object, ...], Digest] = {}

    def of(self, loaded: LoadedRecipe) -> Digest:
        """Digest a recipe, as `recipe_digest` does."""
        recipe = loaded.recipe
        epoch = creation_epoch(recipe, self._environment)
        key = (loaded.folder, recipe.files, recipe.overlay, epoch)
        if key not in self._beside:
            self._beside[key] = _digest_beside(loaded, epoch)
        # Tables keep their order, which is that of image.env in the image.
        return _digest([_FORM, msgspec.to_builtins(_effective(recipe, epoch)), self._beside[key]])


def _effective(recipe: Recipe, epoch: int) -> Recipe:
    layers = recipe.layers
    level = DEFAULT_LEVELS[layers.compression] if layers.level is None else layers.level
    return replace(
        recipe,
        version="",
        description="",
        variant={},
        budget=BudgetSpec(),
        tune=TuneSpec(),
        strip=replace(recipe.strip, mode=recipe.strip_mode),
        layers=replace(layers, level=level, hardlinks=recipe.links_identical),
        image=replace(recipe.image, created=str(epoch)),
    )


def _digest_beside(loaded: LoadedRecipe, epoch: int) -> Digest:
    """Digest what `[[files]]` and the overlay add, as the image has it: no time is later than its own."""
    alone = replace(loaded, recipe=replace(loaded.recipe, ldconfig=False))
    return _digest([_row(entry, epoch) for entry in with_additions(Tree(()), alone).tree])


def _row(entry: Entry, epoch: int) -> list[Any]:
    match entry:
        case Regular():
            what: str = of_chunks(entry.content.chunks())
        case Symlink():
            what = entry.target
        case _:
            what = ""
    return [entry.path, type_name(entry), entry.mode, entry.uid, entry.gid, min(entry.mtime, epoch), what]


def _digest(value: Any) -> Digest:
    """Digest plain values as JSON in ASCII: paths may have bytes that are no UTF-8."""
    return sha256(json.dumps(value, separators=(",", ":")).encode())
