"""`brasm add`: packages into a recipe's defconfig, with what they need, or not a byte."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from assembler.base.errors import DestinationError, RecipeError
from assembler.cli import app
from tests.buildroot.kconfig_trees import REAL, needs_real, small_tree

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
name = "web"
[source]
buildroot = "defconfig"
[buildroot]
toolchain = "{toolchain}"
fragments = {fragments}
external = {external}
[variant.musl]
toolchain = "x86-64-musl"
defconfig = "musl.config"
"""
DEFCONFIG = """\
# What the image has.
BR2_PACKAGE_NGINX=y

# Not this.
  # BR2_PACKAGE_GNUTLS is not set
"""


@pytest.fixture
def defconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRASM_BUILDROOT", small_tree(tmp_path / "buildroot"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    make_recipe(tmp_path)
    return tmp_path / "web" / "defconfig"


def make_recipe(
    folder: Path,
    text: str = DEFCONFIG,
    toolchain: str = "x86-64-glibc",
    fragments: str = "[]",
    external: str = "[]",
) -> None:
    (folder / "web").mkdir(exist_ok=True)
    recipe = RECIPE.format(toolchain=toolchain, fragments=fragments, external=external)
    (folder / "web" / "recipe.toml").write_text(recipe)
    (folder / "web" / "defconfig").write_text(text)
    (folder / "web" / "musl.config").write_text("# musl alone\n")


def add(*arguments: str) -> Result:
    result = CliRunner().invoke(app.brasm, ["add", "web", *arguments])
    assert result.exception is None or isinstance(result.exception, RecipeError | DestinationError), result.exception
    return result


def refused(*arguments: str) -> tuple[str, str | None]:
    error = add(*arguments).exception
    assert isinstance(error, RecipeError)
    assert error.exit_code == 3
    return error.message, error.hint


def test_lines_come_at_the_end_under_a_comment(defconfig: Path) -> None:
    result = add("nginx-upload", "libressl")
    assert result.stdout.splitlines() == [
        "BR2_PACKAGE_NGINX_UPLOAD=y",
        "BR2_PACKAGE_OPENSSL=y",
        "BR2_PACKAGE_LIBRESSL=y",
    ]
    assert result.stderr == f"wrote {defconfig}\n"
    assert defconfig.read_text() == (
        DEFCONFIG + "# nginx-upload: A module for uploads.\nBR2_PACKAGE_NGINX_UPLOAD=y\n"
        "# libressl: LibreSSL is a version of the TLS stack.\nBR2_PACKAGE_OPENSSL=y\nBR2_PACKAGE_LIBRESSL=y\n"
    )


def test_a_line_that_has_it_off_is_turned_where_it_stands(defconfig: Path) -> None:
    add("gnutls")
    text = defconfig.read_text()
    assert text.startswith("# What the image has.\nBR2_PACKAGE_NGINX=y\n\n# Not this.\nBR2_PACKAGE_GNUTLS=y\n")


def test_symbols_are_taken_as_well_as_names(defconfig: Path) -> None:
    defconfig.write_text("")
    assert add("BR2_PACKAGE_GNUTLS_TOOLS").stdout.split() == ["BR2_PACKAGE_GNUTLS=y", "BR2_PACKAGE_GNUTLS_TOOLS=y"]


def test_what_the_image_has_off_can_be_had(defconfig: Path) -> None:
    assert add("busybox").stdout == "BR2_PACKAGE_BUSYBOX=y\n"
    assert "# BusyBox: The Swiss Army Knife of embedded Linux.\nBR2_PACKAGE_BUSYBOX=y\n" in defconfig.read_text()


def test_what_is_on_already(defconfig: Path) -> None:
    result = add("nginx")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "BR2_PACKAGE_NGINX is on already: the defconfig sets it\n"
    assert defconfig.read_text() == DEFCONFIG


def test_adding_twice_changes_nothing_more(defconfig: Path) -> None:
    add("systemd")
    text = defconfig.read_text()
    add("systemd")
    assert defconfig.read_text() == text


def test_a_dry_run_writes_nothing(defconfig: Path) -> None:
    result = add("systemd", "--dry-run")
    assert result.stdout.split() == ["BR2_INIT_SYSTEMD=y", "BR2_PACKAGE_SYSTEMD=y"]
    assert result.stderr == f"would write {defconfig}\n"
    assert defconfig.read_text() == DEFCONFIG


def test_json(defconfig: Path) -> None:
    assert json.loads(add("nginx", "zlib", "--json").stdout) == {
        "path": str(defconfig),
        "written": True,
        "settings": [{"symbol": "BR2_PACKAGE_ZLIB", "value": "y", "for": "BR2_PACKAGE_ZLIB"}],
        "already": {"BR2_PACKAGE_NGINX": "the defconfig sets it"},
    }


@pytest.mark.parametrize(
    ("package", "message", "hint"),
    [
        ("ngnix", "ngnix: Buildroot has no package or symbol of that name", "did you mean nginx?"),
        ("BR2_PACKAGE_NGNIX", "BR2_PACKAGE_NGNIX: Buildroot has no", "did you mean BR2_PACKAGE_NGINX?"),
        ("qqqqqq", "qqqqqq: Buildroot has no package or symbol", "brasm search WORD finds packages"),
        ("python", "python: was removed from Buildroot: Python 2.7 is EOL since April 2020.", None),
        ("BR2_CCACHE_DIR", "BR2_CCACHE_DIR: takes a text or a number: write it into the defconfig", None),
        ("BR2_PACKAGE_HAS_UDEV", "BR2_PACKAGE_HAS_UDEV: has no prompt: BR2_PACKAGE_SYSTEMD or BR2_", None),
        (
            "taskd",
            "BR2_PACKAGE_TASKD: needs BR2_INSTALL_LIBSTDCPP, which is n: the toolchain option cxx sets it",
            'buildroot.toolchain = "x86-64-glibc+cxx"',
        ),
        (
            "docker-engine",
            "BR2_PACKAGE_DOCKER_ENGINE: needs BR2_TOOLCHAIN_HEADERS_AT_LEAST_5_18",
            'buildroot.toolchain = "x86-64-glibc+headers-6.1"',
        ),
        ("lapack", "BR2_PACKAGE_LAPACK: needs BR2_TOOLCHAIN_HAS_FORTRAN", None),
    ],
)
def test_refusals(defconfig: Path, package: str, message: str, hint: str | None) -> None:
    said, hinted = refused("zlib", package)
    assert said.startswith(message)
    assert hinted == hint
    assert defconfig.read_text() == DEFCONFIG


def test_of_several_refusals_each_is_told(defconfig: Path) -> None:
    error = add("taskd", "zlib", "docker-engine").exception
    assert isinstance(error, RecipeError)
    assert error.message.endswith("(and 1 more)")
    assert [line.split(":")[0] for line in error.context] == ["BR2_PACKAGE_TASKD", "BR2_PACKAGE_DOCKER_ENGINE"]
    assert error.hint == 'buildroot.toolchain = "x86-64-glibc+cxx+headers-6.1"'
    assert defconfig.read_text() == DEFCONFIG


def test_headers_take_the_place_of_others(defconfig: Path) -> None:
    make_recipe(defconfig.parent.parent, toolchain="x86-64-glibc+headers-5.15")
    assert refused("docker-engine")[1] == 'buildroot.toolchain = "x86-64-glibc+headers-6.1"'


def test_a_choice_that_the_defconfig_made_stays(defconfig: Path) -> None:
    defconfig.write_text("BR2_PACKAGE_OPENSSL=y\nBR2_PACKAGE_LIBOPENSSL=y\n")
    assert refused("libressl")[0] == "BR2_PACKAGE_LIBRESSL: a choice, of which BR2_PACKAGE_LIBOPENSSL is taken already"


def test_a_package_of_an_external_tree(defconfig: Path) -> None:
    make_recipe(defconfig.parent.parent, external='["external"]')
    external = defconfig.parent / "external"
    external.mkdir()
    (external / "external.desc").write_text("name: OURS\n")
    (external / "external.mk").write_text("")
    (external / "Config.in").write_text('config BR2_PACKAGE_OURS\n\tbool "ours"\n\tdepends on BR2_PACKAGE_ZLIB\n')
    assert add("ours").stdout.split() == ["BR2_PACKAGE_ZLIB=y", "BR2_PACKAGE_OURS=y"]


def test_a_fragment_that_comes_later_has_the_last_word(defconfig: Path) -> None:
    make_recipe(defconfig.parent.parent, fragments='["small.config"]')
    (defconfig.parent / "small.config").write_text("# BR2_PACKAGE_ZLIB is not set\n")
    said, _ = refused("zlib")
    assert said.startswith("BR2_PACKAGE_ZLIB: ")
    assert "small.config, which comes after" in said
    assert defconfig.read_text() == DEFCONFIG


def test_a_variant_has_a_file_of_its_own(defconfig: Path) -> None:
    assert add("weston", "--variant", "musl").stdout.split() == ["BR2_PACKAGE_EUDEV=y", "BR2_PACKAGE_WESTON=y"]
    assert defconfig.read_text() == DEFCONFIG
    fragment = defconfig.parent / "musl.config"
    assert fragment.read_text() == "# musl alone\n# weston\nBR2_PACKAGE_EUDEV=y\nBR2_PACKAGE_WESTON=y\n"


def test_a_link_stays_and_so_do_permissions(defconfig: Path) -> None:
    goal = defconfig.parent / "elsewhere"
    defconfig.rename(goal)
    goal.chmod(0o640)
    defconfig.symlink_to("elsewhere")
    add("zlib")
    assert defconfig.is_symlink()
    assert goal.stat().st_mode & 0o777 == 0o640
    assert "BR2_PACKAGE_ZLIB=y" in goal.read_text()


def test_bytes_that_are_no_utf_8_stay(defconfig: Path) -> None:
    defconfig.write_bytes(b"# caf\xe9\n")
    add("zlib")
    assert defconfig.read_bytes().startswith(b"# caf\xe9\n# zlib: Compression, as in gzip.\n")


def test_a_recipe_without_a_defconfig(defconfig: Path) -> None:
    (defconfig.parent / "recipe.toml").write_text('name = "web"\n[source]\ndirectory = "/"\n')
    assert "source.buildroot" in refused("zlib")[0]


def test_a_defconfig_that_is_not_there(defconfig: Path) -> None:
    os.unlink(defconfig)
    assert "cannot be read" in refused("zlib")[0]


@needs_real
def test_a_real_tree(defconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRASM_BUILDROOT", REAL)
    assert add("nginx-upload", "luasocket").stdout.split() == [
        "BR2_PACKAGE_NGINX_UPLOAD=y",
        "BR2_PACKAGE_LUA=y",
        "BR2_PACKAGE_LUASOCKET=y",
    ]
    assert refused("taskd")[1] == 'buildroot.toolchain = "x86-64-glibc+cxx"'
