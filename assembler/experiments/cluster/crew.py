"""The crew of a Dask cluster: tasks done on as many machines as have a `dask worker` that knows the scheduler.

The parent plans; workers get tars, in parcels, from a share that all of them reach, and tasks as JSON
(`experiments.cluster.orders`). Dask sees to it that what a worker had begun when it died is done by another one.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import secrets
import shutil
import tempfile
import threading
import time
import warnings
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from assembler import __version__
from assembler.base.errors import BrasmError, ProgramError, UsageError
from assembler.base.files import destination_errors
from assembler.experiments.cluster import orders, station
from assembler.experiments.cluster.orders import Order, Reply
from assembler.experiments.cluster.parcel import Sender, Share, check_share
from assembler.experiments.trials.work import Broken, Done
from assembler.oci.reference import Reference
from assembler.remote.connection import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from assembler.base.digest import Digest
    from assembler.base.progress import Progress
    from assembler.experiments.trials.work import Answer, Task
    from assembler.layers.tars import Tar
    from assembler.oci.types import Descriptor
    from assembler.remote.access import Access

PATIENCE: Final = 30.0
"""Seconds in which a worker must be there, at the beginning and whenever none is left."""

_TO_CONNECT: Final = 5.0
_TO_CLOSE: Final = 2.0
_TO_GATHER: Final = 5.0
_TICK: Final = 0.5
_RETRIES: Final = 2
"""How often a task is begun again that a worker's machine, and not the task, made fail."""

_TOLD: Final = 256
"""How many tars that nobody needs any more are named in an order: an order stays small, and few are missed."""

_ADDRESS: Final = re.compile(r"(?:(?:tcp|tls|ws|wss|ucx|ucxx)://)?[^/\s]+:[0-9]{1,5}")
_SAME: Final = "all machines must have the same version of brasm"


class Cluster:
    """A `Crew` of a cluster's workers."""

    def __init__(
        self, scheduler: str, share: Reference | None, access: Access, progress: Progress, patience: float = PATIENCE
    ) -> None:
        """Connect to a scheduler, and wait for a worker.

        Args:
            scheduler: its address, `tcp://HOST:PORT`.
            share: where tars travel by; None for a temporary folder, where the scheduler is on this machine.
            access: the way to the share. Workers use their own credentials and certificates.
            progress: told of what is sent, and of what is waited for.
            patience: seconds in which a worker must be there.

        Raises:
            UsageError: the address is none, or there must be a share.
            DestinationError: the share cannot be written.
            ProgramError: there is no scheduler, no worker, or one with another version of brasm.
        """
        self._scheduler, self._progress, self._patience = _checked(scheduler), progress, patience
        self._run = secrets.token_hex(16)
        self._pending: dict[str, tuple[Task, Any]] = {}
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._forgotten: list[Digest] = []
        self._sent = False
        with contextlib.ExitStack() as stack:
            place = check_share(share) if share is not None else stack.enter_context(_own_share(scheduler))
            self._share = Share(place, access)
            self._sender = Sender(self._share, progress)
            self._client = stack.enter_context(_connected(scheduler))
            stack.callback(self._end)
            self._workers: dict[str, int] = {}
            self._looked = 0.0
            self._alone_since: float | None = None
            self._await_workers()
            self._check_versions()
            self._stack = stack.pop_all()

    @property
    def width(self) -> int:
        """See `Crew.width`."""
        return max(1, sum(self._workers.values()))

    def provide(self, tars: Iterable[Tar]) -> None:
        """See `Crew.provide`; the first time, all workers are made to fetch what was sent.

        Raises:
            SourceError: a file cannot be read, or changed since it was first seen.
            DestinationError: the share cannot be written.
            ProgramError: a worker cannot read it.
        """
        wanted = {tar.diff_id: tar for tar in tars}
        self._forgotten = [diff_id for diff_id in self._forgotten if diff_id not in wanted]
        parcel = self._sender.send(wanted.values())
        if parcel is not None and not self._sent:
            self._sent = True
            self._try_share(parcel)

    def forget(self, diff_id: Digest) -> None:
        """See `Crew.forget`; workers are told with the next tasks."""
        self._forgotten = [*self._forgotten[1 - _TOLD :], diff_id]

    def submit(self, task: Task) -> None:
        """See `Crew.submit`."""
        name = hashlib.sha256(orders.write(task)).hexdigest()
        key = f"{type(task).__name__.lower()}-{self._run}-{name}"
        future = self._send(self._order(self._sender.needs(task.tar), task), key, retries=_RETRIES)
        self._pending[key] = task, future
        future.add_done_callback(self._ended.put)

    def next(self) -> Done:
        """See `Crew.next`.

        Raises:
            ProgramError: the scheduler is gone, all workers are, or one has another version of brasm.
        """
        while True:
            if time.monotonic() - self._looked > _TICK:
                self._look()
            with contextlib.suppress(Empty):
                future = self._ended.get(timeout=_TICK)
                if (answer := self._answer(future)) is not None:
                    return Done(self._pending.pop(future.key)[0], answer)

    def close(self) -> None:
        """See `Crew.close`."""
        self._stack.close()

    def _order(self, parcels: Sequence[Descriptor], task: Task | None) -> bytes:
        access = self._share.access
        return orders.write(
            Order(
                version=__version__,
                run=self._run,
                place=self._share.place,
                parcels=tuple(parcels),
                plain_http=access.plain_http,
                verify=access.verify,
                forgotten=tuple(self._forgotten),
                task=task,
            )
        )

    def _send(self, order: bytes, key: str, **options: Any) -> Any:
        """Submit an order to dask.

        Raises:
            ProgramError: the scheduler is gone.
        """
        try:
            return self._client.submit(station.do, order, key=key, **options)
        except Exception as error:  # each version of dask has one of its own for a client that was closed
            raise self._gone() from error

    def _answer(self, future: Any) -> Answer | None:
        """Return what a future that ended holds; None where it is to be waited for again."""
        if future.status == "cancelled":
            raise self._gone()
        try:
            reply = orders.read(future.result(timeout=_TO_GATHER), Reply)
        except TimeoutError:  # the worker that had the result died: another one makes it again
            future.add_done_callback(self._ended.put)
            return None
        except Exception as error:  # whatever was raised on the worker
            if self._client.status != "running":
                raise self._gone() from error
            return _broken(error)
        if reply.refused is not None:
            raise ProgramError(f"{self._scheduler}: {reply.refused}", hint=_SAME)
        return reply.answer

    def _await_workers(self) -> None:
        """Wait for the first worker.

        Raises:
            ProgramError: none came.
        """
        self._look()
        if not self._workers:
            self._progress.status(f"no worker yet; on each machine: dask worker {self._scheduler}")
        while not self._workers:
            time.sleep(_TICK / 2)
            self._look()

    def _look(self) -> None:
        """Find out who is there.

        Raises:
            ProgramError: no scheduler, or for too long no worker.
        """
        if self._client.status != "running":
            raise self._gone()
        try:
            self._workers = self._client.nthreads()
        except OSError as error:
            raise self._gone() from error
        self._looked = time.monotonic()
        if self._workers:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = self._looked
        elif self._looked - self._alone_since > self._patience:
            message = f"{self._scheduler}: no worker for {self._patience:g} s"
            raise ProgramError(message, hint=f"on each machine: dask worker {self._scheduler}")

    def _check_versions(self) -> None:
        """Make sure that all workers understand the same orders; those that come later look themselves.

        Raises:
            ProgramError: one does not.
        """
        found = self._client.run(station.version, on_error="return")
        for address, version in sorted(found.items()):
            if isinstance(version, Exception):
                raise ProgramError(f"the worker {address} has no brasm {__version__}: {version}", hint=_SAME)
            if version != __version__:
                raise ProgramError(f"the worker {address} has brasm {version}, and this is {__version__}", hint=_SAME)

    def _try_share(self, parcel: Descriptor) -> None:
        """Have each worker fetch the first parcel, so that a share that one cannot read is found out at once.

        Raises:
            ProgramError: that is so.
        """
        order = self._order((parcel,), None)
        futures = {
            address: self._send(order, f"fetch-{self._run}-{number}", workers=[address])
            for number, address in enumerate(self._workers)
        }
        for address, future in futures.items():
            while future.status in {"pending", "lost"} and address in self._workers:
                time.sleep(_TICK / 10)
                if time.monotonic() - self._looked > _TICK:
                    self._look()
            if future.status == "error":
                why = _broken(future.exception())
                hint = why.hint or "--share names a place that all workers reach, each with credentials of its own"
                raise ProgramError(f"the worker {address} cannot read {self._share.place}: {why.error}", hint=hint)

    def _gone(self) -> ProgramError:
        hint = "start it and its workers again: the same command goes on with the results that there are"
        return ProgramError(f"{self._scheduler}: the scheduler is gone", hint=hint)

    def _end(self) -> None:
        """End what is under way on all workers, as far as they can still be reached."""
        if self._client.status == "running":
            with contextlib.suppress(Exception):  # whatever dask says now, nothing more can be done about it
                self._client.cancel([future for _, future in self._pending.values()])
                self._client.run(station.end, self._run, on_error="ignore")


def _checked(scheduler: str) -> str:
    if not _ADDRESS.fullmatch(scheduler):
        raise UsageError(
            f"{scheduler!r}: no address of a scheduler", hint="tcp://HOST:PORT, as dask scheduler tells it"
        )
    return scheduler


@contextlib.contextmanager
def _own_share(scheduler: str) -> Iterator[Reference]:
    """Give a folder of this machine where its own workers find what is shared."""
    host = urlsplit(scheduler if "://" in scheduler else f"tcp://{scheduler}").hostname
    if not is_loopback(host or ""):
        hint = "--share oci:FOLDER, under the same path on all of them, or --share docker://HOST/NAME"
        raise UsageError(f"{scheduler}: its workers may be on other machines, which must be sent files", hint=hint)
    with destination_errors(tempfile.gettempdir()):
        folder = tempfile.mkdtemp(prefix="brasm-share-")
    try:
        yield Reference("oci", folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _connected(scheduler: str) -> Iterator[Any]:
    """Give dask's client.

    Raises:
        ProgramError: dask is not installed, or there is no scheduler.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ProgramError(f"--scheduler: {error}", hint="pip install 'brasm[cluster]'") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is an error here
    found: SimpleQueue[Any] = SimpleQueue()

    def connect() -> None:
        try:
            found.put(Client(scheduler, timeout=_TO_CONNECT, set_as_default=False))  # type: ignore[no-untyped-call]
        except Exception as error:  # noqa: BLE001 handed on, whatever it is
            found.put(error)

    with warnings.catch_warnings(action="ignore"):  # versions of what dask itself is made of
        # In a thread of its own: Client waits for ever for a port where something else listens and says nothing.
        threading.Thread(target=connect, daemon=True).start()
        try:
            client = found.get(timeout=2 * _TO_CONNECT)
        except Empty:
            client = TimeoutError("something else is there")
    if isinstance(client, Exception):
        hint = "on one machine: dask scheduler, which tells its address"
        raise ProgramError(f"{scheduler}: no scheduler answers: {_line(client)}", hint=hint) from client
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            client.close(timeout=_TO_CLOSE)


def _broken(error: BaseException) -> Broken:
    """Return what became of a task that dask gave up."""
    if isinstance(error, BrasmError):
        return Broken(error.message, error.hint, "")
    if type(error).__name__ == "KilledWorker":
        last = getattr(getattr(error, "last_worker", None), "address", "")
        deaths = getattr(error, "allowed_failures", 0) + 1
        return Broken(f"{deaths} workers died while they did it", "there may not be memory for it", last)
    return Broken(f"{type(error).__name__}: {_line(error)}", "the worker's log says more", "")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
