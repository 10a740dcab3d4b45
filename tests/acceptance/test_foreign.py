"""Programs of other architectures: the image is for what the ELF files are made for, and its programs run there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.acceptance.images import config
from tests.tools import BRASM, attempt, need, pack, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Target(NamedTuple):
    """A cross compiler, its libraries, the emulator, and what the image-spec calls the platform."""

    triple: str
    loader: str
    emulator: str
    architecture: str
    variant: str | None


TARGETS: Mapping[str, Target] = {
    "aarch64": Target("aarch64-linux-gnu", "ld-linux-aarch64.so.1", "qemu-aarch64-static", "arm64", None),
    "armhf": Target("arm-linux-gnueabihf", "ld-linux-armhf.so.3", "qemu-arm-static", "arm", "v7"),
    "riscv64": Target("riscv64-linux-gnu", "ld-linux-riscv64-lp64d.so.1", "qemu-riscv64-static", "riscv64", None),
}
SOURCE = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'


@pytest.fixture(params=list(TARGETS.values()), ids=list(TARGETS), scope="module")
def target(request: pytest.FixtureRequest) -> Target:
    """A target whose compiler is installed."""
    found: Target = request.param
    need(f"{found.triple}-gcc", found.emulator)
    return found


def build(target: Target, root: Path, *flags: str) -> None:
    (root / "bin").mkdir(parents=True)
    (root / "lib").mkdir()
    run(f"{target.triple}-gcc", "-x", "c", "-", "-o", root / "bin/app", *flags, stdin=SOURCE)
    if "-static" not in flags:
        for name in (target.loader, "libc.so.6", "libm.so.6"):
            shutil.copy(f"/usr/{target.triple}/lib/{name}", root / "lib" / name)


@pytest.mark.parametrize("flags", [("-static",), ()], ids=["static", "dynamic"])
def test_the_platform_is_that_of_the_program(target: Target, flags: tuple[str, ...], tmp_path: Path) -> None:
    root = tmp_path / "root"
    build(target, root, *flags)
    pack("-s", root, "-e", "/bin/app", "-o", "oci:layout:1", "-o", "dir:unpacked", cwd=tmp_path)
    found = config(tmp_path / "layout", "1")
    assert (found["os"], found["architecture"]) == ("linux", target.architecture)
    assert target.variant is None or found.get("variant") == target.variant
    unpacked = tmp_path / "unpacked"
    assert run(target.emulator, "-L", unpacked, unpacked / "bin/app") == "hello\n"
    assert not (unpacked / "lib/libm.so.6").exists()


def test_programs_of_two_machines_are_refused(target: Target, static: Path, tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    build(target, root, "-static")
    shutil.copy(static / "bin/busybox", root / "bin/busybox")
    out.mkdir()
    roots = ("--set", "select.roots=['/bin/busybox']")
    done = attempt(*BRASM, "pack", "-s", root, "-e", "/bin/app", *roots, "-o", "x.tar", cwd=out)
    assert done.returncode == 4, done.stderr
    assert "/bin/busybox" in done.stderr
    assert list(out.iterdir()) == []


def test_a_foreign_file_that_nothing_runs_is_data(target: Target, static: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(static, root, symlinks=True)
    build(target, tmp_path / "other", "-static")
    (root / "srv").mkdir()
    shutil.copy(tmp_path / "other/bin/app", root / "srv/firmware")
    (root / "srv/firmware").chmod(0o644)
    pack("-s", root, "-e", "/bin/sh", "--set", "select.keep=['/srv/**']", "-o", "oci:layout:1", cwd=tmp_path)
    assert config(tmp_path / "layout", "1")["architecture"] == "amd64"


def test_the_recipe_s_platform_must_agree(target: Target, tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    build(target, root, "-static")
    out.mkdir()
    done = attempt(
        *BRASM, "pack", "-s", root, "-e", "/bin/app", "--set", "image.platform=linux/s390x", "-o", "x.tar", cwd=out
    )
    assert done.returncode in {3, 4}, done.stderr
    assert "s390x" in done.stderr
    assert list(out.iterdir()) == []
