"""A program run as a user runs it, and what the kernel says that it cost (getrusage(2)).

In: a command. Out: `Usage`.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_STARTER: Final = """
import json, os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
began = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ, setsigdef=[signal.SIGTERM])
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - began
with open(int(sys.argv[1]), "w") as told:
    code, cpu = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
    json.dump([code, wall, cpu, usage.ru_maxrss * 1024], told)
"""
"""What starts the program: the kernel counts the memory of whoever starts a process as the process's own (`exec_mmap`
of Linux's fs/exec.c), and this is the smallest Python that there is. It waits for the program whatever comes."""

_TO_END: Final = 10.0
"""Seconds that a program has to tidy up after it was interrupted."""


class Usage(Struct, frozen=True):
    """What a program cost: seconds, seconds of all processors, bytes of its largest process."""

    wall: float
    cpu: float
    memory: int


def usage_of(command: Sequence[str], folder: str, allowed: Collection[int] = (0,)) -> Usage:
    """Run a program to its end, without input; what it writes is looked at only when it fails.

    Args:
        command: the program and its arguments.
        folder: where what it writes is put; it runs where this process does.
        allowed: exit codes that are no failure.

    Raises:
        ProgramError: it failed.
    """
    reading, writing = os.pipe()
    with open(reading, "rb") as told, open(os.path.join(folder, "written"), "w+b") as written:
        try:
            starter = (sys.executable, "-I", "-S", "-c", _STARTER, str(writing), *command)
            _run_to_end(starter, written.fileno(), writing)
        finally:
            os.close(writing)
        data = told.read()
        written.seek(0)
        said = written.read().decode("utf-8", "replace").strip().splitlines()
        code, wall, cpu, memory = json.loads(data) if data else (127, 0.0, 0.0, 0)
        if code not in allowed:
            last = said[-1] if said else "it says nothing"
            raise ProgramError(f"{shlex.join(command)}: exit code {code}: {last}")
    return Usage(wall, cpu, memory)


def _run_to_end(command: Sequence[str], output: int, told: int) -> None:
    """Run a program in a group of its own, which is ended together where this process is interrupted."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=(told,), process_group=0
    )
    try:
        process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_TO_END)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        raise
