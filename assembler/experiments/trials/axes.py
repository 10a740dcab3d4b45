r"""Axes: the keys of a recipe that trials vary, and the values of each.

In: `--vary KEY=VALUES` and the recipe's `[tune] vary`. Out: `Axis`es, each key once.

    layers.compression=gzip,zstd             words, numbers and whatever TOML has, with commas between them
    layers.level=1..9                        a range, both ends included; 1..9..2 goes by steps of 2
    layers.level=-,1,12                      `-` is the recipe's own: as if the key were not varied
    image.author="-","a, b"                  quoted, a text is taken as it stands
    select.charsets=[],["ISO-8859-1"]        lists; a single list holds the values: [[], ["ISO-8859-1"]] is the same
    variant=-,musl                           which [variant.NAME]
    buildroot.libc=glibc,musl                the C library in buildroot.toolchain: x86-64-musl+cxx for x86-64-glibc+cxx

In a recipe a text is read as on the command line; a list holds the values themselves, and `"-"` for the recipe's own.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from assembler.base.errors import RecipeError, UsageError
from assembler.base.paths import show
from assembler.recipe.keys import check_value, known_keys, parse_value, type_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from assembler.recipe.types import TuneSpec

OWN: Final = None
"""The value that is the recipe's own; TOML has none that could be taken for it."""

VARIANT: Final = "variant"
"""The key whose values are names of variants."""

LIBC: Final = "buildroot.libc"
"""The key whose values take the place of the C library in `buildroot.toolchain`."""

LIBCS: Final = ("glibc", "musl", "uclibc")

MOST_VALUES: Final = 10**6
"""Values of one axis, and combinations that are all tried."""

_OWN: Final = "-"
_RANGE: Final = re.compile(r"(-?\d{1,18})\.\.(-?\d{1,18})(?:\.\.(\d{1,18}))?")
_UNVARIED: Final = {"variant": f"which variant is {VARIANT}=-,NAME", "tune": "[tune] says nothing of the image"}
_OPENING: Final = {"[": "]", "{": "}"}


class Axis(Struct, frozen=True):
    """A key of the recipe, and what it is to be: plain values of TOML, or `OWN`; none of them twice."""

    key: str
    values: tuple[Any, ...]


def parse_axis(text: str) -> Axis:
    """Read `KEY=VALUES`, as `--vary` takes it.

    Raises:
        UsageError: it is not of that form, there is no such key, or a value is none for it.
    """
    key, equals, values = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise UsageError(f"--vary {text!r}: not of the form key=values", hint="for example --vary layers.level=1..12")
    try:
        return _axis(key, _values_of_text(key, values))
    except RecipeError as error:
        raise UsageError(f"--vary {error.message}", hint=error.hint) from error


def axes_of(tune: TuneSpec, texts: Sequence[str]) -> tuple[Axis, ...]:
    """Return the axes of the command line, or where it has none those of the recipe.

    Raises:
        UsageError: `--vary` is wrong, or a key and all of its table are varied, or a key is given twice.
        RecipeError: the recipe's `tune.vary` is wrong.
    """
    given: dict[str, Axis] = {}
    for axis in map(parse_axis, texts):
        if axis.key in given:
            raise UsageError(f"--vary {axis.key}: given twice", hint=f"--vary {axis.key}=A,B has both values")
        given[axis.key] = axis
    axes = given or {key: _recipes_axis(key, values) for key, values in tune.vary.items()}
    _check_nested(list(axes))
    return tuple(axes.values())


def _recipes_axis(key: str, values: str | Sequence[Any]) -> Axis:
    try:
        if isinstance(values, str):
            return _axis(key, _values_of_text(key, values))
        return _axis(key, _values_of_list(key, values))
    except RecipeError as error:
        raise RecipeError(f"tune.vary: {error.message}", key=f"tune.vary.{key}", hint=error.hint) from error


def _axis(key: str, values: Iterable[Any]) -> Axis:
    axis = Axis(key, tuple(values))
    if not axis.values:
        raise RecipeError(f"{key}: no value is given", key=key)
    seen: list[Any] = [] if any(isinstance(value, list | dict) for value in axis.values) else [*set(axis.values)]
    if len(seen) == len(axis.values):
        return axis
    for number, value in enumerate(axis.values):
        if value in axis.values[:number]:
            shown = _OWN if value is OWN else value
            raise RecipeError(f"{key}: {shown!r} is given twice", key=key)
    return axis


def _check_key(key: str) -> None:
    """Refuse what is no key, or none that is worth varying."""
    if key in {VARIANT, LIBC}:
        return
    if (hint := _UNVARIED.get(key.partition(".")[0])) is not None:
        raise RecipeError(f"{key}: not a key that trials can vary", key=key, hint=hint)
    if type_at(key) is None or not key.isprintable():
        near = difflib.get_close_matches(key, [*known_keys(), LIBC], n=1, cutoff=0.5)
        raise RecipeError(
            f"{show(key)}: the recipe has no such key",
            key=key,
            hint=f"did you mean {near[0]!r}?" if near else "keys are those of `brasm schema`: layers.level",
        )


def _check_nested(keys: list[str]) -> None:
    for key in keys:
        if above := next((other for other in keys if key.startswith(f"{other}.")), None):
            raise UsageError(f"--vary {key}: all of {above} is varied too", hint="vary one of them")


def _values_of_text(key: str, text: str) -> Iterator[Any]:
    """Yield the values that a text has."""
    _check_key(key)
    pieces = list(_pieces(text))
    if len(pieces) == 1 and isinstance(listed := parse_value(key, pieces[0]), list):
        yield from _values_of_list(key, listed)
    elif pieces != [""]:
        for piece in pieces:
            if match := _RANGE.fullmatch(piece):
                yield from _range(key, piece, *match.groups())
            else:
                yield OWN if piece == _OWN else _checked(key, _value(key, piece))


def _values_of_list(key: str, values: Sequence[Any]) -> Iterator[Any]:
    _check_key(key)
    for value in values:
        yield OWN if value == _OWN else _checked(key, value)


def _value(key: str, piece: str) -> Any:
    if not piece:
        raise RecipeError(f"{key}: a value is missing", key=key, hint=f"{_OWN} is the recipe's own; '\"\"' no text")
    return parse_value(key, piece)


def _checked(key: str, value: Any) -> Any:
    """Check the type of a value; what it means to the rest of the recipe is not looked at."""
    _check_text(key, value)
    if key == LIBC:
        if value not in LIBCS:
            raise RecipeError(f"{key}: {value!r} is no C library", key=key, hint=f"known: {', '.join(LIBCS)}")
    elif key == VARIANT:
        if not isinstance(value, str):
            raise RecipeError(f"{key}: {value!r} is not the name of a variant", key=key)
    else:
        check_value(key, value)
    return value


def _check_text(key: str, value: Any) -> None:
    """Refuse text that JSON cannot have: bytes of the command line that are not UTF-8."""
    for text in (value, *value) if isinstance(value, list) else (value,):
        if isinstance(text, str) and not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise RecipeError(f"{key}: {text!r} is not UTF-8", key=key) from error


def _range(key: str, text: str, first: str, last: str, step: str | None) -> range:
    if key in {LIBC, VARIANT} or not _is_integer(key):
        raise RecipeError(f"{key}: {text}: a range is for numbers", key=key, hint=f"as text it is '\"{text}\"'")
    found = range(int(first), int(last) + 1, int(step or 1) or MOST_VALUES)
    if not found or (step is not None and int(step) == 0):
        raise RecipeError(f"{key}: {text}: the range is empty", key=key, hint="FIRST..LAST, or FIRST..LAST..STEP")
    check_value(key, found[0])
    check_value(key, found[-1])
    if len(found) > MOST_VALUES:
        raise RecipeError(f"{key}: {text}: more than {MOST_VALUES:,} values", key=key, hint="FIRST..LAST..STEP")
    return found


def _is_integer(key: str) -> bool:
    import msgspec  # half of all axes have no range

    return isinstance(type_at(key), msgspec.inspect.IntType)


def _pieces(text: str) -> Iterator[str]:
    """Cut a text at the commas that are in no quotes or brackets; what does not close runs to the end."""
    closing: list[str] = []
    begin = position = 0
    while position < len(text):
        character = text[position]
        if character in "\"'":
            position = _end_of_quote(text, position)
        elif character in _OPENING:
            closing.append(_OPENING[character])
        elif closing and character == closing[-1]:
            closing.pop()
        elif character == "," and not closing:
            yield text[begin:position].strip()
            begin = position + 1
        position += 1
    yield text[begin:].strip()


def _end_of_quote(text: str, begin: int) -> int:
    r"""Return where a quote closes (TOML v1.0, "String": only in \"…\" a backslash escapes); else the text's end."""
    position = begin + 1
    while position < len(text) and text[position] != text[begin]:
        position += 2 if text[position] == "\\" and text[begin] == '"' else 1
    return position
