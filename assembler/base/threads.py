"""Threads that an interrupt cannot hang.

An exception that a signal raises while the main thread waits for a future may leave the future's lock taken for ever;
the worker that is to set the result then never ends, and whoever waits for the worker neither. So after a failure
nothing waits: the process is about to end.
"""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Item = TypeVar("Item")

_PATIENCE: Final = 2.0
"""Seconds in which those under way may see that the work was given up, and tidy up after themselves."""


@contextmanager
def threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Give an executor of so many threads; when all went well, wait for them at the end."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    except BaseException:
        leave(pool)
        raise
    pool.shutdown()


def each(items: Sequence[Item], job: Callable[[Item, Event], None], count: int) -> None:
    """Do a job for each item, so many at a time, in the items' order.

    A job may look at the event: once it is set, the work was given up, because another job failed or the main thread
    was interrupted, and what is under way may end by any error. No other is begun, and the first failure is raised.
    """
    given_up = Event()
    if len(items) == 1:
        job(items[0], given_up)
        return
    failures: list[BaseException] = []

    def run(item: Item) -> None:
        if given_up.is_set():
            return
        try:
            job(item, given_up)
        except BaseException as error:
            failures.append(error)
            given_up.set()
            raise

    with threads(count) as pool:
        futures = [pool.submit(run, item) for item in items]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            given_up.set()
            wait(futures, _PATIENCE)
        if failures:
            raise failures[0]


def leave(pool: ThreadPoolExecutor) -> None:
    """Let an executor end by itself: what has not begun is not begun."""
    pool.shutdown(wait=False, cancel_futures=True)
