"""musl's search, a rule a row, each compared with its real loader in small roots of Debian's musl."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.elf.build import AARCH64, Target, elf
from tests.graph.loaded import Case, Libc, Mapped, make_root, mapped, real, resolve, trace, tree_of

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.tree import Tree

MUSL = Libc("musl", "musl-gcc", "/lib/ld-musl-x86_64.so.1")
NONE: tuple[list[str], list[str]] = ([], [])
OLD = "--disable-new-dtags"
PATHS = "/etc/ld-musl-x86_64.path"
A, B, C = "liba.so", "libb.so", "libc_.so"

CASES = [
    Case("/lib comes before /usr/local/lib", {"/lib/liba.so": NONE, "/usr/local/lib/liba.so": NONE}, ([A], [])),
    Case("/usr/local/lib comes before /usr/lib", {"/usr/local/lib/liba.so": NONE, "/usr/lib/liba.so": NONE}, ([A], [])),
    Case("what nobody has is missing", {"/lib/libb.so": NONE}, (["libnope.so", B], [])),
    Case("RUNPATH is inherited", {"/opt/liba.so": ([B], []), "/opt/libb.so": NONE}, ([A], ["-rpath=/opt"])),
    Case("RPATH is too, and they are no different",
         {"/opt/liba.so": ([B], []), "/opt/libb.so": NONE, "/env/liba.so": NONE},
         ([A], ["-rpath=/opt", OLD]), env={"LD_LIBRARY_PATH": "/env2"}),
    Case("LD_LIBRARY_PATH comes before RPATH", {"/opt/liba.so": NONE, "/env/liba.so": NONE},
         ([A], ["-rpath=/opt", OLD]), env={"LD_LIBRARY_PATH": "/env"}),
    Case("the nearest run path comes first, then those above it",
         {"/opt/liba.so": ([B, C], ["-rpath=/own"]), "/own/libb.so": NONE, "/opt/libb.so": NONE,
          "/opt/libc_.so": NONE}, ([A], ["-rpath=/opt"])),
    Case("a path file replaces the directories", {"/lib/liba.so": NONE, "/p/liba.so": NONE}, ([A], []),
         files={PATHS: b"/nope\n/p:/lib\n"}),
    Case("an empty path file leaves none", {"/lib/liba.so": NONE}, ([A], []), files={PATHS: b""}),
    Case("run paths come before the path file", {"/opt/liba.so": NONE, "/p/liba.so": NONE}, ([A], ["-rpath=/opt"]),
         files={PATHS: b"/p"}),
    Case("$ORIGIN is the program's directory", {"/usr/lib2/liba.so": NONE}, ([A], ["-rpath=$ORIGIN/../lib2"])),
    Case("${ORIGIN} is the same", {"/usr/lib2/liba.so": NONE}, ([A], ["-rpath=${ORIGIN}/../lib2"])),
    Case("$ORIGIN of a library is its own directory",
         {"/opt/liba.so": ([B], ["-rpath=$ORIGIN/deep"]), "/opt/deep/libb.so": NONE}, ([A], ["-rpath=/opt"])),
    Case("any other token voids the run path", {"/usr/lib2/liba.so": NONE}, ([A], ["-rpath=$ORIGIN/../lib2:/$LIB"])),
    Case("an empty element counts for nothing", {"/liba.so": NONE}, ([A], ["-rpath=/nope:"])),
    Case("a relative element is one of the current directory", {"/opt/liba.so": NONE}, ([A], ["-rpath=opt"])),
    Case("an absolute name is opened as it is", {"/opt/liba.so": NONE}, (["/opt/liba.so"], [])),
    Case("a relative name with a slash is one of the current directory", {"/opt/liba.so": NONE}, (["opt/liba.so"], [])),
    Case("known by the name that was looked for, not by the soname",
         {"/lib/first.so": ([], ["-soname=libreal.so"]), "/lib/libb.so": (["libreal.so"], [])},
         (["first.so", B], [])),
    Case("a symlink to what is loaded is the same object", {"/lib/liba.so": NONE}, ([A, "libalias.so"], []),
         links={"/lib/libalias.so": "liba.so"}),
    Case("a hard link to what is loaded is the same object", {"/lib/liba.so": ([B], []), "/lib/libb.so": NONE},
         ([A, "libalias.so"], []), hard={"/lib/libalias.so": "/lib/liba.so"}),
    Case("its own names", {}, (["libm.so.6", "libpthread.so.0", "libdl.so.2"], [])),
    Case("-z nodefaultlib means nothing", {"/lib/liba.so": ([B], ["-z,nodefaultlib"]), "/lib/libb.so": NONE},
         ([A], [])),
    Case("filters mean nothing", {"/lib/liba.so": ([], ["-F,libnope.so"])}, ([A], [])),
    Case("a file for another machine ends the search", {"/usr/lib/liba.so": NONE}, ([A], []),
         files={"/lib/liba.so": elf(target=Target(AARCH64))}),
    Case("a text ends the search", {"/usr/lib/liba.so": NONE}, ([A], []), files={"/lib/liba.so": b"INPUT(x)\n" * 10}),
    Case("LD_PRELOAD comes first", {"/opt/liba.so": NONE, "/lib/libb.so": NONE}, ([B], []),
         env={"LD_PRELOAD": "/opt/liba.so"}),
    Case("what LD_PRELOAD names may be missing", {"/lib/liba.so": NONE}, NONE,
         env={"LD_PRELOAD": "libnope.so:liba.so"}, optional=["libnope.so"]),
    Case("/etc/ld.so.preload means nothing", {"/opt/liba.so": NONE}, NONE,
         files={"/etc/ld.so.preload": b"/opt/liba.so\n"}),
    Case("what is needed twice is loaded once, breadth first",
         {"/lib/liba.so": ([C], []), "/lib/libb.so": ([C, "libd.so"], []), "/lib/libc_.so": NONE,
          "/lib/libd.so": NONE}, ([A, B], [])),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_maps_what_the_loader_maps(case: Case, tmp_path: Path) -> None:
    MUSL.require()
    root = make_root(case, tmp_path, MUSL)
    tree = tree_of(root)
    text = trace(root, MUSL, case.env, "--list")
    assert "ld-musl" in text, "the loader said nothing"
    load = resolve(tree, case.env)
    assert [edge.name for edge in load.edges if edge.kind == "interp"] == [MUSL.loader]
    theirs, ours = listed(tree, text), mapped(load)
    if "ended by signal" in text:  # it maps what is for any machine, and dies of it
        assert ours.missing
        return
    assert [path for path in ours.objects if path != MUSL.loader] == list(theirs.objects), text
    assert {*ours.missing, *case.optional} == {*theirs.missing, *case.optional}, text


def listed(tree: Tree, text: str) -> Mapped:
    """Read what musl's loader lists: itself first, and then under the names that it stands for."""
    paths = [real(tree, path) for path in re.findall(r"=> (\S+) \(0x", text)]
    missing = re.findall(r"Error loading shared library ([^:]+):", text)
    return Mapped(tuple(path for path in paths if path != MUSL.loader), tuple(sorted(set(missing))))
