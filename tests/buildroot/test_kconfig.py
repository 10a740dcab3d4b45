"""Config.in files read with kconfiglib, and what is said of symbols that kconfig did not take."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from assembler.base.dotconfig import parse_config
from assembler.base.errors import RecipeError
from assembler.buildroot.compose import toolchain_folder
from assembler.buildroot.kconfig import Complaint, complaints, first_sentence, nearest
from assembler.buildroot.kconfig_reasons import is_on
from assembler.buildroot.kconfig_tree import host_gcc_of, known_symbols, load_tree, read_external
from tests.buildroot.kconfig_trees import (
    CXX,
    GLIBC,
    IMAGE,
    MUSL,
    REAL,
    UCLIBC,
    configured,
    dot_config,
    external_tree,
    needs_real,
    small_tree,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BOTH_KINDS = "take it out; the toolchain option static has libraries of both kinds"
M68K = {"BR2_m68k": "y", "BR2_TOOLCHAIN_BUILDROOT_MUSL": "y"}


@pytest.fixture
def tree(tmp_path: Path) -> str:
    return small_tree(tmp_path / "buildroot")


def complain(tree: str, *parts: Mapping[str, str], externals: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the reasons by symbol, for what kconfig itself makes of what is asked."""
    asked: dict[str, str] = {}
    for part in parts:
        asked |= part
    got = dot_config(configured(tree, asked, externals=externals))
    return {one.symbol: one.reason for one in complaints(tree, externals, asked, got)}


# Reading


def test_a_tree_is_read_without_a_trace(tree: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BR2_BASE_DIR", "mine")
    monkeypatch.setenv("CONFIG_", "X_")
    before = {**os.environ}
    files = sorted(tmp_path.rglob("*"))
    kconf = load_tree(tree)
    assert {**os.environ} == before
    assert sorted(tmp_path.rglob("*")) == files
    assert "BR2_PACKAGE_TASKD" in kconf.syms


def test_make_variables_stay_and_nothing_is_run(tree: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    with open(os.path.join(tree, "system", "Config.in"), "a", encoding="utf-8") as file:
        file.write(f'config BR2_X\n\tstring\n\tdefault "$(shell,touch {ran})"\n')
    kconf = configured(tree, GLIBC)
    assert kconf.syms["BR2_DL_DIR"].str_value == "$(TOPDIR)/dl"
    assert kconf.syms["BR2_X"].str_value == f"$(shell,touch {ran})"
    assert not ran.exists()


def test_external_trees_add_symbols_menus_and_choices(tree: str, tmp_path: Path) -> None:
    config = 'source "$BR2_EXTERNAL_OURS_PATH/package/ours/Config.in"\n'
    ours = external_tree(tmp_path / "with space", config=config)
    (tmp_path / "with space" / "package" / "ours").mkdir(parents=True)
    (tmp_path / "with space" / "package" / "ours" / "Config.in").write_text('config BR2_PACKAGE_OURS\n\tbool "ours"\n')
    (tmp_path / "with space" / "provides").mkdir()
    (tmp_path / "with space" / "provides" / "openssl.in").write_text('config BR2_PACKAGE_BORINGSSL\n\tbool "boring"\n')
    other = external_tree(tmp_path / "other", "OTHER", 'config BR2_PACKAGE_OTHER\n\tbool "other"\n', 'a "quoted" one')
    kconf = configured(tree, GLIBC, externals=(ours, other))
    assert kconf.syms["BR2_EXTERNAL_NAMES"].str_value == "OURS OTHER"
    assert kconf.syms["BR2_EXTERNAL_OURS_PATH"].str_value == ours
    assert kconf.syms["BR2_PACKAGE_BORINGSSL"].choice is kconf.syms["BR2_PACKAGE_LIBRESSL"].choice
    assert kconf.syms["BR2_PACKAGE_OTHER"].nodes[0].parent.prompt[0] == 'a "quoted" one'
    known = known_symbols(tree, (ours, other))
    assert known == {one.name for one in kconf.unique_defined_syms}


def test_a_scan_finds_the_symbols_that_reading_finds(tree: str) -> None:
    assert known_symbols(tree) - {"BR2_EXTERNAL_NAMES"} == {one.name for one in load_tree(tree).unique_defined_syms}


@pytest.mark.parametrize(
    ("missing", "told"),
    [("external.desc", "no external.desc"), ("external.mk", "no external.mk"), ("Config.in", "no Config.in")],
)
def test_a_folder_that_is_no_external_tree_is_refused(tmp_path: Path, missing: str, told: str) -> None:
    path = external_tree(tmp_path / "ours")
    (tmp_path / "ours" / missing).unlink()
    with pytest.raises(RecipeError, match=told):
        read_external(path)


def test_names_of_external_trees_are_checked(tree: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no name of letters"):
        read_external(external_tree(tmp_path / "bad", "A-B"))
    paths = (external_tree(tmp_path / "one"), external_tree(tmp_path / "two"))
    with pytest.raises(RecipeError, match="has the name OURS too"):
        load_tree(tree, paths)


def test_an_error_of_kconfig_is_one_line_with_its_place(tmp_path: Path) -> None:
    tree = small_tree(tmp_path, {"package/taskd/Config.in": "config BR2_PACKAGE_TASKD\n\tbool taskd depends\n"})
    with pytest.raises(RecipeError) as raised:
        load_tree(tree)
    assert raised.value.message.startswith("Config.in cannot be read: package/taskd/Config.in:2: ")
    assert "\n" not in raised.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    tree = small_tree(tmp_path)
    os.unlink(os.path.join(tree, "package", "taskd", "Config.in"))
    with pytest.raises(RecipeError, match=r"'package/taskd/Config\.in' not found"):
        load_tree(tree)
    assert "BR2_PACKAGE_NGINX" in known_symbols(tree)


def test_the_gcc_of_a_configuration_is_known_again() -> None:
    assert host_gcc_of({"BR2_HOST_GCC_AT_LEAST_8": "y", "BR2_HOST_GCC_AT_LEAST_12": "y"}) == "12"
    assert host_gcc_of({"BR2_HOST_GCC_AT_LEAST_8": "n"}) is None


# Complaints


def test_nothing_is_read_where_all_is_as_asked() -> None:
    asked = {"BR2_A": "y", "BR2_B": "n", "BR2_C": "7", "BR2_D": ""}
    assert complaints("/nowhere", ("/nowhere",), asked, asked) == ()


def test_a_symbol_that_is_off_and_does_not_occur_must_be_known(tree: str) -> None:
    asked = {"BR2_TARGET_GENERIC_ROOT_PASSWD": "", "BR2_PACKAGE_GNUTLS_TOOLS": "n", "BR2_PACKAGE_GNUTLS_TOOL": "n"}
    told = "unknown symbol; did you mean BR2_PACKAGE_GNUTLS_TOOLS?"
    assert complaints(tree, (), asked, {}) == (Complaint("BR2_PACKAGE_GNUTLS_TOOL", "n", "n", told),)


@pytest.mark.parametrize(
    ("parts", "symbol", "reason"),
    [
        ((GLIBC,), "BR2_PACKAGE_TASKD", "needs BR2_INSTALL_LIBSTDCPP, which is n: the toolchain option cxx sets it"),
        (
            (MUSL, CXX, {"BR2_STATIC_LIBS": "y"}),
            "BR2_PACKAGE_TASKD",
            f"needs BR2_STATIC_LIBS off, which is y: {BOTH_KINDS}",
        ),
        (
            (UCLIBC,),
            "BR2_PACKAGE_TASKD",
            (
                "needs BR2_USE_WCHAR, which is n: a toolchain of glibc or musl has it; "
                "needs BR2_INSTALL_LIBSTDCPP, which is n: the toolchain option cxx sets it"
            ),
        ),
        ((MUSL,), "BR2_INIT_SYSTEMD", "needs BR2_TOOLCHAIN_USES_GLIBC, which is n: a toolchain of glibc has it"),
        (
            (MUSL,),
            "BR2_PACKAGE_SYSTEMD",
            "needs BR2_INIT_SYSTEMD, which needs BR2_TOOLCHAIN_USES_GLIBC, which is n: a toolchain of glibc has it",
        ),
        ((GLIBC,), "BR2_PACKAGE_SYSTEMD", "needs BR2_INIT_SYSTEMD, which is n"),
        (
            (M68K,),
            "BR2_PACKAGE_DOCKER_ENGINE",
            "needs BR2_PACKAGE_GO_ARCH_SUPPORTS, which is n: not for the architecture m68k",
        ),
        (
            (GLIBC,),
            "BR2_PACKAGE_DOCKER_ENGINE",
            "needs BR2_TOOLCHAIN_HEADERS_AT_LEAST_5_18, which is n: the toolchain option headers-6.1 sets it",
        ),
        (
            (UCLIBC,),
            "BR2_PACKAGE_DOCKER_ENGINE",
            "needs BR2_TOOLCHAIN_USES_UCLIBC off, which is y: a toolchain of another libc than uClibc-ng",
        ),
        ((M68K,), "BR2_PACKAGE_NGINX", "needs BR2_USE_MMU, which is n: the architecture m68k decides"),
        (
            (GLIBC,),
            "BR2_PACKAGE_LAPACK",
            (
                "needs BR2_TOOLCHAIN_HAS_FORTRAN, which is n: "
                "BR2_TOOLCHAIN_BUILDROOT_FORTRAN=y in the defconfig sets it, with buildroot.internal_toolchain = true"
            ),
        ),
        (
            (GLIBC,),
            "BR2_PACKAGE_NEWEST",
            (
                "needs BR2_TOOLCHAIN_HEADERS_AT_LEAST_6_14, which is n: "
                "a toolchain with the headers of Linux 6.14 or newer, of which brasm has no option; "
                "needs BR2_TOOLCHAIN_GCC_AT_LEAST_20, which is n: a toolchain with gcc 20 or newer"
            ),
        ),
        (
            (GLIBC,),
            "BR2_PACKAGE_WESTON",
            "needs BR2_PACKAGE_HAS_UDEV, which BR2_PACKAGE_SYSTEMD or BR2_PACKAGE_EUDEV would select",
        ),
        ((GLIBC,), "BR2_PACKAGE_LIBRESSL", "needs BR2_PACKAGE_OPENSSL, which is n"),
        ((GLIBC,), "BR2_PACKAGE_GNUTLS_TOOLS", "needs BR2_PACKAGE_GNUTLS, which is n"),
        (
            (GLIBC,),
            "BR2_PACKAGE_HAS_UDEV",
            "has no prompt, so that no defconfig can set it: BR2_PACKAGE_SYSTEMD or BR2_PACKAGE_EUDEV would set it",
        ),
        ((GLIBC,), "BR2_PACKAGE_LOOP_A", "needs BR2_BROKEN, which is n: the tree has no such symbol"),
        ((GLIBC,), "BR2_PACKAGE_TASK", "unknown symbol; did you mean BR2_PACKAGE_TASKD?"),
        ((GLIBC,), "BR2_UNHEARD_OF", "unknown symbol"),
    ],
)
def test_why_a_symbol_is_off(tree: str, parts: tuple[dict[str, str], ...], symbol: str, reason: str) -> None:
    assert complain(tree, *parts, {symbol: "y"})[symbol] == reason


def test_why_a_symbol_is_on(tree: str) -> None:
    asked = {
        **GLIBC,
        "BR2_PACKAGE_GNUTLS": "y",
        "BR2_PACKAGE_ZLIB": "n",
        "BR2_INIT_BUSYBOX": "n",
        "BR2_HAVE_DOT_CONFIG": "n",
    }
    assert complain(tree, asked) == {
        "BR2_PACKAGE_ZLIB": "BR2_PACKAGE_GNUTLS selects it",
        "BR2_INIT_BUSYBOX": "a choice: it is what is chosen where nothing else is",
        "BR2_HAVE_DOT_CONFIG": "has no prompt, so that no defconfig can set it",
    }


def test_of_a_choice_the_later_line_counts(tree: str) -> None:
    assert complain(tree, {"BR2_INIT_NONE": "y", **GLIBC, "BR2_INIT_SYSTEMD": "y"}) == {}
    later = {**MUSL, "BR2_INIT_NONE": "y", "BR2_INIT_SYSTEMD": "y"}
    assert [*complain(tree, later)] == ["BR2_INIT_SYSTEMD"]


def test_a_member_that_was_named_again_counts_as_the_later(tree: str) -> None:
    asked = parse_config("BR2_INIT_NONE=y\nBR2_INIT_BUSYBOX=y\nBR2_INIT_NONE=y\n", "x")
    got = dot_config(configured(tree, {"BR2_INIT_NONE": "y"}))
    assert complaints(tree, (), asked, got) == ()


def test_another_member_of_a_choice_was_chosen(tree: str) -> None:
    got = dot_config(configured(tree, GLIBC))
    found = complaints(tree, (), {**GLIBC, "BR2_INIT_NONE": "y"}, got)
    assert [one.reason for one in found] == ["a choice: BR2_INIT_BUSYBOX was chosen instead"]


def test_values_that_kconfig_changed(tree: str) -> None:
    asked = {**GLIBC, "BR2_JLEVEL": "99", "BR2_CCACHE_DIR": "/x", "BR2_ARCH": "arm", "BR2_CCACHE": "maybe"}
    assert complain(tree, asked) == {
        "BR2_JLEVEL": "out of range: 0 to 64",
        "BR2_CCACHE_DIR": "needs BR2_CCACHE, which is n",
        "BR2_ARCH": "has no prompt, so that no defconfig can set it",
        "BR2_CCACHE": "takes y or n",
    }


def test_a_value_of_another_configuration(tree: str) -> None:
    got = dot_config(configured(tree, GLIBC, {"BR2_TARGET_GENERIC_HOSTNAME": "b"}))
    asked = {"BR2_TARGET_GENERIC_HOSTNAME": "a", "BR2_PACKAGE_ZLIB": "y"}
    assert [(one.got, one.reason) for one in complaints(tree, (), asked, got)] == [
        ("b", "kconfig has another value"),
        ("n", "kconfig left it as it was"),
    ]


def test_legacy_symbols_that_kconfig_takes_are_complained_of(tree: str) -> None:
    found = complain(tree, GLIBC, {"BR2_PACKAGE_PYTHON": "y", "BR2_PACKAGE_OLD_PATH": "/x"})
    assert found == {
        "BR2_PACKAGE_PYTHON": "was removed from Buildroot: Python 2.7 is EOL since April 2020.",
        "BR2_PACKAGE_OLD_PATH": "was removed from Buildroot: Now called BR2_PACKAGE_NEW_PATH",
    }
    assert complain(tree, GLIBC, {"BR2_PACKAGE_PYTHON": "n", "BR2_PACKAGE_OLD_PATH": ""}) == {}


def test_what_an_image_always_asks_for_is_fine(tree: str) -> None:
    off = {"BR2_PACKAGE_GNUTLS_TOOLS": "n", "BR2_TARGET_GENERIC_ROOT_PASSWD": "", "BR2_TARGET_ENABLE_ROOT_LOGIN": "n"}
    assert complain(tree, GLIBC, IMAGE, off, {"BR2_PACKAGE_NGINX": "y"}) == {}


def test_symbols_of_an_external_tree_are_known(tree: str, tmp_path: Path) -> None:
    config = 'config BR2_PACKAGE_OURS\n\tbool "ours"\n\tdepends on BR2_PACKAGE_TASKD\n'
    ours = external_tree(tmp_path / "ours", config=config)
    found = complain(tree, GLIBC, {"BR2_PACKAGE_OURS": "y"}, externals=(ours,))
    assert found == {
        "BR2_PACKAGE_OURS": "needs BR2_PACKAGE_TASKD, which needs BR2_INSTALL_LIBSTDCPP, which is n: "
        "the toolchain option cxx sets it"
    }


def test_the_nearest_name_and_the_first_sentence() -> None:
    known = ["BR2_PACKAGE_NGINX", "BR2_PACKAGE_GNUTLS", "BR2_NGINX"]
    assert nearest("BR2_PACKAGE_NGNIX", known) == "BR2_PACKAGE_NGINX"
    assert nearest("BR2_NGNIX", known) == "BR2_NGINX"
    assert nearest("BR2_PACKAGE_X", known) is None
    assert first_sentence("It was 2.7\n  of them. More.") == "It was 2.7 of them."


# A real tree


@needs_real
@pytest.mark.parametrize(
    ("parts", "symbol", "reason"),
    [
        ((GLIBC,), "BR2_PACKAGE_TASKD", "BR2_INSTALL_LIBSTDCPP, which is n: the toolchain option cxx sets it"),
        ((MUSL, {"BR2_STATIC_LIBS": "y"}), "BR2_PACKAGE_GNUTLS", "needs BR2_STATIC_LIBS off, which is y"),
        ((MUSL,), "BR2_PACKAGE_NSS_MYHOSTNAME", "needs BR2_TOOLCHAIN_USES_GLIBC, which is n: a toolchain of glibc"),
        ((MUSL,), "BR2_PACKAGE_SYSTEMD", "needs BR2_INIT_SYSTEMD, which needs BR2_TOOLCHAIN_USES_GLIBC, which is n"),
        (({"BR2_m68k": "y"},), "BR2_PACKAGE_DOCKER_ENGINE", "not for the architecture m68k"),
        ((GLIBC,), "BR2_PACKAGE_PYTHON", "was removed from Buildroot: Python 2.7 is EOL"),
        ((GLIBC,), "BR2_PACKAGE_NGNIX", "unknown symbol; did you mean BR2_PACKAGE_NGINX?"),
    ],
)
def test_a_real_tree_says_why(parts: tuple[dict[str, str], ...], symbol: str, reason: str) -> None:
    assert reason in complain(REAL, *parts, {symbol: "y"}, externals=(toolchain_folder(),))[symbol]


@needs_real
def test_a_real_tree_takes_what_an_image_asks_for() -> None:
    with open(os.path.join(toolchain_folder(), "image.config"), encoding="utf-8") as file:
        image = parse_config(file.read(), "image.config")
    assert complain(REAL, GLIBC, CXX, image, {"BR2_PACKAGE_TASKD": "y"}, externals=(toolchain_folder(),)) == {}


@needs_real
def test_any_symbol_of_a_real_tree_can_be_asked_first() -> None:
    kconf = configured(REAL, GLIBC)
    assert not is_on(kconf.syms["BR2_LEGACY"])
