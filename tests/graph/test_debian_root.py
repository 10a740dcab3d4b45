"""Every ELF file of a large Debian root, each held to the root's own programs: ld.so, ldd -r, readelf."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from assembler.elf.types import ElfFile
from assembler.graph.dependencies import Resolver, elf_files
from assembler.graph.facts import Facts
from assembler.graph.types import Unresolved
from tests.graph.loaded import listed, tree_of
from tests.tools import SEARCH_PATH, need, need_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from assembler.tree import Tree

LOADER = "/lib64/ld-linux-x86-64.so.2"


@pytest.fixture(scope="module")
def tree(big_debian: Path) -> Tree:
    return tree_of(big_debian)


@pytest.fixture(scope="module")
def facts(tree: Tree) -> Facts:
    return Facts(tree)


@pytest.fixture(scope="module")
def paths(tree: Tree, facts: Facts) -> list[str]:
    return list(elf_files(tree, facts))


def test_there_are_enough_of_them(paths: list[str]) -> None:
    assert len(paths) >= 800


def test_all_resolve_as_ld_so_lists_them(big_debian: Path, tree: Tree, facts: Facts, paths: list[str]) -> None:
    need_root()
    resolver = Resolver(tree, facts, {})
    differences = []
    for path in paths:
        found = resolver.resolve(path, symbols=False)
        if found.static:
            assert "statically linked" in ask(big_debian, "ldd", path), path
            continue
        theirs = listed(tree, ask(big_debian, LOADER, path))
        ours = tuple(library.path for library in found.libraries if library.path is not None)
        missing = tuple(sorted(library.name for library in found.libraries if library.path is None))
        loader = tree.walk(LOADER).path  # listed where something but PT_INTERP names it
        if loader not in theirs.objects and ours[-1:] == (loader,):
            ours = ours[:-1]
        if (ours, missing) != (tuple(dict.fromkeys(theirs.objects)), theirs.missing):
            differences.append((path, ours, missing, theirs))
    assert differences == []


def ask(root: Path, *command: str) -> str:
    """Run a program of the root; the loader is asked to list instead of starting what it loads."""
    how = ("/usr/bin/env", "LD_TRACE_LOADED_OBJECTS=1") if command[0] == LOADER else ()
    done = subprocess.run(
        ["chroot", root, *how, *command], env={"PATH": SEARCH_PATH}, capture_output=True, text=True, check=False
    )
    return done.stdout


def test_symbols_are_missing_where_ldd_r_says_so(big_debian: Path, tree: Tree, facts: Facts, paths: list[str]) -> None:
    need_root()
    resolver = Resolver(tree, facts, {})
    names = 0
    for path, theirs, versions in ldd_r(big_debian, paths):
        found = resolver.resolve(path, symbols=True)
        ours = {(symbol.name, symbol.version) for symbol in found.missing_symbols or ()}
        assert ours == theirs, path
        assert {one.version for one in found.missing_versions} == versions, path
        names += len(ours)
    assert names > 1000, "Python's and perl's modules refer to their interpreter"


def ldd_r(root: Path, paths: list[str]) -> Iterator[tuple[str, set[tuple[str, str | None]], set[str]]]:
    """Yield, for each file, what `ldd -r` calls undefined, and the versions that it misses."""
    for part in re.split(r"^(?=/.*:$)", ask(root, "ldd", "-r", *paths), flags=re.MULTILINE)[1:]:
        path, _, rest = part.partition(":\n")
        symbols = re.findall(r"^undefined symbol: (\S+?)(?:, version (\S+))?\s", rest, re.MULTILINE)
        symbols += re.findall(r"^symbol (\S+), version (\S+) not defined", rest, re.MULTILINE)
        versions = re.findall(r"version `([^']+)' not found", rest)
        yield path, {(name, version or None) for name, version in symbols}, set(versions)


def test_readelf_agrees(big_debian: Path, facts: Facts, paths: list[str]) -> None:
    need("readelf")
    inside = [f"{big_debian}{path}" for path in paths]
    text = subprocess.run(["readelf", "-dlnVW", *inside], capture_output=True, text=True, check=False).stdout
    parts = re.split(r"^File: ", text, flags=re.MULTILINE)[1:]
    assert len(parts) == len(paths)
    for part in parts:
        where, _, rest = part.partition("\n")
        path = where.removeprefix(os.fspath(big_debian))
        elf = facts.elf(path)
        assert isinstance(elf, ElfFile)
        assert said(elf) == read(rest), path


def read(text: str) -> dict[str, object]:
    """Read what readelf prints of one file."""

    def every(tag: str) -> list[str]:
        return re.findall(rf"\({tag}\)\s.*\[(.*)\]$", text, re.MULTILINE)

    def one(pattern: str) -> str | None:
        return next(iter(re.findall(pattern, text, re.MULTILINE)), None)

    needs = re.findall(
        r"^  \S+: Version: \d+  File: (\S+)  Cnt|Name: (\S+)  Flags: (.*?)  Version: \d+$", text, re.MULTILINE
    )
    file, versions = "", []
    dynamic = "Dynamic section" in text
    for name, version, flags in needs:
        file = name or file
        if version:
            versions.append((file, version, "WEAK" in flags))
    level = re.findall(r"x86 ISA needed: (.*)", text)
    return {
        "needed": every("NEEDED"),
        "soname": next(iter(every("SONAME")), None),
        "rpath": next(iter(every("RPATH")), None),
        "runpath": next(iter(every("RUNPATH")), None),
        "interp": one(r"interpreter: (.*)\]$"),
        "versions": sorted(versions),
        "kernel": one(r"OS: Linux, ABI: (\S+)"),
        "relro": "GNU_RELRO" in text and dynamic,
        "exec_stack": ("GNU_STACK" not in text or bool(re.search(r"GNU_STACK .* RWE ", text))) and dynamic,
        "textrel": "(TEXTREL)" in text or bool(re.search(r"\(FLAGS\).*TEXTREL", text)),
        "isa": bool(level) and "v" in level[0],
    }


def said(elf: ElfFile) -> dict[str, object]:
    return {
        "needed": list(elf.needed),
        "soname": elf.soname,
        "rpath": elf.rpath,
        "runpath": elf.runpath,
        "interp": elf.interp,
        "versions": sorted((need.file, need.version, need.weak) for need in elf.version_needs),
        "kernel": ".".join(map(str, elf.kernel)) if elf.kernel else None,
        "relro": elf.relro != "none",
        "exec_stack": elf.exec_stack,
        "textrel": elf.text_relocations,
        "isa": elf.isa_level is not None and elf.isa_level > 1,
    }


def test_what_is_missing_names_the_places(tree: Tree, facts: Facts, paths: list[str]) -> None:
    """Debian's systemd has libraries outside of the default directories, which only its programs find."""
    resolver = Resolver(tree, facts, {})
    missing = [
        need for path in paths for need in resolver.resolve(path, symbols=False).needs if isinstance(need, Unresolved)
    ]
    assert {need.name for need in missing} >= {"libsystemd-shared-252.so"} or not missing
    assert all(need.tried for need in missing)
