"""glibc's search, a rule a row, each compared with the real ld.so: what it maps, in its order, and what it misses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.elf.build import AARCH64, I386, Target, elf
from tests.graph.loaded import GLIBC, PROGRAM, Case, listed, make_root, mapped, resolve, trace, tree_of

if TYPE_CHECKING:
    from pathlib import Path

NONE: tuple[list[str], list[str]] = ([], [])
"""A library that needs nothing."""
OLD = "--disable-new-dtags"
A, B, C = "liba.so", "libb.so", "libc_.so"


def both_tags(root: Path) -> None:
    """Give the program a DT_RPATH beside its DT_RUNPATH, which no linker does."""
    import lief

    path = str(root / PROGRAM[1:])
    program = lief.ELF.parse(path)
    assert program is not None
    program.add(lief.ELF.DynamicEntryRpath("/rpath"))
    program.write(path)


def merge(root: Path) -> None:
    """Move /lib below /usr, as merged roots have it."""
    for path in (root / "lib").iterdir():
        path.rename(root / "usr/lib" / path.name)
    (root / "lib").rmdir()
    (root / "lib").symlink_to("usr/lib")


CASES = [
    # Where a name is looked for
    Case("/lib comes before /usr/lib", {"/lib/liba.so": NONE, "/usr/lib/liba.so": NONE}, ([A], [])),
    Case("/usr/lib comes last", {"/usr/lib/liba.so": NONE}, ([A], [])),
    Case("RUNPATH comes before the system directories", {"/opt/liba.so": NONE, "/lib/liba.so": NONE},
         ([A], ["-rpath=/opt"])),
    Case("RPATH comes before the system directories", {"/opt/liba.so": NONE, "/lib/liba.so": NONE},
         ([A], ["-rpath=/opt", OLD])),
    Case("RPATH comes before LD_LIBRARY_PATH", {"/opt/liba.so": NONE, "/env/liba.so": NONE},
         ([A], ["-rpath=/opt", OLD]), env={"LD_LIBRARY_PATH": "/env"}),
    Case("LD_LIBRARY_PATH comes before RUNPATH", {"/opt/liba.so": NONE, "/env/liba.so": NONE},
         ([A], ["-rpath=/opt"]), env={"LD_LIBRARY_PATH": "/env"}),
    Case("the first directory of a list that has the name counts", {"/two/liba.so": NONE, "/three/liba.so": NONE},
         ([A], ["-rpath=/one:/two:/three"])),
    Case("LD_LIBRARY_PATH is split at semicolons too", {"/two/liba.so": NONE}, ([A], []),
         env={"LD_LIBRARY_PATH": "/one;/two"}),
    Case("a directory's trailing slashes do not matter", {"/opt/liba.so": (["libb.so"], ["-rpath=$ORIGIN/in"]),
         "/opt/in/libb.so": NONE}, ([A], ["-rpath=/opt//"])),
    Case("a relative directory is one of the current directory", {"/opt/liba.so": NONE}, ([A], ["-rpath=opt"])),
    Case("an empty element is the current directory", {"/liba.so": NONE}, ([A], ["-rpath=/nope:"])),
    Case("an empty element of LD_LIBRARY_PATH is it too", {"/liba.so": NONE}, ([A], []),
         env={"LD_LIBRARY_PATH": "/nope:"}),
    Case("what nobody has is missing", {}, (["libnope.so"], [])),
    Case("what is missing does not keep the rest from being looked for", {"/lib/libb.so": NONE},
         (["libnope.so", B], [])),
    Case("what a library misses is missing", {"/lib/liba.so": (["libnope.so"], [])}, ([A], [])),
    Case("glibc 2.36 and older look into tls/ and x86_64/ first",
         {"/lib/liba.so": NONE, "/lib/tls/liba.so": NONE, "/lib/x86_64/liba.so": NONE, "/lib/x86_64/libb.so": NONE,
          "/lib/libb.so": NONE, "/lib/tls/x86_64/libc_.so": NONE, "/lib/tls/libc_.so": NONE}, ([A, B, C], [])),

    # Who inherits what
    Case("RUNPATH is not inherited", {"/opt/liba.so": ([B], []), "/opt/libb.so": NONE}, ([A], ["-rpath=/opt"])),
    Case("RPATH is inherited", {"/opt/liba.so": ([B], []), "/opt/libb.so": NONE}, ([A], ["-rpath=/opt", OLD])),
    Case("RPATH is inherited over generations",
         {"/opt/liba.so": ([B], []), "/opt/libb.so": ([C], []), "/opt/libc_.so": NONE},
         ([A], ["-rpath=/opt", OLD])),
    Case("an object's own RPATH comes before that of who loaded it",
         {"/opt/liba.so": ([B], ["-rpath=/own", OLD]), "/opt/libb.so": NONE, "/own/libb.so": NONE},
         ([A], ["-rpath=/opt", OLD])),
    Case("RPATH of who loaded it comes before the program's",
         {"/opt/liba.so": ([B], ["-rpath=/own", OLD]), "/own/libb.so": ([C], []), "/own/libc_.so": NONE,
          "/opt/libc_.so": NONE}, ([A], ["-rpath=/opt", OLD])),
    Case("an object with RUNPATH uses no RPATH of others",
         {"/opt/liba.so": ([B], ["-rpath=/own"]), "/opt/libb.so": NONE}, ([A], ["-rpath=/opt", OLD])),
    Case("RUNPATH in between does not keep RPATH from being inherited",
         {"/opt/liba.so": ([B], ["-rpath=/own"]), "/own/libb.so": ([C], []), "/opt/libc_.so": NONE},
         ([A], ["-rpath=/opt", OLD])),
    Case("a library's RPATH serves what it loads, not its siblings",
         {"/opt/liba.so": ([], ["-rpath=/own", OLD]), "/own/libb.so": NONE}, ([A, B], ["-rpath=/opt", OLD])),
    Case("where both tags stand, RPATH does not count", {"/rpath/liba.so": NONE, "/opt/libb.so": NONE},
         ([A, B], ["-rpath=/opt"]), change=both_tags),
    Case("LD_LIBRARY_PATH serves everybody", {"/env/liba.so": ([B], []), "/env/libb.so": NONE}, ([A], []),
         env={"LD_LIBRARY_PATH": "/env"}),

    # Tokens
    Case("$ORIGIN is the program's directory", {"/usr/lib2/liba.so": NONE}, ([A], ["-rpath=$ORIGIN/../lib2"])),
    Case("${ORIGIN} is the same", {"/usr/lib2/liba.so": NONE}, ([A], ["-rpath=${ORIGIN}/../lib2"])),
    Case("-z origin changes nothing", {"/usr/lib2/liba.so": NONE},
         ([A], ["-rpath=$ORIGIN/../lib2", "-z,origin"])),
    Case("$ORIGIN of a library is its own directory",
         {"/opt/liba.so": ([B], ["-rpath=$ORIGIN/deep"]), "/opt/deep/libb.so": NONE}, ([A], ["-rpath=/opt"])),
    Case("$ORIGIN of an inherited RPATH is that of its owner",
         {"/usr/own/liba.so": ([B], []), "/usr/own/libb.so": NONE}, ([A], ["-rpath=$ORIGIN/../own", OLD])),
    Case("$ORIGIN of a library does not follow the file's symlink",
         {"/real/liba.so": ([B], ["-rpath=$ORIGIN"]), "/opt/libb.so": NONE}, ([A], ["-rpath=/opt"]),
         links={"/opt/liba.so": "../real/liba.so"}),
    Case("$ORIGIN of a library does not follow its directory's symlink",
         {"/real/in/liba.so": ([B], ["-rpath=$ORIGIN/.."]), "/libb.so": NONE}, ([A], ["-rpath=/opt"]),
         links={"/opt": "real/in"}),
    Case("$LIB is the system directory's name", {"/opt/lib/x86_64-linux-gnu/liba.so": NONE, "/opt/lib64/liba.so": NONE,
         "/opt/lib/liba.so": NONE}, ([A], ["-rpath=/opt/$LIB"])),
    Case("${LIB} may stand in a name", {"/opt/lib/x86_64-linux-gnu-x/liba.so": NONE, "/opt/lib64-x/liba.so": NONE,
         "/opt/lib-x/liba.so": NONE}, ([A], ["-rpath=/opt/${LIB}-x"])),
    Case("what only begins like a token is none", {"/opt/$ORIGINAL/liba.so": NONE}, ([A], ["-rpath=/opt/$ORIGINAL"])),
    Case("an unknown token is none", {"/opt/$HOME/liba.so": NONE}, ([A], ["-rpath=/opt/$HOME"])),
    Case("tokens count in names with a slash", {"/usr/lib2/liba.so": NONE}, (["$ORIGIN/../lib2/liba.so"], [])),
    Case("tokens count in LD_LIBRARY_PATH", {"/usr/lib2/liba.so": NONE}, ([A], []),
         env={"LD_LIBRARY_PATH": "$ORIGIN/../lib2"}),

    # Names and identity
    Case("an absolute name is opened as it is", {"/opt/liba.so": NONE}, (["/opt/liba.so"], [])),
    Case("an absolute name is looked for nowhere else", {"/lib/liba.so": NONE}, (["/opt/liba.so"], [])),
    Case("a relative name with a slash is one of the current directory", {"/opt/liba.so": NONE}, (["opt/liba.so"], [])),
    Case("what is loaded is known by its soname",
         {"/opt/first.so": ([], ["-soname=libreal.so"]), "/opt/libb.so": (["libreal.so"], [])},
         (["first.so", B], ["-rpath=/opt"])),
    Case("what is loaded is known by the name that was asked for",
         {"/opt/first.so": ([], ["-soname=libreal.so"]), "/lib/libb.so": (["first.so"], [])},
         (["first.so", B], ["-rpath=/opt"])),
    Case("another file of a soname that is loaded is not looked for",
         {"/opt/liba.so": ([], ["-soname=liba.so"]), "/own/liba.so": ([], ["-soname=liba.so"]),
          "/opt/libb.so": ([A], ["-rpath=/own"])}, ([A, B], ["-rpath=/opt"])),
    Case("a symlink to what is loaded is the same object", {"/opt/liba.so": NONE},
         ([A, "libalias.so"], ["-rpath=/opt"]), links={"/opt/libalias.so": "liba.so"}),
    Case("a hard link to what is loaded is the same object", {"/opt/liba.so": ([B], []), "/lib/libb.so": NONE},
         ([A, "libalias.so"], ["-rpath=/opt"]), hard={"/opt/libalias.so": "/opt/liba.so"}),
    Case("a copy of what is loaded is another object", {"/opt/liba.so": NONE, "/opt/libcopy.so": NONE},
         ([A, "libcopy.so"], ["-rpath=/opt"])),
    Case("the program itself is known by its soname", {"/lib/liba.so": (["libself.so"], [])},
         ([A], ["-soname=libself.so"])),
    Case("the loader is known by its soname", {"/lib/liba.so": (["ld-linux-x86-64.so.2"], [])}, ([A], [])),
    Case("the loader is known by the name in PT_INTERP", {}, (["/lib64/ld-linux-x86-64.so.2"], [])),
    Case("circles end", {"/lib/liba.so": ([B], []), "/lib/libb.so": ([A], [])}, ([A], [])),
    Case("what is needed twice is loaded once, breadth first",
         {"/lib/liba.so": ([C], []), "/lib/libb.so": ([C, "libd.so"], []), "/lib/libc_.so": NONE,
          "/lib/libd.so": NONE}, ([A, B], [])),

    # Candidates
    Case("a file of another class is passed over", {"/usr/lib/liba.so": NONE}, ([A], ["-rpath=/one"]),
         files={"/one/liba.so": elf(target=Target(I386, 32))}),
    Case("a file for another machine is passed over", {"/usr/lib/liba.so": NONE}, ([A], ["-rpath=/one"]),
         files={"/one/liba.so": elf(target=Target(AARCH64))}),
    Case("a file of another byte order is passed over, or ends it", {}, ([A], ["-rpath=/one"]),
         files={"/one/liba.so": elf(target=Target(little=False))}),
    Case("a dangling symlink is passed over", {"/usr/lib/liba.so": NONE}, ([A], ["-rpath=/one"]),
         links={"/one/liba.so": "nowhere"}),
    Case("a symlink that leads to itself is passed over", {"/usr/lib/liba.so": NONE}, ([A], ["-rpath=/one"]),
         links={"/one/liba.so": "liba.so"}),
    Case("an absolute symlink starts at the root", {"/real/liba.so": NONE}, ([A], ["-rpath=/one"]),
         links={"/one/liba.so": "/real/liba.so"}),
    Case("a symlink cannot climb out of the root", {"/real/liba.so": NONE}, ([A], ["-rpath=/one"]),
         links={"/one/liba.so": "../../../../real/liba.so"}),
    Case("a directory of the name ends the search", {"/opt/liba.so/x": NONE, "/usr/lib/liba.so": NONE},
         ([A], ["-rpath=/opt"])),
    Case("a linker script ends the search", {"/usr/lib/liba.so": NONE}, ([A], ["-rpath=/opt"]),
         files={"/opt/liba.so": b"INPUT(libx.so)\n" * 10}),
    Case("an empty file ends the search", {"/usr/lib/liba.so": NONE}, ([A], ["-rpath=/opt"]),
         files={"/opt/liba.so": b""}),
    Case("a short file ends the search", {"/usr/lib/liba.so": NONE}, ([A], ["-rpath=/opt"]),
         files={"/opt/liba.so": b"\x7fELF\2\1\1"}),
    Case("a program of that name ends the search", {"/usr/lib/liba.so": NONE}, ([A], ["-rpath=/opt"]),
         links={"/opt/liba.so": PROGRAM}),

    # The cache
    Case("ld.so.cache comes before the system directories",
         {"/opt/liba.so": ([], ["-soname=liba.so"]), "/lib/liba.so": ([], ["-soname=liba.so"])}, ([A], []),
         ldconfig=["/opt"]),
    Case("RUNPATH comes before ld.so.cache",
         {"/opt/liba.so": ([], ["-soname=liba.so"]), "/own/liba.so": ([], ["-soname=liba.so"])},
         ([A], ["-rpath=/own"]), ldconfig=["/opt"]),
    Case("the directories of ld.so.conf do not count without a cache", {"/opt/liba.so": NONE}, ([A], []),
         files={"/etc/ld.so.conf": b"/opt\n"}),
    Case("what the cache names and is gone is looked for in the system directories",
         {"/opt/liba.so": ([], ["-soname=liba.so"]), "/usr/lib/liba.so": ([], ["-soname=liba.so"])}, ([A], []),
         ldconfig=["/opt"], removed=["/opt/liba.so"]),
    Case("the cache knows files by their sonames", {"/opt/first.so": ([], ["-soname=libreal.so"])},
         (["libreal.so"], []), ldconfig=["/opt"]),
    Case("of several directories of ld.so.conf the first counts",
         {"/one/liba.so": ([], ["-soname=liba.so"]), "/two/liba.so": ([], ["-soname=liba.so"])}, ([A], []),
         ldconfig=["/two", "/one"]),
    Case("a damaged cache counts for nothing", {"/opt/liba.so": NONE, "/lib/libb.so": NONE}, ([A, B], []),
         files={"/etc/ld.so.cache": b"glibc-ld.so.cache1.0" + bytes(100)}),

    # -z nodefaultlib
    Case("nodefaultlib: no system directories", {"/usr/lib/liba.so": ([B], ["-z,nodefaultlib"]),
         "/usr/lib/libb.so": NONE}, ([A], [])),
    Case("nodefaultlib: run paths count", {"/usr/lib/liba.so": ([B], ["-z,nodefaultlib", "-rpath=/opt"]),
         "/opt/libb.so": NONE}, ([A], [])),
    Case("nodefaultlib: cached libraries outside of the system directories count",
         {"/usr/lib/liba.so": ([B], ["-z,nodefaultlib"]), "/opt/libb.so": ([], ["-soname=libb.so"])}, ([A], []),
         ldconfig=["/opt"]),
    Case("nodefaultlib: cached libraries of the system directories do not",
         {"/usr/lib/liba.so": ([B], ["-z,nodefaultlib"]), "/usr/lib/libb.so": ([], ["-soname=libb.so"])}, ([A], []),
         ldconfig=["/opt"]),
    Case("nodefaultlib is not inherited",
         {"/opt/liba.so": ([B], []), "/usr/lib/libb.so": NONE, "/opt/libc.so.6": ([], ["-soname=libc.so.6"])},
         ([A], ["-rpath=/opt", "-z,nodefaultlib"])),

    # Filters
    Case("a filter brings its filtee", {"/lib/liba.so": ([], ["-F,libb.so"]), "/lib/libb.so": NONE}, ([A], [])),
    Case("a filtee that is missing is missing", {"/lib/liba.so": ([], ["-F,libb.so"])}, ([A], [])),
    Case("an auxiliary filter brings its filtee", {"/lib/liba.so": ([], ["-f,libb.so"]), "/lib/libb.so": NONE},
         ([A], [])),
    Case("an auxiliary filtee may be missing", {"/lib/liba.so": ([], ["-f,libb.so"])}, ([A], []), optional=[B]),
    Case("a filtee is found by the filter's run path",
         {"/lib/liba.so": ([], ["-F,libb.so", "-rpath=/own"]), "/own/libb.so": NONE}, ([A], [])),
    Case("what a filtee needs is needed",
         {"/lib/liba.so": ([], ["-f,libb.so"]), "/lib/libb.so": ([C], []), "/lib/libc_.so": NONE}, ([A], [])),

    # Preloading
    Case("LD_PRELOAD comes first", {"/opt/liba.so": NONE, "/lib/libb.so": NONE}, ([B], []),
         env={"LD_PRELOAD": "/opt/liba.so"}),
    Case("names in LD_PRELOAD are looked for", {"/env/liba.so": NONE}, NONE,
         env={"LD_PRELOAD": "liba.so", "LD_LIBRARY_PATH": "/env"}),
    Case("LD_PRELOAD is split at blanks and colons", {"/lib/liba.so": NONE, "/lib/libb.so": NONE,
         "/lib/libc_.so": NONE}, NONE, env={"LD_PRELOAD": "liba.so libb.so:libc_.so"}),
    Case("what LD_PRELOAD names may be missing", {"/lib/liba.so": NONE}, NONE,
         env={"LD_PRELOAD": "libnope.so liba.so"}),
    Case("/etc/ld.so.preload is for all", {"/opt/liba.so": NONE}, NONE,
         files={"/etc/ld.so.preload": b"/opt/liba.so # a comment\n"}),
    Case("LD_PRELOAD comes before /etc/ld.so.preload", {"/lib/liba.so": NONE, "/lib/libb.so": NONE}, NONE,
         env={"LD_PRELOAD": "libb.so"}, files={"/etc/ld.so.preload": b"liba.so\n"}),
    Case("what is preloaded serves who needs its soname",
         {"/opt/first.so": ([], ["-soname=liba.so"]), "/lib/liba.so": ([], ["-soname=liba.so"])}, ([A], []),
         env={"LD_PRELOAD": "/opt/first.so"}),
    Case("what is preloaded brings what it needs", {"/opt/liba.so": ([B], ["-rpath=/own"]), "/own/libb.so": NONE},
         NONE, env={"LD_PRELOAD": "/opt/liba.so"}),
    Case("RPATH of the program serves what is preloaded", {"/opt/liba.so": NONE}, ([], ["-rpath=/opt", OLD]),
         env={"LD_PRELOAD": "liba.so"}),

    # Merged /usr
    Case("/lib as a link to /usr/lib", {"/usr/lib/liba.so": NONE, "/usr/lib64/libb.so": NONE}, ([A, B], []),
         change=merge),
]  # fmt: skip


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60
    assert len({case.title for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_maps_what_ld_so_maps(case: Case, tmp_path: Path) -> None:
    GLIBC.require()
    root = make_root(case, tmp_path, GLIBC)
    tree = tree_of(root)
    text = trace(root, GLIBC, case.env)
    ours = mapped(resolve(tree, case.env))
    died = re.findall(r"error while loading shared libraries: ([^:\s]+): ", text)
    if died:  # of a file that opens and is no library: it says nothing of the rest
        assert {name.rpartition("/")[2] for name in died} <= {name.rpartition("/")[2] for name in ours.missing}, text
        return
    theirs = listed(tree, text)
    assert ours.objects == theirs.objects, text
    assert {*ours.missing, *case.optional} == {*theirs.missing}, text


HWCAPS = [
    Case("beside a file for all",
         {"/lib/liba.so": NONE, "/lib/glibc-hwcaps/x86-64-v2/liba.so": NONE,
          "/lib/glibc-hwcaps/x86-64-v3/liba.so": NONE},
         ([A], [])),
    Case("in an earlier directory than the file for all",
         {"/usr/lib/liba.so": NONE, "/opt/glibc-hwcaps/x86-64-v2/liba.so": NONE}, ([A], ["-rpath=/opt"])),
    Case("bringing libraries of its own",
         {"/lib/liba.so": NONE, "/lib/glibc-hwcaps/x86-64-v2/liba.so": ([B], []), "/lib/libb.so": NONE}, ([A], [])),
    Case("in the cache",
         {"/opt/liba.so": ([], ["-soname=liba.so"]), "/opt/glibc-hwcaps/x86-64-v2/liba.so": ([], ["-soname=liba.so"])},
         ([A], []), ldconfig=["/opt"]),
]  # fmt: skip


@pytest.mark.parametrize("case", HWCAPS, ids=lambda case: case.title)
def test_what_some_processors_prefer_is_kept_beside(case: Case, tmp_path: Path) -> None:
    """The loader is told which of its folders to look into: what it takes with each mask, we keep all of."""
    GLIBC.require()
    root = make_root(case, tmp_path, GLIBC)
    tree = tree_of(root)
    load = resolve(tree, case.env)
    kept = {edge.target for edge in load.edges}
    plain = listed(tree, trace(root, GLIBC, case.env, "--glibc-hwcaps-mask", "none"))
    assert mapped(load) == plain
    taken = listed(tree, trace(root, GLIBC, case.env, "--glibc-hwcaps-prepend", "x86-64-v3:x86-64-v2"))
    assert set(plain.objects) | set(taken.objects) <= kept
    assert any("glibc-hwcaps" in path for path in taken.objects)
    assert any("on processors with x86-64-v2" in edge.found for edge in load.edges)


def test_what_only_some_processors_find_is_a_hazard(tmp_path: Path) -> None:
    GLIBC.require()
    case = Case("", {"/lib/glibc-hwcaps/x86-64-v2/liba.so": NONE}, ([A], []))
    root = make_root(case, tmp_path, GLIBC)
    tree = tree_of(root)
    load = resolve(tree, {})
    assert listed(tree, trace(root, GLIBC, {}, "--glibc-hwcaps-mask", "none")).missing == (A,)
    assert [message for _, message in load.hazards] == [
        "liba.so is found only on processors with x86-64-v2: /lib/glibc-hwcaps/x86-64-v2/liba.so"
    ]


def test_folders_that_no_processor_looks_into_do_not_count(tmp_path: Path) -> None:
    GLIBC.require()
    case = Case("", {"/lib/liba.so": NONE, "/lib/glibc-hwcaps/x86-64-v9/liba.so": NONE}, ([A], []))
    assert not any("hwcaps" in edge.target for edge in resolve(tree_of(make_root(case, tmp_path, GLIBC)), {}).edges)


HAZARDS = [
    (Case("", {"/opt/liba.so": NONE}, ([A], ["-rpath=opt"])), "runpath has 'opt': the current directory decides"),
    (Case("", {"/liba.so": NONE}, ([A], ["-rpath=:/x", OLD])),
     "rpath has an empty element: the current directory decides"),
    (Case("", {"/liba.so": NONE}, ([A], []), env={"LD_LIBRARY_PATH": ":/x"}),
     "LD_LIBRARY_PATH has an empty element: the current directory decides"),
    (Case("", {"/opt/liba.so": NONE}, ([A], []), files={"/etc/ld.so.conf": b"include conf.d/*.conf\n",
      "/etc/conf.d/x.conf": b"# here\n/opt/\n"}),
     "liba.so is in /opt, which ld.so.conf names and ld.so.cache does not: the image wants ldconfig"),
    (Case("", {}, NONE, env={"LD_PRELOAD": "libnope.so"}),
     "libnope.so is to be preloaded and is not found: ld.so says so and goes on"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "message"), HAZARDS, ids=[message for _, message in HAZARDS])
def test_hazards(case: Case, message: str, tmp_path: Path) -> None:
    GLIBC.require()
    load = resolve(tree_of(make_root(case, tmp_path, GLIBC)), case.env)
    assert (PROGRAM, message) in load.hazards
