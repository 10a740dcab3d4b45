"""Builds in the cache: known by all that they are made of, packed only when whole, compared in words."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from assembler.base.errors import RecipeError
from assembler.buildroot.builds import (
    begin,
    changes,
    earlier_builds,
    find_build,
    finish,
    new_build,
    recipe_key,
    remove_build,
    word_changes,
)
from assembler.recipe import recipe_from_mapping

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from assembler.recipe.types import LoadedRecipe

_DEFCONFIG = """\
BR2_PACKAGE_ZLIB=y
BR2_ROOTFS_USERS_TABLES="$(BRASM_RECIPE_DIR)/users.txt"
BR2_ROOTFS_OVERLAY="$(BR2_EXTERNAL_MINE_PATH)/overlay"
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., LoadedRecipe]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "defconfig").write_text(_DEFCONFIG)
    (tmp_path / "users.txt").write_text("a -1 a -1 - - - -\n")
    for folder in ("mine/overlay/etc", "mine/configs", "mine/package"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "mine/external.desc").write_text("name: MINE\n")
    (tmp_path / "mine/overlay/etc/motd").write_text("hello")

    def make(**buildroot: object) -> LoadedRecipe:
        table = {"external": ["mine"], "toolchain": "x86-64-glibc", **buildroot}
        values = {"name": "app", "source": {"buildroot": "defconfig"}, "buildroot": table}
        return recipe_from_mapping(values, str(tmp_path))

    return make


def test_the_key_is_of_all_that_is_built(recipe: Callable[..., LoadedRecipe], tmp_path: Path) -> None:
    keys = [recipe_key(recipe())]
    for path, text in (
        ("defconfig", _DEFCONFIG + "BR2_PACKAGE_GMP=y\n"),
        ("users.txt", "b -1 b -1 - - - -\n"),
        ("mine/overlay/etc/motd", "goodbye"),
        ("mine/overlay/configs", "of an overlay all counts"),
        ("mine/package/x.mk", "X_VERSION = 1\n"),
        ("mine/package/README.md", "a package may install it"),
    ):
        (tmp_path / path).write_text(text)
        keys.append(recipe_key(recipe()))
    (tmp_path / "mine/overlay/etc/motd").chmod(0o755)
    keys.append(recipe_key(recipe()))
    keys += [recipe_key(recipe(toolchain="x86-64-musl")), recipe_key(recipe(internal_toolchain=True))]
    assert len(set(keys)) == len(keys)


def test_the_key_is_of_nothing_else(recipe: Callable[..., LoadedRecipe], tmp_path: Path) -> None:
    key = recipe_key(recipe())
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "mine/README.md").write_text("about")
    (tmp_path / "mine/configs/x_defconfig").write_text("BR2_x86_64=y\n")
    assert recipe_key(recipe(jobs=3)) == key
    assert recipe_key(recipe(version="2025.02.16")) == key


def test_a_build_is_found_when_it_is_whole(recipe: Callable[..., LoadedRecipe], tmp_path: Path) -> None:
    loaded = recipe()
    build = new_build(loaded, "2025.02.16", "c" * 40)
    begin(build)
    assert find_build(loaded) is None
    done = finish(build, 12.34)
    assert find_build(loaded) == done
    assert (done.seconds, os.path.dirname(done.output)) == (12.3, str(tmp_path / "cache/brasm/builds"))
    begin(build)
    assert find_build(loaded) is None
    finish(build, 1)
    (tmp_path / "defconfig").write_text("BR2_PACKAGE_GMP=y\n")
    assert find_build(recipe()) is None


def test_the_newest_of_several_trees(recipe: Callable[..., LoadedRecipe], monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = recipe()
    for at, identity in ((20.0, "a" * 40), (10.0, "a" * 40 + "+" + "b" * 12)):
        monkeypatch.setattr("assembler.buildroot.builds.time.time", lambda at=at: at)
        build = new_build(loaded, "2025.02.16", identity)
        begin(build)
        finish(build, 1)
    found = find_build(loaded)
    assert found is not None
    assert found.identity == "a" * 40
    of_other = find_build(loaded, "a" * 40 + "+" + "b" * 12)
    assert of_other is not None
    assert of_other.finished == 10.0
    assert find_build(loaded, "c" * 40) is None
    assert [one.identity for one in earlier_builds(found)] == ["a" * 40 + "+" + "b" * 12]
    remove_build(earlier_builds(found)[0])
    assert earlier_builds(found) == []


def test_changes_are_worded(recipe: Callable[..., LoadedRecipe], tmp_path: Path) -> None:
    old = new_build(recipe(), "2025.02.16", "a" * 40)
    (tmp_path / "users.txt").write_text("b -1 b -1 - - - -\n")
    new = new_build(recipe(), "2025.02.16", "a" * 40)
    assert changes(old, new) == ["a file that the configuration names, or an external tree"]
    (tmp_path / "defconfig").write_text("BR2_PACKAGE_GMP=y\n# BR2_PACKAGE_ZLIB is not set\n")
    new = new_build(recipe(), "2025.02.17", "b" * 40)
    lines = changes(old, new)
    assert "BR2_PACKAGE_ZLIB: y → n" in lines
    assert "BR2_PACKAGE_GMP: n → y" in lines
    assert lines[-1] == "Buildroot: 2025.02.16 (aaaaaaaaaaaa) → 2025.02.17 (bbbbbbbbbbbb)"
    assert changes(old, old) == []
    assert word_changes([str(number) for number in range(10)]) == "0; 1; 2; 3; 4; 5; 6; 7 and 2 more"


def test_a_folder_that_is_no_external_tree(recipe: Callable[..., LoadedRecipe], tmp_path: Path) -> None:
    (tmp_path / "mine/external.desc").unlink()
    with pytest.raises(RecipeError, match=r"no external tree of Buildroot: it has no external\.desc"):
        recipe_key(recipe())
