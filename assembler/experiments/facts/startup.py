"""What a loader has to do before an image's entrypoint gets its turn, from its files alone: nothing is run.

In: the root filesystem, the image's config. Out: `Startup`. Of a script it is what its interpreter takes; where that
is env(1), of the program that env becomes. What is opened later (dlopen) does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.errors import ElfError
from assembler.elf.relocations import count_relocations
from assembler.graph.dependencies import Resolver
from assembler.graph.facts import Broken, Facts
from assembler.graph.scripts import parse_shebang
from assembler.runtime.process import NotStarted, Overrides, Process, find_program, process_of
from assembler.tree import Regular

if TYPE_CHECKING:
    from assembler.oci.types import ContainerConfig
    from assembler.tree import Tree

_SCRIPTS: Final = 5
"""Interpreters of interpreters that Linux follows (`fs/exec.c`, `exec_binprm`)."""


class Startup(Struct, frozen=True):
    """What starting takes.

    Attributes:
        libraries: the shared objects that are mapped besides the program: its loader, and all libraries that are found.
        relocations: dynamic relocations of these and of the program.
    """

    libraries: int
    relocations: int


def startup_cost(tree: Tree, config: ContainerConfig | None) -> Startup:
    """Return what starting the image's entrypoint takes; nothing where it starts nothing, or has no such program.

    Args:
        tree: the root filesystem.
        config: the image's.

    Raises:
        ElfError: what would be started or mapped is damaged.
        SourceError: it cannot be read.
    """
    if config is None or not (config.entrypoint or config.cmd):
        return Startup(0, 0)
    process = process_of(config, tree, Overrides(user="0:0"))  # whoever it is, the loader does the same
    with Facts(tree) as facts:
        path = _program(process, config, tree, facts)
        if path is None:
            return Startup(0, 0)
        env = dict(item.partition("=")[::2] for item in process.env)
        needed = Resolver(tree, facts, env, process.cwd).resolve(path, symbols=False)
    mapped = [library.path for library in needed.libraries if library.path is not None]
    return Startup(len(mapped), sum(_relocations(tree, one) for one in (path, *mapped)))


def _program(process: Process, config: ContainerConfig, tree: Tree, facts: Facts) -> str | None:
    """Return the path of the ELF file that the kernel maps in the end; None where there is none."""
    for _ in range(_SCRIPTS + 1):
        try:
            path = find_program(process, tree)
        except NotStarted:
            return None
        elf = facts.elf(path)
        if isinstance(elf, Broken):
            raise ElfError(elf.message)
        if elf is not None:
            return path
        shebang = parse_shebang(facts.head(path))
        if shebang is None:
            return None
        process = process_of(config, tree, Overrides((shebang.by_env or shebang.interpreter,), user="0:0"))
    return None


def _relocations(tree: Tree, path: str) -> int:
    entry = tree[path]
    return count_relocations(entry.content, path) if isinstance(entry, Regular) else 0
