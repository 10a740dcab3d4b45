"""A container with this process's own standard streams, as `docker run` has it.

In: `Job`. Out: its program's exit code. Signals that reach this process reach the program; what a time limit ends, or
what has to be killed, has the exit codes of coreutils' timeout and of shells.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import time
from typing import TYPE_CHECKING, Final, Self

from assembler.runtime.container import GRACE, Container, running, until, wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from assembler.runtime.job import Job
    from assembler.runtime.runtimes import Runtime

TIMED_OUT: Final = 124
"""Exit code of coreutils' timeout(1)."""

_FORWARDED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_KEYBOARD: Final = frozenset({signal.SIGINT, signal.SIGQUIT})


def run_in_foreground(runtime: Runtime, job: Job, seconds: float | None, stop_signal: int) -> int:
    """Run a container to its end.

    Args:
        runtime: runs it.
        job: the container.
        seconds: how long it may take; None for any time.
        stop_signal: what stops it then.

    Raises:
        ProgramError: the runtime, not the program, failed.
    """
    # What reads from a terminal has to be in its foreground group; its keys reach that whole group then.
    shares = job.terminal or os.isatty(0)
    own = running(runtime, job, (None, None, None), own_group=not shares)
    with _Signals() as signals, _terminal_as_before(), own as container:
        code = _Watch(container, signals, shares=shares).until_end(seconds, stop_signal)
        error = container.failure(code, "")
        if error is not None:
            raise error
        return code


class _Watch:
    """Waits for a container, and hands on what comes meanwhile."""

    def __init__(self, container: Container, signals: _Signals, *, shares: bool) -> None:
        self._container = container
        self._signals = signals
        self._shares = shares
        self._asked: int | None = None
        self._killed: int | None = None

    def until_end(self, seconds: float | None, stop_signal: int) -> int:
        """Return the exit code."""
        process = self._container.process
        deadline = None if seconds is None else time.monotonic() + seconds
        timed_out = False
        while (code := wait(process, until(deadline), self._signals.descriptor)) is None:
            for number in self._signals.take():
                deadline = self._hand_on(number, deadline)
            if deadline is None or time.monotonic() < deadline:
                continue
            if self._asked is None:
                timed_out = True
                deadline = self._hand_on(stop_signal, None)
            else:
                self._kill(self._asked)
                deadline = None
        if timed_out:
            return TIMED_OUT
        return code if self._killed is None else 128 + self._killed

    def _hand_on(self, number: int, deadline: float | None) -> float | None:
        """Give a signal to the program, and at the second one kill it; return until when it may go on."""
        container = self._container
        container.settle()
        if self._asked is not None or number == signal.SIGKILL or not container.minds(number):
            self._kill(self._asked or number)
            return None
        self._asked = number
        if not (self._shares and number in _KEYBOARD):
            container.signal(number)
        return deadline if number in _KEYBOARD else time.monotonic() + GRACE

    def _kill(self, number: int) -> None:
        """Kill it, so that the exit code is that of the signal that was to end it."""
        self._killed = number
        self._container.runtime.signal(self._container.job, signal.SIGKILL)


class _Signals:
    """Collects signals in place of what they would do; those that are ignored stay so."""

    def __enter__(self) -> Self:
        self._came: list[int] = []
        self.descriptor, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = {one: signal.getsignal(one) for one in _FORWARDED if signal.getsignal(one) != signal.SIG_IGN}
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for one in self._before:
            signal.signal(one, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._write)
        os.close(self.descriptor)

    def take(self) -> list[int]:
        """Return what came since the last call."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.descriptor, 4096)
        came, self._came = self._came, []
        return came

    def _note(self, number: int, _: FrameType | None) -> None:
        self._came.append(number)


@contextlib.contextmanager
def _terminal_as_before() -> Iterator[None]:
    """Put the terminal back as it was: a runtime that is killed leaves it raw."""
    if not sys.stdin or not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    try:
        yield
    finally:
        if termios.tcgetattr(0) != before:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
