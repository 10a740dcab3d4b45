"""Running a program of the machine (never one of the tree), with a failure that can be pasted into a shell."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

from assembler.base.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(command: Sequence[str], *, timeout: float | None = None) -> str:
    """Run a command to its end and return its standard output.

    Raises:
        ProgramError: it is not installed, failed, or took longer than `timeout` seconds.
    """
    shown = shlex.join(command)
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise ProgramError(f"{command[0]}: not installed", hint=f"needed for: {shown}") from error
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{command[0]}: no end within {timeout} s: {shown}") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise ProgramError(f"{command[0]} failed with exit code {done.returncode}: {last}", hint=f"run: {shown}")
    return done.stdout
