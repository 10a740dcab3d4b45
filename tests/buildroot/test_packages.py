"""The packages of a tree: what is known of each, finding them by words, and the index in the cache."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from assembler.buildroot import packages as module
from assembler.buildroot.checkout import open_checkout
from assembler.buildroot.compose import toolchain_folder
from assembler.buildroot.kconfig_tree import load_tree
from assembler.buildroot.packages import KnownPackage, literal_version, packages_of, read_packages, search
from tests.buildroot.kconfig_trees import REAL, external_tree, needs_real, small_tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "brasm" / "kconfig"


@pytest.fixture
def known(tmp_path: Path) -> dict[str, KnownPackage]:
    tree = small_tree(tmp_path / "buildroot")
    return {one.name: one for one in read_packages(load_tree(tree, host_gcc="9"), tree)}


def test_what_is_known_of_a_package(known: dict[str, KnownPackage]) -> None:
    assert known["taskd"] == KnownPackage(
        name="taskd",
        symbol="BR2_PACKAGE_TASKD",
        prompt="taskd",
        menu=("Target packages", "Networking applications"),
        needs=("!BR2_STATIC_LIBS", "BR2_USE_WCHAR", "BR2_USE_MMU", "BR2_INSTALL_LIBSTDCPP"),
        help="Task management synchronization daemon.\n\nhttp://taskwarrior.org/",
        version="1.1.0",
        folder="package/taskd",
    )
    assert known["taskd"].needs_in_words == ("shared libraries", "wchar", "MMU", "C++")


def test_menus_go_down_to_the_package_that_a_module_is_of(known: dict[str, KnownPackage]) -> None:
    assert known["nginx-upload"].menu == ("Target packages", "Networking applications", "nginx")
    assert known["libressl"].menu == ("Target packages", "Libraries", "openssl support", "ssl library")
    assert known["cups"].needs_in_words == ("BR2_PACKAGE_HAS_UDEV or BR2_PACKAGE_NGINX",)


def test_packages_of_the_machine_and_what_is_no_package(known: dict[str, KnownPackage]) -> None:
    assert known["host-jq"].is_host
    assert known["host-jq"].needs_in_words == ("host gcc ≥ 9",)
    assert "jq" not in known
    assert not {"gnutls-tools", "python", "old-path"} & known.keys()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("P_VERSION = 1.2\n", "1.2"),
        ("P_VERSION_MAJOR = 3.8\nP_VERSION = $(P_VERSION_MAJOR).13\n", "3.8.13"),
        ("P_VERSION := ${X}\nX = v1\n", "v1"),
        ("P_VERSION = $(call qstrip,$(BR2_X))\n", None),
        ("P_VERSION = 1\nP_VERSION = 2\n", None),
        ("P_VERSION = $(P_VERSION)\n", None),
        ("P_VERSION =\n", None),
        ("", None),
    ],
)
def test_versions_that_a_makefile_gives_in_plain_words(tmp_path: Path, text: str, version: str | None) -> None:
    (tmp_path / "p.mk").write_text(text)
    assert literal_version(str(tmp_path / "p.mk"), "p") == version


def test_a_makefile_that_is_not_there_gives_no_version() -> None:
    assert literal_version("/nowhere/p.mk", "p") is None


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["nginx"], ["nginx", "nginx-upload"]),
        (["NGINX", "upload"], ["nginx-upload"]),
        (["BR2_PACKAGE_NGINX_UPLOAD"], ["nginx-upload"]),
        (["tls"], ["gnutls", "libressl"]),
        (["zip"], ["zlib"]),
        (["server"], ["nginx"]),
        (["daemon", "task"], ["taskd"]),
        (["nothing"], []),
    ],
)
def test_words_find_packages(known: dict[str, KnownPackage], words: list[str], names: list[str]) -> None:
    assert [one.name for one in search(known.values(), words)] == names


def test_host_packages_are_found_apart(known: dict[str, KnownPackage]) -> None:
    assert search(known.values(), ["jq"]) == []
    assert [one.name for one in search(known.values(), ["host-jq"], host=True)] == ["host-jq"]


def test_the_index_is_made_once_for_each_state_of_the_trees(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = open_checkout(small_tree(tmp_path / "buildroot"))
    ours = external_tree(tmp_path / "ours", config='config BR2_PACKAGE_OURS\n\tbool "ours"\n')
    (tmp_path / "ours" / "ours").mkdir()
    (tmp_path / "ours" / "ours" / "ours.mk").write_text("OURS_VERSION = 1\n")
    first = packages_of(checkout, (ours,))
    assert next(one for one in first if one.name == "ours").folder == f"{ours}/ours"
    monkeypatch.setattr(module, "load_tree", pytest.fail)
    assert packages_of(checkout, (ours,)) == first
    monkeypatch.setattr(module, "load_tree", load_tree)
    (tmp_path / "ours" / "ours" / "ours.mk").write_text("OURS_VERSION = 2\n")
    assert next(one for one in packages_of(checkout, (ours,)) if one.name == "ours").version == "2"
    assert len(list(cache.iterdir())) == 2


def test_a_damaged_index_is_made_anew(tmp_path: Path, cache: Path) -> None:
    checkout = open_checkout(small_tree(tmp_path / "buildroot"))
    found = packages_of(checkout)
    (path,) = cache.iterdir()
    path.write_text("[{}]")
    assert packages_of(checkout) == found
    assert path.stat().st_size > 100


def test_an_index_that_cannot_be_kept_is_no_error(tmp_path: Path, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("in the way")
    assert packages_of(open_checkout(small_tree(tmp_path / "buildroot")))


@needs_real
def test_a_real_tree_and_its_index() -> None:
    checkout = open_checkout(REAL)
    found = packages_of(checkout, (toolchain_folder(),))
    assert len(found) > 2500
    taskd = search(found, ["taskd"])[0]
    assert (taskd.version, taskd.menu) == ("1.1.0", ("Target packages", "Miscellaneous"))
    begun = time.process_time()
    assert packages_of(checkout, (toolchain_folder(),)) == found
    assert time.process_time() - begun < 0.5
    assert all(os.path.isdir(os.path.join(REAL, one.folder)) for one in found)
