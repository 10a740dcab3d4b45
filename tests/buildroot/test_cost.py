"""What costs what: on a real build's facts, and on small configurations for what that one has not."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from assembler.base.errors import RecipeError, SourceError
from assembler.base.progress import Silent
from assembler.buildroot.builds import begin, finish, new_build
from assembler.buildroot.cost import Cost, cost_of
from assembler.buildroot.facts import Package
from assembler.buildroot.known import noted_packages, packages_of_output
from assembler.buildroot.needs import Configured, Needs, symbols_of
from assembler.buildroot.watch import logged_times
from assembler.pipeline.cost import cost
from assembler.pipeline.make import Sources
from assembler.recipe import recipe_from_mapping
from tests.buildroot.captured import CAPTURE, make_output
from tests.plan.making import loaded_recipe, plan_of
from tests.tools import need
from tests.trees import make_tree

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.recipe.types import LoadedRecipe

LISTED = {"gmp", "gnutls", "libtasn1", "libunistring", "nettle", "taskd"}


def recipe(output: Path | str, **tables: Any) -> LoadedRecipe:
    tables = {"image": {"entrypoint": ["/usr/bin/taskd"]}, **tables}
    return recipe_from_mapping({"name": "taskd", "source": {"buildroot": str(output)}, **tables}, "/")


def costs(loaded: LoadedRecipe) -> Cost:
    return cost(loaded, Sources(Silent()), Silent()).cost


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The captured output folder. Nobody writes to it."""
    return make_output(tmp_path_factory.mktemp("captured") / "output")


def test_bytes_by_package(output: Path) -> None:
    found = costs(recipe(output))
    rows = {one.package: one for one in found.packages}
    assert [one.package for one in found.packages][:4] == ["glibc", "gcc-final", "libunistring", "gnutls"]
    assert (rows["gnutls"].version, rows["gnutls"].license) == ("3.8.13", "LGPL-2.1+ (core library)")
    assert (rows["skeleton-init-common"].version, rows["skeleton-init-common"].license) == (None, None)
    assert (rows["gcc-final"].weight.size, rows["gcc-final"].weight.files) == (2521840 + 182712 + 34800, 3)
    assert (rows["busybox"].weight.size, rows["busybox"].weight.target_size) == (0, 764504 + 3133)
    assert found.unowned.target_files == 4, "hostname, issue, shells, os-release: finalisation writes them"
    assert found.total.target_size == 13906618 - 1336, "but for the marker file"
    assert found.total.size == sum(one.weight.size for one in found.packages) + found.unowned.size


def test_bytes_by_symbol(output: Path) -> None:
    taskd, *others = costs(recipe(output)).symbols
    assert (taskd.symbol, taskd.origin, set(taskd.packages)) == ("BR2_PACKAGE_TASKD", "configuration", LISTED)
    assert taskd.size == 522368 + 522168 + 1955232 + 305080 + 350248 + 87992 + 2041832
    assert taskd.reached_files == 7, "libc, libm, the loader, libgcc_s, libstdc++, libatomic, libuuid"
    assert taskd.total == costs(recipe(output)).total.size
    assert [(one.symbol, one.total) for one in others] == [
        ("BR2_PACKAGE_BUSYBOX", 0),
        ("BR2_PACKAGE_IFUPDOWN_SCRIPTS", 0),
    ]


def test_what_is_reached_by_others_too_stays(output: Path) -> None:
    rows = {one.symbol: one for one in costs(recipe(output, select={"roots": ["/bin/busybox"]})).symbols}
    assert rows["BR2_PACKAGE_BUSYBOX"].reached_size == 63720, "libresolv"
    assert rows["BR2_PACKAGE_TASKD"].reached_files == 5, "libc and the loader stay for busybox"


def test_in_other_modes_nothing_goes_for_want_of_being_reached(output: Path) -> None:
    found = costs(recipe(output, select={"mode": "all"}))
    assert {one.symbol: one.reached_size for one in found.symbols} == {one.symbol: 0 for one in found.symbols}
    assert found.unneeded == ()
    assert {one.symbol: one.size for one in found.symbols}["BR2_PACKAGE_BUSYBOX"] == 764504 + 3133


def test_what_is_shared(output: Path) -> None:
    rows = {one.package: one for one in costs(recipe(output)).shared}
    assert rows.keys() == {"glibc", "gcc-final", "util-linux"}
    assert rows["glibc"].always
    assert not rows["util-linux"].always
    assert rows["util-linux"].symbols == ("BR2_PACKAGE_BUSYBOX", "BR2_PACKAGE_TASKD")


def test_symbols_of_which_nothing_is_in_the_image(output: Path) -> None:
    busybox, scripts = costs(recipe(output)).unneeded
    assert (busybox.symbol, busybox.target_size) == ("BR2_PACKAGE_BUSYBOX", 764504 + 3133)
    assert busybox.seconds == pytest.approx(75, abs=1)
    assert scripts.symbol == "BR2_PACKAGE_IFUPDOWN_SCRIPTS"
    assert costs(recipe(output)).symbols[0].seconds == pytest.approx(535, abs=1), "with pkgconf for the machine"


def test_twice_the_same(output: Path) -> None:
    assert costs(recipe(output)) == costs(recipe(output))


def test_a_defconfig_says_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "defconfig").write_text(
        "BR2_x86_64=y\nBR2_PACKAGE_TASKD=y\nBR2_PACKAGE_GMP=y\nBR2_PACKAGE_GMP_FAST=y\n"
        "# BR2_PACKAGE_ZLIB is not set\nBR2_PACKAGE_HOST_PATCHELF=y\n"
    )
    tables = {"source": {"buildroot": "defconfig"}, "image": {"entrypoint": ["/usr/bin/taskd"]}}
    loaded = recipe_from_mapping({"name": "taskd", **tables}, str(tmp_path))
    with pytest.raises(RecipeError, match="nothing of it yet"):
        costs(loaded)
    build = new_build(loaded, "2025.02.16", "0" * 40)
    begin(build)
    make_output(tmp_path / build.output)
    finish(build, 1.0)
    found = costs(loaded)
    rows = {one.symbol: one for one in found.symbols}
    assert {one.symbol: one.origin for one in found.symbols} == {
        "BR2_PACKAGE_TASKD": "defconfig",
        "BR2_PACKAGE_GMP": "defconfig",
        "BR2_PACKAGE_HOST_PATCHELF": "defconfig",
        "BR2_PACKAGE_BUSYBOX": "default",
        "BR2_PACKAGE_IFUPDOWN_SCRIPTS": "default",
    }
    assert (rows["BR2_PACKAGE_GMP"].total, rows["BR2_PACKAGE_GMP"].needed_by) == (0, ("BR2_PACKAGE_TASKD",))
    assert set(rows["BR2_PACKAGE_TASKD"].packages) == LISTED - {"gmp"}
    assert found.options == ("BR2_PACKAGE_GMP_FAST",)
    assert {one.package for one in found.unneeded} == {"busybox", "ifupdown-scripts", "host-patchelf"}


def test_a_source_of_another_kind_is_refused() -> None:
    with pytest.raises(RecipeError, match="no output folder") as caught:
        costs(loaded_recipe(image={"entrypoint": ["/x"]}))
    assert caught.value.key == "source"


# Small configurations.


def package(*dependencies: str, kind: str = "target", virtual: bool = False) -> Package:
    return Package(kind, dependencies=dependencies, virtual=virtual)


def configured(packages: dict[str, Package], *asked: str, on: tuple[str, ...] = ()) -> Configured:
    symbols = dict.fromkeys((*on, *(symbols_of(name)[0] for name in packages)), "y")
    return Configured(packages, symbols, asked or None)


def test_a_virtual_package_goes_with_the_one_that_provides_it() -> None:
    packages = {
        "app": package("jpeg"),
        "jpeg": package("jpeg-turbo", virtual=True),
        "jpeg-turbo": package("host-nasm"),
        "host-nasm": package(kind="host"),
        "udev": package("eudev", virtual=True),
        "eudev": package(),
    }
    needs = Needs(configured(packages))
    assert set(needs.roots) == {"app", "eudev"}, "nobody wishes for a virtual package by default"
    assert needs.gone_without("app") == {"app", "jpeg", "jpeg-turbo", "host-nasm"}
    assert set(Needs(configured(packages, "BR2_PACKAGE_HAS_UDEV")).roots) == {"udev", "app"}


def test_toolchain_and_skeleton_never_go() -> None:
    packages = {
        "app": package("toolchain", "skeleton"),
        "toolchain": package("toolchain-external", virtual=True),
        "toolchain-external": package("skeleton", virtual=True),
        "skeleton": package("skeleton-init-none", virtual=True),
        "skeleton-init-none": package(),
    }
    needs = Needs(configured(packages))
    assert set(needs.roots) == {"app"}
    assert needs.gone_without("app") == {"app"}


def test_symbols_of_the_kernel_of_boot_loaders_and_toolchains() -> None:
    on = ("BR2_LINUX_KERNEL", "BR2_TARGET_UBOOT", "BR2_TOOLCHAIN_EXTERNAL_CUSTOM")
    names = ("linux", "uboot", "toolchain-external-custom")
    needs = Needs(Configured({name: package() for name in names}, dict.fromkeys(on, "y")))
    assert tuple(map(needs.symbol, names)) == on
    assert needs.symbol("libgpg-error.x") == "BR2_PACKAGE_LIBGPG_ERROR_X", "one that is not in the configuration"


def test_hard_links_count_once_and_additions_are_of_no_package() -> None:
    tree = "/a file 0644 0:0 12345\n/b hard /a\n/etc/motd file 0644 0:0 old"
    added = [{"path": "/etc/motd", "type": "file", "content": "anew!"}]
    plan = plan_of(make_tree(tree), loaded_recipe(select={"mode": "all"}, files=added))
    plan = type(plan)(plan.tree, plan.graph, plan.decisions, (), {"/a": "one", "/b": "two", "/etc/motd": "one"})
    found = cost_of(plan, configured({"one": package(), "two": package()}), closure_only=False)
    assert [(one.package, one.weight.files, one.weight.size) for one in found.packages] == [("one", 1, 5)]
    assert (found.unowned.files, found.unowned.size, found.unowned.target_files) == (1, 5, 0)
    assert [one.symbol for one in found.unneeded] == [], "a link is something of package two in the image"


def test_a_package_that_only_stands_in_the_image_as_a_link_is_needed() -> None:
    tree = make_tree("/usr/bin/x file 0755\n/bin link usr/bin")
    loaded = loaded_recipe(select={"mode": "all"})
    plan = plan_of(tree, loaded)
    plan = type(plan)(plan.tree, plan.graph, plan.decisions, (), {"/bin": "links"})
    assert cost_of(plan, configured({"links": package()}), closure_only=False).unneeded == ()


def test_what_strip_saves_is_not_in_the_image() -> None:
    plan = plan_of(make_tree("/bin/app file 0755 0:0 0123456789"), loaded_recipe(select={"mode": "all"}))
    decision = plan.decisions["/bin/app"]
    smaller = make_tree("/bin/app file 0755 0:0 0123")["/bin/app"]
    changed = type(decision)(decision.entry, "transform", "mode all", "strip", smaller)
    plan = type(plan)(plan.tree, plan.graph, {**plan.decisions, "/bin/app": changed}, (), {"/bin/app": "app"})
    (row,) = cost_of(plan, configured({"app": package()}), closure_only=False).packages
    assert (row.weight.target_size, row.weight.size) == (10, 4)


# Where the facts come from.


def test_what_lies_noted_is_read_and_the_images_left_out(output: Path) -> None:
    found = noted_packages(str(output))
    assert found["taskd"].dependencies == (
        "gnutls",
        "host-pkgconf",
        "host-skeleton",
        "host-tar",
        "skeleton",
        "toolchain",
        "util-linux",
    )
    assert "rootfs-tar" not in found
    assert logged_times(str(output))["taskd"] > 0


@pytest.mark.parametrize("in_tree", [False, True])
def test_an_output_of_others_is_asked(tmp_path: Path, in_tree: bool) -> None:
    need("make")
    output = tmp_path / "output"
    output.mkdir()
    shutil.copy(CAPTURE / "show-info.json", tmp_path)
    (tmp_path / "Config.in").touch()
    folder = tmp_path if in_tree else output
    (folder / "Makefile").write_text(f"show-info:\n\t@cat {tmp_path}/show-info.json\n")
    assert packages_of_output(str(output))["gnutls"].version == "3.8.13"
    assert noted_packages(str(output)) == {}, "nothing is written into what is others'"
    assert logged_times(str(output)) == {}


def test_an_output_that_cannot_be_asked(tmp_path: Path) -> None:
    need("make")
    with pytest.raises(SourceError, match="nothing tells of its packages"):
        packages_of_output(str(tmp_path))
    (tmp_path / "Makefile").write_text("show-info:\n\t@echo 'tree is gone' >&2; exit 1\n")
    with pytest.raises(SourceError, match="does not tell of its packages") as caught:
        packages_of_output(str(tmp_path))
    assert f"make -C {tmp_path} show-info" in str(caught.value.hint)
    (tmp_path / "Makefile").write_text("show-info:\n\t@echo 'no JSON'\n")
    with pytest.raises(SourceError, match="not what Buildroot's show-info prints"):
        packages_of_output(str(tmp_path))


def test_a_damaged_note(tmp_path: Path) -> None:
    (tmp_path / ".brasm").mkdir()
    (tmp_path / ".brasm" / "show-info.json").write_text(json.dumps({"x": 1}))
    with pytest.raises(SourceError, match=r"show-info\.json: not what Buildroot's show-info prints"):
        noted_packages(str(tmp_path))
