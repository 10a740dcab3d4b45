"""Resolution against musl's own loader, in small roots of Debian's musl."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import pytest

from assembler.base.paths import normalize
from assembler.base.progress import Silent
from assembler.elf.types import ElfFile
from assembler.graph.facts import Facts
from assembler.graph.loaders import loader_for
from assembler.sources.directory import DirectoryOptions, read_directory
from tests.tools import need, need_root

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from assembler.tree import Tree

LOADER = "/lib/ld-musl-x86_64.so.1"
PROGRAM = "/usr/bin/program"


class Case(NamedTuple):
    """Libraries by path, each with the names it needs and extra linker flags; the program likewise."""

    title: str
    libraries: Mapping[str, tuple[list[str], list[str]]]
    program: tuple[list[str], list[str]]
    env: Mapping[str, str] = MappingProxyType({})
    path_file: str | None = None


CASES = [
    Case("lib before usr/lib", {"/lib/liba.so": ([], []), "/usr/lib/liba.so": ([], [])}, (["liba.so"], [])),
    Case(
        "runpath is inherited",
        {"/opt/liba.so": (["libb.so"], []), "/opt/libb.so": ([], [])},
        (["liba.so"], ["-rpath=/opt"]),
    ),
    Case("a path file replaces the directories", {"/lib/liba.so": ([], []), "/p/liba.so": ([], [])},
         (["liba.so"], []), path_file="/nope\n/p:/lib\n"),
    Case("an empty path file leaves none", {"/lib/liba.so": ([], [])}, (["liba.so"], []), path_file=""),
    Case("LD_LIBRARY_PATH first", {"/r/liba.so": ([], []), "/e/liba.so": ([], [])},
         (["liba.so"], ["-rpath=/r"]), env={"LD_LIBRARY_PATH": "/e"}),
    Case("origin", {"/usr/lib2/liba.so": ([], [])}, (["liba.so"], ["-rpath=$ORIGIN/../lib2"])),
    Case("another token voids the run path", {"/usr/lib2/liba.so": ([], [])},
         (["liba.so"], ["-rpath=$ORIGIN/../lib2:/$LIB"])),
    Case("known by the name that was sought, not by the soname",
         {"/lib/first.so": ([], ["-soname=libreal.so"]), "/lib/libb.so": (["libreal.so"], [])},
         (["first.so", "libb.so"], [])),
    Case("its own names", {}, (["libm.so.6", "libpthread.so.0"], [])),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_musl_finds_what_its_loader_finds(case: Case, tmp_path: Path) -> None:
    need("gcc", "musl-gcc")
    need_root()
    root = make_root(case, tmp_path)
    tree = read_directory(str(root), DirectoryOptions(lambda _: None, lambda _: None), Silent())
    traced = subprocess.run(
        [LOADER, "--list", PROGRAM],
        env=dict(case.env),
        preexec_fn=lambda: os.chroot(root),
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    text = traced.stdout + traced.stderr
    expected = {normalize(path) for path in re.findall(r"=> (/\S+) \(0x", text)} - {LOADER}
    expected |= {f"missing {name}" for name in re.findall(r"Error loading shared library (\S+):", text)}
    assert "ld-musl" in text, "the loader said nothing"
    assert resolved(tree, case.env) == expected


def resolved(tree: Tree, env: Mapping[str, str]) -> set[str]:
    facts = Facts(tree)
    program = facts.elf(PROGRAM)
    assert isinstance(program, ElfFile)
    loader = loader_for(tree, facts, program.machine, program.interp)
    assert loader is not None
    load = loader.load(PROGRAM, program, env)
    assert [edge.name for edge in load.edges if edge.kind == "interp"] == [LOADER]
    return {one.path for one in load.objects[1:]} | {f"missing {one.name}" for one in load.unresolved}


def make_root(case: Case, folder: Path) -> Path:
    root = folder / "root"
    (root / "lib").mkdir(parents=True)
    (root / "etc").mkdir()
    shutil.copy(LOADER, root / LOADER[1:])
    if case.path_file is not None:
        (root / "etc/ld-musl-x86_64.path").write_text(case.path_file)
    (folder / "empty.c").write_text("void dummy_(void) {}\n")
    (folder / "main.c").write_text("int main(void) { return 0; }\n")
    for path, (needed, flags) in case.libraries.items():
        link(folder, ["-shared", "-nostdlib", "empty.c"], root / path[1:], needed, flags)
    link(folder, ["main.c"], root / PROGRAM[1:], *case.program)
    return root


def link(folder: Path, what: list[str], output: Path, needed: list[str], flags: list[str]) -> None:
    """Link against stubs whose soname is the name that is to be needed."""
    output.parent.mkdir(parents=True, exist_ok=True)
    stubs = []
    for number, name in enumerate(needed):
        stubs.append(f"stub{number}.so")
        stub = ["gcc", "-shared", "-nostdlib", "-o", stubs[-1], "empty.c", f"-Wl,-soname={name}"]
        subprocess.run(stub, check=True, cwd=folder)
    linked = [f"-Wl,{flag}" for flag in flags]
    subprocess.run(["musl-gcc", *what, "-o", output, "-Wl,--no-as-needed", *stubs, *linked], check=True, cwd=folder)
