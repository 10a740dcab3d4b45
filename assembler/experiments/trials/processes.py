"""The crew of one machine: processes that this one starts as there are tasks, each of which does one at a time.

Tars lie in a folder of the run, each written when a task first names it and removed when none does any more.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections import deque
from multiprocessing import connection, get_context, resource_tracker
from typing import TYPE_CHECKING, Final

from assembler.base.content import SharedFile, Span
from assembler.base.errors import Interrupted, ProgramError, SourceError
from assembler.base.files import atomic_file, destination_errors, write_all
from assembler.experiments.trials.tasks import ends_at_once, name_of_worker, perform
from assembler.experiments.trials.work import Broken, Check, Done, Task
from assembler.runtime.container import held_signals

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from types import FrameType
    from typing import Any

    from assembler.base.content import Content
    from assembler.base.digest import Digest
    from assembler.layers.tars import Tar

_TO_END: Final = 15.0
"""Seconds that a worker has to stop its container and tidy up."""


class Folder:
    """The tars of a run, as files in a folder; a `Tars`."""

    def __init__(self, path: str) -> None:
        """Find tars in a folder."""
        self.path = path

    def file_of(self, diff_id: Digest) -> str:
        """Return where a tar lies, or would."""
        return os.path.join(self.path, diff_id.replace(":", "-"))

    def content(self, diff_id: Digest) -> Content:
        """See `Tars.content`."""
        path = self.file_of(diff_id)
        try:
            file = SharedFile.existing(path)
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
        return Span(file, 0, os.fstat(file.fileno()).st_size)


class _Spool:
    """The tars by digest, and the folder in which those in use lie."""

    def __init__(self) -> None:
        with destination_errors(tempfile.gettempdir()):
            self.folder = Folder(tempfile.mkdtemp(prefix="brasm-tune-"))
        self._known: dict[Digest, Tar] = {}

    def provide(self, tars: Iterable[Tar]) -> None:
        self._known.update((tar.diff_id, tar) for tar in tars)

    def write(self, diff_id: Digest) -> None:
        """Write a tar, if it does not lie there yet."""
        path = self.folder.file_of(diff_id)
        if os.path.exists(path):
            return
        with atomic_file(path, sync=False) as descriptor:
            for chunk in self._known[diff_id].chunks():
                write_all(descriptor, chunk)

    def forget(self, diff_id: Digest) -> None:
        self._known.pop(diff_id, None)
        with contextlib.suppress(FileNotFoundError):  # no task asked for it
            os.unlink(self.folder.file_of(diff_id))

    def close(self) -> None:
        shutil.rmtree(self.folder.path, ignore_errors=True)


class _Worker:
    """A process, the pipe to it, and what it is at. Signals are held while it is started, here and there."""

    def __init__(self, folder: str) -> None:
        context = get_context("spawn")  # a fork would take over threads' locks, and every file that is open here
        self.pipe, other = context.Pipe()
        self.process: SpawnProcess = context.Process(target=work, args=(other, folder), daemon=True)
        self.process.start()
        other.close()
        self.task: Task | None = None

    def stop(self) -> None:
        """Have it end: only tests have a container to tidy up after, and what else is done leaves nothing behind."""
        if isinstance(self.task, Check):
            self.process.terminate()
        else:
            self.process.kill()

    @property
    def name(self) -> str:
        return f"{os.uname().nodename}/{self.process.pid}"

    def give(self, task: Task) -> None:
        self.task = task
        with contextlib.suppress(BrokenPipeError):  # it died: `next` finds out
            self.pipe.send(task)

    def answer(self) -> Done | None:
        """Return what it did, or None where it died instead."""
        try:
            return Done(self.task, self.pipe.recv()) if self.task is not None else None
        except (EOFError, ConnectionResetError):
            return None

    def end(self) -> None:
        """Wait until it has ended, which it was told to."""
        self.process.join(_TO_END)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()


class Processes:
    """A crew of processes of this machine. One that dies is replaced; what it did is done once more, then given up."""

    def __init__(self, count: int) -> None:
        """Make ready for so many at most.

        Raises:
            DestinationError: there is no room in TMPDIR.
        """
        self.width = count
        self._spool = _Spool()
        self._waiting: deque[Task] = deque()
        self._finished: deque[Done] = deque()
        self._lost: set[Task] = set()
        self._workers: list[_Worker] = []

    @property
    def at_work(self) -> dict[int, Task | None]:
        """What each process does now, by its id."""
        return {worker.process.pid or 0: worker.task for worker in self._workers}

    def provide(self, tars: Iterable[Tar]) -> None:
        """See `Crew.provide`."""
        self._spool.provide(tars)

    def forget(self, diff_id: Digest) -> None:
        """See `Crew.forget`."""
        self._spool.forget(diff_id)

    def submit(self, task: Task) -> None:
        """See `Crew.submit`."""
        self._waiting.append(task)
        self._hand_out()

    def next(self) -> Done:
        """See `Crew.next`."""
        while not self._finished:
            self._tend()
        return self._finished.popleft()

    def _tend(self) -> None:
        """Wait until a process answers or dies."""
        busy: dict[Any, _Worker] = {one.pipe: one for one in self._workers if one.task is not None}
        for ready in connection.wait(list(busy)):
            if (done := self._take(busy[ready])) is not None:
                self._finished.append(done)
        self._hand_out()

    def close(self) -> None:
        """See `Crew.close`."""
        with held_signals():
            for worker in self._workers:
                worker.stop()
            for worker in self._workers:
                worker.end()
            self._spool.close()

    def _take(self, worker: _Worker) -> Done | None:
        done, task = worker.answer(), worker.task
        worker.task = None
        if done is not None or task is None:
            return done
        return self._replace(worker, task)

    def _replace(self, worker: _Worker, task: Task) -> Done | None:
        """Make room for a fresh process in the place of one that died."""
        worker.process.join()
        code = worker.process.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        worker.pipe.close()
        self._workers.remove(worker)
        if task in self._lost:
            hint = "there may not be memory for so many at once: fewer --jobs"
            return Done(task, Broken(f"the process that worked on it {how}, twice", hint, worker.name))
        self._lost.add(task)
        self._waiting.appendleft(task)
        return None

    def _hand_out(self) -> None:
        while self._waiting and (worker := self._idle()) is not None:
            task = self._waiting.popleft()
            self._spool.write(task.tar)
            worker.give(task)

    def _idle(self) -> _Worker | None:
        """Return a process without a task, if need be a new one; None where there are as many as there may be."""
        found = next((worker for worker in self._workers if worker.task is None), None)
        if found is None and len(self._workers) < self.width:
            return self._started()
        return found

    def _started(self) -> _Worker | None:
        """Start a process; where the machine has room for no more, those that there are must do."""
        try:
            resource_tracker.ensure_running()  # when it starts its own process it lets signals through (Python 3.11)
            with held_signals():
                self._workers.append(_Worker(self._spool.folder.path))
        except OSError as error:
            if self._workers:
                return None
            raise ProgramError(
                f"no process can be started: {error.strerror}", hint="end others, or ulimit -u"
            ) from error
        return self._workers[-1]


def work(pipe: Connection, folder: str) -> None:
    """Do the tasks that come through a pipe until it is closed: what a process of the crew is for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C goes to all; whoever started this one ends it
    signal.signal(signal.SIGTERM, _terminate)
    tars, name = Folder(folder), name_of_worker()
    tempfile.tempdir = os.path.dirname(folder)  # to look for one makes a file, which might be left
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError, Interrupted):
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        while True:
            task = pipe.recv()
            with ends_at_once(task, signal.SIGTERM):
                answer = perform(task, tars, name)
            pipe.send(answer)
    os._exit(0)  # all is tidied up: a further signal finds nothing to interrupt


def _terminate(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: what is tidied up now must not be cut off
    raise Interrupted(number)
