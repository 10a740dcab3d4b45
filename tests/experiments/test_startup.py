"""What starting takes, of roots by hand, and of a real one held to ldd and readelf."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from assembler.base.content import Bytes
from assembler.base.errors import ElfError
from assembler.experiments.facts.startup import Startup, startup_cost
from assembler.oci.types import ContainerConfig
from assembler.tree import Regular, Tree
from tests.elf.build import elf
from tests.elf.test_relocations import SOURCE, by_readelf
from tests.graph.loaded import tree_of
from tests.tools import need, run

if TYPE_CHECKING:
    from pathlib import Path

LD = "/lib64/ld-linux-x86-64.so.2"
FILES = {
    LD: elf(soname="ld-linux-x86-64.so.2"),
    "/lib/liba.so": elf(soname="liba.so", needed=("libb.so",)),
    "/lib/libb.so": elf(soname="libb.so"),
    "/lib/libplugin.so": elf(soname="libplugin.so"),
    "/usr/bin/program": elf(interp=LD, needed=("liba.so",)),
    "/usr/bin/lacking": elf(interp=LD, needed=("liba.so", "libnowhere.so")),
    "/usr/bin/static": elf(static=True, kind=2),
    "/usr/bin/script": b"#!/usr/bin/program -x\n",
    "/usr/bin/env": elf(interp=LD),
    "/usr/bin/by-env": b"#!/usr/bin/env program\n",
    "/usr/bin/of-script": b"#!/usr/bin/script\n",
    "/usr/bin/loop": b"#!/usr/bin/loop\n",
    "/usr/bin/text": b"echo no interpreter\n",
}


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(Regular(path, 0o755, 0, 0, 0, (), 0, Bytes(data)) for path, data in FILES.items())


@pytest.mark.parametrize(
    ("config", "libraries"),
    [
        (None, 0),
        (ContainerConfig(), 0),
        (ContainerConfig(entrypoint=("/usr/bin/program", "-v")), 3),
        (ContainerConfig(cmd=("program",)), 3),
        (ContainerConfig(entrypoint=("env",), cmd=("program",)), 1),
        (ContainerConfig(entrypoint=("program",), env=("LD_PRELOAD=/lib/libplugin.so",)), 4),
        (ContainerConfig(entrypoint=("./program",), working_dir="/usr/bin"), 3),
        (ContainerConfig(entrypoint=("program",), user="nobody-knows"), 3),
        (ContainerConfig(entrypoint=("lacking",)), 3),
        (ContainerConfig(entrypoint=("static",)), 0),
        (ContainerConfig(entrypoint=("script",)), 3),
        (ContainerConfig(entrypoint=("by-env",)), 3),
        (ContainerConfig(entrypoint=("of-script",)), 3),
        (ContainerConfig(entrypoint=("loop",)), 0),
        (ContainerConfig(entrypoint=("text",)), 0),
        (ContainerConfig(entrypoint=("absent",)), 0),
    ],
)
def test_libraries(tree: Tree, config: ContainerConfig | None, libraries: int) -> None:
    assert startup_cost(tree, config) == Startup(libraries, 0)


def test_a_damaged_program_is_an_error(tree: Tree) -> None:
    broken = Regular("/usr/bin/program", 0o755, 0, 0, 0, (), 0, Bytes(FILES["/usr/bin/program"][:80]))
    with pytest.raises(ElfError, match="/usr/bin/program: truncated"):
        startup_cost(tree.with_entries([broken]), ContainerConfig(entrypoint=("program",)))


@pytest.mark.parametrize("compiler", ["gcc", "musl-gcc"])
def test_a_real_root_as_ldd_and_readelf_have_it(compiler: str, tmp_path: Path) -> None:
    need(compiler, "readelf", "ldd")
    root, program = tmp_path / "root", tmp_path / "root/bin/program"
    program.parent.mkdir(parents=True)
    (tmp_path / "a.c").write_text(
        SOURCE.replace("getenv(", "getenv((cos(1) > 2) + ").replace("#", "#include <math.h>\n#", 1)
    )
    run(compiler, "a.c", "-Wl,--no-as-needed", "-lm", "-o", program, cwd=tmp_path)
    interp = re.search(r"interpreter: (/\S+)\]", run("readelf", "--program-headers", program))
    assert interp is not None
    listed = {*re.findall(r"(/\S+) \(0x", run(*_ldd(compiler, interp[1]), program)), interp[1]}
    for path in listed:
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path[1:])
    objects = [program, *(root / path[1:] for path in listed)]
    expected = Startup(len(listed), sum(map(by_readelf, objects)))
    assert startup_cost(tree_of(root), ContainerConfig(entrypoint=("/bin/program",))) == expected
    assert expected.relocations > 100


def _ldd(compiler: str, interp: str) -> tuple[str, ...]:
    """Musl's loader lists what it loads when it is told to (its `ldd` is that)."""
    return ("ldd",) if compiler == "gcc" else (interp, "--list")


def test_a_static_pie_relocates_itself(tmp_path: Path) -> None:
    need("gcc", "readelf")
    (tmp_path / "root").mkdir()
    (tmp_path / "a.c").write_text(SOURCE)
    run("gcc", "-static-pie", "a.c", "-o", "root/program", cwd=tmp_path)
    found = startup_cost(tree_of(tmp_path / "root"), ContainerConfig(entrypoint=("/program",)))
    assert found == Startup(0, by_readelf(tmp_path / "root/program"))
    assert found.relocations > 100
