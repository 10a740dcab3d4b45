"""The keys of a recipe as the command line has them: dotted paths, and their values as text.

In: `layers.level=9`. Out: `("layers.level", 9)`; and back. Values are TOML, or bare text where that is none.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from functools import lru_cache
from types import UnionType
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from assembler.base.errors import RecipeError
from assembler.recipe.types import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator


def parse_override(text: str) -> tuple[str, Any]:
    """Read `key.path=value`.

    Raises:
        RecipeError: it is not of that form.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {text!r}: not of the form key=value", hint="for example --set layers.level=12")
    return key.strip(), parse_value(key.strip(), value)


def parse_value(key: str, text: str) -> Any:
    """Read a value as TOML, but as text what is none, or stands where only text can: `image.kernel=4.4`."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # ValueError: numbers of thousands of digits too
        return text
    return value if isinstance(value, str | list | dict) or not _takes_text(type_at(key)) else text


def format_override(key: str, value: Any) -> str:
    """Write what `parse_override` reads as the same key and value, in one line and as short as can be."""
    bare = isinstance(value, str) and value == value.strip() and "\n" not in value
    if bare and parse_value(key, value) == value:
        return f"{key}={value}"
    return f"{key}={_toml(value)}"


def type_at(key: str) -> Any:
    """Return msgspec's type of a dotted key, without None; None where the recipe has no such key."""
    info: Any = _recipe_type()
    for part in key.split("."):
        match info:
            case msgspec.inspect.StructType():
                info = next((_bare(field.type) for field in info.fields if field.encode_name == part), None)
            case msgspec.inspect.DictType():
                info = _bare(info.value_type)
            case _:
                return None
    return info


@lru_cache(maxsize=1)
def _recipe_type() -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(Recipe)


def check_value(key: str, value: Any) -> None:
    """Check the type of a value for a dotted key that there is; whether it fits the others is not looked at.

    Raises:
        RecipeError: it is of another type, or beyond the bounds of this one.
    """
    kind: Any = Recipe
    for part in key.split("."):
        found = next((field.type for field in _fields(kind) if field.encode_name == part), None)
        kind = _values_of(kind) if found is None else found
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        what, _, _ = str(error).partition(" - at ")
        choices = [choice for choice in _choices(type_at(key)) if what.startswith("Invalid enum value")]
        raise RecipeError(f"{key}: {what[:1].lower()}{what[1:]}", key=key, hint=_near(str(value), choices)) from error


def known_keys() -> list[str]:
    """Return the dotted keys of all that is no table itself, but for what stands in lists and in tables of any keys."""
    return list(_keys_below(Recipe, ""))


def _keys_below(kind: type[Struct], above: str) -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        inner = _struct_in(field.type)
        if inner is None:
            yield above + field.encode_name
        else:
            yield from _keys_below(inner, f"{above}{field.encode_name}.")


def _struct_in(kind: Any) -> type[Struct] | None:
    """Return the struct that a type is, if need be besides None; none for lists and tables of them."""
    if isinstance(kind, type):
        return kind if issubclass(kind, Struct) else None
    if hasattr(kind, "__metadata__"):
        return _struct_in(kind.__origin__)
    options = kind.__args__ if isinstance(kind, UnionType) else ()
    return next((found for found in map(_struct_in, options) if found is not None), None)


def _fields(kind: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    struct = _struct_in(kind)
    return () if struct is None else msgspec.structs.fields(struct)


def _values_of(kind: Any) -> Any:
    """Return the type of the values of a table of any keys."""
    inner: list[Any] = [*getattr(kind, "__args__", ())]
    return _values_of(inner[0]) if len(inner) == 1 else inner[-1]


def _bare(info: Any) -> Any:
    """Return a type without its description, and without None."""
    if isinstance(info, msgspec.inspect.Metadata):
        return _bare(info.type)
    if isinstance(info, msgspec.inspect.UnionType):
        rest = [one for one in info.types if not isinstance(one, msgspec.inspect.NoneType)]
        return _bare(rest[0]) if len(rest) == 1 else info
    return info


def _takes_text(info: Any) -> bool:
    return isinstance(info, msgspec.inspect.StrType | msgspec.inspect.LiteralType)


def _choices(info: Any) -> list[str]:
    return [str(value) for value in info.values] if isinstance(info, msgspec.inspect.LiteralType) else []


def _near(text: str, choices: list[str]) -> str | None:
    near = difflib.get_close_matches(text, choices, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"one of {', '.join(choices)}" if choices else None


def _toml(value: Any) -> str:
    """Write a value as TOML in one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            # JSON's strings are TOML's, but for DEL, which TOML wants escaped too.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case dict():
            return f"{{{', '.join(f'{_toml(key)} = {_toml(inner)}' for key, inner in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            return str(value)
