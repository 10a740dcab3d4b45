"""`brasm build` and `brasm toolchain` as a user runs them, against a small tree that behaves as Buildroot's does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.buildroot import standin
from tests.tools import BRASM, attempt, environment, need, run, wait_for

if TYPE_CHECKING:
    from pathlib import Path

_RECIPE: Final = """\
name = "{name}"
version = "1.0"
source = {{ buildroot = "defconfig" }}
image = {{ platform = "linux/amd64" }}

[buildroot]
version = "2025.02.16"
toolchain = "{toolchain}"

[select]
mode = "all"

[variant.musl]
toolchain = "x86-64-musl+cxx"
defconfig = "musl.config"
"""


class Workshop:
    """A tree, recipes, and a cache of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = standin.make_tree(folder)
        self.variables = {
            "XDG_CACHE_HOME": str(folder / "cache"),
            "BRASM_BUILDROOT": str(self.tree),
            "FORCE_UNSAFE_CONFIGURE": "1",
            "BR2_DL_DIR": str(folder / "dl"),
        }

    def recipe(self, name: str, defconfig: str, *, toolchain: str = "x86-64-glibc+cxx") -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "recipe.toml").write_text(_RECIPE.format(name=name, toolchain=toolchain))
        (folder / "defconfig").write_text(defconfig)
        (folder / "musl.config").write_text("BR2_OPTIMIZE_S=y\n")
        return folder

    def brasm(self, *words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return attempt(*BRASM, *words, cwd=self.folder, env={**self.variables, **variables})

    def build(self, *words: str | Path, **variables: str) -> Any:
        done = self.brasm("build", "--json", *words, **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, code: int, *words: str | Path, **variables: str) -> str:
        done = self.brasm(*words, **variables)
        assert done.returncode == code, f"{done.returncode}: {done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stderr

    @property
    def folders(self) -> list[str]:
        return sorted(os.listdir(self.folder / "cache" / "brasm" / "builds"))

    def log(self, built: dict[str, Any]) -> str:
        with open(os.path.join(built["build"]["output"], ".brasm", "build.log"), encoding="utf-8") as file:
            return file.read()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    need("make", "gcc", "g++", "file", "wget", "cpio", "unzip", "rsync", "bc", "patch", "perl")
    return Workshop(tmp_path)


def test_a_toolchain_is_built_once_and_shared(workshop: Workshop) -> None:
    first = workshop.recipe("one", "BR2_PACKAGE_ZLIB=y\n")
    second = workshop.recipe("two", "BR2_PACKAGE_GMP=y\n")
    built = workshop.build(first, second)
    assert [one["build"]["fresh"] for one in built] == [True, True]
    assert (workshop.folder / "one.tar").is_file()
    assert (workshop.folder / "two.tar").is_file()
    toolchains = json.loads(workshop.brasm("toolchain", "list", "--json").stdout)
    assert [one["name"] for one in toolchains] == ["x86-64-glibc+cxx"]
    for one in built:
        config = (workshop.folder / one["build"]["output"] / ".config").read_text()
        assert f'BR2_TOOLCHAIN_EXTERNAL_PATH="{toolchains[0]["folder"]}/sdk"' in config
        assert "host-gcc-final" not in workshop.log(one)
    assert [name for name in workshop.folders if name.startswith("toolchain-")] == []


def test_the_pinned_release_is_cloned_and_its_downloads_are_shared(workshop: Workshop) -> None:
    need("git")
    commit = standin.commit(workshop.tree)
    recipe = workshop.recipe("app", "BR2_PACKAGE_ZLIB=y\n")
    pinned = ("--set", f"buildroot.commit={commit}", "--set", f"buildroot.repository={workshop.tree.as_uri()}")
    del workshop.variables["BRASM_BUILDROOT"], workshop.variables["BR2_DL_DIR"]
    built = workshop.build(recipe, *pinned)
    assert built["build"]["identity"] == commit
    assert list((workshop.folder / "cache" / "brasm" / "dl").glob("libzlib/*"))
    assert "is commit" in workshop.refused(3, "build", recipe, "--set", f"buildroot.commit={'0' * 40}")


def test_what_is_built_is_not_built_again(workshop: Workshop) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_BUSYBOX=y\n")
    first = workshop.build(recipe)
    log = workshop.log(first)
    second = workshop.build(recipe)
    assert (first["build"]["fresh"], second["build"]["fresh"]) == (True, False)
    assert workshop.log(second) == log
    assert first["digest"] == second["digest"]
    packed = workshop.brasm("pack", recipe, "-o", "again.tar")
    assert packed.stdout.strip() == first["digest"], packed.stderr
    again = workshop.build(recipe, "--rebuild")
    assert (again["build"]["fresh"], again["digest"]) == (True, first["digest"])


def test_nothing_but_packages_is_asked_for(workshop: Workshop) -> None:
    built = workshop.build(workshop.recipe("app", "BR2_PACKAGE_BUSYBOX=y\n"))
    output = built["build"]["output"]
    assert not os.listdir(os.path.join(output, "images")) if os.path.isdir(os.path.join(output, "images")) else True
    config = (workshop.folder / output / ".config").read_text()
    assert "BR2_INIT_NONE=y" in config
    assert "# BR2_TARGET_ROOTFS_TAR is not set" in config


def test_a_failure_says_where_and_the_next_call_goes_on(workshop: Workshop) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_GNUTLS=y\n")
    told = workshop.refused(6, "build", recipe, STANDIN_FAIL="gnutls:build")
    assert "error: gnutls-" in told
    assert "failed while it was built:" in told
    assert "/.brasm/build.log" in told
    assert "make --no-print-directory -C" in told
    assert not (workshop.folder / "app.tar").exists()
    refused = workshop.refused(3, "pack", recipe)
    assert "its build is not finished" in refused
    done = workshop.build(recipe)
    log = workshop.log(done)
    assert log.count("nettle 3.10.1 Building") == 1
    assert log.count(" Building\x1b[27m") >= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_goes_on(workshop: Workshop, number: int) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_GNUTLS=y\n")
    workshop.brasm("toolchain", "build", "--recipe", recipe)
    variables = {**workshop.variables, "STANDIN_SLEEP": "gnutls:60"}
    # Whoever starts the tests in the background has them ignore SIGINT, and what they start as well.
    command = ["env", "--default-signal=INT", *BRASM, "build", str(recipe)]
    with subprocess.Popen(
        command, cwd=workshop.folder, env=environment(**variables), stderr=subprocess.PIPE, text=True
    ) as process:
        builds = workshop.folder / "cache" / "brasm" / "builds"
        wait_for(lambda: list(builds.glob("app-*/build/nettle-*/.stamp_installed")), "nettle is built")
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number, told
    assert "Traceback" not in told
    log = workshop.log(workshop.build(recipe))
    assert log.count("nettle 3.10.1 Building") == 1


def test_a_symbol_that_kconfig_drops_is_refused_with_what_it_needs(workshop: Workshop) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_TASKD=y\n", toolchain="x86-64-glibc")
    told = workshop.refused(3, "build", recipe)
    assert f"{recipe}/defconfig: BR2_PACKAGE_TASKD=y:" in told
    assert "BR2_INSTALL_LIBSTDCPP" in told
    assert "cxx" in told


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("BR2_PACKAGE_ZLIBB=y", "BR2_PACKAGE_ZLIBB=y: unknown symbol"),
        ("# BR2_PACKAGE_ZLIBB is not set", "BR2_PACKAGE_ZLIBB=n: unknown symbol"),
        ("BR2_PACKAGE_ZLIB=n", "not a line of a defconfig"),
    ],
)
def test_symbols_that_are_none(workshop: Workshop, line: str, message: str) -> None:
    assert message in workshop.refused(3, "build", workshop.recipe("app", f"{line}\n"))


def test_a_changed_recipe_is_never_packed_stale(workshop: Workshop) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_BUSYBOX=y\nBR2_PACKAGE_DROPBEAR=y\n")
    first = workshop.build(recipe)
    (recipe / "defconfig").write_text("BR2_PACKAGE_BUSYBOX=y\n")
    told = workshop.refused(3, "pack", recipe)
    assert "the build that there is, is of another configuration: BR2_PACKAGE_DROPBEAR: y → n" in told
    second = workshop.build(recipe)
    assert "changed since the last build: BR2_PACKAGE_DROPBEAR: y → n" in second["build"]["notes"]
    listed = run(*BRASM, "inspect", "--json", workshop.folder / "app.tar")
    assert "dropbear" not in listed
    assert first["build"]["output"] != second["build"]["output"]
    pruned = workshop.brasm("build", recipe, "--prune")
    assert f"removed {first['build']['output']}" in pruned.stderr
    assert workshop.folders == [os.path.basename(second["build"]["output"])]


def test_variants_have_folders_tags_and_toolchains_of_their_own(workshop: Workshop) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_BUSYBOX=y\n")
    plain, musl = workshop.build(recipe), workshop.build(recipe, "--variant", "musl")
    assert musl["build"]["variant"] == "musl"
    assert plain["build"]["output"] != musl["build"]["output"]
    assert musl["outputs"] == [str(workshop.folder / "app-musl.tar")] or musl["outputs"] == ["app-musl.tar"]
    packed = workshop.brasm("pack", recipe, "--variant", "musl")
    assert packed.stdout.strip() == musl["digest"]
    assert "no variant is called 'muls'" in workshop.refused(3, "build", recipe, "--variant", "muls")


def test_the_toolchain_may_be_built_with_the_packages(workshop: Workshop) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_ZLIB=y\n")
    built = workshop.build(recipe, "--set", "buildroot.internal_toolchain=true")
    assert "host-gcc-final" in workshop.log(built)
    assert json.loads(workshop.brasm("toolchain", "list", "--json").stdout) == []


def test_a_toolchain_goes_to_another_machine(workshop: Workshop) -> None:
    done = workshop.brasm("toolchain", "build", "x86-64-musl+cxx")
    assert done.returncode == 0, done.stderr
    assert workshop.brasm("toolchain", "export", "x86-64-musl+cxx", "musl.tar.zst").returncode == 0
    shown = json.loads(workshop.brasm("toolchain", "show", "x86-64-musl+cxx", "--json").stdout)
    assert (shown["libc"], shown["gcc"]) == ("musl", "14")
    other = {"XDG_CACHE_HOME": str(workshop.folder / "other")}
    assert workshop.brasm("toolchain", "import", "musl.tar.zst", **other).returncode == 0
    recipe = workshop.recipe("app", "BR2_PACKAGE_ZLIB=y\n", toolchain="x86-64-musl+cxx")
    built = workshop.brasm("build", "--json", recipe, **other)
    assert built.returncode == 0, built.stderr
    assert workshop.brasm("toolchain", "remove", "x86-64-musl+cxx", **other).returncode == 0
    assert json.loads(workshop.brasm("toolchain", "list", "--json", **other).stdout) == []
    assert "no such toolchain" in workshop.refused(1, "toolchain", "remove", "x86-64-musl+cxx", **other)


def test_a_second_call_does_not_build_in_the_same_folder(workshop: Workshop) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_GNUTLS=y\n")
    workshop.brasm("toolchain", "build", "--recipe", recipe)
    variables = {**workshop.variables, "STANDIN_SLEEP": "gnutls:60"}
    command = [*BRASM, "build", "-q", str(recipe)]
    with subprocess.Popen(command, cwd=workshop.folder, env=environment(**variables)) as process:
        builds = workshop.folder / "cache" / "brasm" / "builds"
        wait_for(lambda: list(builds.glob("app-*/build/nettle-*/.stamp_installed")), "nettle is built")
        assert "another brasm builds there" in workshop.refused(1, "build", recipe)
        process.terminate()


def test_no_network(workshop: Workshop) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_ZLIB=y\n")
    told = workshop.refused(6, "build", recipe, STANDIN_DOWNLOAD_FAIL="zlib")
    assert "libzlib-1.3.2 failed while it was downloaded" in told
    assert "Put it into the download folder (BR2_DL_DIR), or name a mirror" in told


def test_a_primary_site_without_the_file(workshop: Workshop) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_ZLIB=y\n")
    workshop.brasm("toolchain", "build", "--recipe", recipe)
    (workshop.folder / "machine").write_text(
        f'BR2_PRIMARY_SITE="file://{workshop.folder}/mirror"\nBR2_PRIMARY_SITE_ONLY=y\nBR2_DL_DIR="{workshop.folder}/none"\n'
    )
    told = workshop.refused(6, "build", recipe, "--config", "machine", BR2_DL_DIR="")
    assert "failed while it was downloaded" in told
    assert "Put it into the download folder (BR2_DL_DIR), or name a mirror" in told


def test_a_full_disk(workshop: Workshop) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_ZLIB=y\n")
    assert "hint: the disk is full" in workshop.refused(6, "build", recipe, STANDIN_FULL="zlib")


def test_symbols_of_the_machine(workshop: Workshop) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_ZLIB=y\n")
    (workshop.folder / "machine").write_text('BR2_PRIMARY_SITE="file:///mirror"\n')
    first = workshop.build(recipe, "--config", "machine")
    assert 'BR2_PRIMARY_SITE="file:///mirror"' in (workshop.folder / first["build"]["output"] / ".config").read_text()
    assert not workshop.build(recipe)["build"]["fresh"]
    (workshop.folder / "machine").write_text("BR2_PACKAGE_GMP=y\n")
    told = workshop.refused(2, "build", recipe, "--config", "machine")
    assert "BR2_PACKAGE_GMP says what is built" in told


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"PATH": "/usr/bin:/my programs"}, "PATH has white space in it"),
        ({"PATH": "/usr/bin:/bin:."}, "PATH has the current folder in it"),
        ({"LD_LIBRARY_PATH": "."}, "LD_LIBRARY_PATH has the current folder in it"),
    ],
)
def test_environments_that_buildroot_refuses(workshop: Workshop, variables: dict[str, str], message: str) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_ZLIB=y\n")
    assert message in workshop.refused(2, "build", recipe, **variables)


def test_trees_that_are_none_or_not_allowed(workshop: Workshop) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_ZLIB=y\n")
    assert "not a Buildroot tree" in workshop.refused(2, "build", recipe, "--buildroot", workshop.folder)
    told = workshop.refused(3, "build", recipe, "--set", "buildroot.version=2024.02.1")
    assert "Buildroot 2025.02.16, and the recipe allows 2024.02.x" in told


def test_an_output_of_another_configuration(workshop: Workshop) -> None:
    one = workshop.build(workshop.recipe("one", "BR2_PACKAGE_ZLIB=y\n"))
    other = workshop.recipe("other", "BR2_PACKAGE_BUSYBOX=y\n")
    told = workshop.refused(4, "pack", other, "--source", one["build"]["output"])
    assert "of another configuration: the recipe asks for BR2_PACKAGE_BUSYBOX" in told


def test_an_output_that_is_half_built(workshop: Workshop) -> None:
    recipe = workshop.recipe("app", "BR2_PACKAGE_ZLIB=y\n")
    workshop.refused(6, "build", recipe, STANDIN_FAIL="zlib:build")
    output = next((workshop.folder / "cache" / "brasm" / "builds").glob("app-*"))
    assert "half built" in workshop.refused(4, "pack", "--source", output, "--mode", "all")


def test_a_recipe_that_needs_no_buildroot(workshop: Workshop) -> None:
    assert "there is nothing for Buildroot to build" in workshop.refused(3, "build", "shell")
