"""Real clusters on loopback: `dask scheduler` and `dask worker` as processes, ended by their ids."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.tools import environment, lack, wait_for

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_DASK: Final = (sys.executable, "-m", "dask")
_ADDRESS: Final = re.compile(rb"Scheduler at:\s+(tcp://\S+)\n")


class Process:
    """A process of a cluster, with its log."""

    def __init__(self, command: tuple[str, ...], log: Path, **env: str) -> None:
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=log.parent, env=environment(**env)
            )
        self.pid = self._process.pid
        self.log = log

    def kill(self) -> None:
        """End it as a machine does that loses its power."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it, gently first."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def hands(self) -> list[int]:
        """Return the processes that do the tasks of a worker."""
        return [pid for pid in _children(self.pid) if "assembler.experiments.cluster.hand" in _command(pid)]

    def workers(self) -> list[int]:
        """Return the processes that a nanny watches over."""
        return [pid for pid in _children(self.pid) if "multiprocessing.spawn" in _command(pid)]


class Cluster:
    """A scheduler, and workers that are started one by one; each is a machine of its own, with its own TMPDIR.

    Attributes:
        address: of the scheduler.
        scheduler: its process.
        folder: of all that belongs to it.
    """

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec("distributed") is None:
            lack("distributed is not installed: pip install 'brasm[cluster]'")
        self.folder = folder
        self._workers: list[Process] = []
        command = (*_DASK, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.scheduler = Process(command, folder / "scheduler.log")
        try:
            wait_for(lambda: _ADDRESS.search(self.scheduler.log.read_bytes()), "a scheduler")
            found = _ADDRESS.search(self.scheduler.log.read_bytes())
            assert found is not None
            self.address = found[1].decode()
        except BaseException:
            self.scheduler.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        for process in (*self._workers, self.scheduler):
            process.stop()

    def worker(self, name: str, *options: str, **env: str) -> Process:
        """Start a worker on a machine of that name."""
        machine = self.folder / name
        machine.mkdir(exist_ok=True)
        command = (*_DASK, "worker", self.address, "--no-dashboard", *(options or ("--nthreads", "1", "--no-nanny")))
        worker = Process(command, self.folder / f"{name}-{len(self._workers)}.log", TMPDIR=str(machine), **env)
        self._workers.append(worker)
        wait_for(lambda: b"Registered to" in worker.log.read_bytes(), f"a worker: {worker.log.read_text()}")
        return worker

    def left(self, name: str) -> list[str]:
        """Return what runs left on a machine."""
        return sorted(path.name for path in (self.folder / name).iterdir() if path.name.startswith("brasm-"))


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(pid: int) -> None:
    """Kill a process that a worker started."""
    os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    processes = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    return [child for child in processes if _parent(child) == pid]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
