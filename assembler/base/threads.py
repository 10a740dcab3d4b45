"""Threads that an interrupt cannot hang.

An exception that a signal raises while the main thread waits for a future may leave the future's lock taken for ever;
the worker that is to set the result then never ends, and whoever waits for the worker neither. So after a failure
nothing waits: the process is about to end.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


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


def leave(pool: ThreadPoolExecutor) -> None:
    """Let an executor end by itself: what has not begun is not begun."""
    pool.shutdown(wait=False, cancel_futures=True)
