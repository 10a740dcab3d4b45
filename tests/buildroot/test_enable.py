"""Turning symbols on with what they need: each kind of dependency, and what stands in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assembler.base.dotconfig import parse_config
from assembler.buildroot.compose import toolchain_folder
from assembler.buildroot.enable import Enabled, enable
from assembler.buildroot.kconfig_reasons import is_on, tell
from assembler.buildroot.kconfig_tree import configure
from tests.buildroot.kconfig_trees import (
    CXX,
    GLIBC,
    IMAGE,
    MUSL,
    REAL,
    UCLIBC,
    configured,
    needs_real,
    small_tree,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> str:
    return small_tree(tmp_path / "buildroot")


def turn_on(tree: str, base: Mapping[str, str], own: Mapping[str, str], *names: str) -> Enabled:
    kconf = configured(tree, base, IMAGE, own)
    enabled = enable(kconf, [f"BR2_PACKAGE_{name}" for name in names], own)
    if not enabled.blocked:
        kconf.unset_values()
        for part in (base, IMAGE, own, {one.symbol: one.value for one in enabled.settings}):
            configure(kconf, part)
        assert all(is_on(kconf.syms[f"BR2_PACKAGE_{name}"]) for name in names)
    return enabled


def lines(enabled: Enabled) -> list[str]:
    return [one.line.removeprefix("BR2_PACKAGE_") for one in enabled.settings]


def told(enabled: Enabled) -> dict[str, str]:
    return {symbol.removeprefix("BR2_PACKAGE_"): tell(lacking, symbol) for symbol, lacking in enabled.blocked.items()}


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["NGINX"], ["NGINX=y"]),
        (["NGINX_UPLOAD"], ["NGINX=y", "NGINX_UPLOAD=y"]),
        (["LIBRESSL"], ["OPENSSL=y", "LIBRESSL=y"]),
        (["LIBOPENSSL"], ["OPENSSL=y", "LIBOPENSSL=y"]),
        (["SYSTEMD"], ["BR2_INIT_SYSTEMD=y", "SYSTEMD=y"]),
        (["CUKINIA"], ["BUSYBOX=y", "CUKINIA=y"]),
        (["CUPS"], ["BR2_INIT_SYSTEMD=y", "SYSTEMD=y", "CUPS=y"]),
        (["CUPS", "NGINX"], ["BR2_INIT_SYSTEMD=y", "SYSTEMD=y", "CUPS=y", "NGINX=y"]),
        (["NGINX", "CUPS"], ["NGINX=y", "CUPS=y"]),
        (["GNUTLS", "ZLIB"], ["GNUTLS=y"]),
    ],
)
def test_what_is_needed_comes_along(tree: str, names: list[str], wanted: list[str]) -> None:
    assert lines(turn_on(tree, GLIBC, {}, *names)) == wanted


def test_an_alternative_that_cannot_be_had_is_passed_over(tree: str) -> None:
    assert lines(turn_on(tree, MUSL, {}, "WESTON")) == ["EUDEV=y", "WESTON=y"]
    assert lines(turn_on(tree, GLIBC, {"BR2_PACKAGE_EUDEV": "y"}, "WESTON")) == ["WESTON=y"]


def test_what_must_be_off_and_is_on_by_default_goes_off(tree: str) -> None:
    kconf = configured(tree, GLIBC, {"BR2_INIT_NONE": "y"})
    enabled = enable(kconf, ["BR2_PACKAGE_NO_BUSYBOX"], {})
    assert [one.line for one in enabled.settings] == ["# BR2_PACKAGE_BUSYBOX is not set", "BR2_PACKAGE_NO_BUSYBOX=y"]


def test_what_selects_it_goes_off_as_well(tree: str) -> None:
    kconf = configured(tree, GLIBC)
    enabled = enable(kconf, ["BR2_PACKAGE_NO_BUSYBOX"], {})
    assert [one.symbol for one in enabled.settings] == [
        "BR2_INIT_SYSTEMD",
        "BR2_PACKAGE_BUSYBOX",
        "BR2_PACKAGE_NO_BUSYBOX",
    ]


@pytest.mark.parametrize(
    ("own", "name", "why"),
    [
        ({"BR2_PACKAGE_GNUTLS": "y"}, "GNUTLS", "the defconfig sets it"),
        ({"BR2_PACKAGE_GNUTLS": "y"}, "ZLIB", "BR2_PACKAGE_GNUTLS selects it"),
        ({"BR2_PACKAGE_NGINX": "y"}, "NGINX_HTTP", "it is so by default"),
    ],
)
def test_what_is_on_already(tree: str, own: dict[str, str], name: str, why: str) -> None:
    enabled = turn_on(tree, GLIBC, own, name)
    assert (enabled.settings, enabled.already) == ((), {f"BR2_PACKAGE_{name}": why})


def test_a_wanted_symbol_that_the_defconfig_has_off_is_turned(tree: str) -> None:
    assert lines(turn_on(tree, GLIBC, {"BR2_PACKAGE_NGINX": "n"}, "NGINX")) == ["NGINX=y"]


@pytest.mark.parametrize(
    ("base", "own", "name", "reason"),
    [
        (GLIBC, {}, "TASKD", "needs BR2_INSTALL_LIBSTDCPP, which is n: the toolchain option cxx sets it"),
        (
            UCLIBC,
            {},
            "GNUTLS",
            "needs BR2_USE_WCHAR, which is n: a toolchain of glibc or musl has it",
        ),
        (
            MUSL,
            {},
            "SYSTEMD",
            "needs BR2_INIT_SYSTEMD, which needs BR2_TOOLCHAIN_USES_GLIBC, which is n: a toolchain of glibc has it",
        ),
        ({"BR2_m68k": "y"}, {}, "NGINX_UPLOAD", "BR2_USE_MMU, which is n: the architecture m68k decides"),
        (
            {"BR2_m68k": "y"},
            {},
            "DOCKER_ENGINE",
            "BR2_PACKAGE_GO_ARCH_SUPPORTS, which is n: not for the architecture m68k",
        ),
        (GLIBC, {}, "HAS_UDEV", "has no prompt: BR2_PACKAGE_SYSTEMD or BR2_PACKAGE_EUDEV would select it"),
        (
            GLIBC,
            {"BR2_PACKAGE_NGINX": "n"},
            "NGINX_UPLOAD",
            "needs BR2_PACKAGE_NGINX, which is n: the defconfig has it off",
        ),
        (
            GLIBC,
            {"BR2_PACKAGE_OPENSSL": "y", "BR2_PACKAGE_LIBOPENSSL": "y"},
            "LIBRESSL",
            "a choice, of which BR2_PACKAGE_LIBOPENSSL is taken already",
        ),
        (
            GLIBC,
            {"BR2_PACKAGE_NGINX": "y", "BR2_PACKAGE_NGINX_STRICT": "y"},
            "LIBRESSL",
            "needs BR2_PACKAGE_NGINX_STRICT off, which is y: the defconfig wants it on",
        ),
        (
            GLIBC,
            {"BR2_PACKAGE_BUSYBOX": "y"},
            "NO_BUSYBOX",
            "needs BR2_PACKAGE_BUSYBOX off, which is y: the defconfig wants it on",
        ),
        (GLIBC, {}, "CARELESS", "needs BR2_PACKAGE_LAPACK, which needs BR2_TOOLCHAIN_HAS_FORTRAN"),
        (GLIBC, {}, "LOOP_A", "needs BR2_BROKEN, which is n: the tree has no such symbol"),
    ],
)
def test_what_stands_in_the_way(tree: str, base: dict[str, str], own: dict[str, str], name: str, reason: str) -> None:
    enabled = turn_on(tree, base, own, name)
    assert enabled.settings == ()
    assert reason in told(enabled)[name]


def test_all_that_stands_in_the_way_is_told_of_all(tree: str) -> None:
    enabled = turn_on(tree, UCLIBC, {}, "NGINX", "TASKD", "LAPACK")
    assert [*enabled.blocked] == ["BR2_PACKAGE_TASKD", "BR2_PACKAGE_LAPACK"]
    assert told(enabled)["TASKD"].count("needs") == 2


def test_what_the_user_turned_on_is_not_turned_off(tree: str) -> None:
    own = {"BR2_PACKAGE_OPENSSL": "y", "BR2_PACKAGE_LIBRESSL": "y", "BR2_PACKAGE_NGINX": "y"}
    enabled = turn_on(tree, GLIBC, own, "NGINX_STRICT")
    assert "it would turn off BR2_PACKAGE_LIBRESSL, which the defconfig sets" in told(enabled)["NGINX_STRICT"]


@needs_real
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("TASKD", ["TASKD=y"]),
        ("LIBRESSL", ["OPENSSL=y", "LIBRESSL=y"]),
        ("LUASOCKET", ["LUA=y", "LUASOCKET=y"]),
        ("SYSTEMD", ["BR2_INIT_SYSTEMD=y", "SYSTEMD=y"]),
        ("CUKINIA", ["BUSYBOX=y", "CUKINIA=y"]),
        ("PYTHON_DJANGO", ["PYTHON3=y", "PYTHON_DJANGO=y"]),
    ],
)
def test_packages_of_a_real_tree(name: str, wanted: list[str]) -> None:
    kconf = configured(REAL, GLIBC, CXX, IMAGE, externals=(toolchain_folder(),))
    enabled = enable(kconf, [f"BR2_PACKAGE_{name}"], {})
    assert lines(enabled) == wanted
    assert parse_config("\n".join(one.line for one in enabled.settings), "x")
