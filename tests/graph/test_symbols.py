"""Symbols and versions, each case beside `ldd -r` of the machine: libraries linked, then swapped for others."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from assembler.base.content import Bytes
from assembler.elf.symbols import Defined, SymbolTable, Wanted
from assembler.graph.facts import Facts
from assembler.graph.loaders.base import Load, Object, SymbolRules
from assembler.graph.symbols import Binder
from assembler.tree import Regular, Tree
from tests.elf.build import elf
from tests.tools import BRASM, attempt, need

if TYPE_CHECKING:
    from pathlib import Path


class Library(NamedTuple):
    """Code of a library and its version script."""

    code: str
    versions: str | None = None


class Case(NamedTuple):
    """A program, the library that it is linked with, and the one that it meets."""

    title: str
    program: str
    then: Library
    now: Library
    flags: tuple[str, ...] = ()


OLD = "V1 { global: one; local: *; };"
NEW = "V1 { global: one; local: *; }; V2 { global: two; } V1;"
ONE, TWO = "int one(void) { return 1; }", "int one(void) { return 1; } int two(void) { return 2; }"
USES_TWO = "int two(void); int main(void) { return two(); }"

CASES = [
    Case("nothing is missing", USES_TWO, Library(TWO), Library(TWO)),
    Case("a symbol is gone", USES_TWO, Library(TWO), Library(ONE)),
    Case("a version is gone: an older library", USES_TWO, Library(TWO, NEW), Library(ONE, OLD)),
    Case("a version is there, its symbol is not", USES_TWO, Library(TWO, NEW),
         Library(ONE, "V1 { global: one; local: *; }; V2 { } V1;")),
    Case("a library without versions serves who asks for one", USES_TWO, Library(TWO, NEW), Library(TWO)),
    Case("a library with versions serves who asks for none", USES_TWO, Library(TWO), Library(TWO, NEW)),
    Case("a symbol of another version", USES_TWO, Library(TWO, "V1 { global: one; two; };"),
         Library(TWO, "V1 { global: one; local: *; }; V9 { global: two; };")),
    Case("a hidden version does not serve who asks for none", USES_TWO, Library(TWO),
         Library(ONE + ' int two_old(void) { return 2; } __asm__(".symver two_old, two@V3");',
                 "V1 { global: one; local: *; }; V2 { }; V3 { };")),
    Case("a weak symbol may be missing",
         "int two(void) __attribute__((weak)); int main(void) { return two ? two() : 0; }", Library(TWO), Library(ONE)),
    Case("data that was copied", "extern int value; int main(void) { return value; }",
         Library("int value = 3;"), Library("int other = 3;"), ("-no-pie", "-fno-pie")),
    Case("data that is copied", "extern int value; int main(void) { return value; }",
         Library("int value = 3;"), Library("int value = 4;"), ("-no-pie", "-fno-pie")),
    Case("bound early or late, it is missing", USES_TWO, Library(TWO), Library(ONE), ("-Wl,-z,now",)),
    Case("thread-local data", "extern __thread int mine; int main(void) { return mine; }",
         Library("__thread int mine = 1;"), Library("__thread int yours = 1;")),
    Case("a hash table of the old form", USES_TWO, Library(TWO), Library(ONE), ("-Wl,--hash-style=sysv",)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_what_is_missing_is_what_ldd_misses(case: Case, tmp_path: Path) -> None:
    need("gcc", "ldd")
    build(tmp_path, case.then, case.flags)
    command = ["gcc", "-x", "c", "-", "-o", "program", "-L.", "-l:liba.so", "-Wl,-rpath=$ORIGIN", *case.flags]
    subprocess.run(command, input=case.program.encode(), check=True, cwd=tmp_path)
    build(tmp_path, case.now, case.flags)
    text = subprocess.run(["ldd", "-r", "program"], capture_output=True, text=True, check=False, cwd=tmp_path)
    symbols = set(re.findall(r"(?:undefined symbol: |symbol )(\w+)[,\s]", text.stdout))
    versions = set(re.findall(r"version `(\w+)' not found", text.stdout + text.stderr))
    done = attempt(*BRASM, "deps", "--symbols", "--json", "program", cwd=tmp_path)
    (found,) = json.loads(done.stdout)
    assert {one["version"] for one in found["missing_versions"]} == versions, text.stdout
    if not versions:  # of symbols glibc says nothing where a version is missing
        assert {one["name"] for one in found["missing_symbols"]} == symbols, text.stdout
    assert done.returncode == (4 if symbols or versions else 0)


def build(folder: Path, library: Library, flags: tuple[str, ...], compiler: str = "gcc") -> None:
    flags = tuple(flag for flag in flags if "pie" not in flag)
    if library.versions is not None:
        (folder / "map").write_text(library.versions)
        flags += ("-Wl,--version-script=map",)
    command = [compiler, "-shared", "-fPIC", "-x", "c", "-", "-Wl,-soname=liba.so", "-o", "liba.so", *flags]
    subprocess.run(command, input=library.code.encode(), check=True, cwd=folder)


def missing(wanted: Wanted, defined: tuple[Defined, ...], rules: SymbolRules, *, versioned: bool = True) -> bool:
    """Say whether a program's reference is met by a library, of which this is known."""
    tables = {"/a": SymbolTable((wanted,)), "/b": SymbolTable((), defined, versioned)}
    entries = [Regular(path, 0o755, 0, 0, 0, (), 0, Bytes(elf())) for path in tables]
    facts = Facts(Tree(entries))
    setattr(facts, "symbols", tables.__getitem__)  # noqa: B010  (the files themselves have no symbols)
    known: Any = facts.elf("/a")
    load = Load((Object("/a", "/a", known), Object("/b", "/b", known)), ())
    return bool(Binder(facts).missing_symbols(load, rules))


# musl-gcc's own start files are for position-independent programs, which copy no data.
OF_MUSL = [case for case in CASES if "-no-pie" not in case.flags]


@pytest.mark.parametrize("case", OF_MUSL, ids=lambda case: case.title)
def test_musl_misses_what_its_loader_misses(case: Case, tmp_path: Path) -> None:
    """The same cases, in musl's rules: names only, and of versions the default ones."""
    need("musl-gcc")
    build(tmp_path, case.then, case.flags, compiler="musl-gcc")
    link = ["-L.", "-l:liba.so", "-Wl,-rpath=/nowhere", *case.flags]
    command = ["musl-gcc", "-x", "c", "-", "-o", "program", *link]
    subprocess.run(command, input=case.program.encode(), check=True, cwd=tmp_path)
    build(tmp_path, case.now, case.flags, compiler="musl-gcc")
    env = {"LD_LIBRARY_PATH": str(tmp_path)}
    loader = "/lib/ld-musl-x86_64.so.1"
    text = subprocess.run(
        [loader, "--list", "program"], capture_output=True, text=True, check=False, cwd=tmp_path, env=env
    )
    assert "liba.so =>" in text.stdout, text
    symbols = set(re.findall(r"Error relocating \S+: (\w+): symbol not found", text.stderr))
    given = ("--env", f"LD_LIBRARY_PATH={tmp_path}")
    (found,) = json.loads(attempt(*BRASM, "deps", "--symbols", "--json", *given, "program", cwd=tmp_path).stdout)
    assert found["missing_versions"] == []
    assert {one["name"] for one in found["missing_symbols"]} == symbols, text


def test_loaders_differ_in_versions() -> None:
    wanted = Wanted("x", "V2")
    other, hidden = Defined("x", "V1", index=3), Defined("x", "V2", hidden=True, index=3)
    assert missing(wanted, (other,), "versioned")
    assert not missing(wanted, (hidden,), "versioned")
    assert not missing(wanted, (other,), "default versions")
    assert missing(wanted, (hidden,), "default versions")
    assert not missing(wanted, (hidden,), "names")


def test_verify_finds_a_library_that_was_swapped(tmp_path: Path) -> None:
    """The program was linked with the new library, the root has the old one."""
    need("gcc")
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "opt").mkdir()
    build(root / "opt", Library(TWO, NEW), ())
    command = ["gcc", "-x", "c", "-", "-o", f"{root}/bin/program", f"-L{root}/opt", "-l:liba.so", "-Wl,-rpath=/opt"]
    subprocess.run(command, input=USES_TWO.encode(), check=True)
    copy_libc(root)
    assert verify(root, tmp_path) == []
    build(root / "opt", Library(ONE, OLD), ())
    rules = {(one["rule"], one["path"], one["message"]) for one in verify(root, tmp_path)}
    assert ("version", "/bin/program", "V2 of liba.so is not in /opt/liba.so") in rules
    assert ("symbol", "/bin/program", "two, version V2 is undefined in /bin/program") in rules


def copy_libc(root: Path) -> None:
    for path in ("/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"):
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-L", path, root / path[1:]], check=True)


def verify(root: Path, folder: Path) -> list[dict[str, str]]:
    attempt(*BRASM, "pack", "-q", "-s", root, "--mode", "all", "-e", "/bin/program", "-o", folder / "x.tar")
    found = json.loads(attempt(*BRASM, "verify", "--json", folder / "x.tar").stdout)["violations"]
    assert isinstance(found, list)
    return found
