"""The cache of facts: what it spares, and that nothing that happens to it is ever noticed but by time."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from assembler.base.content import Bytes, Content, FileContent
from assembler.elf.read import read_elf
from assembler.elf.symbols import SymbolTable
from assembler.elf.types import ElfFile
from assembler.graph import fact_cache, facts
from assembler.graph.fact_cache import FactCache, signature
from assembler.graph.facts import Facts
from assembler.tree import Entry, Regular, Tree
from tests.elf.build import elf
from tests.tools import environment

if TYPE_CHECKING:
    from pathlib import Path

OLD = 1_600_000_000


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fact_cache, "_FRESH", 0)
    return tmp_path / "cache/brasm"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read as ELF."""
    seen: list[str] = []
    original = read_elf

    def counted(content: Content, path: str) -> ElfFile:
        seen.append(path)
        return original(content, path)

    monkeypatch.setattr(facts, "read_elf", counted)
    return seen


def make(folder: Path, count: int = 80) -> Tree:
    """Make a folder of ELF files and a text, as a tree."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"lib{number}.so").write_bytes(elf(soname=f"lib{number}.so", needed=("libc.so",)))
    (folder / "text").write_text("text")
    return tree_of(folder)


def tree_of(folder: Path) -> Tree:
    entries: list[Entry] = []
    for path in sorted(folder.iterdir()):
        content = FileContent.of(bytes(path), path.lstat())
        entries.append(Regular(f"/{path.name}", 0o644, 0, 0, 0, (), 0, content))
    return Tree(entries)


def learn(tree: Tree) -> dict[str, object]:
    with Facts(tree, remember=True) as known:
        known.expect(tree)
        return {entry.path: known.elf(entry.path) for entry in tree}


def test_a_second_run_reads_nothing(home: Path, reads: list[str], tmp_path: Path) -> None:
    tree = make(tmp_path / "root")
    first = learn(tree)
    assert len(reads) == 80
    reads.clear()
    assert learn(tree_of(tmp_path / "root")) == first
    assert reads == []
    assert first["/text"] is None
    assert [path.name for path in home.iterdir()] == ["facts.sqlite"]


def test_few_files_are_read_without_it(home: Path, tmp_path: Path) -> None:
    tree = make(tmp_path / "root", 5)
    with Facts(tree, remember=True) as known:
        assert isinstance(known.elf("/lib0.so"), ElfFile)
    assert not home.exists()


def test_a_file_that_was_touched_is_read_again(home: Path, reads: list[str], tmp_path: Path) -> None:
    learn(make(tmp_path / "root"))
    path = tmp_path / "root/lib7.so"
    before = path.lstat()
    path.write_bytes(elf(soname="libX.so", needed=("libc.so",)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.lstat().st_size == before.st_size, "size and time are as before: only ctime tells"
    reads.clear()
    found = learn(tree_of(tmp_path / "root"))["/lib7.so"]
    assert isinstance(found, ElfFile)
    assert found.soname == "libX.so"
    assert reads == ["/lib7.so"]


def test_facts_are_those_of_the_bytes(home: Path, tmp_path: Path) -> None:
    """What costs more than a digest is known of bytes wherever they turn up, in a tarball too."""
    data = elf(soname="libx.so")
    form = signature(ElfFile)
    first = FactCache(form)
    first.keep(Bytes(data), "SymbolTable", b"known")
    first.close()
    second = FactCache(form)
    assert second.fact(Bytes(data), "SymbolTable", worth_hashing=True) == b"known"
    assert second.fact(Bytes(data + b"x"), "SymbolTable", worth_hashing=True) is None
    second.close()


def test_what_changed_lately_is_not_trusted(
    home: Path, reads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fact_cache, "_FRESH", 10**12)
    learn(make(tmp_path / "root"))
    reads.clear()
    learn(tree_of(tmp_path / "root"))
    assert len(reads) == 80


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "other form", "directory", "flipped", "read-only"])
def test_a_damaged_cache_counts_for_nothing(damage: str, home: Path, tmp_path: Path) -> None:
    tree = make(tmp_path / "root")
    first = learn(tree)
    file = home / "facts.sqlite"
    data = file.read_bytes()
    match damage:
        case "garbage":
            file.write_bytes(os.urandom(len(data)))
        case "truncated":
            file.write_bytes(data[: len(data) // 2])
        case "empty":
            file.write_bytes(b"")
        case "other form":
            with sqlite3.connect(file) as connection:
                connection.execute("PRAGMA user_version = 7")
        case "directory":
            file.unlink()
            file.mkdir()
        case "flipped":
            file.write_bytes(data.replace(b"libc.so", b"libd.so"))
        case "read-only":
            file.chmod(0o444)
            home.chmod(0o555)
    try:
        assert learn(tree_of(tmp_path / "root")) == first
        assert learn(tree_of(tmp_path / "root")) == first
    finally:
        home.chmod(0o755)


def test_another_process_may_hold_it(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fact_cache, "_WAIT", 0.01)
    tree = make(tmp_path / "root")
    first = learn(tree)
    with sqlite3.connect(home / "facts.sqlite", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert learn(tree_of(tmp_path / "root")) == first
        other.execute("ROLLBACK")


def test_many_processes_at_once(home: Path, tmp_path: Path) -> None:
    make(tmp_path / "root", 200)
    command = [sys.executable, "-m", "assembler", "deps", "-q", "--all", "--json", "--root", str(tmp_path / "root")]
    env = environment(XDG_CACHE_HOME=str(tmp_path / "cache"))
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) for _ in range(6)]
    done = [process.communicate() for process in running]
    assert len({out for out, _ in done}) == 1
    assert all(error == b"" for _, error in done)


def test_it_does_not_grow_for_ever(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fact_cache, "_MOST_FILES", 50)
    monkeypatch.setattr(fact_cache, "_MOST_FACTS", 40)
    learn(make(tmp_path / "root"))
    with sqlite3.connect(home / "facts.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM files").fetchone() == (25,)
        assert connection.execute("SELECT count(*) FROM facts").fetchone() == (20,)


def test_the_form_of_values_is_part_of_it() -> None:
    assert signature(ElfFile) != signature(ElfFile, SymbolTable)
    assert signature(ElfFile) != signature(ElfFile, salt="x")
