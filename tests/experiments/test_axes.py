"""Axes: what the command line and `[tune]` say is varied."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.base.errors import RecipeError, UsageError
from assembler.experiments.trials.axes import OWN, Axis, axes_of, parse_axis
from assembler.recipe import recipe_from_mapping
from assembler.recipe.keys import format_override
from assembler.recipe.types import TuneSpec


def tune(**values: Any) -> TuneSpec:
    return recipe_from_mapping({"name": "x", "source": {"directory": "/"}, "tune": values}, "/").recipe.tune


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("layers.compression=gzip,zstd", "layers.compression", ("gzip", "zstd")),
        (" layers.compression = gzip , zstd ", "layers.compression", ("gzip", "zstd")),
        ("layers.level=9", "layers.level", (9,)),
        ("layers.level=1..4", "layers.level", (1, 2, 3, 4)),
        ("layers.level=1..9..3", "layers.level", (1, 4, 7)),
        ("layers.level=1..8..3", "layers.level", (1, 4, 7)),
        ("layers.level=5..5", "layers.level", (5,)),
        ("layers.level=-,1..3,12", "layers.level", (OWN, 1, 2, 3, 12)),
        ("layers.level=[1, 2]", "layers.level", (1, 2)),
        ('layers.level=["-", 1]', "layers.level", (OWN, 1)),
        ("layers.hardlinks=true,false", "layers.hardlinks", (True, False)),
        ("image.kernel=4.4,5.10", "image.kernel", ("4.4", "5.10")),
        ('image.author="-",-,"a, b",\'c"d\'', "image.author", ("-", OWN, "a, b", 'c"d')),
        ('image.author="1..3","a\\", b"', "image.author", ("1..3", 'a", b')),
        ('image.author=""', "image.author", ("",)),
        ("select.charsets=[],['ISO-8859-1']", "select.charsets", ([], ["ISO-8859-1"])),
        ("select.charsets=[[], ['ISO-8859-1', 'UTF-16']]", "select.charsets", ([], ["ISO-8859-1", "UTF-16"])),
        ("select.drop=-,['/a{b,c}', '/d[e,]']", "select.drop", (OWN, ["/a{b,c}", "/d[e,]"])),
        (
            "layers={level = 1},{level = 2, split = 'package'}",
            "layers",
            ({"level": 1}, {"level": 2, "split": "package"}),
        ),
        ("select.rules.qt=true,false", "select.rules.qt", (True, False)),
        ("image.env.LANG=C,C.UTF-8", "image.env.LANG", ("C", "C.UTF-8")),
        ("image.healthcheck.retries=0..2", "image.healthcheck.retries", (0, 1, 2)),
        ("source.directory=/a,/b", "source.directory", ("/a", "/b")),
        ("variant=-,musl", "variant", (OWN, "musl")),
        ("buildroot.libc=glibc,musl,uclibc", "buildroot.libc", ("glibc", "musl", "uclibc")),
    ],
)
def test_an_axis_as_the_command_line_has_it(text: str, key: str, values: tuple[Any, ...]) -> None:
    assert parse_axis(text) == Axis(key, values)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("layers.level", "--vary 'layers.level': not of the form key=values", "for example --vary layers.level=1..12"),
        ("=1", "--vary '=1': not of the form", "for example"),
        ("layers.levle=1", "--vary layers.levle: the recipe has no such key", "did you mean 'layers.level'?"),
        ("image.env.a\nb=1", "--vary image.env.a\\x0ab: the recipe has no such key", None),
        ("zzz=1", "--vary zzz: the recipe has no such key", "brasm schema"),
        ("buildroot.lib=musl", "--vary buildroot.lib: the recipe has no such key", "did you mean 'buildroot.libc'?"),
        ("test[0].run=a", "--vary test[0].run: the recipe has no such key", None),
        ("variant.musl.toolchain=x", "--vary variant.musl.toolchain: not a key that trials can vary", "variant=-,NAME"),
        ("tune.seed=1,2", "--vary tune.seed: not a key that trials can vary", "[tune] says nothing"),
        ("layers.level=", "--vary layers.level: no value is given", None),
        ("layers.level=[]", "--vary layers.level: no value is given", None),
        ("layers.level=1,,2", "--vary layers.level: a value is missing", "'\"\"' no text"),
        ("layers.level=1,2,1", "--vary layers.level: 1 is given twice", None),
        ("layers.level=1..5,3", "--vary layers.level: 3 is given twice", None),
        ("layers.level=-,-", "--vary layers.level: '-' is given twice", None),
        ("select.charsets=[],[]", "--vary select.charsets: [] is given twice", None),
        ("layers.level=9..1", "--vary layers.level: 9..1: the range is empty", "FIRST..LAST"),
        ("layers.level=1..9..0", "--vary layers.level: 1..9..0: the range is empty", "FIRST..LAST..STEP"),
        ("layers.level=0..9", "--vary layers.level: expected `int` >= 1", None),
        ("layers.level=1..999999999999", "--vary layers.level: expected `int` <= 22", None),
        ("buildroot.jobs=1..1000001", "--vary buildroot.jobs: 1..1000001: more than 1,000,000 values", "..STEP"),
        ("layers.level=x", "--vary layers.level: expected `int", None),
        (f"layers.level={'9' * 5000}", "--vary layers.level: expected `int", None),
        ("layers.compression=gzpi", "--vary layers.compression: invalid enum value 'gzpi'", "did you mean 'gzip'?"),
        ("layers.compression=bz2", "--vary layers.compression: invalid enum value 'bz2'", "one of gzip, none, zstd"),
        ("image.kernel=1..3", "--vary image.kernel: 1..3: a range is for numbers", "as text it is '\"1..3\"'"),
        ("variant=1..3", "--vary variant: 1..3: a range is for numbers", None),
        ("variant=1", "--vary variant: 1 is not the name of a variant", None),
        ("select.charsets=UTF-8", "--vary select.charsets: expected `array`, got `str`", None),
        ("select.charsets=['UTF-8']", "--vary select.charsets: expected `array`, got `str`", None),
        ("buildroot.libc=dietlibc", "--vary buildroot.libc: 'dietlibc' is no C library", "known: glibc, musl, uclibc"),
        ("image.author=a\udcff", "--vary image.author: 'a\\udcff' is not UTF-8", None),
        ("select.keep=['/\udcff']", "is not UTF-8", None),
    ],
)
def test_bad_axes(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as error:
        parse_axis(text)
    assert message in error.value.message
    assert "\n" not in error.value.message
    assert (hint or "") in (error.value.hint or "")


def test_the_recipes_axes() -> None:
    found = axes_of(
        tune(vary={"layers.level": "-,1..3", "layers.compression": ["gzip", "zstd"], "select.charsets": [[], ["A"]]}),
        (),
    )
    assert found == (
        Axis("layers.level", (OWN, 1, 2, 3)),
        Axis("layers.compression", ("gzip", "zstd")),
        Axis("select.charsets", ([], ["A"])),
    )


def test_what_the_command_line_varies_is_varied_alone() -> None:
    found = axes_of(
        tune(vary={"layers.level": "1..3", "layers.compression": ["gzip"]}), ("layers.split=single", "layers.level=9")
    )
    assert found == (Axis("layers.split", ("single",)), Axis("layers.level", (9,)))


@pytest.mark.parametrize(
    ("vary", "message", "key"),
    [
        ({"layers.levle": "1"}, "tune.vary: layers.levle: the recipe has no such key", "tune.vary.layers.levle"),
        ({"layers.levle": [1]}, "tune.vary: layers.levle: the recipe has no such key", "tune.vary.layers.levle"),
        ({"layers.level": "9..1"}, "tune.vary: layers.level: 9..1: the range is empty", "tune.vary.layers.level"),
        ({"layers.level": ["1..3"]}, "tune.vary: layers.level: expected `int | null`, got", "tune.vary.layers.level"),
        ({"layers.level": [1, 1]}, "tune.vary: layers.level: 1 is given twice", "tune.vary.layers.level"),
        ({"variant": [1]}, "tune.vary: variant: 1 is not the name of a variant", "tune.vary.variant"),
    ],
)
def test_bad_axes_of_a_recipe(vary: dict[str, Any], message: str, key: str) -> None:
    with pytest.raises(RecipeError) as error:
        axes_of(tune(vary=vary), ())
    assert message in error.value.message
    assert error.value.key == key


def test_a_key_is_varied_once() -> None:
    with pytest.raises(UsageError, match=r"--vary layers\.level: given twice") as error:
        axes_of(TuneSpec(), ("layers.level=1", "layers.level=2"))
    assert error.value.hint == "--vary layers.level=A,B has both values"


def test_a_table_and_a_key_of_it_are_not_both_varied() -> None:
    with pytest.raises(UsageError, match=r"--vary layers\.level: all of layers is varied too"):
        axes_of(TuneSpec(), ("layers={level=3}", "layers.level=1,2"))


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.lists(_texts, min_size=1, max_size=4, unique=True))
def test_any_text_can_be_quoted(values: list[str]) -> None:
    quoted = [
        format_override("image.author", [value]).partition("=")[2].removeprefix("[").removesuffix("]")
        for value in values
    ]
    assert parse_axis(f"image.author={','.join(quoted)}") == Axis("image.author", tuple(values))


@given(st.sampled_from(["layers.level", "image.author", "select.drop", "variant", "layers"]), _texts)
def test_any_text_is_an_axis_or_refused(key: str, text: str) -> None:
    try:
        axis = parse_axis(f"{key}={text}")
    except UsageError:
        return
    assert axis.values
