"""Buildroot's menu over a recipe: what the user changes there, and nothing else, goes into the recipe's file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assembler.base.errors import ProgramError, RecipeError
from assembler.base.progress import Silent
from assembler.pipeline.menuconfig import edit_in_menu
from assembler.recipe import load_recipe
from tests.buildroot.standin import make_tree

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.pipeline.menuconfig import Edited

_RECIPE = """\
name = "app"
source = { buildroot = "defconfig" }
buildroot = { toolchain = "x86-64-glibc+size" }

[variant.musl]
toolchain = "x86-64-musl"
defconfig = "musl.config"
"""
_DEFCONFIG = """\
# what it is for
BR2_PACKAGE_ZLIB=y

# the shell
BR2_PACKAGE_BUSYBOX=y
"""


class Menu:
    """A recipe, a tree, and a user at its menu."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.tree = make_tree(folder)
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        (folder / "recipe.toml").write_text(_RECIPE)
        (folder / "defconfig").write_text(_DEFCONFIG)
        (folder / "musl.config").write_text("# small\n")

    def change(self, lines: str, variant: str | None = None) -> Edited:
        """Let the user enter lines."""
        (self.folder / "entered").write_text(lines)
        self._monkeypatch.setenv("STANDIN_MENUCONFIG", str(self.folder / "entered"))
        loaded = load_recipe(str(self.folder / "recipe.toml"), variant=variant)
        return edit_in_menu(loaded, str(self.tree), "menuconfig", Silent())


@pytest.fixture
def menu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Menu:
    return Menu(tmp_path, monkeypatch)


def test_what_was_added_comes_last(menu: Menu) -> None:
    edited = menu.change("BR2_PACKAGE_DROPBEAR=y\n")
    assert edited.changes == {"BR2_PACKAGE_DROPBEAR": "y"}
    assert (menu.folder / "defconfig").read_text() == _DEFCONFIG + "BR2_PACKAGE_DROPBEAR=y\n"


def test_what_was_taken_out_changes_where_it_stands(menu: Menu) -> None:
    menu.change("# BR2_PACKAGE_ZLIB is not set\n")
    text = (menu.folder / "defconfig").read_text()
    assert text == _DEFCONFIG.replace("BR2_PACKAGE_ZLIB=y", "# BR2_PACKAGE_ZLIB is not set")


def test_what_every_image_wants_may_be_changed_back(menu: Menu) -> None:
    menu.change("BR2_TARGET_ENABLE_ROOT_LOGIN=y\n")
    assert "BR2_TARGET_ENABLE_ROOT_LOGIN=y\n" in (menu.folder / "defconfig").read_text()
    loaded = load_recipe(str(menu.folder / "recipe.toml"))
    assert edit_in_menu(loaded, str(menu.tree), "menuconfig", Silent()).changes == {}


def test_a_variant_has_a_file_of_its_own(menu: Menu) -> None:
    edited = menu.change("BR2_OPTIMIZE_S=y\n", "musl")
    assert edited.path == str(menu.folder / "musl.config")
    assert (menu.folder / "musl.config").read_text() == "# small\nBR2_OPTIMIZE_S=y\n"
    assert (menu.folder / "defconfig").read_text() == _DEFCONFIG


def test_a_file_beside_the_recipe_stays_beside_it(menu: Menu) -> None:
    menu.change(f'BR2_ROOTFS_USERS_TABLES="{menu.folder}/users.txt"\n')
    assert 'BR2_ROOTFS_USERS_TABLES="$(BRASM_RECIPE_DIR)/users.txt"\n' in (menu.folder / "defconfig").read_text()


def test_nothing_changed_nothing_written(menu: Menu) -> None:
    before = (menu.folder / "defconfig").stat()
    assert menu.change("BR2_PACKAGE_ZLIB=y\n").changes == {}
    assert (menu.folder / "defconfig").stat() == before


def test_a_menu_that_cannot_be_opened(menu: Menu) -> None:
    loaded = load_recipe(str(menu.folder / "recipe.toml"))
    with pytest.raises(ProgramError, match="make xconfig failed with exit code 2"):
        edit_in_menu(loaded, str(menu.tree), "xconfig", Silent())


def test_a_recipe_that_buildroot_has_nothing_to_do_with() -> None:
    from assembler.recipe.find import find_recipe

    with pytest.raises(RecipeError, match="there is nothing for Buildroot to build"):
        edit_in_menu(load_recipe(find_recipe("shell")), None, "menuconfig", Silent())
