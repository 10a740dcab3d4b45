"""Keys of recipes as the command line writes them: read, written, and read again."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.base.errors import RecipeError
from assembler.recipe.keys import check_value, format_override, known_keys, parse_override, type_at


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("layers.level=9", "layers.level", 9),
        (" layers.level = 9", "layers.level", 9),
        ("layers.compression=zstd", "layers.compression", "zstd"),
        ("image.kernel=4.4", "image.kernel", "4.4"),
        ("image.kernel='4.4'", "image.kernel", "4.4"),
        ("version=1", "version", "1"),
        ("image.author=a # b", "image.author", "a # b"),
        ("ldconfig=true", "ldconfig", True),
        ("zzz=1", "zzz", 1),
        (f"layers.level={'9' * 5000}", "layers.level", "9" * 5000),
        (f"select.keep={'[' * 5000}", "select.keep", "[" * 5000),
    ],
)
def test_reading(text: str, key: str, value: Any) -> None:
    assert parse_override(text) == (key, value)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("layers.level", 9, "layers.level=9"),
        ("layers.hardlinks", False, "layers.hardlinks=false"),
        ("image.kernel", "4.4", "image.kernel=4.4"),
        ("image.author", "a # b", "image.author=a # b"),
        ("image.author", "", "image.author="),
        ("image.author", " a", 'image.author=" a"'),
        ("image.author", "[1]", 'image.author="[1]"'),
        ("image.author", 'a\n"\x7f', 'image.author="a\\n\\"\\u007f"'),
        ("select.keep", ["/a", "/b'"], 'select.keep=["/a", "/b\'"]'),
        ("select.rules", {"a b": True}, 'select.rules={"a b" = true}'),
    ],
)
def test_writing(key: str, value: Any, text: str) -> None:
    assert format_override(key, value) == text
    assert parse_override(text) == (key, value)


_plain = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**63), 2**63 - 1) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(_plain)
def test_what_is_written_is_read_again(value: Any) -> None:
    text = format_override("select.keep", value)
    assert "\n" not in text
    assert parse_override(text) == ("select.keep", value)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_where_text_can_stand(value: str) -> None:
    assert parse_override(format_override("image.author", value)) == ("image.author", value)


@pytest.mark.parametrize(
    ("key", "value", "message", "hint"),
    [
        ("layers.level", 99, "layers.level: expected `int` <= 22", None),
        ("layers.level", 2**70, "layers.level: expected `int` <= 22", None),
        ("layers.split", "packages", "layers.split: invalid enum value 'packages'", "did you mean 'package'?"),
        ("image.env.HOME", 3, "image.env.HOME: expected `str`, got `int`", None),
        ("image.healthcheck.retries", -1, "image.healthcheck.retries: expected `int` >= 0", None),
        ("image.healthcheck.test", [], "image.healthcheck.test: expected `array` of length >= 1", None),
        ("layers", {"levle": 1}, "layers: object contains unknown field `levle`", None),
    ],
)
def test_values_that_a_key_cannot_have(key: str, value: Any, message: str, hint: str | None) -> None:
    with pytest.raises(RecipeError) as error:
        check_value(key, value)
    assert (error.value.message, error.value.hint, error.value.key) == (message, hint, key)


@pytest.mark.parametrize(
    ("key", "value"),
    [("layers.level", 9), ("select.rules.qt", True), ("image.healthcheck.retries", 3), ("variant.x.set.y", [""])],
)
def test_values_that_a_key_can_have(key: str, value: Any) -> None:
    check_value(key, value)


def test_known_keys_are_keys() -> None:
    keys = known_keys()
    assert {"name", "layers.level", "image.healthcheck.retries", "tune.vary", "test", "files"} <= set(keys)
    assert all(type_at(key) is not None for key in keys)
    assert not {"layers", "image.healthcheck"} & set(keys)


@pytest.mark.parametrize("text", ["layers.level", "=9", " =9", ""])
def test_what_is_no_override(text: str) -> None:
    with pytest.raises(RecipeError, match="not of the form key=value"):
        parse_override(text)


def test_written_values_are_toml() -> None:
    text = format_override("x", {"a": [1, {"b": "c\td"}], "": True})
    assert tomllib.loads(text) == {"x": {"a": [1, {"b": "c\td"}], "": True}}
