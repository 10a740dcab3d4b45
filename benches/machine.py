"""The machine: what figures depend on, and how much of it others use meanwhile."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import sys
from typing import Final, NamedTuple

from assembler import __version__

IDLE: Final = frozenset({3, 4})
"""Of the fields of `/proc/stat`: idle, iowait (proc_stat(5))."""

QUIET: Final = 0.15
"""Load for each core before the start above which figures are not to be trusted."""

ALONE: Final = 0.03
"""Share of the machine that others may use meanwhile."""


class Clock(NamedTuple):
    """CPU seconds since the start: of the whole machine without idleness, of all there is, and of this process."""

    busy: float
    total: float
    own: float


def clock() -> Clock:
    """Read the clocks; processes that were not waited for yet do not count as our own."""
    with open("/proc/stat", encoding="ascii") as file:
        busy, total = jiffies(file.readline())
    tick = os.sysconf("SC_CLK_TCK")
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Clock(busy / tick, total / tick, sum(each.ru_utime + each.ru_stime for each in used))


def jiffies(line: str) -> tuple[int, int]:
    """Return the busy and all the ticks of the first line of `/proc/stat`; guests are counted in user time already."""
    fields = [int(word) for word in line.split()[1:9]]
    return sum(value for number, value in enumerate(fields) if number not in IDLE), sum(fields)


def others(before: Clock, after: Clock) -> float:
    """Return the share of the machine that was used meanwhile, and not by us."""
    total = after.total - before.total
    foreign = (after.busy - before.busy) - (after.own - before.own)
    return max(0.0, foreign / total) if total > 0 else 0.0


def warnings(load: float, share: float) -> list[str]:
    """Return what is to be said of a machine that was not ours alone.

    Args:
        load: before the start, a core.
        share: of the machine that others used meanwhile.
    """
    said = []
    if load > QUIET:
        said.append(f"the machine was not idle before the start: load {load:.2f} a core")
    if share > ALONE:
        said.append(f"others used {share * 100:.0f} % of the machine meanwhile")
    return said


def load() -> float:
    """Return the load of the last minute, a core (`getloadavg(3)`)."""
    return os.getloadavg()[0] / len(os.sched_getaffinity(0))


def facts(scratch: str) -> dict[str, str]:
    """Return what figures depend on."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": model[1].strip() if model else platform.machine(),
        "cores": f"{len(os.sched_getaffinity(0))}{_governor()}",
        "memory": f"{memory / 1e9:.0f} GB",
        "kernel": platform.release(),
        "system": _system(),
        "Python": sys.version.split()[0],
        "measured in": _filesystem(scratch),
        "user": "root" if os.geteuid() == 0 else "an ordinary one",
    }


def brasm() -> str:
    """Return the version of what is measured, with the revision of a checkout."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    command = ("git", "-C", folder, "describe", "--always", "--dirty=, changed", "--exclude=*")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return __version__
    return f"{__version__} ({done.stdout.strip()})" if done.returncode == 0 else __version__


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def _governor() -> str:
    try:
        with open("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", encoding="ascii") as file:
            return f", governor {file.read().strip()}"
    except OSError:  # a virtual machine has none
        return ""


def _filesystem(folder: str) -> str:
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = [line.split()[1:3] for line in file]
    return filesystem_of(os.path.realpath(folder), mounts)


def filesystem_of(folder: str, mounts: list[list[str]]) -> str:
    """Return the type of the filesystem that a folder is on, of mount points with their types."""
    above = [(point, kind) for point, kind in mounts if f"{folder}/".startswith(f"{point.rstrip('/')}/")]
    return max(reversed(above), key=lambda mount: len(mount[0]))[1] if above else "unknown"
