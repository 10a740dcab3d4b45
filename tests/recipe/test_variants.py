"""Variants: another toolchain and fragment laid over the recipe, before the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assembler.base.errors import RecipeError
from assembler.recipe import load_recipe

if TYPE_CHECKING:
    from pathlib import Path

_RECIPE = """
name = "app"
version = "1.0"

[source]
buildroot = "defconfig"

[buildroot]
toolchain = "x86-64-glibc"
options = ["size"]
fragments = ["more.config"]

[budget]
compressed = "5 MB"

[variant.musl]
toolchain = "x86-64-musl+cxx"

[variant.static]
toolchain = "x86-64-musl"
options = []
defconfig = "static.config"
set = { "budget.compressed" = "1 MB", "select.keep" = ["/etc/x"] }

[variant.tagged]
set = { version = "2" }
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "recipe.toml").write_text(_RECIPE)
    return str(tmp_path / "recipe.toml")


def test_without_a_variant_the_recipe_is_as_it_stands(path: str) -> None:
    loaded = load_recipe(path)
    assert (loaded.variant, loaded.recipe.version, loaded.recipe.buildroot.toolchain) == (None, "1.0", "x86-64-glibc")


def test_a_variant_has_its_own_toolchain_and_tag(path: str) -> None:
    loaded = load_recipe(path, variant="musl")
    spec = loaded.recipe.buildroot
    assert (loaded.variant, loaded.recipe.version, spec.toolchain) == ("musl", "1.0-musl", "x86-64-musl+cxx")
    assert (spec.options, spec.fragments) == (("size",), ("more.config",))


def test_a_variant_adds_its_fragment_and_sets_other_keys(path: str) -> None:
    recipe = load_recipe(path, variant="static").recipe
    assert recipe.buildroot.fragments == ("more.config", "static.config")
    assert recipe.buildroot.options == ()
    assert (recipe.budget.compressed, recipe.select.keep) == ("1 MB", ("/etc/x",))


def test_a_variant_may_say_its_tag_itself(path: str) -> None:
    assert load_recipe(path, variant="tagged").recipe.version == "2"


def test_the_command_line_comes_after_the_variant(path: str) -> None:
    recipe = load_recipe(path, ["budget.compressed=2 MB"], variant="static").recipe
    assert recipe.budget.compressed == "2 MB"


@pytest.mark.parametrize(
    ("variant", "hint"), [("statik", "did you mean 'static'?"), ("zzz", "it has: musl, static, tagged")]
)
def test_an_unknown_variant(path: str, variant: str, hint: str) -> None:
    with pytest.raises(RecipeError, match=f"no variant is called '{variant}'") as error:
        load_recipe(path, variant=variant)
    assert error.value.hint == hint


def test_a_recipe_without_variants(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('name = "app"\nsource = { directory = "/" }\n')
    with pytest.raises(RecipeError, match="no variant") as error:
        load_recipe(str(tmp_path / "recipe.toml"), variant="musl")
    assert error.value.hint == "it has none: add [variant.NAME]"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("[variant.'a b']\n", "'a b' cannot be part of a tag"),
        ("[variant.x]\ntoolchian = 'y'\n", "unknown key 'variant.x.toolchian'"),
        ("[variant.x.set]\n'budget.zzz' = 1\n", "unknown key 'budget.zzz'"),
    ],
)
def test_bad_variants(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f'name = "app"\nsource = {{ directory = "/" }}\n{lines}')
    with pytest.raises(RecipeError) as error:
        load_recipe(str(path), variant="x" if "variant.x" in lines else None)
    assert message in error.value.message


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("commit = '0123456789012345678901234567890123456789'", "Give buildroot.version"),
        ("commit = '0123'\nversion = '2025.02'", "buildroot.commit: expected `str` matching regex"),
        ("version = 'newest'", "buildroot.version: expected `str` matching regex"),
        ("internal_toolchain = true", "there is no buildroot.toolchain to build"),
        ("toolchain = 'x86 64'", "is not of the form FRAGMENT+OPTION+OPTION"),
        ("jobs = 0", "buildroot.jobs: expected `int` >= 1"),
    ],
)
def test_bad_buildroot_tables(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f'name = "app"\nsource = {{ buildroot = "defconfig" }}\n[buildroot]\n{lines}\n')
    with pytest.raises(RecipeError) as error:
        load_recipe(str(path))
    assert message in error.value.message
