"""glibc's search for other machines: programs cross-compiled on the spot, their own loader under qemu as oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.graph.loaded import Case, Libc, listed, make_root, mapped, resolve, trace, tree_of

if TYPE_CHECKING:
    from pathlib import Path

NONE: tuple[list[str], list[str]] = ([], [])
OLD = "--disable-new-dtags"
A, B = "liba.so", "libb.so"

LIBCS = [
    Libc("arm64", "aarch64-linux-gnu-gcc", "/lib/ld-linux-aarch64.so.1", "qemu-aarch64-static"),
    Libc("armhf", "arm-linux-gnueabihf-gcc", "/lib/ld-linux-armhf.so.3", "qemu-arm-static"),
    Libc("riscv64", "riscv64-linux-gnu-gcc", "/lib/ld-linux-riscv64-lp64d.so.1", "qemu-riscv64-static"),
    Libc("ppc64el", "powerpc64le-linux-gnu-gcc", "/lib64/ld64.so.2", "qemu-ppc64le-static"),
    Libc("s390x", "s390x-linux-gnu-gcc", "/lib/ld64.so.1", "qemu-s390x-static"),
    Libc("i386", "i686-linux-gnu-gcc", "/lib/ld-linux.so.2", "qemu-i386-static"),
]

CASES = [
    Case("system directories", {"/lib/liba.so": ([B], []), "/usr/lib/libb.so": NONE}, ([A], [])),
    Case("RPATH is inherited, RUNPATH is not",
         {"/r/liba.so": ([B], []), "/r/libb.so": ([], ["-rpath=/q"]), "/q/libd.so": NONE},
         ([A, "libd.so"], ["-rpath=/r", OLD])),
    Case("$ORIGIN of program and library",
         {"/usr/lib2/liba.so": ([B], ["-rpath=$ORIGIN/deep"]), "/usr/lib2/deep/libb.so": NONE},
         ([A], ["-rpath=$ORIGIN/../lib2"])),
    Case("$LIB", {"/opt/lib/liba.so": NONE, "/opt/lib64/liba.so": NONE, "/opt/lib/aarch64-linux-gnu/liba.so": NONE,
         "/opt/lib/arm-linux-gnueabihf/liba.so": NONE, "/opt/lib/riscv64-linux-gnu/liba.so": NONE,
         "/opt/lib/powerpc64le-linux-gnu/liba.so": NONE, "/opt/lib/s390x-linux-gnu/liba.so": NONE,
         "/opt/lib/i386-linux-gnu/liba.so": NONE}, ([A], ["-rpath=/opt/$LIB"])),
    Case("what is missing", {"/lib/liba.so": (["libnope.so"], [])}, ([A], [])),
    Case("LD_LIBRARY_PATH", {"/e/liba.so": NONE, "/lib/liba.so": NONE}, ([A], []), env={"LD_LIBRARY_PATH": "/e"}),
    Case("-z nodefaultlib", {"/r/liba.so": ([B], ["-z,nodefaultlib"]), "/lib/libb.so": NONE}, ([A], ["-rpath=/r"])),
    Case("a filter", {"/lib/liba.so": ([], ["-F,libb.so"]), "/lib/libb.so": NONE}, ([A], [])),
    Case("known by soname", {"/r/first.so": ([], ["-soname=libreal.so"]), "/r/libb.so": (["libreal.so"], [])},
         (["first.so", B], ["-rpath=/r"])),
]  # fmt: skip


@pytest.mark.parametrize("libc", LIBCS, ids=[libc.name for libc in LIBCS])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_maps_what_its_loader_maps(case: Case, libc: Libc, tmp_path: Path) -> None:
    libc.require()
    root = make_root(case, tmp_path, libc)
    tree = tree_of(root)
    text = trace(root, libc, case.env)
    theirs = listed(tree, text)
    assert theirs.objects, text
    assert mapped(resolve(tree, case.env)) == theirs, text


@pytest.mark.parametrize("libc", LIBCS, ids=[libc.name for libc in LIBCS])
def test_a_library_of_this_machine_is_passed_over(libc: Libc, tmp_path: Path) -> None:
    libc.require()
    case = Case("", {"/lib/liba.so": NONE}, ([A], ["-rpath=/r"]))
    root = make_root(case, tmp_path, libc)
    (root / "r").mkdir()
    (root / "r/liba.so").write_bytes(b"\x7fELF\2\1\1" + bytes(9) + bytes([3, 0, 62, 0, 1]) + bytes(99))
    tree = tree_of(root)
    assert mapped(resolve(tree, {})) == listed(tree, trace(root, libc, {}))
