"""The graph over hand-made roots: what is reached, by which evidence, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.base.content import Bytes
from assembler.base.errors import RootError
from assembler.graph.build import build_graph
from assembler.graph.request import Request
from assembler.tree import Entry, Regular, Symlink, Tree, missing_directory
from tests.elf.build import AARCH64, Target, elf

if TYPE_CHECKING:
    from assembler.graph.types import Graph

LD = "/lib64/ld-linux-x86-64.so.2"


def file(path: str, data: bytes = b"", mode: int = 0o755) -> Regular:
    return Regular(path, mode, 0, 0, 0, (), 0, Bytes(data))


def link(path: str, target: str) -> Symlink:
    return Symlink(path, 0o777, 0, 0, 0, (), 0, target)


def base() -> list[Entry]:
    """A root with glibc, merged /usr."""
    return [
        link("/lib", "usr/lib"),
        link("/lib64", "usr/lib64"),
        link("/bin", "usr/bin"),
        file("/usr/lib64/ld-linux-x86-64.so.2", elf(soname="ld-linux-x86-64.so.2")),
        file("/usr/lib/libc.so.6", elf(soname="libc.so.6", needed=("ld-linux-x86-64.so.2",))),
        file("/usr/bin/sh", elf(interp=LD, needed=("libc.so.6",))),
    ]


def graph(*entries: Entry, programs: tuple[str, ...] = (), kept: tuple[str, ...] = (), **rest: object) -> Graph:
    request = Request(
        programs=tuple((f"key{number}", name) for number, name in enumerate(programs)),
        kept=tuple(("select.keep", path) for path in kept),
        **rest,  # type: ignore[arg-type]
    )
    return build_graph(Tree([*base(), *entries]), request)


def test_a_program_reaches_its_loader_and_libraries() -> None:
    found = graph(programs=("/bin/sh",))
    assert set(found.reached) == {
        "/usr/bin/sh",
        "/bin",
        "/usr/lib64/ld-linux-x86-64.so.2",
        "/lib64",
        "/usr/lib/libc.so.6",
        "/lib",
    }
    assert [(edge.kind, edge.name, edge.found) for edge in found.chain("/usr/lib/libc.so.6")] == [
        ("config", "/bin/sh", "absolute name"),
        ("needed", "libc.so.6", "system dir /lib"),
    ]
    assert found.machine is not None
    assert found.machine.architecture == "amd64"
    assert found.unresolved == ()


def test_a_name_is_found_in_path() -> None:
    found = graph(programs=("sh",), env={"PATH": "/nope:/bin:/usr/bin"})
    assert found.roots[0].found == "PATH /bin"
    assert found.roots[0].via == ("/bin",)


def test_what_is_missing_says_where_it_was_sought() -> None:
    found = graph(file("/usr/bin/x", elf(interp=LD, needed=("libnope.so",), runpath="$ORIGIN/lib")), programs=("x",))
    (missing,) = found.unresolved
    assert (missing.source, missing.kind, missing.name) == ("/usr/bin/x", "needed", "libnope.so")
    assert missing.tried[0] == "runpath of /usr/bin/x: /usr/bin/lib/libnope.so"
    assert any(place.startswith("system dir /usr/lib") for place in missing.tried)


@pytest.mark.parametrize(
    ("entry", "name", "message"),
    [
        (file("/usr/bin/x", b"\x7fELF" + b"\2\1" + bytes(80)), "x", "an ELF file of type ET_NONE"),
        (file("/usr/bin/x", elf(interp=LD)[:-1]), "x", "truncated: a segment ends beyond"),
        (file("/usr/bin/x", b"just text"), "x", "neither an ELF file nor a script"),
        (file("/usr/bin/x", elf(interp=LD), 0o644), "/usr/bin/x", "not executable"),
        (missing_directory("/usr/bin/x"), "/usr/bin/x", "not a file"),
        (link("/usr/bin/x", "y"), "/usr/bin/x", "no such file"),
        (link("/usr/bin/x", "x"), "/usr/bin/x", "too many levels of symbolic links"),
        (link("/usr/bin/x", "../../../../../bin/nope"), "/usr/bin/x", "no such file"),
    ],
)
def test_programs_that_cannot_run_are_refused(entry: Entry, name: str, message: str) -> None:
    with pytest.raises(RootError, match=message):
        graph(entry, programs=(name,))


def test_a_wrong_name_is_met_with_the_nearest() -> None:
    with pytest.raises(RootError) as caught:
        graph(programs=("/usr/bin/shh",))
    assert caught.value.hint == "did you mean /usr/bin/sh?"
    with pytest.raises(RootError, match="not found in PATH") as caught:
        graph(programs=("shh",))
    assert caught.value.hint is not None


def test_two_machines_in_one_image_are_refused() -> None:
    foreign = file("/usr/bin/arm", elf(target=Target(AARCH64), interp="/lib/ld-linux-aarch64.so.1"))
    with pytest.raises(RootError, match=r"/usr/bin/arm is for AARCH64 .*, but /usr/bin/sh is for X86_64"):
        graph(foreign, programs=("sh", "arm"))


def test_foreign_and_damaged_files_may_be_kept_as_data() -> None:
    foreign = file("/opt/arm", elf(target=Target(AARCH64), needed=("libnope.so",)))
    garbage = file("/opt/garbage", b"\x7fELF\2\1" + b"\xff" * 100)
    found = graph(foreign, garbage, programs=("sh",), kept=("/opt/arm", "/opt/garbage"))
    assert {"/opt/arm", "/opt/garbage"} <= set(found.reached)
    assert found.unresolved == ()
    assert [path for path, _ in found.hazards] == ["/opt/arm"]


def test_scripts_bring_their_interpreters() -> None:
    found = graph(
        file("/usr/bin/one", b"#! /bin/sh -e\n"),
        file("/usr/bin/env", elf(interp=LD)),
        file("/usr/bin/two", b"#!/usr/bin/env -S A=b one --x\n"),
        programs=("two",),
    )
    kinds = [(edge.kind, edge.target) for edge in found.chain("/usr/lib/libc.so.6")]
    assert kinds == [
        ("config", "/usr/bin/two"),
        ("shebang", "/usr/bin/one"),
        ("shebang", "/usr/bin/sh"),
        ("needed", "/usr/lib/libc.so.6"),
    ]
    assert "/usr/bin/env" in found.reached


def test_a_script_without_its_interpreter_is_unresolved() -> None:
    found = graph(file("/usr/bin/x", b"#!/usr/bin/perl\n"), programs=("x",))
    assert [(one.kind, one.name) for one in found.unresolved] == [("shebang", "/usr/bin/perl")]


def test_kept_symlinks_bring_their_targets() -> None:
    found = graph(link("/opt/x", "/bin/sh"), kept=("/opt/x",))
    assert "/usr/lib/libc.so.6" in found.reached
    assert [edge.kind for edge in found.chain("/usr/bin/sh")] == ["config", "symlink"]


def test_a_kept_library_that_a_program_maps_is_not_sought_without_it() -> None:
    """Its own needs are met by the program's RPATH only."""
    found = graph(
        file("/usr/bin/x", elf(interp=LD, needed=("liba.so",), rpath="/opt")),
        file("/opt/liba.so", elf(needed=("libb.so",))),
        file("/opt/libb.so", elf()),
        kept=("/opt/liba.so", "/usr/bin/x"),
    )
    assert found.unresolved == ()
    assert "/opt/libb.so" in found.reached


def test_named_users_need_the_databases() -> None:
    passwd, group = file("/etc/passwd", b"", 0o644), file("/etc/group", b"", 0o644)
    assert {"/etc/passwd", "/etc/group"} <= set(graph(passwd, group, user="www").reached)
    assert "/etc/passwd" not in graph(passwd, group, user="33:33").reached
    assert [one.name for one in graph(user="www").unresolved] == ["/etc/passwd", "/etc/group"]


def test_libgcc_comes_with_who_cancels_threads() -> None:
    libgcc = file("/usr/lib/libgcc_s.so.1", elf(soname="libgcc_s.so.1"))
    caller = file("/usr/bin/x", elf(interp=LD, needed=("libc.so.6",), calls=("pthread_cancel",)))
    assert "/usr/lib/libgcc_s.so.1" not in graph(libgcc, programs=("sh",)).reached
    (edge,) = graph(libgcc, caller, programs=("x",)).chain("/usr/lib/libgcc_s.so.1")[1:]
    assert (edge.kind, edge.found) == ("dlopen-rule", "rule libgcc: glibc opens it for pthread_cancel; system dir /lib")


def test_name_services_of_nsswitch() -> None:
    entries = (
        file("/usr/bin/x", elf(interp=LD, needed=("libc.so.6",), calls=("getpwnam",))),
        file("/etc/nsswitch.conf", b"passwd: files [NOTFOUND=continue] ldap # no\nhosts: mymachines\n", 0o644),
        file("/usr/lib/libnss_ldap.so.2", elf(needed=("libldap.so",))),
        file("/usr/lib/libldap.so", elf()),
        file("/usr/lib/libnss_mymachines.so.2", elf()),
    )
    found = graph(*entries, programs=("x",)).reached
    assert {"/etc/nsswitch.conf", "/usr/lib/libnss_ldap.so.2", "/usr/lib/libldap.so"} <= set(found)
    assert "/usr/lib/libnss_mymachines.so.2" not in found


LIBS = [f"lib{letter}.so" for letter in "abcdef"]


@st.composite
def roots(draw: st.DrawFn) -> list[Entry]:
    needs = st.lists(st.sampled_from(LIBS), max_size=2).map(tuple)
    libraries = [file(f"/usr/lib/{lib}", elf(soname=lib, needed=draw(needs))) for lib in LIBS]
    programs = [file(f"/usr/bin/p{number}", elf(interp=LD, needed=draw(needs))) for number in range(3)]
    return [*libraries, *programs]


@given(roots(), st.sets(st.integers(0, 2)), st.integers(0, 2))
def test_closure_is_monotonic_and_idempotent(entries: list[Entry], some: set[int], more: int) -> None:
    names = tuple(f"p{number}" for number in sorted(some))
    small = set(graph(*entries, programs=names).reached)
    large = set(graph(*entries, programs=(*names, f"p{more}")).reached)
    assert small <= large
    kept = [entry for entry in Tree([*base(), *entries]) if entry.path in small]
    again = build_graph(Tree(kept), Request(programs=tuple(("k", f"/usr/bin/{name}") for name in names)))
    assert set(again.reached) <= small
    assert again.unresolved == ()
