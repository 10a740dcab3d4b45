"""Root filesystems of a few libraries each, made by a compiler, and what a real loader maps in them.

A case is written down as the linker's flags; the libraries that something needs are linked as empty stubs under the
name that is to be needed, so that what is needed and what there is are independent of each other.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from assembler.base.progress import Silent
from assembler.elf.types import ElfFile
from assembler.graph.facts import Facts
from assembler.graph.loaders import Load, loader_for
from assembler.sources.directory import DirectoryOptions, read_directory
from assembler.tree import Found
from tests.tools import SEARCH_PATH, need, need_root

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from assembler.tree import Tree

PROGRAM: Final = "/usr/bin/program"

Part = tuple[Sequence[str], Sequence[str]]
"""What a file needs (DT_NEEDED), and flags for the linker."""


class Libc(NamedTuple):
    """A C library and the programs that make and load programs for it.

    Attributes:
        name: of the target.
        compiler: makes programs.
        loader: PT_INTERP of what it makes.
        emulator: runs the loader on this machine, where it cannot run itself.
    """

    name: str
    compiler: str
    loader: str
    emulator: str | None = None

    def require(self) -> None:
        """Skip, or fail, where a tool is missing."""
        need(self.compiler, *([self.emulator] if self.emulator else []))
        need_root()

    def file(self, name: str) -> str:
        """Return where the compiler has a file of the library."""
        done = subprocess.run([self.compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True)
        return os.path.realpath(done.stdout.strip())


GLIBC: Final = Libc("glibc", "gcc", "/lib64/ld-linux-x86-64.so.2")


class Case(NamedTuple):
    """A root filesystem, and how its program is started.

    Attributes:
        title: what the case shows, as a sentence of a specification.
        libraries: by path.
        program: what the program needs.
        env: its environment.
        ldconfig: where `ldconfig -r` is run: the directories that ld.so.conf names; None where it is not run.
        links: symlinks: target by path.
        hard: hard links: existing path by new path.
        files: other files: content by path.
        removed: what goes after ldconfig has run.
        change: the last thing to do to the root.
        optional: what the loader lists as missing and does not mind.
    """

    title: str
    libraries: Mapping[str, Part]
    program: Part
    env: Mapping[str, str] = MappingProxyType({})
    ldconfig: Sequence[str] | None = None
    links: Mapping[str, str] = MappingProxyType({})
    hard: Mapping[str, str] = MappingProxyType({})
    files: Mapping[str, bytes] = MappingProxyType({})
    removed: Sequence[str] = ()
    change: Callable[[Path], None] | None = None
    optional: Sequence[str] = ()


class Mapped(NamedTuple):
    """What was mapped, in order, by path without symlinks; and what was not found, each once."""

    objects: tuple[str, ...]
    missing: tuple[str, ...]


def tree_of(root: Path) -> Tree:
    """Read a root."""
    return read_directory(str(root), DirectoryOptions(lambda _: None, lambda _: None), Silent())


def resolve(tree: Tree, env: Mapping[str, str], program: str = PROGRAM) -> Load:
    """Resolve a program as brasm does."""
    facts = Facts(tree)
    elf = facts.elf(program)
    assert isinstance(elf, ElfFile)
    loader = loader_for(tree, facts, elf.machine, elf.interp)
    assert loader is not None
    return loader.load(program, elf, env)


def mapped(load: Load) -> Mapped:
    """Say what a load maps, as the real loader would list it."""
    return Mapped(tuple(one.path for one in load.objects[1:]), tuple(sorted({one.name for one in load.unresolved})))


def listed(tree: Tree, text: str) -> Mapped:
    """Read what a loader lists."""
    paths = re.findall(r"^\t(?:\S+ => )?(?!linux-vdso|linux-gate)(\S+) \(0x", text, re.MULTILINE)
    missing = re.findall(r"^\t(\S+) => not found", text, re.MULTILINE)
    return Mapped(tuple(real(tree, path) for path in paths), tuple(sorted(set(missing))))


def real(tree: Tree, path: str) -> str:
    """Follow a path's symlinks inside the root; programs are started in `/`."""
    at = tree.walk(path)
    return at.path if isinstance(at, Found) else path


def trace(root: Path, libc: Libc, env: Mapping[str, str], *options: str, program: str = PROGRAM) -> str:
    """Ask the real loader, in a chroot: it prints what it maps and runs nothing."""
    command = [libc.loader, *options, program]
    if libc.emulator is not None:
        where = shutil.which(libc.emulator)
        assert where is not None
        shutil.copy(where, root / "emulator")
        command = ["/emulator", *command]
    done = subprocess.run(
        command,
        env={"LD_TRACE_LOADED_OBJECTS": "1", **env},
        preexec_fn=lambda: os.chroot(root),
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    (root / "emulator").unlink(missing_ok=True)
    end = f"\nended by signal {-done.returncode}\n" if done.returncode < 0 else ""
    return f"{done.stdout}{done.stderr}{end}"


def make_root(case: Case, folder: Path, libc: Libc) -> Path:
    """Make the root of a case, with the C library's own files where the loader finds them."""
    root = folder / "root"
    (root / "etc").mkdir(parents=True)
    _install(root, libc.loader, libc.file(os.path.basename(libc.loader)))
    if "musl" not in libc.loader:
        _install(root, "/lib/libc.so.6", libc.file("libc.so.6"))
    (folder / "empty.c").write_text("void dummy_(void) {}\n")
    (folder / "main.c").write_text("int main(void) { return 0; }\n")
    for path, part in case.libraries.items():
        link(folder, libc, ["-shared", "-nostdlib", "empty.c"], root / path[1:], part)
    link(folder, libc, ["main.c"], root / PROGRAM[1:], case.program)
    for path, data in case.files.items():
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (root / path[1:]).write_bytes(data)
    for path, target in case.links.items():
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (root / path[1:]).symlink_to(target)
    for path, existing in case.hard.items():
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        os.link(root / existing[1:], root / path[1:])
    _configure(case, root)
    return root


def _install(root: Path, path: str, source: str) -> None:
    (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, root / path[1:])


def _configure(case: Case, root: Path) -> None:
    if case.ldconfig is not None:
        (root / "etc/ld.so.conf").write_text("".join(f"{path}\n" for path in case.ldconfig))
        subprocess.run(["ldconfig", "-r", str(root)], check=True, env={"PATH": SEARCH_PATH}, capture_output=True)
    for path in case.removed:
        (root / path[1:]).unlink()
    if case.change is not None:
        case.change(root)


def link(folder: Path, libc: Libc, what: Sequence[str], output: Path, part: Part) -> None:
    """Link a library or program against stubs whose soname is the name that is to be needed."""
    output.parent.mkdir(parents=True, exist_ok=True)
    stubs = [stub(folder, libc, number, name) for number, name in enumerate(part[0])]
    flags = [f"-Wl,{flag}" if not flag.startswith("-no-") and flag != "-static" else flag for flag in part[1]]
    subprocess.run([libc.compiler, *what, "-o", output, "-Wl,--no-as-needed", *stubs, *flags], check=True, cwd=folder)


def stub(folder: Path, libc: Libc, number: int, name: str) -> str:
    """Make an empty library of a soname."""
    path = folder / f"stub{number}.so"
    command = [libc.compiler, "-shared", "-nostdlib", "-o", str(path), "empty.c", f"-Wl,-soname={name}"]
    subprocess.run(command, check=True, cwd=folder)
    return str(path)
