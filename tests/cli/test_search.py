"""`brasm search`: packages of a tree, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from assembler.base.errors import NegativeAnswer, RecipeError, UsageError
from assembler.buildroot.checkout import LTS_VERSION
from assembler.cli import app
from tests.buildroot.kconfig_trees import REAL, needs_real, small_tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("BRASM_BUILDROOT", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache" / "brasm"


@pytest.fixture
def tree(tmp_path: Path) -> str:
    return small_tree(tmp_path / "buildroot")


def search(*arguments: str) -> Result:
    result = CliRunner().invoke(app.brasm, ["search", *arguments])
    assert result.exception is None or isinstance(result.exception, NegativeAnswer | UsageError | RecipeError)
    return result


def test_a_package_with_all_that_one_needs_to_know(tree: str) -> None:
    assert search("taskd", "-q", "-n", "1", "--buildroot", tree).stdout.splitlines() == [
        f"{'taskd 1.1.0':<40} BR2_PACKAGE_TASKD",
        "  Target packages \u203a Networking applications",
        "  needs shared libraries, wchar, MMU, C++",
        "  Task management synchronization daemon.",
    ]


def test_a_prompt_that_is_not_the_name_ends_the_menu(tree: str) -> None:
    assert "  Target packages \u203a BusyBox" in search("busybox", "--buildroot", tree).stdout.splitlines()


def test_the_best_come_first_and_the_rest_is_counted(tree: str) -> None:
    result = search("nginx", "--buildroot", tree, "--limit", "1")
    assert result.stdout.startswith("nginx 1.26.3")
    assert "nginx-upload" not in result.stdout
    assert result.stderr == "note: 1 more match: --limit 2\n"
    assert search("nginx", "--buildroot", tree, "--limit", "1", "-q").stderr == ""


def test_json(tree: str) -> None:
    row = json.loads(search("taskd", "--buildroot", tree, "--json").stdout)[0]
    assert row == {
        "name": "taskd",
        "symbol": "BR2_PACKAGE_TASKD",
        "prompt": "taskd",
        "menu": ["Target packages", "Networking applications"],
        "needs": ["!BR2_STATIC_LIBS", "BR2_USE_WCHAR", "BR2_USE_MMU", "BR2_INSTALL_LIBSTDCPP"],
        "needs_in_words": ["shared libraries", "wchar", "MMU", "C++"],
        "help": "Task management synchronization daemon.\n\nhttp://taskwarrior.org/",
        "version": "1.1.0",
        "host": False,
        "folder": "package/taskd",
    }


def test_nothing_found_is_a_negative_answer(tree: str) -> None:
    result = search("taskd", "mail", "--buildroot", tree)
    assert isinstance(result.exception, NegativeAnswer)
    assert result.exception.message == "no package has 'taskd' and 'mail'"
    assert (result.stdout, json.loads(search("mail", "--buildroot", tree, "--json").stdout)) == ("", [])


def test_programs_of_the_machine(tree: str) -> None:
    assert isinstance(search("jq", "--buildroot", tree).exception, NegativeAnswer)
    assert search("jq", "--host", "--buildroot", tree).stdout.startswith("host-jq 1.7 ")


def test_the_newest_release_of_the_cache_is_searched(cache: Path) -> None:
    result = search("taskd")
    assert isinstance(result.exception, UsageError)
    assert result.exception.hint is not None
    assert "--buildroot DIR" in result.exception.hint
    small_tree(cache / "buildroot" / "2024.02", {"Makefile": "export BR2_VERSION := 2024.02\n"})
    small_tree(cache / "buildroot" / LTS_VERSION, {"package/taskd/taskd.mk": "TASKD_VERSION = 9\n"})
    assert search("taskd").stdout.startswith("taskd 9 ")


def test_a_recipe_says_which_release_and_which_external_trees(cache: Path, tmp_path: Path) -> None:
    small_tree(cache / "buildroot" / "2024.02", {"Makefile": "export BR2_VERSION := 2024.02\n"})
    (tmp_path / "external" / "package" / "ours").mkdir(parents=True)
    (tmp_path / "external" / "external.desc").write_text("name: OURS\n")
    (tmp_path / "external" / "external.mk").write_text("")
    (tmp_path / "external" / "Config.in").write_text('config BR2_PACKAGE_OURS\n\tbool "ours"\n')
    (tmp_path / "external" / "package" / "ours" / "ours.mk").write_text("OURS_VERSION = 1\n")
    (tmp_path / "recipe.toml").write_text(
        'name = "x"\n[source]\nbuildroot = "defconfig"\n[buildroot]\nversion = "2024.02"\nexternal = ["external"]\n'
    )
    (row,) = json.loads(search("ours", "--recipe", "recipe.toml", "--json").stdout)
    assert (row["menu"][0], row["folder"]) == ("External options", str(tmp_path / "external" / "package" / "ours"))


def test_a_folder_that_is_no_tree(tmp_path: Path) -> None:
    assert isinstance(search("x", "--buildroot", str(tmp_path)).exception, UsageError)


@needs_real
def test_a_real_tree() -> None:
    assert search("sync", "daemon", "--buildroot", REAL).stdout.splitlines()[0].split() == [
        "taskd",
        "1.1.0",
        "BR2_PACKAGE_TASKD",
    ]
