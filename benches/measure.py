"""Running a command and asking the kernel what it cost."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Sample(NamedTuple):
    """The cost of one run: seconds, seconds of all cores, bytes of the largest process (`getrusage(2)`)."""

    wall: float
    cpu: float
    peak: int


def measure(command: Sequence[str], cwd: str, allowed: Sequence[int] = (0,)) -> Sample:
    """Run a command to its end.

    Args:
        command: what to run.
        cwd: where; its output goes to the file `log` there.
        allowed: exit codes that are no failure.

    Raises:
        RuntimeError: it failed; the message has the end of what it wrote.
    """
    with open(os.path.join(cwd, "log"), "w+b") as log:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in allowed:
            log.seek(0)
            said = log.read().decode(errors="replace")
            raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}\n{said[-2000:]}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def median(samples: Iterable[Sample]) -> Sample:
    """Return the median of each measure on its own."""
    walls, cpus, peaks = zip(*samples, strict=True)
    return Sample(statistics.median(walls), statistics.median(cpus), int(statistics.median(peaks)))
