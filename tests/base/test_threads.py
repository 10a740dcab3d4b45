"""Threads: an interrupt that leaves a future's lock taken does not hang who leaves."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from assembler.base.threads import threads

if TYPE_CHECKING:
    from concurrent.futures import Future


def test_results_are_waited_for() -> None:
    with threads(2) as pool:
        futures = [pool.submit(time.sleep, 0.01) for _ in range(4)]
    assert all(future.done() for future in futures)


def test_an_interrupt_in_the_middle_of_a_wait_does_not_hang() -> None:
    """What a signal does that comes while `Future.result` holds its lock."""

    def wait() -> Future[None]:
        with contextlib.suppress(KeyboardInterrupt), threads(1) as pool:
            future = pool.submit(time.sleep, 0.05)
            future._condition.acquire()
            raise KeyboardInterrupt
        return future

    future = wait()
    assert not future.done(), "the worker waits for the lock"
    future._condition.release()
