"""The memory of an image's own processes, watched while its containers run.

What is measured is the peak resident memory of the largest process of an image: VmHWM of /proc/PID/status
(proc_pid_status(5)), which the kernel keeps from the moment that a program is executed and which never shrinks.
Watched are a container's first process and all that descend from it, not what is executed in a container from outside.
A process counts while it executes a file of the image: what the runtime needs before that is no part of it, nor is an
emulator.

What is exact: a process that ends by itself is held at its end and looked at (`exits`). One that is stopped, such as
the server of a test, is looked at right before the signal. Where the kernel does not let processes be held, each is
looked at every few tens of microseconds at first, every `_PAUSE` seconds later: what it takes after the last look is
then not seen, nor is a child that lives shorter. The kernel's own counters may be some tens of pages off.

wait4's ru_maxrss says nothing here: the kernel counts for a process what its starter had when it executed its first
program (`exec_mmap` of Linux's fs/exec.c), so that it is never below the memory of the runtime, and of this Python.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from typing import TYPE_CHECKING, Final

from assembler.runtime.exits import Exits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.runtime.job import Job, Unpacked
    from assembler.runtime.process import Process
    from assembler.runtime.runtimes import Runtime

_CLOSELY: Final = 0.5
"""Seconds that a container is watched without a pause."""
_PAUSE: Final = 0.002
_TO_LOOK_AGAIN: Final = 0.00005


class Watched:
    """A runtime whose containers are watched; `peak` is in bytes, None until a process of an image was seen.

    It has to stay in the foreground while a container runs and to tell its first process: crun and runc do.
    """

    def __init__(self, runtime: Runtime) -> None:
        """Take the runtime that does the work."""
        self._runtime = runtime
        self._watch: _Watch | None = None
        self.peak: int | None = None

    @property
    def name(self) -> str:
        """See `Runtime.name`."""
        return self._runtime.name

    def notes(self, job: Job) -> Sequence[str]:
        """See `Runtime.notes`."""
        return self._runtime.notes(job)

    def prepare(self, image: Unpacked) -> None:
        """See `Runtime.prepare`."""
        self._runtime.prepare(image)

    def release(self, image: Unpacked) -> None:
        """See `Runtime.release`."""
        self._runtime.release(image)

    def command(self, job: Job) -> list[str]:
        """See `Runtime.command`; from now on the container is watched."""
        command = self._runtime.command(job)
        self._watch = _Watch(job.image.root)
        return command

    def exec_command(self, job: Job, process: Process) -> list[str]:
        """See `Runtime.exec_command`."""
        return self._runtime.exec_command(job, process)

    def pid(self, job: Job) -> int | None:
        """See `Runtime.pid`."""
        return self._runtime.pid(job)

    def has_started(self, job: Job, code: int) -> bool:
        """See `Runtime.has_started`."""
        return self._runtime.has_started(job, code)

    def complaint(self, job: Job) -> str | None:
        """See `Runtime.complaint`."""
        return self._runtime.complaint(job)

    def signal(self, job: Job, number: int) -> None:
        """See `Runtime.signal`; before it, the container is looked at for the last time."""
        self._end()
        self._runtime.signal(job, number)

    def remove(self, job: Job) -> None:
        """See `Runtime.remove`."""
        self._end()
        self._runtime.remove(job)

    def _end(self) -> None:
        watch, self._watch = self._watch, None
        found = None if watch is None else watch.end()
        if found is not None:
            self.peak = max(found, self.peak or 0)


class _Watch:
    """Watches one container in a thread of its own, from its runtime's start on."""

    def __init__(self, root: str) -> None:
        """Take the root filesystem; the runtime is started next, by this thread, before any other program."""
        self._programs = frozenset(_programs(root))
        self._starter = threading.get_native_id()
        self._before = frozenset(_children(os.getpid(), self._starter))
        self._runtime: int | None = None
        self._over = threading.Event()
        self._peak: int | None = None
        self._thread = threading.Thread(target=self._look_on, name="memory", daemon=True)
        self._thread.start()

    def end(self) -> int | None:
        """Look once more, and return the most that was seen."""
        self._over.set()
        self._thread.join()
        self._look()
        return self._peak

    def _look_on(self) -> None:
        """Look until it is over. Processes are held by this thread, and go on by themselves once it ends."""
        exits = Exits()
        closely = time.monotonic() + _CLOSELY
        while not self._over.wait(_TO_LOOK_AGAIN if time.monotonic() < closely else _PAUSE):
            for pid in self._look():
                exits.hold(pid)
            for pid in exits.ending():
                self._note(pid)

    def _look(self) -> list[int]:
        """Look at all processes of the container, and return them."""
        if self._runtime is None:
            started = [pid for pid in _children(os.getpid(), self._starter) if pid not in self._before]
            self._runtime = started[0] if started else None
        found = [] if self._runtime is None else list(_with_descendants(self._runtime))[1:]
        for pid in found:
            self._note(pid)
        return found

    def _note(self, pid: int) -> None:
        if _executes(pid, self._programs) and (size := peak_of(pid)) is not None:
            self._peak = max(size, self._peak or 0)


def peak_of(pid: int) -> int | None:
    """Return the most memory that a process had so far, in bytes; None where it is gone, or has ended."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            _, found, rest = file.read().partition(b"\nVmHWM:")
    except OSError:
        return None
    return int(rest.split(None, 1)[0]) * 1024 if found else None


def _programs(root: str) -> Iterator[tuple[int, int]]:
    """Yield device and inode of each file that could be executed."""
    for folder, _, names in os.walk(root):
        for name in names:
            status = os.lstat(os.path.join(folder, name))
            if stat.S_ISREG(status.st_mode) and status.st_mode & 0o111:
                yield status.st_dev, status.st_ino


def _executes(pid: int, programs: frozenset[tuple[int, int]]) -> bool:
    try:
        status = os.stat(f"/proc/{pid}/exe")
    except OSError:  # it is gone, or another user's
        return False
    return (status.st_dev, status.st_ino) in programs


def _with_descendants(pid: int) -> Iterator[int]:
    """Yield a process and all below it, as far as they are there."""
    pending = [pid]
    while pending:
        each = pending.pop()
        yield each
        with contextlib.suppress(OSError):  # it ended meanwhile
            for thread in os.listdir(f"/proc/{each}/task"):
                pending.extend(_children(each, int(thread)))


def _children(pid: int, thread: int) -> list[int]:
    """Return the processes that a thread has started and that are still there (proc_pid_task(5), `children`)."""
    try:
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:  # it ended, or the kernel does not tell
        return []
