"""The process that does the tasks of a cluster's worker, one at a time: `python -m assembler.experiments.cluster.hand`.

In, on standard input: orders, a line each. Out, on standard output: a reply for each. Tasks are not done in dask's own
process, since there others work in other threads, who would be measured too, and a container that is cut off could not
be tidied up after. When the input ends, whatever ended the worker, so does what is under way, containers included.
"""

from __future__ import annotations

import os
import signal
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, BinaryIO, Final

from assembler.base.errors import BrasmError, Interrupted
from assembler.experiments.cluster import orders
from assembler.experiments.cluster.depot import Depot
from assembler.experiments.cluster.orders import Order, Reply
from assembler.experiments.cluster.parcel import Share
from assembler.experiments.trials.tasks import ends_at_once, name_of_worker, perform
from assembler.experiments.trials.work import Broken, Check
from assembler.remote.access import Access

if TYPE_CHECKING:
    from types import FrameType

    from assembler.experiments.trials.work import Answer, Task

_IDLE: Final = 600.0
"""Seconds without an order after which a process ends by itself: the run may have ended without saying so."""

_ENDS: Final = frozenset({signal.SIGTERM, signal.SIGHUP})


def main() -> None:
    """Take orders until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C goes to all; the worker ends this process
    for each in _ENDS:
        signal.signal(each, _end)
    taken, given = _own_streams()
    waiting: SimpleQueue[bytes] = SimpleQueue()
    try:
        _start(threading.Thread(target=_listen, args=(taken, waiting), daemon=True))
        while True:
            given.write(orders.write(serve(orders.read(waiting.get(timeout=_IDLE), Order))) + b"\n")
            given.flush()
    except (Empty, Interrupted, BrokenPipeError):
        os._exit(0)  # the thread that listens may hold its stream for ever


def serve(order: Order) -> Reply:
    """Do what an order says.

    Raises:
        Interrupted: a signal ended it.
    """
    share = Share(order.place, Access(plain_http=order.plain_http, verify=order.verify))
    try:
        depot = Depot(order.run, share, order.parcels)
        depot.forget(order.forgotten)
        if order.task is None:
            depot.fetch()
            return Reply()
        depot.content(order.task.tar)
    except Interrupted:
        raise
    except BrasmError as error:
        return Reply(unready=f"{name_of_worker()}: {error.message}", hint=error.hint)
    return Reply(_done(order.task, depot))


def _done(task: Task, depot: Depot) -> Answer:
    clients = isinstance(task, Check) and any(test.client for test in task.tests)
    if isinstance(task, Check) and clients and not os.path.isdir(task.folder):
        error = f"{task.folder}: a test has a client of the recipe's folder, which is not there on {name_of_worker()}"
        return Broken(error, "have the folder on all workers under the same path", name_of_worker())
    with ends_at_once(task, *_ENDS):
        return perform(task, depot, name_of_worker())


def _own_streams() -> tuple[BinaryIO, BinaryIO]:
    """Take the standard streams away from all that runs here: tests may read and write as they like."""
    taken, given = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return os.fdopen(taken, "rb"), os.fdopen(given, "wb")


def _start(thread: threading.Thread) -> None:
    """Start a thread that takes no signals: they are to wake the main thread, whatever that waits for."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    thread.start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _listen(taken: BinaryIO, waiting: SimpleQueue[bytes]) -> None:
    """Hand on orders; when there is nobody any more who gives some, end what is under way."""
    for line in taken:
        waiting.put(line)
    main_thread = threading.main_thread().ident
    if main_thread is not None:
        signal.pthread_kill(main_thread, signal.SIGTERM)


def _end(number: int, _: FrameType | None) -> None:
    for each in _ENDS:
        signal.signal(each, signal.SIG_IGN)  # once is enough: what is tidied up now must not be cut off
    raise Interrupted(number)


if __name__ == "__main__":
    main()
