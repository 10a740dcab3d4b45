"""A container that runs: the runtime's program in the foreground, waited for, stopped, and always cleaned up after.

In: `Job`, files for its standard streams. Out: its exit code. Source: runtime-spec v1.0.2, runtime.md, "Lifecycle".
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from typing import IO, TYPE_CHECKING, Final

from assembler.base.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.runtime.job import Job
    from assembler.runtime.runtimes import Runtime

GRACE: Final = 10.0
"""Seconds that a program has after its stop signal, as docker and podman give it."""

_TO_DIE: Final = 30.0
"""Seconds that the kernel and the runtime may take to end what was killed."""

_TO_START: Final = 2.0
_PAUSE: Final = 0.01
_CAUGHT: Final = ("SigBlk", "SigIgn", "SigCgt")
File = IO[bytes] | int | None


class Container:
    """A container that runs, or did; `running` gives one."""

    def __init__(self, runtime: Runtime, job: Job, process: subprocess.Popen[bytes]) -> None:
        self.runtime = runtime
        self.job = job
        self.process = process

    def wait(self, seconds: float | None) -> int | None:
        """Return its exit code, 128 + signal where one killed it; None where it still runs after so many seconds."""
        return wait(self.process, seconds)

    def stop(self, number: int) -> str | None:
        """Stop it by a signal as docker does, and kill it after `GRACE`; return why it had to be killed, if so."""
        name = signal.Signals(number).name
        if number == signal.SIGKILL:
            self.runtime.signal(self.job, signal.SIGKILL)
            self.wait(_TO_DIE)
            return None
        reason = f"{name} does not stop it within {GRACE:g} s"
        if not self.minds(number):
            reason = f"{name} does not stop it: process 1 has no handler for it, and the kernel then keeps it away"
        else:
            self.signal(number)
            if self.wait(GRACE) is not None:
                return None
        self.runtime.signal(self.job, signal.SIGKILL)
        self.wait(_TO_DIE)
        return reason

    def signal(self, number: int) -> None:
        """Send a signal to its first process; while there is none yet, to the runtime, which hands it on."""
        if self.runtime.pid(self.job) is None:
            self.process.send_signal(number)
        else:
            self.runtime.signal(self.job, number)

    def settle(self) -> None:
        """Wait a moment for a container that has just been started: only then is it known what it minds."""
        deadline = time.monotonic() + _TO_START
        while self.runtime.pid(self.job) is None and time.monotonic() < deadline and self.wait(_PAUSE) is None:
            pass

    def minds(self, number: int) -> bool:
        """Whether a signal does anything to process 1, or is blocked or ignored on purpose (pid_namespaces(7)).

        Unknown means yes.
        """
        pid = self.runtime.pid(self.job)
        try:
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
                masks = dict(line.split(":\t", 1) for line in file if line.startswith(_CAUGHT))
        except (OSError, ValueError):
            return True
        return not masks or any(int(mask, 16) >> (number - 1) & 1 for mask in masks.values())

    def failure(self, code: int, stderr: str) -> ProgramError | None:
        """Return an error where the runtime, and not the image's program, is what failed."""
        if self.runtime.has_started(self.job, code):
            return None
        lines = stderr.strip().splitlines()
        said = self.runtime.complaint(self.job) or (lines[-1] if lines else f"exit code {code}")
        return ProgramError(
            f"{self.runtime.name} did not start {self.job.process.args[0]}: {said}",
            hint="brasm verify tells what is wrong with the image; --runtime names another runtime",
        )


@contextlib.contextmanager
def running(
    runtime: Runtime, job: Job, streams: tuple[File, File, File], *, own_group: bool = True
) -> Iterator[Container]:
    """Start a container, and at the end make sure that nothing of it is left.

    Args:
        runtime: runs it.
        job: what it is.
        streams: its standard input, output and error; None for this process's own.
        own_group: whether what a terminal sends to this process's group is kept from it.

    Raises:
        ProgramError: the runtime cannot run it.
    """
    # Not where the user is: podman's monitor leaves a file `oom` in its folder when memory runs out.
    process = popen(runtime.command(job), *streams, own_group=own_group, cwd=job.folder)
    container = Container(runtime, job, process)
    try:
        yield container
    finally:
        with held_signals():
            if process.poll() is None:
                container.settle()
                runtime.signal(job, signal.SIGKILL)
                if container.wait(_TO_DIE) is None:
                    process.kill()
                    process.wait()
            runtime.remove(job)


def popen(
    command: Sequence[str],
    stdin: File,
    stdout: File,
    stderr: File,
    *,
    own_group: bool = True,
    cwd: str | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program, in a process group of its own where asked.

    Raises:
        ProgramError: it is not there, or no program.
    """
    try:
        return subprocess.Popen(
            command, stdin=stdin, stdout=stdout, stderr=stderr, process_group=0 if own_group else None, cwd=cwd
        )
    except OSError as error:
        raise ProgramError(f"{command[0]}: cannot be run: {error.strerror}") from error


def wait(process: subprocess.Popen[bytes], seconds: float | None, wakeup: int | None = None) -> int | None:
    """Wait for a program without polling; return its exit code, 128 + signal where one killed it.

    Args:
        process: the program.
        seconds: how long; None for ever.
        wakeup: a descriptor that ends the wait as soon as it can be read.
    """
    code = process.poll()
    if code is None:
        descriptor = os.pidfd_open(process.pid)
        try:
            poll = select.poll()
            for each in (descriptor, wakeup):
                if each is not None:
                    poll.register(each, select.POLLIN)
            poll.poll(None if seconds is None else max(0, seconds) * 1000)
        finally:
            os.close(descriptor)
        code = process.poll()
    return code if code is None or code >= 0 else 128 - code


@contextlib.contextmanager
def held_signals() -> Iterator[None]:
    """Keep signals that would end this process waiting until something is cleaned up."""
    held = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def until(deadline: float | None) -> float | None:
    """Return the seconds that are left until a time of `time.monotonic`; None where there is no end."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
