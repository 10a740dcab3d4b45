"""Threads: an interrupt that leaves a future's lock taken does not hang who leaves."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import pytest

from assembler.base.threads import each, threads

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


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_a_job_is_done_for_each_item_once(count: int) -> None:
    done: list[int] = []
    each(range(count), lambda item, _: done.append(item), 4)
    assert sorted(done) == list(range(count))


def test_so_many_at_a_time() -> None:
    together = threading.Barrier(3, timeout=10)
    each(range(6), lambda _, __: void(together.wait()), 3)
    assert together.n_waiting == 0


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_first_failure_ends_what_is_under_way(error: type[BaseException]) -> None:
    begun: list[int] = []
    seen = threading.Event()
    started = threading.Barrier(2, timeout=10)

    def job(item: int, given_up: threading.Event) -> None:
        begun.append(item)
        if item > 1:
            return
        started.wait()
        if item == 0:
            raise error
        if given_up.wait(10):
            seen.set()

    with pytest.raises(error):
        each(range(100), job, 2)
    assert seen.is_set(), "the other one was told, and waited for"
    assert len(begun) < 100


def test_what_ends_because_of_a_failure_does_not_hide_it() -> None:
    started = threading.Barrier(2, timeout=10)

    def job(item: int, given_up: threading.Event) -> None:
        started.wait()
        if item == 1:
            raise ValueError("the reason")
        given_up.wait(10)
        raise ValueError("given up")

    for _ in range(50):
        with pytest.raises(ValueError, match=r"^the reason$"):
            each(range(2), job, 2)


def void(_: object) -> None:
    """Return nothing."""
