"""The stand-in for Buildroot, held to what a real Buildroot wrote and said."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Final

import pytest

from tests.buildroot.standin import VERSION, archive, commit, git, make_tree
from tests.conftest import once
from tests.tools import ROOT, attempt, run

CAPTURE: Final = Path(__file__).parent / "capture"
SOURCES: Final = Path(ROOT) / "tests/sources/buildroot/capture"
TOOLCHAIN: Final = Path(ROOT) / "toolchain"

_CALM: Final = {
    "MAKEFLAGS": "",
    "MFLAGS": "",
    "MAKELEVEL": "",
    "FORCE_UNSAFE_CONFIGURE": "1",
    "STANDIN_TAR_VERSION": "1.34",
}
"""No make of the gate's own in the way; the machine of the capture, whose tar was too old."""

_MESSAGE: Final = re.compile(r"\x1b\[7m>>> (?P<package>\S*) (?P<version>\S*) (?P<step>.+)\x1b\[27m")
_TIME: Final = re.compile(r"\d+\.\d{9}:(start|end  ):(?P<step>\S+) *: (?P<package>\S+)")
_LISTED: Final = re.compile(r"(?P<type>[dfl]) (?P<mode>\d+) 0:0 \d+ \.(?P<path>\S*) -> ?(?P<target>.*)")
_SYMBOL: Final = re.compile(r"(?:# (?P<unset>BR2_\w+) is not set|(?P<name>BR2_\w+)=(?P<value>.*))")

CAPTURED: Final = """\
BR2_x86_64=y
BR2_x86_nocona=y
BR2_SSP_STRONG=y
BR2_TOOLCHAIN_BUILDROOT_GLIBC=y
BR2_KERNEL_HEADERS_VERSION=y
BR2_DEFAULT_KERNEL_VERSION="6.12.107"
BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_6_12=y
BR2_BINUTILS_VERSION_2_44_X=y
BR2_GCC_VERSION_14_X=y
BR2_TOOLCHAIN_BUILDROOT_CXX=y
BR2_INIT_NONE=y
BR2_SYSTEM_BIN_SH_BUSYBOX=y
# BR2_TARGET_ENABLE_ROOT_LOGIN is not set
# BR2_TARGET_GENERIC_REMOUNT_ROOTFS_RW is not set
BR2_ENABLE_LOCALE_PURGE=y
BR2_ENABLE_LOCALE_WHITELIST="C POSIX"
BR2_PACKAGE_TASKD=y
BR2_TARGET_ROOTFS_TAR=y
# BR2_LINUX_KERNEL is not set
"""
"""The configuration that the capture is of."""

EXTERNAL: Final = """\
BR2_x86_64=y
BR2_TOOLCHAIN_EXTERNAL=y
BR2_TOOLCHAIN_EXTERNAL_CUSTOM=y
BR2_TOOLCHAIN_EXTERNAL_PATH="{sdk}"
BR2_TOOLCHAIN_EXTERNAL_CUSTOM_PREFIX="x86_64-buildroot-linux-gnu"
BR2_TOOLCHAIN_EXTERNAL_HEADERS_6_12=y
BR2_TOOLCHAIN_EXTERNAL_CUSTOM_GLIBC=y
# BR2_TOOLCHAIN_EXTERNAL_INET_RPC is not set
BR2_TOOLCHAIN_EXTERNAL_CXX=y
BR2_INIT_NONE=y
BR2_SYSTEM_BIN_SH_NONE=y
# BR2_PACKAGE_BUSYBOX is not set
# BR2_PACKAGE_IFUPDOWN_SCRIPTS is not set
# BR2_TARGET_ROOTFS_TAR is not set
"""


class Standin:
    """A tree and an output folder."""

    def __init__(self, tree: Path, output: Path) -> None:
        self.tree = tree
        self.output = output

    def attempt(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run make in the tree."""
        quiet = () if "BR2_DL_DIR" in variables else (("BR2_DL_DIR", str(self.output.parent / "dl")),)
        return attempt(
            "make", "-C", self.tree, f"O={self.output}", *words, env={**_CALM, **dict(quiet), **variables}, cwd="/"
        )

    def run(self, *words: str, **variables: str) -> str:
        """Run make, which must succeed; return what it says."""
        done = self.attempt(*words, **variables)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        return done.stdout

    def refused(self, *words: str, **variables: str) -> str:
        """Run make, which must fail; return what it says."""
        done = self.attempt(*words, **variables)
        assert done.returncode == 2
        return done.stdout + done.stderr

    def configure(self, text: str, *words: str, **variables: str) -> None:
        """Give it this configuration."""
        self.output.mkdir(parents=True, exist_ok=True)
        defconfig = self.output.parent / "defconfig"
        defconfig.write_text(text)
        self.run(*words, "defconfig", f"BR2_DEFCONFIG={defconfig}", **variables)

    @property
    def symbols(self) -> dict[str, str]:
        """What `.config` says."""
        return symbols((self.output / ".config").read_text())

    def kept(self, text: str) -> list[str]:
        """Say which lines of a defconfig are not in `.config`."""
        return [name for name, value in symbols(text).items() if self.symbols.get(name, "n") != value]


def symbols(text: str) -> dict[str, str]:
    """Read a configuration: symbols by name, `n` where one is not set."""
    found = {}
    for line in text.splitlines():
        if match := _SYMBOL.fullmatch(line):
            found[match["name"] or match["unset"]] = match["value"] or "n" if match["name"] else "n"
    return found


def messages(text: str) -> dict[str, list[str]]:
    """Return the steps that messages announce, by package, in order, of the last time that each package was built."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if match := _MESSAGE.fullmatch(line):
            if match["step"] == "Extracting":
                found[match["package"]] = []
            steps = found.setdefault(match["package"], [])
            if match["step"] not in steps:
                steps.append(match["step"])
    return found


@pytest.fixture
def standin(tmp_path: Path) -> Standin:
    """A tree of one's own."""
    return Standin(make_tree(tmp_path), tmp_path / "output")


@pytest.fixture(scope="module")
def built() -> Standin:
    """What the capture's configuration comes to, with its SDK. Nobody writes to it."""
    with once("standin") as (path, fresh):
        folder = Path(path)
        made = Standin(folder / "buildroot", folder / "output")
        if fresh:
            make_tree(folder)
            made.configure(CAPTURED, f"BR2_EXTERNAL={TOOLCHAIN}")
            (folder / "said").write_text(made.run("sdk"))
    return made


@pytest.fixture
def external(built: Standin, tmp_path: Path) -> Standin:
    """The built tree with another output folder, and its SDK, so that little is to be built."""
    made = Standin(built.tree, tmp_path / "output")
    made.configure(EXTERNAL.format(sdk=built.output / "host") + "BR2_PACKAGE_GMP=y\n")
    return made


def test_archives_are_what_their_hashes_say() -> None:
    lists = list((Path(__file__).parent / "standin").rglob("*.hash"))
    assert len(lists) > 30
    for path in lists:
        for line in path.read_text().splitlines()[1:]:
            kind, known, name = line.split()
            assert (kind, known) == ("sha256", hashlib.sha256(archive(name)).hexdigest()), path


# What the capture has.


def test_it_says_what_buildroot_said(built: Standin) -> None:
    ours = messages((built.output.parent / "said").read_text())
    theirs = messages((CAPTURE / "progress-lines.txt").read_text())
    assert theirs.keys() == ours.keys()
    for package in theirs.keys() - {"", "host-fakeroot"}:  # the machine's fakeroot served
        assert ours[package] == theirs[package]
    assert ours[""][: len(theirs[""])] == theirs[""]
    assert ours[""][len(theirs[""]) :] == ["Preparing the SDK", "Generating SDK tarball"]


def test_packages_are_built_in_the_same_order(built: Standin) -> None:
    ours = list(messages((built.output.parent / "said").read_text()))
    theirs = list(messages((CAPTURE / "progress-lines.txt").read_text()))
    common = set(theirs) & set(ours) - {"", "util-linux", "host-pkgconf", "host-patchelf"}
    late = theirs.index("skeleton-init-common")  # before, another call had built what images need
    assert [one for one in ours if one in common & set(theirs[late:])] == [
        one for one in theirs[late:] if one in common
    ]


def test_times_are_written_as_buildroot_does(built: Standin) -> None:
    ours, theirs = (
        path.read_text().splitlines() for path in (built.output / "build/build-time.log", CAPTURE / "build-time.log")
    )
    assert all(_TIME.fullmatch(line) for line in [*ours, *theirs])
    assert [line[20:] for line in ours if line.endswith(": taskd")] == [
        line[20:] for line in theirs if line.endswith(": taskd")
    ]


def test_the_configuration_is_what_kconfig_made_of_it(built: Standin) -> None:
    theirs = symbols((CAPTURE / "dot-config").read_text())
    differing = {name for name, value in theirs.items() if built.symbols.get(name, value) != value}
    assert differing <= {"BR2_DEFCONFIG", "BR2_GCC_VERSION"}
    assert len(theirs.keys() & built.symbols.keys()) > 120
    text = (built.output / ".config").read_text()
    assert text.startswith(f"#\n# Automatically generated file; DO NOT EDIT.\n# Buildroot {VERSION} Configuration\n#\n")
    assert "\n\n#\n# Target options\n#\nBR2_ARCH_IS_64=y\n" in text
    assert 'BR2_HOST_DIR="$(BASE_DIR)/host"' in text


def test_packages_are_described_as_buildroot_does(built: Standin) -> None:
    ours: dict[str, dict[str, Any]] = json.loads(built.run("-s", "--no-print-directory", "show-info"))
    theirs: dict[str, dict[str, Any]] = json.loads((CAPTURE / "show-info.json").read_text())
    assert ours.keys() == theirs.keys()
    for package, facts in theirs.items():
        assert ours[package].keys() == facts.keys(), package
        if package == "linux-headers":  # of another version than the rest of the capture
            continue
        for key, value in facts.items():
            if key not in {"patches", "downloads"}:
                assert ours[package][key] == value, (package, key)
    assert [entry["source"] for entry in ours["taskd"]["downloads"]] == ["taskd-1.1.0.tar.gz"]


def test_the_target_folder_has_nothing_that_buildroot_would_not_have(built: Standin) -> None:
    theirs = {}
    for line in (SOURCES / "target-listing.txt").read_text().splitlines():
        match = _LISTED.fullmatch(line)
        assert match
        theirs[match["path"]] = (match["type"], match["mode"], match["target"])
    target = built.output / "target"
    for path in target.rglob("*"):
        kind = "l" if path.is_symlink() else "d" if path.is_dir() else "f"
        link = str(path.readlink()) if path.is_symlink() else ""
        assert theirs[f"/{path.relative_to(target)}"] == (kind, f"{path.lstat().st_mode & 0o7777:o}", link)
    for name in ("THIS_IS_NOT_YOUR_ROOT_FILESYSTEM", "etc/resolv.conf", "run/lock", "tmp", "usr/bin/taskd"):
        assert os.path.lexists(target / name)


def test_lists_and_tables_are_as_buildroot_writes_them(built: Standin) -> None:
    theirs = (SOURCES / "packages-file-list.txt").read_text().splitlines()
    assert set((built.output / "build/packages-file-list.txt").read_text().splitlines()) <= set(theirs)
    assert "gmp,./usr/include/gmp.h" in (built.output / "build/packages-file-list-staging.txt").read_text()
    assert "host-autoconf,./bin/autoconf" in (built.output / "build/packages-file-list-host.txt").read_text()
    devices, expected = (
        [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        for path in (built.output / "build/buildroot-fs/full_devices_table.txt", SOURCES / "full_devices_table.txt")
    )
    assert devices == expected
    assert (built.output / "build/buildroot-fs/full_users_table.txt").read_text() == "   \n"


def test_an_image_is_all_of_root(built: Standin) -> None:
    with tarfile.open(built.output / "images/rootfs.tar") as image:
        members = {member.name: (member.uid, member.gid) for member in image}
    assert set(members.values()) == {(0, 0)}
    assert "./usr/bin/taskd" in members
    assert not any("THIS_IS_NOT" in name or name.startswith("./run/") for name in members)


# Configurations.


def kconfig(standin: Standin, folder: Path, text: str) -> dict[str, str]:
    """Return what kconfig makes of a configuration, without make."""
    (folder / "asked").write_text(text)
    subprocess.run(["support/scripts/br2-external", "-d", folder], cwd=standin.tree, check=True)
    variables = {
        "BASE_DIR": str(folder),
        "BR2_CONFIG": str(folder / "made"),
        "BR2_DEFCONFIG": "",
        "BR2_HIDE_SECONDARY_TARGET_OPTIONS": "n",
        "BR2_VERSION_FULL": VERSION,
        "HOST_GCC_VERSION": "12",
        "HOSTARCH": "x86_64",
        "SKIP_LEGACY": "",
    }
    python = (standin.tree / "support/standin/python.mk").read_text().split()[-1]
    command = [python, "support/standin/kconfig", f"--defconfig={folder / 'asked'}", "Config.in"]
    subprocess.run(command, cwd=standin.tree, env={**os.environ, **variables}, check=True, capture_output=True)
    return symbols((folder / "made").read_text())


@pytest.mark.parametrize("defconfig", sorted(path.name for path in TOOLCHAIN.glob("configs/*_defconfig")))
def test_our_fragments_are_kept(built: Standin, tmp_path: Path, defconfig: str) -> None:
    asked = "".join((TOOLCHAIN / name).read_text() for name in (f"configs/{defconfig}", "sdk.config", "image.config"))
    made = kconfig(built, tmp_path, asked)
    assert [name for name, value in symbols(asked).items() if made.get(name, "n") != value] == []


@pytest.mark.parametrize("option", sorted(path.name for path in TOOLCHAIN.glob("options/*.config")))
def test_our_options_are_kept(built: Standin, tmp_path: Path, option: str) -> None:
    asked = {path: (TOOLCHAIN / path).read_text() for path in ("configs/x86-64-glibc_defconfig", f"options/{option}")}
    wanted = symbols(asked[f"options/{option}"])
    made = kconfig(built, tmp_path, "".join(asked.values()))
    assert {name: made.get(name, "n") for name in wanted} == wanted


def test_what_is_not_met_is_dropped_silently(standin: Standin) -> None:
    standin.configure("BR2_x86_64=y\nBR2_PACKAGE_TASKD=y\nBR2_PACKAGE_NO_SUCH=y\n")
    assert "BR2_PACKAGE_TASKD" not in standin.symbols
    assert "BR2_PACKAGE_NO_SUCH" not in standin.symbols
    text = (standin.output / ".config").read_text()
    assert "\n#\n# taskd needs a toolchain w/ C++, wchar, dynamic library\n#\n" in text
    standin.configure("BR2_x86_64=y\nBR2_TOOLCHAIN_BUILDROOT_CXX=y\nBR2_PACKAGE_TASKD=y\n")
    assert standin.symbols["BR2_PACKAGE_GNUTLS"] == standin.symbols["BR2_PACKAGE_TASKD"] == "y"


def test_a_configuration_is_saved_without_what_is_default(standin: Standin) -> None:
    asked = (TOOLCHAIN / "configs/x86-64-glibc_defconfig").read_text()
    standin.configure(asked + (TOOLCHAIN / "sdk.config").read_text())
    saved = standin.output / "saved"
    standin.run("savedefconfig", f"BR2_DEFCONFIG={saved}")
    # as Buildroot's own kconfig saves it
    assert saved.read_text().splitlines() == [
        "BR2_x86_64=y",
        "BR2_KERNEL_HEADERS_5_10=y",
        "BR2_BINUTILS_VERSION_2_44_X=y",
        "BR2_GCC_VERSION_14_X=y",
        "BR2_INIT_NONE=y",
        "# BR2_TARGET_ENABLE_ROOT_LOGIN is not set",
        "BR2_SYSTEM_BIN_SH_NONE=y",
        "# BR2_PACKAGE_BUSYBOX is not set",
        "# BR2_PACKAGE_IFUPDOWN_SCRIPTS is not set",
        "# BR2_TARGET_ROOTFS_TAR is not set",
    ]


def test_what_a_user_enters_is_applied(standin: Standin, tmp_path: Path) -> None:
    standin.configure("BR2_x86_64=y\nBR2_PACKAGE_ZLIB=y\n")
    (tmp_path / "entered").write_text("# BR2_PACKAGE_ZLIB is not set\nBR2_PACKAGE_GMP=y\n")
    said = standin.run("menuconfig", STANDIN_MENUCONFIG=str(tmp_path / "entered"))
    assert f"# configuration written to {standin.output}/.config" in said
    assert "*** End of the configuration." in said
    assert (standin.symbols["BR2_PACKAGE_ZLIB"], standin.symbols["BR2_PACKAGE_GMP"]) == ("n", "y")


def test_a_named_configuration_may_be_an_external_tree_s(standin: Standin) -> None:
    standin.run(f"BR2_EXTERNAL={TOOLCHAIN}", "x86-64-musl_defconfig")
    assert standin.symbols["BR2_TOOLCHAIN_USES_MUSL"] == "y"
    assert '"Can\'t find nothing_defconfig".  Stop.' in standin.refused("nothing_defconfig")
    assert f'*** Can\'t find default configuration "{standin.output}/no"!' in standin.refused(
        "defconfig", f"BR2_DEFCONFIG={standin.output}/no"
    )


@pytest.mark.parametrize("line", ["BR2_PACKAGE_CRIU=y", 'BR2_PACKAGE_IPMITOOL_PEN_REG_URI="x"'])
def test_legacy_stops_make_later(standin: Standin, line: str) -> None:
    standin.configure(f"BR2_x86_64=y\n{line}\n")
    assert standin.symbols["BR2_LEGACY"] == "y"
    told = standin.refused("rootfs-common")
    assert '*** "You have legacy configuration in your .config! Please check your configuration.".  Stop.' in told


# External trees and the output folder.


def test_external_trees_are_remembered(standin: Standin, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    assert f"*** '{tree}': does not have an 'external.desc'. See https://buildroot.org/" in standin.refused(
        f"BR2_EXTERNAL={tree}", "defconfig"
    )
    (tree / "external.desc").write_text("name: T\ndesc: Things\n")
    for name in ("external.mk", "Config.in"):
        assert f"*** '{tree}/{name}': no such file or directory.  Stop." in standin.refused(
            f"BR2_EXTERNAL={tree}", "defconfig"
        )
        (tree / name).write_text("")
    standin.run(f"BR2_EXTERNAL={TOOLCHAIN}:{tree}", "defconfig")
    assert standin.symbols["BR2_EXTERNAL_NAMES"] == '"BRASM T"'
    assert standin.symbols["BR2_EXTERNAL_T_PATH"] == f'"{tree}"'
    made = (standin.output / ".br2-external.mk").read_text()
    assert f"\nexport BR2_EXTERNAL_T_PATH = {tree}\nexport BR2_EXTERNAL_T_DESC = Things\n" in made
    assert (
        f'menu "Things"\ncomment "Things (in {tree})"\nsource "{tree}/Config.in"\nendmenu # T\n'
        in (standin.output / ".br2-external.in.menus").read_text()
    )
    shutil.rmtree(tree)
    assert f"*** '{tree}': no such file or directory.  Stop." in standin.refused("show-targets")
    standin.run("BR2_EXTERNAL=", "defconfig")
    assert "BR2_EXTERNAL_NAMES" not in standin.symbols


def test_packages_of_external_trees_are_built(external: Standin, tmp_path: Path) -> None:
    package = tmp_path / "tree/package/hello"
    package.mkdir(parents=True)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/hello").write_text("hello\n")
    (tmp_path / "tree/external.desc").write_text("name: T\n")
    (tmp_path / "tree/external.mk").write_text("include $(BR2_EXTERNAL_T_PATH)/package/hello/hello.mk\n")
    (tmp_path / "tree/Config.in").write_text('config BR2_PACKAGE_HELLO\n\tbool "hello"\n\tselect BR2_PACKAGE_ZLIB\n')
    (package / "hello.mk").write_text(
        f"HELLO_VERSION = 1\nHELLO_SITE = {tmp_path}/src\nHELLO_SITE_METHOD = local\nHELLO_DEPENDENCIES = zlib\n"
        "define HELLO_INSTALL_TARGET_CMDS\n\t$(INSTALL) -D -m 0755 $(@D)/hello $(TARGET_DIR)/usr/bin/hello\nendef\n"
        "define HELLO_USERS\n\thello -1 hello -1 * /home/hello - - Hello\nendef\n$(eval $(generic-package))\n"
    )
    text = (external.output.parent / "defconfig").read_text()
    external.configure(text + "BR2_PACKAGE_HELLO=y\n", f"BR2_EXTERNAL={tmp_path / 'tree'}")
    said = external.run("rootfs-common")
    assert f">>> hello 1 Syncing from source dir {tmp_path}/src" in said
    assert said.index(">>> zlib  Installing to target") < said.index(">>> hello 1 Configuring")
    assert (external.output / "target/usr/bin/hello").read_text() == "hello\n"
    assert "hello,./usr/bin/hello\n" in (external.output / "build/packages-file-list.txt").read_text()
    assert "\thello -1 hello -1 *" in (external.output / "build/buildroot-fs/full_users_table.txt").read_text()


def test_make_may_be_started_in_the_output_folder(external: Standin) -> None:
    lines = (external.output / "Makefile").read_text().splitlines()
    assert "_all" in lines[21]
    assert "umask 0022" in lines[22]
    done = attempt("make", "-C", external.output, "no-such-target", env=_CALM)
    assert "make: *** [Makefile:23: _all] Error 2" in done.stderr
    assert attempt("make", "-s", "-C", external.output, "print-version", env=_CALM).stdout == f"{VERSION}\n"


def test_output_folders_that_make_refuses_or_misunderstands(standin: Standin) -> None:
    odd = Standin(standin.tree, standin.output.with_name("a@b"))
    assert "*** The build directory can not contain a '@'.  Stop." in odd.refused("defconfig")
    attempt("make", "-C", standin.tree, "O=relative", "defconfig", env=_CALM)
    assert (standin.tree / "relative/.config").exists()
    attempt("make", "-C", standin.tree, f"O={standin.output} odd", "defconfig", env=_CALM)
    assert (standin.tree / "odd").is_dir()


def test_what_is_not_configured(standin: Standin) -> None:
    assert '*** Please configure Buildroot first (e.g. "make menuconfig").  Stop.' in standin.refused("all")
    assert "*** No rule to make target 'show-info'.  Stop." in standin.refused("show-info")


# Building again, and not.


def test_it_goes_on_where_it_stopped(external: Standin) -> None:
    told = external.refused("rootfs-common", STANDIN_FAIL="gmp:build")
    assert "main.cpp:42:10: error: " in told
    # as the capture's last line
    pattern = r"make: \*\*\* \[package/pkg-generic\.mk:\d+: /\S+/build/gmp-6\.3\.0/\.stamp_built\] Error 2"
    assert re.search(f"^{pattern}$", told, re.MULTILINE)
    assert (
        (CAPTURE / "failure-excerpt.txt")
        .read_text()
        .splitlines()[-1]
        .startswith("make[1]: *** [package/pkg-generic.mk:")
    )
    log = external.output / "build/build-time.log"
    assert log.read_text().splitlines()[-1].endswith(":start:build               : gmp")
    said = external.run("rootfs-common")
    assert ">>> gmp 6.3.0 Building" in said
    assert ">>> gmp 6.3.0 Configuring" not in said
    assert "Building" not in external.run("rootfs-common")


def test_what_is_taken_out_stays_in_the_target_folder(external: Standin) -> None:
    external.run("rootfs-common")
    external.configure((external.output.parent / "defconfig").read_text().replace("GMP", "ZLIB"))
    said = external.run("rootfs-common")
    assert ">>> libzlib 1.3.2 Building" in said
    assert (external.output / "target/usr/lib/libgmp.so.10").is_symlink()
    assert "gmp,./usr/lib/libgmp.so.10\n" in (external.output / "build/packages-file-list.txt").read_text()
    external.run("clean")
    assert sorted(path.name for path in external.output.iterdir() if path.name[0] != ".") == ["Makefile"]


def test_packages_may_have_folders_of_their_own(external: Standin) -> None:
    text = (external.output.parent / "defconfig").read_text()
    external.configure(text + "BR2_PER_PACKAGE_DIRECTORIES=y\nBR2_PACKAGE_NETTLE=y\n")
    external.run("rootfs-common", "-j2")
    own = external.output / "per-package"
    assert (own / "nettle/target/usr/lib/libgmp.so.10").is_symlink()
    assert not os.path.lexists(own / "gmp/target/usr/lib/libnettle.so.8")
    assert (external.output / "target/usr/lib/libnettle.so.8").is_symlink()
    assert "gmp" in os.listdir(own)


def test_programs_are_what_one_gives(external: Standin, tmp_path: Path) -> None:
    (tmp_path / "files/gmp/opt").mkdir(parents=True)
    (tmp_path / "files/gmp/opt/x").write_text("x")
    (tmp_path / "files/nettle").write_bytes(b"\x7fELF")
    external.configure((external.output.parent / "defconfig").read_text() + "BR2_PACKAGE_NETTLE=y\n")
    external.run("rootfs-common", STANDIN_FILES=str(tmp_path / "files"))
    assert (external.output / "target/opt/x").read_text() == "x"
    assert (external.output / "target/usr/bin/nettle-hash").read_bytes() == b"\x7fELF"
    assert "gmp,./opt/x\n" in (external.output / "build/packages-file-list.txt").read_text()


# Trouble.


@pytest.mark.parametrize(
    ("fail", "said", "stamp"),
    [
        (
            "gmp:configured",
            "configure: error: C compiler cannot create executables",
            "gmp-6.3.0/.stamp_configured] Error 77",
        ),
        ("gmp:install-target", "No such file or directory", "gmp-6.3.0/.stamp_target_installed] Error 2"),
        ("host-m4:host_installed", "No such file or directory", "host-m4-1.4.21/.stamp_host_installed] Error 2"),
        ("gmp:patch", "Patch failed!  Please fix", "gmp-6.3.0/.stamp_patched] Error 1"),
        ("gmp:extract", "tar: Error is not recoverable: exiting now", "gmp-6.3.0/.stamp_extracted] Error 2"),
    ],
)
def test_steps_that_fail(external: Standin, fail: str, said: str, stamp: str) -> None:
    told = external.refused("gmp", STANDIN_FAIL=f"other:build,{fail}")
    assert said in told
    assert stamp in told


def test_a_full_disk(external: Standin) -> None:
    assert "No space left on device" in external.refused("gmp", STANDIN_FULL="gmp")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("gmp", "wget: unable to resolve host address "),
        ("gmp:hash", "ERROR: gmp-6.3.0.tar.xz has wrong sha256 hash:"),
        ("gmp:nohash", "ERROR: No hash found for gmp-6.3.0.tar.xz"),
    ],
)
def test_downloads_that_fail(external: Standin, how: str, said: str) -> None:
    told = external.refused("gmp-source", STANDIN_DOWNLOAD_FAIL=how)
    assert "wget -nd -t 3 --connect-timeout=10 " in told
    assert said in told
    assert "gmp-6.3.0/.stamp_downloaded] Error 1" in told


def test_archives_come_from_where_the_configuration_says(external: Standin, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    text = (external.output.parent / "defconfig").read_text()
    external.configure(f'{text}BR2_PRIMARY_SITE="file://{site}"\nBR2_PRIMARY_SITE_ONLY=y\n')
    assert "cp: cannot stat" in external.refused("gmp-source")
    (site / "gmp-6.3.0.tar.xz").write_bytes(archive("gmp-6.3.0.tar.xz"))
    downloads = tmp_path / "downloads"
    assert "gmp-6.3.0.tar.xz: OK (sha256: " in external.run("gmp-source", BR2_DL_DIR=str(downloads))
    assert (downloads / "gmp/gmp-6.3.0.tar.xz").read_bytes() == archive("gmp-6.3.0.tar.xz")
    assert "gmp-6.3.0.tar.xz\n" in external.run("external-deps")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PATH": f"{os.environ['PATH']}:/a b"}, "Your PATH contains spaces, TABs, and/or newline (\\n) characters."),
        ({"PATH": f"{os.environ['PATH']}:"}, "PATH environment variable. This doesn't work."),
        ({"LD_LIBRARY_PATH": "."}, "LD_LIBRARY_PATH environment variable. This doesn't work."),
        ({"STANDIN_PROGRAMS": "no-such-program"}, "You must install 'no-such-program' on your build machine"),
    ],
)
def test_machines_that_will_not_do(external: Standin, variables: dict[str, str], said: str) -> None:
    told = external.refused("gmp", **variables)
    assert said in told
    assert "[support/dependencies/dependencies.mk:" in told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused")
def test_an_old_tar_is_built_and_refuses_root(external: Standin) -> None:
    told = external.refused("gmp", FORCE_UNSAFE_CONFIGURE="")
    assert "configure: error: you should not run configure as root (set FORCE_UNSAFE_CONFIGURE=1 in environment" in told
    assert "host-tar-1.35/.stamp_configured] Error 1" in told
    assert "host-tar" not in external.run("gmp", FORCE_UNSAFE_CONFIGURE="", STANDIN_TAR_VERSION="1.35")


# SDKs.


def test_an_sdk_is_packed_and_relocated(built: Standin, tmp_path: Path) -> None:
    name = "x86_64-buildroot-linux-gnu_sdk-buildroot"
    with tarfile.open(built.output / f"images/{name}.tar.gz") as sdk:
        assert {member.name.split("/")[0] for member in sdk} == {name}
    run("tar", "-xf", built.output / f"images/{name}.tar.gz", "-C", tmp_path)
    folder = tmp_path / name
    assert (folder / "share/buildroot/sdk-location").read_text() == f"{built.output}/host\n"
    assert (folder / "share/buildroot/sdk-relocs").read_text() == "./bin/autoconf\n"
    done = attempt(folder / "relocate-sdk.sh")
    assert done.stdout == f"Relocating the buildroot SDK from {built.output}/host to {folder} ...\n"
    assert str(folder) in (folder / "bin/autoconf").read_text()
    assert attempt(folder / "relocate-sdk.sh").stdout == "This buildroot SDK has already been relocated!\n"
    compiler = folder / "bin/x86_64-buildroot-linux-gnu-gcc"
    assert attempt(compiler, "-dumpversion").stdout == "14.4.0\n"
    assert attempt(compiler, "-print-sysroot").stdout == f"{folder}/x86_64-buildroot-linux-gnu/sysroot\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("HEADERS_6_12", "HEADERS_6_1", "Incorrect selection of kernel headers: expected 6.1.x, got 6.12.x"),
        ("BR2_INIT", "BR2_TOOLCHAIN_EXTERNAL_GCC_13=y\nBR2_INIT", "gcc version: expected 13.x, got 14.4.0"),
        ("CUSTOM_GLIBC", "CUSTOM_MUSL", "Incorrect selection of the C library"),
        ("BR2_TOOLCHAIN_EXTERNAL_CXX=y", "", "C++ support is not selected but is available in external toolchain"),
        ("# BR2_TOOLCHAIN_EXTERNAL_INET_RPC is not set", "", "please disable BR2_TOOLCHAIN_EXTERNAL_INET_RPC"),
        ("/host", "/nowhere", "Cannot execute cross-compiler '"),
    ],
)
def test_a_toolchain_must_be_what_is_said_of_it(external: Standin, old: str, new: str, said: str) -> None:
    external.configure((external.output.parent / "defconfig").read_text().replace(old, new))
    told = external.refused("toolchain")
    assert said in told
    assert "toolchain-external-custom/.stamp_configured] Error 1" in told


def test_a_toolchain_may_be_downloaded(external: Standin, built: Standin) -> None:
    sdk = built.output / "images/x86_64-buildroot-linux-gnu_sdk-buildroot.tar.gz"
    line = re.compile(r"^BR2_TOOLCHAIN_EXTERNAL_PATH=.*$", re.MULTILINE)
    download = f'BR2_TOOLCHAIN_EXTERNAL_DOWNLOAD=y\nBR2_TOOLCHAIN_EXTERNAL_URL="file://{sdk}"'
    external.configure(line.sub(download, (external.output.parent / "defconfig").read_text()))
    external.run("toolchain")
    assert (external.output / "host/opt/ext-toolchain/bin/x86_64-buildroot-linux-gnu-gcc").is_file()
    assert (external.output / "host/bin/x86_64-buildroot-linux-gnu-gcc").is_symlink()
    assert (external.output / "target/lib/ld-linux-x86-64.so.2").is_file()


# The tree itself.


def test_it_may_be_cloned(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, repository=True)
    git(tmp_path, "clone", "--quiet", "--branch", VERSION, f"file://{tree}", "clone")
    clone = Standin(tmp_path / "clone", tmp_path / "output")
    clone.configure("BR2_x86_64=y\n")
    assert git(clone.tree, "status", "--porcelain") == ""
    assert clone.run("-s", "--no-print-directory", "print-version") == f"{VERSION}\n"
    (clone.tree / "Config.in").write_text((clone.tree / "Config.in").read_text() + "\n")
    assert clone.run("-s", "--no-print-directory", "print-version") == f"{VERSION}-dirty\n"
    other = make_tree(tmp_path / "other")
    assert commit(other) == git(tree, "rev-parse", "HEAD")
