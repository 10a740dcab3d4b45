"""uClibc-ng's search, a rule a row. NOT held against a loader: Debian has none. Written from its source,
`ldso/ldso/dl-elf.c` of 1.0.x as Buildroot configures it (no cache; RUNPATH, and the executable's too)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import pytest

from assembler.base.content import Bytes
from assembler.tree import Entry, Regular, Symlink, Tree
from tests.elf.build import AARCH64, Target, elf
from tests.graph.loaded import PROGRAM, mapped, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LOADER = "/lib/ld-uClibc.so.0"
A, B = "liba.so", "libb.so"


class Case(NamedTuple):
    """Files by path, and what is mapped and what is not found."""

    title: str
    files: Mapping[str, bytes]
    objects: Sequence[str]
    missing: Sequence[str] = ()
    env: Mapping[str, str] = MappingProxyType({})
    links: Mapping[str, str] = MappingProxyType({})


def program(*needed: str, rpath: str | None = None, runpath: str | None = None, interp: str = LOADER) -> bytes:
    return elf(interp=interp, needed=needed, rpath=rpath, runpath=runpath)


def library(*needed: str, rpath: str | None = None, runpath: str | None = None, soname: str | None = None) -> bytes:
    return elf(needed=needed, rpath=rpath, runpath=runpath, soname=soname)


LIB = library()

CASES = [
    Case("the loader's own directory comes before /lib",
         {PROGRAM: program(A, interp="/sys/ld-uClibc.so.0"), "/sys/ld-uClibc.so.0": LIB, "/sys/liba.so": LIB,
          "/lib/liba.so": LIB}, ["/sys/liba.so"]),
    Case("/lib comes before /usr/lib", {PROGRAM: program(A), "/lib/liba.so": LIB, "/usr/lib/liba.so": LIB},
         ["/lib/liba.so"]),
    Case("/usr/X11R6/lib comes last", {PROGRAM: program(A), "/usr/X11R6/lib/liba.so": LIB}, ["/usr/X11R6/lib/liba.so"]),
    Case("RPATH comes before LD_LIBRARY_PATH", {PROGRAM: program(A, rpath="/r"), "/r/liba.so": LIB, "/e/liba.so": LIB},
         ["/r/liba.so"], env={"LD_LIBRARY_PATH": "/e"}),
    Case("LD_LIBRARY_PATH comes before RUNPATH",
         {PROGRAM: program(A, runpath="/r"), "/r/liba.so": LIB, "/e/liba.so": LIB}, ["/e/liba.so"],
         env={"LD_LIBRARY_PATH": "/e"}),
    Case("RPATH counts beside RUNPATH",
         {PROGRAM: program(A, rpath="/p", runpath="/r"), "/p/liba.so": LIB, "/r/liba.so": LIB}, ["/p/liba.so"]),
    Case("the program's RPATH serves all, before the system directories",
         {PROGRAM: program(A, rpath="/r"), "/r/liba.so": library(B), "/r/libb.so": LIB, "/lib/libb.so": LIB},
         ["/r/liba.so", "/r/libb.so"]),
    Case("the program's RUNPATH serves all, after the system directories",
         {PROGRAM: program(A, runpath="/r"), "/r/liba.so": library(B), "/r/libb.so": LIB, "/lib/libb.so": LIB},
         ["/r/liba.so", "/lib/libb.so"]),
    Case("and where those have nothing, it does",
         {PROGRAM: program(A, runpath="/r"), "/r/liba.so": library(B), "/r/libb.so": LIB},
         ["/r/liba.so", "/r/libb.so"]),
    Case("run paths of libraries are not inherited",
         {PROGRAM: program(A), "/lib/liba.so": library(B, rpath="/r"), "/r/libb.so": library("libd.so"),
          "/r/libd.so": LIB}, ["/lib/liba.so", "/r/libb.so"], ["libd.so"]),
    Case("a leading $ORIGIN counts in the needer's own RPATH",
         {PROGRAM: program(A, rpath="$ORIGIN/../x"), "/usr/x/liba.so": LIB}, ["/usr/x/liba.so"]),
    Case("${ORIGIN} does not", {PROGRAM: program(A, rpath="${ORIGIN}/../x"), "/usr/x/liba.so": LIB}, [], [A]),
    Case("$ORIGIN does not count in RUNPATH",
         {PROGRAM: program(A, runpath="$ORIGIN/../x"), "/usr/x/liba.so": LIB}, [], [A]),
    Case("nor in the program's RPATH when a library needs something",
         {PROGRAM: program(A, rpath="$ORIGIN/../x"), "/usr/x/liba.so": library(B), "/usr/x/libb.so": LIB},
         ["/usr/x/liba.so"], [B]),
    Case("an absolute name is tried first", {PROGRAM: program("/opt/liba.so"), "/opt/liba.so": LIB,
         "/lib/liba.so": LIB}, ["/opt/liba.so"]),
    Case("then its last component is looked for", {PROGRAM: program("/opt/liba.so"), "/lib/liba.so": LIB},
         ["/lib/liba.so"]),
    Case("a file for another machine is passed over",
         {PROGRAM: program(A), "/lib/liba.so": elf(target=Target(AARCH64)), "/usr/lib/liba.so": LIB},
         ["/usr/lib/liba.so"]),
    Case("so is a text", {PROGRAM: program(A), "/lib/liba.so": b"INPUT(x)\n" * 10, "/usr/lib/liba.so": LIB},
         ["/usr/lib/liba.so"]),
    Case("an object is known by its inode, not by its soname",
         {PROGRAM: program("first.so", B), "/lib/first.so": library(soname="libreal.so"),
          "/lib/libb.so": library("libreal.so")}, ["/lib/first.so", "/lib/libb.so"], ["libreal.so"]),
    Case("a symlink to what is loaded is the same object", {PROGRAM: program(A, "libalias.so"), "/lib/liba.so": LIB},
         ["/lib/liba.so"], links={"/lib/libalias.so": "liba.so"}),
    Case("an empty element is the current directory", {PROGRAM: program(A, rpath="/nope:"), "/liba.so": LIB},
         ["/liba.so"]),
    Case("an empty element at the beginning spoils the next", {PROGRAM: program(A, rpath=":/r"), "/r/liba.so": LIB}, [],
         [A]),
    Case("LD_PRELOAD comes first", {PROGRAM: program(B), "/lib/liba.so": LIB, "/lib/libb.so": LIB},
         ["/lib/liba.so", "/lib/libb.so"], env={"LD_PRELOAD": "liba.so"}),
    Case("/etc/ld.so.preload is for all", {PROGRAM: program(B), "/lib/liba.so": LIB, "/lib/libb.so": LIB,
         "/etc/ld.so.preload": b"/lib/liba.so\n"}, ["/lib/liba.so", "/lib/libb.so"]),
    Case("the loader may be needed", {PROGRAM: program("ld-uClibc.so.0")}, [LOADER]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_maps_what_its_source_says(case: Case) -> None:
    files = {LOADER: LIB, **case.files}
    entries: list[Entry] = [Regular(path, 0o755, 0, 0, 0, (), 0, Bytes(data)) for path, data in files.items()]
    entries += [Symlink(path, 0o777, 0, 0, 0, (), 0, target) for path, target in case.links.items()]
    found = mapped(resolve(Tree(entries), case.env))
    assert found.objects == tuple(case.objects)
    assert found.missing == tuple(case.missing)


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 15
