"""Reading a recipe: TOML in, `Recipe` out, and errors with the path of the key and the nearest known name."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from assembler.base.errors import RecipeError
from assembler.recipe.check import check_recipe
from assembler.recipe.keys import parse_override
from assembler.recipe.types import LoadedRecipe, Recipe, VariantSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`(?: - at `\$(?P<at>[^`]*)`)?")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`(?: - at `\$(?P<at>[^`]*)`)?")
_OTHER = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<at>[^`]*)`)?", re.DOTALL)


def load_recipe(
    path: str,
    overrides: Sequence[str] = (),
    given: Mapping[str, Any] = MappingProxyType({}),
    variant: str | None = None,
) -> LoadedRecipe:
    """Read a recipe file.

    Args:
        path: the `recipe.toml`.
        overrides: `key.path=value`, the value in TOML or a bare string, as `--set` takes them.
        given: values by key path that the command line's own options set; `overrides` come after them.
        variant: the variant that is laid over the file, before `given`.

    Raises:
        RecipeError: the file cannot be read, is not a valid recipe, or has no such variant.
    """
    mapping = read_toml(path)
    if variant is not None:
        from assembler.recipe.variants import variant_values  # few recipes have any

        mapping = override(mapping, variant_values(mapping, variant, path))
    loaded = recipe_from_mapping(override(mapping, given), os.path.dirname(os.path.abspath(path)), overrides, path)
    return replace(loaded, variant=variant)


def read_toml(path: str) -> dict[str, Any]:
    """Read a recipe file as plain values; nothing of them is checked.

    Raises:
        RecipeError: the file cannot be read, or is not TOML.
    """
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not TOML: {error}") from error


def recipe_from_mapping(
    mapping: Mapping[str, Any], folder: str, overrides: Sequence[str] = (), where: str = "command line"
) -> LoadedRecipe:
    """Make a recipe of plain values; what an error calls the place is `where`.

    Raises:
        RecipeError: a key is unknown, a value has the wrong type or form, or values contradict each other.
    """
    values = override(mapping, dict(map(parse_override, overrides)))
    try:
        recipe = msgspec.convert(values, Recipe)
        check_recipe(recipe)
    except msgspec.ValidationError as error:
        raise _explained(str(error), values, where) from error
    except RecipeError as error:
        raise RecipeError(f"{where}: {error.message}", key=error.key, hint=error.hint) from error
    return LoadedRecipe(recipe, folder)


def override(mapping: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping in which values at dotted key paths are set; tables on the way are made.

    Raises:
        RecipeError: a key on the way is no table.
    """
    values = dict(mapping)
    for key, value in given.items():
        *parents, last = key.split(".")
        table = values
        for step, part in enumerate(parents):
            inner = table.get(part, {})
            if not isinstance(inner, dict):
                raise RecipeError(f"{key}: {'.'.join(parents[: step + 1])} is not a table", key=key)
            table[part] = dict(inner)
            table = table[part]
        table[last] = value
    return values


def _explained(message: str, values: Mapping[str, Any], where: str) -> RecipeError:
    message = message.replace("$.variant[...]", f"$.variant.{_wrong_variant(values)}")
    if match := _UNKNOWN.fullmatch(message):
        key = _key(match["at"], match["field"])
        near = difflib.get_close_matches(match["field"], _known_keys(match["at"] or ""), n=1, cutoff=0.5)
        known = f"known: {', '.join(_known_keys(match['at'] or ''))}"
        hint = f"did you mean {_key(match['at'], near[0])!r}?" if near else known
        return RecipeError(f"{where}: unknown key {key!r}", key=key, hint=hint)
    if match := _MISSING.fullmatch(message):
        key = _key(match["at"], match["field"])
        return RecipeError(f"{where}: {key!r} is missing", key=key)
    other = _OTHER.fullmatch(message)
    what, at = (other["what"], other["at"] or "") if other else (message, "")
    place = at.lstrip(".")
    what = what[:1].lower() + what[1:]
    place_and_what = f"{place}: {what}" if place else what
    advice = _nearest_value(what, place, values)
    if place == "tune.vary[...]" and what.endswith("got `object`"):
        advice = "keys have quotes here: 'layers.level' = …"
    return RecipeError(f"{where}: {place_and_what}", key=place, hint=advice)


def _wrong_variant(values: Mapping[str, Any]) -> str:
    """Return the name of the first variant that is wrong: msgspec names no keys of a table."""
    for name, table in values.get("variant", {}).items():
        try:
            msgspec.convert(table, VariantSpec)
        except msgspec.ValidationError:
            return str(name)
    return "..."


def _key(at: str | None, field: str) -> str:
    return f"{at}.{field}".lstrip(".") if at else field


def _known_keys(at: str) -> list[str]:
    kind: Any = Recipe
    for part in filter(None, re.split(r"[.\[]", at.replace("]", ""))):
        found = next((field.type for field in msgspec.structs.fields(kind) if field.name == part), None)
        kind = kind if found is None else _struct_in(found)  # an index, or the name of a variant
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def _struct_in(kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind
    return next((found for found in map(_struct_in, getattr(kind, "__args__", ())) if found is not None), None)


def _nearest_value(what: str, key: str, values: Mapping[str, Any]) -> str | None:
    if not what.startswith("invalid enum value"):
        return None
    choices = _choices(key)
    value: Any = values
    for part in re.split(r"[.\[]", key.replace("]", "")):
        value = value[int(part)] if part.isdigit() else value[part] if isinstance(value, dict) else None
    near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"one of {', '.join(choices)}"


def _choices(key: str) -> list[str]:
    *parents, last = [part for part in re.split(r"[.\[]", key.replace("]", "")) if not part.isdigit()]
    kind: Any = Recipe
    for part in parents:
        kind = _struct_in(next(field.type for field in msgspec.structs.fields(kind) if field.name == part))
    info = msgspec.inspect.type_info(kind)
    field = next(field for field in info.fields if field.name == last)  # type: ignore[attr-defined]
    return _literals(field.type)


def _literals(info: Any) -> list[str]:
    if isinstance(info, msgspec.inspect.LiteralType):
        return [str(value) for value in info.values]
    if isinstance(info, msgspec.inspect.Metadata):
        return _literals(info.type)
    return [value for inner in getattr(info, "types", ()) for value in _literals(inner)]
