"""`brasm deps`: what it prints of a root, for people, for programs, for graphviz."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.elf.build import AARCH64, Target, elf
from tests.tools import BRASM, attempt, need, run

if TYPE_CHECKING:
    from pathlib import Path

LD = "/lib/ld-linux-x86-64.so.2"
PROGRAM = elf(interp=LD, needed=("liba.so", "libnope.so"), runpath="$ORIGIN/../opt")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root where a program misses one of its libraries, and its neighbour nothing."""
    files = {
        LD: elf(soname="ld-linux-x86-64.so.2"),
        "/bin/broken": PROGRAM,
        "/bin/sound": elf(interp=LD, needed=("liba.so",), rpath="/opt"),
        "/bin/static": elf(static=True, kind=2),
        "/bin/script": b"#!/bin/sound\n",
        "/opt/liba.so": elf(soname="liba.so", needed=("libb.so",), runpath="/opt", exec_stack=True),
        "/opt/libb.so": elf(soname="libb.so"),
        "/srv/arm": elf(interp="/lib/ld-linux-aarch64.so.1", target=Target(AARCH64), needed=("libx.so",)),
    }
    for path, data in files.items():
        (tmp_path / "root" / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / path[1:]).write_bytes(data)
        (tmp_path / "root" / path[1:]).chmod(0o755)
    return tmp_path / "root"


def test_the_tree(root: Path) -> None:
    done = attempt(*BRASM, "deps", "--root", root, "/bin/broken")
    assert done.returncode == 4
    tried = "runpath of /bin/broken: /bin/../opt/libnope.so; system dir /lib64: /lib64/libnope.so; "
    tried += "system dir /usr/lib64: /usr/lib64/libnope.so; system dir /lib: /lib/libnope.so; "
    tried += "system dir /usr/lib: /usr/lib/libnope.so"
    assert done.stdout.splitlines() == [
        "/bin/broken",
        "├── /lib/ld-linux-x86-64.so.2 (interp) [absolute name]",
        "├── liba.so => /opt/liba.so [runpath of /bin/broken]",
        "│   └── libb.so => /opt/libb.so [runpath of /opt/liba.so]",
        f"└── libnope.so => not found, tried {tried}",
    ]
    assert done.stderr == "note: /opt/liba.so: asks for an executable stack\n"


def test_json_has_the_keys_that_are_promised(root: Path) -> None:
    (found,) = json.loads(attempt(*BRASM, "deps", "--json", "--root", root, "/bin/broken").stdout)
    assert {"path", "interp", "libraries", "missing_symbols", "hazards"} <= found.keys()
    assert [(one["name"], one["path"], one["needed_by"]) for one in found["libraries"]] == [
        ("liba.so", "/opt/liba.so", "/bin/broken"),
        ("libnope.so", None, "/bin/broken"),
        ("libb.so", "/opt/libb.so", "/opt/liba.so"),
        (LD, LD, "/bin/broken"),
    ]
    assert found["interp"] == LD
    assert found["missing_symbols"] is None, "nobody asked"
    assert found["hazards"] == [{"path": "/opt/liba.so", "message": "asks for an executable stack"}]


def test_all_files_and_folders(root: Path) -> None:
    every = json.loads(attempt(*BRASM, "deps", "--json", "--all", "--root", root).stdout)
    assert [one["path"] for one in every] == [
        *("/bin/broken", "/bin/sound", "/bin/static", LD, "/opt/liba.so", "/opt/libb.so", "/srv/arm")
    ]
    below = attempt(*BRASM, "deps", "-q", "--root", root, "/opt", "/bin/static")
    assert below.returncode == 0
    assert [line for line in below.stdout.splitlines() if line.startswith("/")] == [
        *("/opt/liba.so", "/opt/libb.so", "/bin/static: statically linked")
    ]


def test_a_file_without_a_loader_misses_all(root: Path) -> None:
    done = attempt(*BRASM, "deps", "--root", root, "/srv/arm")
    assert done.returncode == 4
    assert "/lib/ld-linux-aarch64.so.1 (interp) => not found" in done.stdout
    assert "libx.so => not found, tried " in done.stdout


def test_the_environment(root: Path) -> None:
    (root / "env").mkdir()
    (root / "env/libnope.so").write_bytes(elf())
    done = attempt(*BRASM, "deps", "-q", "--root", root, "--env", "LD_LIBRARY_PATH=/env", "/bin/broken")
    assert done.returncode == 0
    assert "libnope.so => /env/libnope.so [LD_LIBRARY_PATH]" in done.stdout


def test_dot(root: Path) -> None:
    text = attempt(*BRASM, "deps", "-q", "--dot", "--root", root, "/bin/broken", "/bin/sound").stdout
    assert text.startswith("digraph deps {\n")
    assert text.endswith("}\n")
    edges = re.findall(r'^  "(.*?)" -> "(.*?)" \[', text, re.MULTILINE)
    assert edges.count(("/opt/liba.so", "/opt/libb.so")) == 1
    assert {("/bin/broken", "/opt/liba.so"), ("/bin/sound", "/opt/liba.so"), ("/bin/broken", "libnope.so")} <= set(
        edges
    )
    assert '"libnope.so" [color=red, fontcolor=red];' in text


def test_paths_as_a_shell_completes_them(root: Path) -> None:
    by_folder = attempt(*BRASM, "deps", "-q", "--root", "root", "root/bin/sound", cwd=root.parent)
    assert by_folder.stdout == attempt(*BRASM, "deps", "-q", "--root", root, "bin/sound").stdout
    assert by_folder.stdout.startswith("/bin/sound\n")


def test_a_tarball_is_a_root(root: Path, tmp_path: Path) -> None:
    need("tar")
    run("tar", "-cf", tmp_path / "root.tar", "-C", root, ".")
    done = attempt(*BRASM, "deps", "-q", "--root", tmp_path / "root.tar", "/bin/sound")
    assert done.stdout == attempt(*BRASM, "deps", "-q", "--root", root, "/bin/sound").stdout


def test_an_image_is_a_root_with_its_own_environment(root: Path, tmp_path: Path) -> None:
    (root / "env").mkdir()
    (root / "env/libnope.so").write_bytes(elf())
    settings = ("select.keep=['/**', '!/srv']", "image.env.LD_LIBRARY_PATH=/env", "strip.mode=none")
    options = [part for one in settings for part in ("--set", one)]
    run(*BRASM, "pack", "-q", "-s", root, "-e", "/bin/sound", *options, "-o", tmp_path / "x.tar")
    assert attempt(*BRASM, "deps", "-q", "--root", tmp_path / "x.tar", "/bin/broken").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "no path is given"),
        (["--all", "/bin/sound"], 2, "either PATH or --all"),
        (["/bin/nope"], 4, "/bin/nope: no such file or directory"),
        (["/bin/script"], 4, "/bin/script: not an ELF file"),
        (["--env", "x", "/bin/sound"], 2, "'x' is not NAME=VALUE"),
        (["--json", "--dot", "/bin/sound"], 2, "--json or --dot, not both"),
    ],
)
def test_refusals(root: Path, arguments: list[str], code: int, message: str) -> None:
    done = attempt(*BRASM, "deps", "--root", root, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_root_that_is_not_there() -> None:
    done = attempt(*BRASM, "deps", "--root", "/nowhere", "/bin/sh")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == (
        "error: /nowhere: no such file or directory\nhint: a root is a folder, a tarball or an image\n"
    )


def test_this_machine() -> None:
    need("ldd")
    (found,) = json.loads(run(*BRASM, "deps", "--json", "/bin/sh"))
    theirs = re.findall(r"(?:=> |^\t)(/\S+) \(0x", run("ldd", "/bin/sh"), re.MULTILINE)
    ours = [library["path"] for library in found["libraries"]]
    assert [os.path.realpath(path) for path in theirs] == ours
