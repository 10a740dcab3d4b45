"""Composing defconfigs: which line counts, what of a toolchain an SDK replaces, and editing a file in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assembler.base.errors import RecipeError
from assembler.buildroot.compose import (
    compose_recipe,
    compose_sdk,
    fragments,
    options,
    own_symbols,
    parse_toolchain,
)
from assembler.buildroot.defconfig import edit_defconfig
from assembler.recipe import recipe_from_mapping

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.recipe.types import LoadedRecipe


def recipe(folder: Path, defconfig: str = "BR2_PACKAGE_ZLIB=y\n", **buildroot: object) -> LoadedRecipe:
    (folder / "defconfig").write_text(defconfig)
    return recipe_from_mapping(
        {"name": "app", "source": {"buildroot": "defconfig"}, "buildroot": buildroot}, str(folder)
    )


def test_every_libc_has_every_cpu() -> None:
    cpus = ("x86-64", "x86-64-v2", "x86-64-v3", "aarch64", "armv7", "riscv64")
    assert set(fragments()) == {f"{cpu}-{libc}" for cpu in cpus for libc in ("glibc", "musl", "uclibc")}
    assert {"cxx", "ssp", "relro", "pie", "size", "static", "headers-6.1"} <= set(options())


def test_a_name_is_the_same_whatever_the_order_of_its_options() -> None:
    assert str(parse_toolchain("x86-64-glibc+size+cxx+size")) == "x86-64-glibc+cxx+size"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("x86-64-glibs", "no toolchain is called 'x86-64-glibs'", "did you mean 'x86-64-glibc'?"),
        ("x86-64-glibc+cx", "no toolchain option is called 'cx'", "did you mean 'cxx'?"),
        ("x86-64-glibc+", "no toolchain option is called ''", "known: "),
    ],
)
def test_names_that_there_are_not(name: str, message: str, hint: str) -> None:
    with pytest.raises(RecipeError, match=f"buildroot.toolchain: {message}".replace("+", r"\+")) as error:
        parse_toolchain(name, "buildroot.toolchain")
    assert (error.value.hint or "").startswith(hint)


def test_an_sdk_is_fragment_options_and_what_every_sdk_wants() -> None:
    symbols = compose_sdk(parse_toolchain("aarch64-musl+cxx+headers-6.1")).symbols
    assert symbols["BR2_aarch64"] == symbols["BR2_TOOLCHAIN_BUILDROOT_CXX"] == "y"
    assert symbols["BR2_PACKAGE_BUSYBOX"] == "n"
    # Of the members of a choice the last line counts.
    order = list(symbols)
    assert order.index("BR2_KERNEL_HEADERS_5_10") < order.index("BR2_KERNEL_HEADERS_6_1")


def test_the_recipe_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "more.config").write_text("BR2_OPTIMIZE_3=y\n")
    loaded = recipe(
        tmp_path,
        'BR2_SYSTEM_BIN_SH_BUSYBOX=y\nBR2_TARGET_GENERIC_HOSTNAME="box"\n',
        toolchain="x86-64-glibc+size",
        options=["relro"],
        fragments=["more.config"],
        ccache=True,
        per_package=True,
    )
    composition = compose_recipe(loaded)
    symbols, order = composition.symbols, list(composition.symbols)
    assert symbols["BR2_TARGET_GENERIC_HOSTNAME"] == "box"
    assert order.index("BR2_SYSTEM_BIN_SH_NONE") < order.index("BR2_SYSTEM_BIN_SH_BUSYBOX")
    assert order.index("BR2_OPTIMIZE_S") < order.index("BR2_RELRO_FULL") < order.index("BR2_OPTIMIZE_3")
    assert symbols["BR2_CCACHE"] == symbols["BR2_PER_PACKAGE_DIRECTORIES"] == symbols["BR2_INIT_NONE"] == "y"
    assert composition.origins["BR2_OPTIMIZE_3"] == str(tmp_path / "more.config")
    assert "BR2_OPTIMIZE_S" not in own_symbols(loaded)


def test_an_sdk_replaces_what_would_build_the_toolchain(tmp_path: Path) -> None:
    loaded = recipe(tmp_path, toolchain="x86-64-v3-musl+cxx+size+static")
    symbols = compose_recipe(loaded, {"BR2_TOOLCHAIN_EXTERNAL": "y"}).symbols
    assert not [symbol for symbol in symbols if "TOOLCHAIN_BUILDROOT" in symbol or "HEADERS" in symbol]
    assert symbols["BR2_x86_x86_64_v3"] == symbols["BR2_SHARED_STATIC_LIBS"] == symbols["BR2_OPTIMIZE_S"] == "y"
    assert symbols["BR2_TOOLCHAIN_EXTERNAL"] == "y"
    own = compose_recipe(loaded).symbols
    assert own["BR2_TOOLCHAIN_BUILDROOT_MUSL"] == own["BR2_TOOLCHAIN_BUILDROOT_CXX"] == "y"


def test_a_recipe_may_say_its_toolchain_itself(tmp_path: Path) -> None:
    symbols = compose_recipe(recipe(tmp_path, "BR2_aarch64=y\nBR2_TOOLCHAIN_BUILDROOT_MUSL=y\n")).symbols
    assert symbols["BR2_TOOLCHAIN_BUILDROOT_MUSL"] == "y"
    assert "BR2_x86_64" not in symbols


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no\.config: cannot be read: No such file"):
        compose_recipe(recipe(tmp_path, fragments=["no.config"]))
    with pytest.raises(RecipeError, match=r"defconfig:1: not a line of a defconfig: 'CONFIG_X=y'"):
        compose_recipe(recipe(tmp_path, "CONFIG_X=y\n"))
    with pytest.raises(RecipeError, match=r"buildroot\.options: no option is called 'sized'"):
        compose_recipe(recipe(tmp_path, options=["sized"]))


def test_files_beside_the_recipe(tmp_path: Path) -> None:
    loaded = recipe(tmp_path, 'BR2_ROOTFS_USERS_TABLES="$(BRASM_RECIPE_DIR)/a $(BRASM_RECIPE_DIR)/b"\n')
    composition = compose_recipe(loaded)
    assert composition.expanded("/there").symbols["BR2_ROOTFS_USERS_TABLES"] == "/there/a /there/b"
    assert list(composition.expanded("/there").symbols) == list(composition.symbols)
    with pytest.raises(RecipeError, match="BR2_ROOTFS_USERS_TABLES: Buildroot takes no path with white space"):
        composition.expanded("/my recipes")
    assert compose_recipe(recipe(tmp_path)).expanded("/my recipes").symbols["BR2_PACKAGE_ZLIB"] == "y"


def test_editing_keeps_order_and_comments() -> None:
    text = '# why\nBR2_A=y\n# BR2_B is not set\nBR2_C="x"\n\n# end\nBR2_A=y\n'
    changes = {"BR2_A": "n", "BR2_B": "y", "BR2_C": None, "BR2_D": "two words", "BR2_E": "7"}
    assert edit_defconfig(text, changes, "for D") == (
        '# why\n# BR2_A is not set\nBR2_B=y\n\n# end\n# for D\nBR2_D="two words"\nBR2_E=7\n'
    )
    assert edit_defconfig(text, {"BR2_A": "y"}, "nothing is new") == text.removesuffix("BR2_A=y\n")
