"""Running a command and asking the kernel what it cost."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Sample(NamedTuple):
    """The cost of one run: seconds, seconds of all cores, bytes of the largest process (`getrusage(2)`)."""

    wall: float
    cpu: float
    peak: int


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


def measure(command: Sequence[str], cwd: str, allowed: Sequence[int] = (0,)) -> Sample:
    """Run a command to its end.

    Args:
        command: what to run.
        cwd: where; its output goes to the file `log` there.
        allowed: exit codes that are no failure.

    Raises:
        RuntimeError: it failed; the message has the end of what it wrote.
    """
    reading, writing = os.pipe()
    with open(reading, "rb") as result, open(os.path.join(cwd, "log"), "w+b") as log:
        try:
            subprocess.run(
                (sys.executable, "-I", "-S", "-c", _RUNNER, str(writing), *command),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(writing,),
                check=True,
            )
        finally:
            os.close(writing)
        code, wall, cpu, peak = json.load(result)
        if code not in allowed:
            log.seek(0)
            said = log.read().decode(errors="replace")
            raise RuntimeError(f"{' '.join(command)}: exit {code}\n{said[-2000:]}")
    return Sample(wall, cpu, peak)


def median(samples: Iterable[Sample]) -> Sample:
    """Return the median of each measure on its own."""
    walls, cpus, peaks = zip(*samples, strict=True)
    return Sample(statistics.median(walls), statistics.median(cpus), int(statistics.median(peaks)))
