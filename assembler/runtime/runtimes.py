"""What all runtimes have in common: how a container is started, spoken to and removed.

A runtime's own program stays in the foreground while a container runs: it hands on standard streams, signals that it
gets, and the exit code.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final, Protocol

from assembler.base.program import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.runtime.job import Job, Unpacked
    from assembler.runtime.process import Process

_PATIENCE: Final = 60.0
"""Seconds that a runtime may take to look at a container or remove it."""


class Runtime(Protocol):
    """A program that runs containers."""

    @property
    def name(self) -> str:
        """What users call it."""

    def notes(self, job: Job) -> Sequence[str]:
        """Return what of a container's limits it cannot put into force, a line each."""

    def prepare(self, image: Unpacked) -> None:
        """Make an image known to it, where it must be.

        Raises:
            ProgramError: it does not take it.
        """

    def release(self, image: Unpacked) -> None:
        """Make it forget an image."""

    def command(self, job: Job) -> list[str]:
        """Return the command that runs a container to its end; what it reads is written before.

        Raises:
            ProgramError: it cannot run this one.
        """

    def exec_command(self, job: Job, process: Process) -> list[str]:
        """Return the command that runs another process in a container."""

    def pid(self, job: Job) -> int | None:
        """Return this machine's id of a container's first process; None where there is none yet."""

    def has_started(self, job: Job, code: int) -> bool:
        """Say whether a container's program was started, once the runtime's own ended with an exit code."""

    def complaint(self, job: Job) -> str | None:
        """Return what it said itself of a container that it did not start, where that can be told apart."""

    def signal(self, job: Job, number: int) -> None:
        """Send a signal to a container's first process; its own program may not hand on what comes too early."""

    def remove(self, job: Job) -> None:
        """Remove whatever is left of a container, running or not."""


def quietly(command: Sequence[str]) -> bool:
    """Run a command that may fail, such as removing what may not be there; say whether it did what it should."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False, process_group=0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def answer(command: Sequence[str]) -> str:
    """Run a command of a runtime and return what it says.

    Raises:
        ProgramError: it failed.
    """
    return run(command, timeout=_PATIENCE).strip()
