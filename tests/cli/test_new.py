"""`brasm new`: a recipe that loads, follows the schema, and has packages that can be had."""

from __future__ import annotations

import json
import platform
import tomllib
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from assembler.base.dotconfig import parse_config
from assembler.base.errors import BrasmError, DestinationError, RecipeError, UsageError
from assembler.buildroot.checkout import LTS_COMMIT, LTS_VERSION
from assembler.buildroot.compose import compose_recipe
from assembler.cli import app
from assembler.recipe import load_recipe
from assembler.recipe.schema import recipe_schema
from tests.buildroot.kconfig_trees import REAL, needs_real, small_tree

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.recipe.types import LoadedRecipe


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("BRASM_BUILDROOT", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tree(tmp_path: Path) -> str:
    return small_tree(tmp_path / "buildroot")


def new(*arguments: str) -> Result:
    result = CliRunner().invoke(app.brasm, ["new", *arguments])
    assert result.exception is None or isinstance(result.exception, BrasmError), result.exception
    return result


def made(folder: Path) -> tuple[LoadedRecipe, dict[str, str]]:
    """Return a recipe that follows the schema, and its defconfig."""
    with (folder / "recipe.toml").open("rb") as file:
        jsonschema.validate(tomllib.load(file), json.loads(recipe_schema()))
    assert sorted(one.name for one in folder.iterdir()) == ["defconfig", "recipe.toml"]
    loaded = load_recipe(str(folder / "recipe.toml"))
    compose_recipe(loaded)
    return loaded, parse_config((folder / "defconfig").read_text(), "defconfig")


def test_a_recipe_without_packages(here: Path) -> None:
    result = new("mine")
    assert (result.stdout, result.stderr) == ("mine\n", "next: brasm build mine\n")
    loaded, symbols = made(here / "mine")
    assert (loaded.recipe.buildroot.version, loaded.recipe.buildroot.commit) == (LTS_VERSION, LTS_COMMIT)
    assert loaded.recipe.buildroot.toolchain == "x86-64-glibc"
    assert (loaded.recipe.image.entrypoint, symbols) == ((), {})


def test_the_commented_lines_are_a_recipe_too(here: Path) -> None:
    new("mine")
    text = (here / "mine" / "recipe.toml").read_text()
    lines = [line.removeprefix("# ") if " = " in line or line.startswith("# [") else line for line in text.splitlines()]
    (here / "mine" / "recipe.toml").write_text("\n".join(lines))
    (here / "mine" / "external").mkdir()
    for name in ("external.desc", "external.mk", "Config.in"):
        (here / "mine" / "external" / name).write_text("name: X\n")
    recipe = load_recipe(str(here / "mine" / "recipe.toml")).recipe
    assert recipe.files[0].owner == "1000:1000"
    assert recipe.test[0].stdout == r"\d+\.\d+"
    assert recipe.budget.compressed == "5 MB"


def test_packages_are_checked_and_bring_what_they_need(here: Path, tree: str) -> None:
    result = new("web", "-p", "nginx", "--package", "nginx-upload", "-p", "libressl", "--buildroot", tree)
    loaded, symbols = made(here / "web")
    assert symbols == dict.fromkeys(
        [f"BR2_PACKAGE_{one}" for one in ("NGINX", "NGINX_UPLOAD", "OPENSSL", "LIBRESSL")], "y"
    )
    assert (loaded.recipe.version, loaded.recipe.description) == ("1.26.3", "nginx is an HTTP and reverse proxy server")
    assert (loaded.recipe.image.entrypoint, loaded.recipe.image.cmd) == (("/usr/sbin/nginx",), ("-g", "daemon off;"))
    assert result.stderr == "next: brasm build web\n"


def test_the_toolchain_gets_the_options_that_packages_need(here: Path, tree: str) -> None:
    result = new("server", "-p", "taskd", "-p", "docker-engine", "--buildroot", tree)
    loaded, _ = made(here / "server")
    assert loaded.recipe.buildroot.toolchain == "x86-64-glibc+cxx+headers-6.1"
    assert "note: toolchain x86-64-glibc+cxx+headers-6.1: x86-64-glibc with what the packages need" in result.stderr


def test_a_toolchain_that_the_user_chose_is_not_changed(here: Path, tree: str) -> None:
    error = new("t", "-p", "taskd", "--toolchain", "x86-64-musl", "--buildroot", tree).exception
    assert isinstance(error, RecipeError)
    assert error.hint == 'buildroot.toolchain = "x86-64-musl+cxx"'
    assert not (here / "t").exists()
    new("t", "-p", "taskd", "--toolchain", "x86-64-musl+cxx", "--buildroot", tree)
    assert made(here / "t")[0].recipe.buildroot.toolchain == "x86-64-musl+cxx"


def test_what_the_toolchain_cannot_have_is_refused(here: Path, tree: str) -> None:
    error = new("s", "-p", "lapack", "--buildroot", tree).exception
    assert isinstance(error, RecipeError)
    assert error.message.startswith("BR2_PACKAGE_LAPACK: needs BR2_TOOLCHAIN_HAS_FORTRAN")
    assert not (here / "s").exists()


def test_a_release_in_the_cache_is_looked_at(here: Path) -> None:
    small_tree(here / "cache" / "brasm" / "buildroot" / LTS_VERSION)
    error = new("web", "-p", "ngnix").exception
    assert isinstance(error, RecipeError)
    assert error.hint == "did you mean nginx?"


def test_without_a_tree_packages_are_not_checked(here: Path) -> None:
    result = new("web", "-p", "nginx", "-p", "BR2_PACKAGE_ANY")
    assert "note: the packages were not checked" in result.stderr
    loaded, symbols = made(here / "web")
    assert symbols == {"BR2_PACKAGE_NGINX": "y", "BR2_PACKAGE_ANY": "y"}
    assert loaded.recipe.image.entrypoint == ("/usr/sbin/nginx",)


def test_a_given_tree_says_which_release_is_pinned(here: Path) -> None:
    other = small_tree(here / "other", {"Makefile": "export BR2_VERSION := 2024.11.1\n"})
    new("a", "--buildroot", other)
    spec = made(here / "a")[0].recipe.buildroot
    assert (spec.version, spec.commit) == ("2024.11.1", None)
    new("b", "--buildroot", small_tree(here / "next", {"Makefile": "export BR2_VERSION := 2025.05-git\n"}))
    assert made(here / "b")[0].recipe.buildroot.version is None


def test_a_name_of_several_parts(here: Path) -> None:
    assert new("registry/team/app", "--directory", ".").stdout == "app\n"
    loaded, _ = made(here / "app")
    assert loaded.recipe.name == "registry/team/app"


@pytest.mark.parametrize(
    ("machine", "toolchain"),
    [("x86_64", "x86-64-glibc"), ("aarch64", "aarch64-glibc"), ("s390x", "x86-64-glibc")],
)
def test_the_toolchain_is_for_this_machine(
    here: Path, monkeypatch: pytest.MonkeyPatch, machine: str, toolchain: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    new("mine")
    assert made(here / "mine")[0].recipe.buildroot.toolchain == toolchain


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["Mine"], RecipeError, "command line: name:"),
        ([".."], RecipeError, "command line: name:"),
        (["mine", "--toolchain", "x86-64-gnu"], RecipeError, "no toolchain is called 'x86-64-gnu'"),
        (["mine", "--toolchain", "x86-64-glibc+cpp"], RecipeError, "no toolchain option is called 'cpp'"),
        (["mine", "--buildroot", "nowhere"], UsageError, "nowhere: not a Buildroot tree"),
        (["mine", "--directory", "nowhere"], DestinationError, "nowhere/mine: cannot be written"),
        (["there"], UsageError, "there: is there already"),
    ],
)
def test_refusals(here: Path, arguments: list[str], kind: type[Any], message: str) -> None:
    (here / "there").mkdir()
    error = new(*arguments).exception
    assert isinstance(error, kind)
    assert message in error.message
    assert sorted(one.name for one in here.iterdir()) == ["there"]


@needs_real
def test_a_real_tree(here: Path) -> None:
    new("taskd", "-p", "taskd", "--buildroot", REAL)
    loaded, symbols = made(here / "taskd")
    assert loaded.recipe.buildroot.toolchain == "x86-64-glibc+cxx"
    assert (loaded.recipe.version, symbols) == ("1.1.0", {"BR2_PACKAGE_TASKD": "y"})
