"""Running a command and asking the kernel what it cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from benches.programs import search_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Sample(NamedTuple):
    """The cost of one run: seconds, seconds of all cores, bytes of the largest process (`getrusage(2)`)."""

    wall: float
    cpu: float
    peak: int


class Failed(RuntimeError):
    """A command failed; `reason` is the last line that it wrote."""

    def __init__(self, command: Sequence[str], code: int, said: str) -> None:
        lines = said.strip().splitlines()
        self.reason = f"exit {code}: {lines[-1].strip() if lines else 'it says nothing'}"
        super().__init__(f"{' '.join(command)}: exit {code}\n{said[-2000:]}")


_RUNNER: Final = """
import json, os, sys, time
began = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - began
with open(int(sys.argv[1]), "w") as result:
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    json.dump([os.waitstatus_to_exitcode(status), wall, cpu, peak], result)
"""
"""What starts a command: the kernel counts the memory of whoever starts a process as the process's own (`exec_mmap`
in Linux's fs/exec.c), and this is the smallest Python that there is, where the bench is a large one."""

LOG: Final = "log"
"""What a command wrote, in the folder that it ran in."""


def measure(
    command: Sequence[str], cwd: str, allowed: Sequence[int] = (0,), environment: Mapping[str, str] | None = None
) -> Sample:
    """Run a command to its end.

    Args:
        command: what to run.
        cwd: where; its output goes to the file `LOG` there.
        allowed: exit codes that are no failure.
        environment: laid over this process's.

    Raises:
        Failed: it failed; the message has the end of what it wrote.
    """
    surroundings = {**os.environ, "PATH": search_path(os.environ), **(environment or {})}
    reading, writing = os.pipe()
    with open(reading, "rb") as result, open(os.path.join(cwd, LOG), "w+b") as log:
        try:
            subprocess.run(
                (sys.executable, "-I", "-S", "-c", _RUNNER, str(writing), *command),
                cwd=cwd,
                env=surroundings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(writing,),
                check=False,
            )
        finally:
            os.close(writing)
        told = result.read()
        log.seek(0)
        if not told:  # there is no such program: what starts it says so
            raise Failed(command, 127, log.read().decode(errors="replace"))
        code, wall, cpu, peak = json.loads(told)
        if code not in allowed:
            raise Failed(command, code, log.read().decode(errors="replace"))
    return Sample(wall, cpu, peak)
