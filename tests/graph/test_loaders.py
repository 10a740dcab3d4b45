"""Resolution against the real loader: each case is a small root, made by gcc, and what `ld.so --list` says in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import pytest

from assembler.base.progress import Silent
from assembler.elf.read import ElfFile
from assembler.graph.facts import Facts
from assembler.graph.loaders import loader_for
from assembler.sources.directory import DirectoryOptions, read_directory
from assembler.tree import Found, Tree
from tests.elf.build import AARCH64, I386, Target, elf
from tests.tools import need, need_root

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Case(NamedTuple):
    """Libraries by path, each with the names it needs and extra linker flags; the program likewise."""

    title: str
    libraries: dict[str, tuple[list[str], list[str]]]
    program: tuple[list[str], list[str]]
    ldconfig: list[str] | None = None
    env: Mapping[str, str] = MappingProxyType({})
    links: Mapping[str, str] = MappingProxyType({})
    files: Mapping[str, bytes] = MappingProxyType({})


OLD = "--disable-new-dtags"
CASES = [
    Case("system directory", {"/usr/lib/liba.so": ([], [])}, (["liba.so"], [])),
    Case("lib before usr/lib", {"/lib/liba.so": ([], []), "/usr/lib/liba.so": ([], [])}, (["liba.so"], [])),
    Case("runpath", {"/opt/liba.so": ([], [])}, (["liba.so"], ["-rpath=/opt"])),
    Case(
        "runpath is not inherited",
        {"/opt/liba.so": (["libb.so"], []), "/opt/libb.so": ([], [])},
        (["liba.so"], ["-rpath=/opt"]),
    ),
    Case(
        "rpath is inherited",
        {"/opt/liba.so": (["libb.so"], []), "/opt/libb.so": ([], [])},
        (["liba.so"], [OLD, "-rpath=/opt"]),
    ),
    Case(
        "a library's runpath turns inherited rpaths off",
        {"/opt/liba.so": (["libb.so"], ["-rpath=/else"]), "/opt/libb.so": ([], [])},
        (["liba.so"], [OLD, "-rpath=/opt"]),
    ),
    Case(
        "rpath before LD_LIBRARY_PATH before runpath",
        {"/r/liba.so": ([], []), "/e/liba.so": ([], []), "/e/libb.so": ([], []), "/r/libb.so": ([], [])},
        (["liba.so", "libb.so"], [OLD, "-rpath=/r"]),
        env={"LD_LIBRARY_PATH": "/e"},
    ),
    Case(
        "LD_LIBRARY_PATH before runpath",
        {"/r/liba.so": ([], []), "/e/liba.so": ([], [])},
        (["liba.so"], ["-rpath=/r"]),
        env={"LD_LIBRARY_PATH": "/nope;/e"},
    ),
    Case("origin of the program", {"/opt/lib/liba.so": ([], [])}, (["liba.so"], ["-rpath=$ORIGIN/../../opt/lib"])),
    Case(
        "origin of a library is where it was found, not where its symlink leads",
        {"/real/liba.so": (["libb.so"], ["-rpath=$ORIGIN"]), "/opt/libb.so": ([], []), "/real/libb.so": ([], [])},
        (["liba.so"], ["-rpath=/opt"]),
        links={"/opt/liba.so": "/real/liba.so"},
    ),
    Case("braces", {"/usr/bin/x/liba.so": ([], [])}, (["liba.so"], ["-rpath=${ORIGIN}/x"])),
    Case(
        "a cache before the system directories",
        {"/opt/liba.so": ([], []), "/usr/lib/liba.so": ([], [])},
        (["liba.so"], []),
        ldconfig=["/opt"],
    ),
    Case("directories of ld.so.conf do not count without a cache", {"/opt/liba.so": ([], [])}, (["liba.so"], [])),
    Case(
        "nodeflib keeps the system directories and their cache entries out",
        {"/usr/lib/liba.so": ([], []), "/opt/libb.so": ([], [])},
        (["liba.so", "libb.so"], ["-z", "nodefaultlib"]),
        ldconfig=["/opt"],
    ),
    Case(
        "loaded under its soname already",
        {"/opt/first.so": ([], ["-soname=libreal.so"]), "/opt/libb.so": (["libreal.so"], [])},
        (["first.so", "libb.so"], ["-rpath=/opt"]),
    ),
    Case(
        "a symlink to what is loaded is the same object",
        {"/opt/liba.so": ([], [])},
        (["liba.so", "libalias.so"], ["-rpath=/opt"]),
        links={"/opt/libalias.so": "liba.so"},
    ),
    Case("an absolute name", {"/opt/liba.so": ([], [])}, (["/opt/liba.so"], [])),
    Case("missing", {}, (["libnope.so"], [])),
    Case(
        "a directory of the name ends the search",
        {"/opt/liba.so/x": ([], []), "/usr/lib/liba.so": ([], [])},
        (["liba.so"], ["-rpath=/opt"]),
    ),
    Case(
        "what is no library ends the search",
        {"/usr/lib/liba.so": ([], [])},
        (["liba.so"], ["-rpath=/opt"]),
        files={"/opt/liba.so": b"INPUT(libx.so)\n" * 10},
    ),
    Case(
        "another class or machine is passed over",
        {"/usr/lib/liba.so": ([], [])},
        (["liba.so"], ["-rpath=/one:/two"]),
        files={"/one/liba.so": elf(target=Target(I386, 32)), "/two/liba.so": elf(target=Target(AARCH64))},
    ),
    Case(
        "what some processors prefer",
        {"/usr/lib/liba.so": ([], []), "/usr/lib/glibc-hwcaps/x86-64-v9/liba.so": ([], [])},
        (["liba.so"], []),
    ),
    Case("preload", {"/opt/liba.so": ([], [])}, ([], []), env={"LD_PRELOAD": "/opt/liba.so"}),
    Case("preload for all", {"/opt/liba.so": ([], [])}, ([], []), files={"/etc/ld.so.preload": b"/opt/liba.so # x\n"}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_glibc_finds_what_ld_so_finds(case: Case, tmp_path: Path) -> None:
    need("gcc")
    need_root()
    root = make_root(case, tmp_path)
    tree = read_directory(str(root), DirectoryOptions(lambda _: None, lambda _: None), Silent())
    traced = trace(root, case.env)
    expected = set(re.findall(r"(/\S+) \(0x", traced))
    expected |= {f"missing {name}" for name in re.findall(r"(\S+) => not", traced)}
    if died := re.findall(r"error while loading shared libraries: \S*/(\S+): (?!cannot open)", traced):
        assert {f"missing {name}" for name in died} <= resolved(tree, case.env)
        return
    assert expected, "the loader said nothing"
    assert resolved(tree, case.env) == {real(tree, path) for path in expected} - {LOADER}


def trace(root: Path, env: Mapping[str, str]) -> str:
    """Ask the real loader, in a chroot: it prints what it maps and runs nothing."""
    done = subprocess.run(
        [LOADER, PROGRAM],
        env={"LD_TRACE_LOADED_OBJECTS": "1", **env},
        preexec_fn=lambda: os.chroot(root),
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


LOADER = "/lib64/ld-linux-x86-64.so.2"
PROGRAM = "/usr/bin/program"


def resolved(tree: Tree, env: Mapping[str, str]) -> set[str]:
    facts = Facts(tree)
    program = facts.elf(PROGRAM)
    assert isinstance(program, ElfFile)
    loader = loader_for(tree, facts, program.machine, program.interp)
    assert loader is not None
    load = loader.load(PROGRAM, program, env)
    return {one.path for one in load.objects[1:]} | {f"missing {one.name}" for one in load.unresolved}


def real(tree: Tree, path: str) -> str:
    at = tree.walk(path)
    return at.path if isinstance(at, Found) else path


def make_root(case: Case, folder: Path) -> Path:
    """Make a root with this machine's glibc, and the case's libraries and program."""
    root = folder / "root"
    for path in (LOADER, "/lib/libc.so.6"):
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(LOADER, root / LOADER[1:])
    libc = subprocess.run(["gcc", "-print-file-name=libc.so.6"], capture_output=True, text=True, check=True).stdout
    shutil.copy(libc.strip(), root / "lib/libc.so.6")
    (folder / "empty.c").write_text("void dummy_(void) {}\n")
    (folder / "main.c").write_text("int main(void) { return 0; }\n")
    for path, (needed, flags) in case.libraries.items():
        link(folder, ["-shared", "-nostdlib", "empty.c"], root / path[1:], needed, flags)
    for path, target in case.links.items():
        (root / path[1:]).symlink_to(target)
    link(folder, ["main.c"], root / PROGRAM[1:], needed=case.program[0], flags=case.program[1])
    for path, data in case.files.items():
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (root / path[1:]).write_bytes(data)
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/ld.so.conf").write_text("/opt\n")
    if case.ldconfig is not None:
        subprocess.run(["/sbin/ldconfig", "-r", str(root), *case.ldconfig], check=True)
    return root


def link(folder: Path, what: list[str], output: Path, needed: list[str], flags: list[str]) -> None:
    """Link against stubs whose soname is the name that is to be needed."""
    output.parent.mkdir(parents=True, exist_ok=True)
    stubs = []
    for number, name in enumerate(needed):
        stub = folder / f"stub{number}.so"
        subprocess.run(
            ["gcc", "-shared", "-nostdlib", "-o", stub, "empty.c", f"-Wl,-soname={name}"], check=True, cwd=folder
        )
        stubs.append(str(stub))
    wl = [f"-Wl,{flag}" for flag in flags if not flag.startswith("-z") and flag != "nodefaultlib"]
    wl += ["-Wl,-z,nodefaultlib"] if "nodefaultlib" in flags else []
    subprocess.run(["gcc", *what, "-o", output, "-Wl,--no-as-needed", *stubs, *wl], check=True, cwd=folder)
