"""What runs inside a dask worker: it hands orders to processes of its own, which do them, and ends these.

Each thread of the worker has one such process at a time (`experiments.cluster.hand`). Functions here are named by the
client and run by dask; nothing of dask is imported.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from signal import Signals
from typing import IO, Final

from assembler import __version__
from assembler.base.errors import ProgramError
from assembler.experiments.cluster import depot, orders
from assembler.experiments.cluster.orders import Head, Reply

_TO_END: Final = 15.0
"""Seconds that a process has to stop its container and tidy up."""

_lock: Final = threading.Lock()
_idle: Final[dict[str, list[_Hand]]] = {}
_hands: Final[dict[str, set[_Hand]]] = {}
_ended: Final[set[str]] = set()


class _Hand:
    """A process that does orders."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "assembler.experiments.cluster.hand"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, order: bytes) -> bytes:
        """Have an order done.

        Raises:
            ProgramError: the process died of it.
        """
        reply = b""
        with contextlib.suppress(BrokenPipeError):
            self._stream(self._process.stdin).write(order + b"\n")
            self._stream(self._process.stdin).flush()
            reply = self._stream(self._process.stdout).readline()
        if not reply.endswith(b"\n"):
            code = self.wait()
            how = f"was killed by {Signals(-code).name}" if code < 0 else f"ended with {code}"
            raise ProgramError(f"{os.uname().nodename}: the process {self._process.pid} that worked on it {how}")
        return reply

    def lives(self) -> bool:
        """Whether it still takes orders: one that had none for long has ended."""
        return self._process.poll() is None

    def terminate(self) -> None:
        """Have it end, with what it is at."""
        self._process.terminate()

    def wait(self) -> int:
        """Wait until it has ended, and return its code."""
        with self._process:
            try:
                return self._process.wait(_TO_END)
            except subprocess.TimeoutExpired:
                self._process.kill()
                return self._process.wait()

    @staticmethod
    def _stream(stream: IO[bytes] | None) -> IO[bytes]:
        assert stream is not None  # noqa: S101
        return stream


def version() -> str:
    """Return which brasm this worker has."""
    return __version__


def do(order: bytes) -> bytes:
    """Do an order; return the reply.

    Raises:
        ProgramError: it was not begun, or broke off, for what is wrong with this machine: another may do it.
    """
    head = orders.read(order, Head)
    if head.version != __version__:
        refused = f"a worker has brasm {__version__}, and the orders are of {head.version}"
        return orders.write(Reply(refused=refused))
    hand = _take(head.run)
    try:
        line = hand.ask(order)
    except BaseException:
        with _lock:
            _hands.get(head.run, set()).discard(hand)
        raise
    with _lock:
        _idle.setdefault(head.run, []).append(hand)
    reply = orders.read(line, Reply)
    if reply.unready is not None:
        raise ProgramError(reply.unready, hint=reply.hint)
    return line


async def end(run: str) -> None:
    """End what is under way for a run, and remove what it keeps here."""
    await asyncio.to_thread(_end, run)


def _take(run: str) -> _Hand:
    with _lock:
        if run in _ended:
            raise ProgramError(f"run {run} has ended")
        idle = _idle.setdefault(run, [])
        while idle:
            if (hand := idle.pop()).lives():
                return hand
        hand = _Hand()
        _hands.setdefault(run, set()).add(hand)
        return hand


def _end(run: str) -> None:
    with _lock:
        _ended.add(run)
        _idle.pop(run, None)
        hands = _hands.pop(run, set())
    for hand in hands:
        hand.terminate()
    for hand in hands:
        hand.wait()
    depot.remove(run)
