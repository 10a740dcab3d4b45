"""Where a build is: packages done of all, what is built now, how long it took and may still take.

In: lines that make prints, stamps in the output folder, what packages took in earlier builds. Out: status lines.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Final

import msgspec

from assembler.base.cache_folder import cache_folder
from assembler.base.files import atomic_file, write_all
from assembler.buildroot.messages import parse_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from assembler.base.progress import Progress
    from assembler.buildroot.facts import Package

_STAMP: Final = ".stamp_installed"
_TIME: Final = re.compile(r"(?P<at>\d+(?:\.\d+)?):(?P<what>start|end) *:(?P<step>[\w-]+) *: (?P<package>\S+)")
_TIMES: Final = "build-times.json"


class Watch:
    """Tells a listener where a build is whenever make begins a step."""

    def __init__(
        self, output: str, packages: Mapping[str, Package], seconds: Mapping[str, float], progress: Progress
    ) -> None:
        self._output = output
        self._waiting = dict(packages)
        self._total = len(packages)
        self._seconds = seconds
        self._progress = progress
        self._began = time.monotonic()
        self._done = 0
        self._last: tuple[str, int] | None = None

    def begin(self, task: str) -> None:
        """Begin with what an earlier call has done already."""
        self._progress.start(task, self._total, unit=f"of {self._total} packages")
        self._count()

    def feed(self, line: str) -> None:
        """Take a line of make's."""
        message = parse_message(line)
        if message is None:
            return
        self._count()
        what = " ".join(filter(None, (message.package, message.version, message.step)))
        self._progress.status(f"{self._done}/{self._total} {what} ({self._times()})")

    def _count(self) -> None:
        """Count stamps: packages that were built by an earlier call, or beside the current one, count too."""
        finished = [
            name
            for name, package in self._waiting.items()
            if os.path.exists(os.path.join(self._output, package.stamp_dir, _STAMP))
        ]
        for name in finished:
            del self._waiting[name]
        self._done += len(finished)
        self._progress.advance(len(finished))

    def _times(self) -> str:
        shown = format_seconds(time.monotonic() - self._began)
        known = [self._seconds[name] for name in self._waiting if name in self._seconds]
        if not known or len(known) < len(self._waiting) / 2:
            return shown
        average = sum(known) / len(known)
        return f"{shown}, about {format_seconds(sum(known) + average * (len(self._waiting) - len(known)))} to go"


def format_seconds(seconds: float) -> str:
    """Write a time as `1:02:03`, `4:05` or `0:07`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def read_times(lines: Iterable[str], *, whole: bool = False) -> dict[str, float]:
    """Return the seconds that each package took by Buildroot's `build-time.log`.

    A step that was begun twice counts from its last beginning; one without an end does not count.

    Args:
        lines: of the log.
        whole: whether only packages count that were installed.
    """
    begun: dict[tuple[str, str], float] = {}
    took: dict[tuple[str, str], float] = {}
    for match in filter(None, map(_TIME.match, lines)):
        step = match["package"], match["step"]
        if match["what"] == "start":
            begun[step] = float(match["at"])
        elif step in begun:
            took[step] = float(match["at"]) - begun.pop(step)
    installed = {package for package, step in took if step.startswith("install")}
    sums: dict[str, float] = {}
    for (package, _), seconds in took.items():
        if package in installed or not whole:
            sums[package] = sums.get(package, 0.0) + seconds
    return sums


def time_spent(output: str, elapsed: float) -> float:
    """Return the seconds that a build took over all calls: what its steps took, where that is more than this call.

    Args:
        output: the output folder, in which one package was built at a time.
        elapsed: seconds of this call.
    """
    return max(elapsed, sum(logged_times(output).values()))


def logged_times(output: str, *, whole: bool = False) -> dict[str, float]:
    """Return the seconds that each package of an output folder took; empty where it has no log of that.

    Args:
        output: the folder.
        whole: whether only packages count that were installed.
    """
    path = os.path.join(output, "build", "build-time.log")
    if not os.path.isfile(path):
        return {}
    with open(path, encoding="utf-8", errors="replace") as file:
        return read_times(file, whole=whole)


def remembered_times() -> dict[str, float]:
    """Return the seconds that packages took in earlier builds on this machine; empty where none is known."""
    try:
        with open(os.path.join(cache_folder(), _TIMES), "rb") as file:
            return msgspec.json.decode(file.read(), type=dict[str, float])
    except (OSError, msgspec.MsgspecError):
        return {}  # a cache: an estimate is nothing to fail for


def remember_times(output: str) -> None:
    """Add what a build took to what is known for the next estimate."""
    times = logged_times(output, whole=True)
    if not times:
        return
    known = {**remembered_times(), **{name: round(seconds, 1) for name, seconds in times.items()}}
    os.makedirs(cache_folder(), exist_ok=True)
    with atomic_file(os.path.join(cache_folder(), _TIMES)) as descriptor:
        write_all(descriptor, msgspec.json.encode(known, order="sorted"))
