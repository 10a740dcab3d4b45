"""The process that a container starts (image-spec v1.1, config.md and conversion.md).

In: the image's config, its root filesystem, and what is to be different. Out: `Process`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.errors import ProgramError, RootError
from assembler.base.paths import join, show
from assembler.runtime.users import User, resolve
from assembler.tree import Found, Regular

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.oci.types import ContainerConfig
    from assembler.tree import Tree

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH where the image has none, as docker and podman set it."""


class NotStarted(ProgramError):
    """A program of the image cannot be started. The exit code is the one that shells give: here that of no program."""

    exit_code = 126


class NotFound(NotStarted):
    """It is not there."""

    exit_code = 127


class Overrides(Struct, frozen=True):
    """What is to be different from the image's config; None and () for what is not.

    Attributes:
        entrypoint: in place of Entrypoint; Cmd goes with the image's own.
        args: in place of Cmd.
        env: variables over Env, `K=V`.
        user: in place of User.
        workdir: in place of WorkingDir.
    """

    entrypoint: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    user: str | None = None
    workdir: str | None = None


class Process(Struct, frozen=True):
    """What is started, by whom and where. `env` are `K=V`, each variable once."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    user: User


def process_of(config: ContainerConfig | None, tree: Tree, overrides: Overrides) -> Process:
    """Return the process that an image starts, changed as asked.

    Raises:
        RootError: the image starts nothing, and no program was given; or it does not know its user.
    """
    entrypoint, cmd = _command(config)
    if overrides.entrypoint is not None:
        entrypoint, cmd = overrides.entrypoint, ()
    args = (*entrypoint, *(cmd if overrides.args is None else overrides.args))
    if not args:
        raise RootError("the image says of no program that it is to be started", hint="give one after --")
    user = resolve(tree, overrides.user or (config.user if config is not None else None))
    own = (config.env if config is not None else None) or ()
    cwd = overrides.workdir or (config.working_dir if config is not None else None) or "/"
    return Process(args, _environment(user, (*own, *overrides.env)), cwd, user)


def find_program(process: Process, tree: Tree) -> str:
    """Return the path, without symlinks, of the program that a process starts (execvp(3), inside the root).

    Raises:
        NotStarted: it is not in the root, or is no program.
    """
    name = process.args[0]
    found = None
    for path in _candidates(process):
        at = tree.walk(path)
        if isinstance(at, Found):
            found = at
            if isinstance(at.entry, Regular) and at.entry.mode & 0o111:
                return at.path
    if found is None:
        where = "" if "/" in name else " on its PATH"
        raise NotFound(f"{show(name)}: the image has no such program{where}")
    raise NotStarted(f"{show(found.path)}: not an executable file of the image")


def _command(config: ContainerConfig | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return ((config.entrypoint or ()), (config.cmd or ())) if config is not None else ((), ())


def _environment(user: User, given: Sequence[str]) -> tuple[str, ...]:
    values = {"PATH": _PATH, "HOME": user.home}
    values.update(item.partition("=")[::2] for item in given)
    return tuple(f"{name}={value}" for name, value in values.items())


def _candidates(process: Process) -> list[str]:
    name = process.args[0]
    if name.startswith("/"):
        return [name]
    if "/" in name:
        return [join(process.cwd, name)]
    path = next(item[5:] for item in process.env if item.startswith("PATH="))
    return [join(folder or process.cwd, name) for folder in path.split(":")]
