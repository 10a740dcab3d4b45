"""Processes that are held for a moment when they end, so that what they took can still be looked at.

In: process ids. Out: each again when it is about to exit, with its memory still in place; likewise all that it starts.
Sources: ptrace(2), `PTRACE_SEIZE`, `PTRACE_O_TRACEEXIT`, "Group-stop"; waitpid(2), `__WALL`, `__WNOTHREAD`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONT, _SEIZE, _LISTEN = 7, 0x4206, 0x4208
_FORK, _VFORK, _EXIT, _STOP = 1, 2, 6, 128
_OPTIONS: Final = sum(1 << event for event in (_FORK, _VFORK, _EXIT))
_STOPPING: Final = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
_WAIT: Final = os.WNOHANG | 0x40000000 | 0x20000000  # __WALL: threads too; __WNOTHREAD: only what this thread traces


class Exits:
    """Belongs to the thread that makes it. When that thread ends, the kernel lets all go on as if nothing had been."""

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._ptrace = ctypes.CDLL(None, use_errno=True).ptrace
        self._ptrace.restype = ctypes.c_long
        self._ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)

    def hold(self, pid: int) -> bool:
        """Have a process held when it ends; say whether it will be: not where the kernel forbids it."""
        if pid not in self._held and self._ptrace(_SEIZE, pid, None, _OPTIONS) == 0:
            self._held.add(pid)
        return pid in self._held

    def ending(self) -> Iterator[int]:
        """Yield the processes that are about to end, each of which goes on when the next one is asked for."""
        while (event := self._next()) is not None:
            pid, status = event
            if not os.WIFSTOPPED(status):
                self._held.discard(pid)
                continue
            self._held.add(pid)  # what a process starts is traced like itself
            kind, number = status >> 16, os.WSTOPSIG(status)
            if kind == _EXIT:
                yield pid
            if kind == _STOP and number in _STOPPING:
                self._ptrace(_LISTEN, pid, None, None)
            else:
                self._ptrace(_CONT, pid, None, number if kind == 0 else None)

    def _next(self) -> tuple[int, int] | None:
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(-1, _WAIT)
            return (pid, status) if pid else None
        return None
