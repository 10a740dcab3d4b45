"""What is to be run, as values: an image unpacked, and a container of it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.oci.types import ContainerConfig, Platform
from assembler.runtime.box import Box, Scratch, scratches
from assembler.runtime.process import Process
from assembler.tree import Tree

if TYPE_CHECKING:
    from assembler.runtime.users import User


class Unpacked(Struct, frozen=True):
    """An image whose root filesystem lies in a folder.

    Attributes:
        folder: for whatever else belongs to it; removed at the end.
        root: the root filesystem, below it.
        tree: the same as a tree.
        config: the image's.
        platform: likewise.
        name: of its own; what docker calls it meanwhile.
        save: writes it as a docker-archive to a path, under that name, for docker.
    """

    folder: str
    root: str
    tree: Tree
    config: ContainerConfig | None
    platform: Platform
    name: str
    save: Callable[[str, str], None]

    @property
    def volumes(self) -> tuple[str, ...]:
        """The folders that the image declares as volumes."""
        return tuple((self.config.volumes if self.config is not None else None) or ())


class Job(Struct, frozen=True):
    """One container.

    Attributes:
        image: what it is a container of.
        name: its name.
        folder: for what is needed while it runs: the OCI bundle, the runtime's state.
        process: what it starts.
        box: its limits.
        terminal: whether it has this process's terminal.
    """

    image: Unpacked
    name: str
    folder: str
    process: Process
    box: Box
    terminal: bool = False

    @property
    def user(self) -> User:
        """Who its process is."""
        return self.process.user

    @property
    def scratches(self) -> tuple[Scratch, ...]:
        """Its folders in memory."""
        return scratches(self.image.tree, self.image.volumes, self.box)

    @property
    def pid_file(self) -> str:
        """Where its runtime writes the id of its first process."""
        return os.path.join(self.folder, "pid")


def new_job(image: Unpacked, process: Process, box: Box, *, terminal: bool = False) -> Job:
    """Make a folder for a container that is to be run."""
    name = f"brasm-{secrets.token_hex(6)}"
    folder = os.path.join(image.folder, name)
    os.mkdir(folder, 0o700)
    return Job(image, name, folder, process, box, terminal)


def read_pid(path: str) -> int | None:
    """Return the number in a runtime's pid file; None where it is not written yet."""
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (FileNotFoundError, ValueError):
        return None
