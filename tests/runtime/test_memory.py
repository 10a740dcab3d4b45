"""The memory of processes, watched: with a program in place of a runtime, which needs neither root nor namespaces."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from assembler.oci.types import ContainerConfig
from assembler.runtime.box import Box
from assembler.runtime.choose import choose
from assembler.runtime.container import running
from assembler.runtime.exits import Exits
from assembler.runtime.job import Job
from assembler.runtime.memory import Watched, peak_of
from assembler.runtime.process import Process
from assembler.runtime.users import User
from tests.runtime.making import image
from tests.runtime.unboxed import make_runtime
from tests.tools import need, run, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.runtime.runtimes import Runtime

MEGABYTE = 1 << 20
SOURCE = """
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
/* Takes so many megabytes, gives them back, and ends: in a child if there are two arguments; with three it waits. */
int main(int argc, char **argv) {
  size_t size = (size_t)atoi(argv[1]) << 20;
  if (argc == 3 && fork() > 0) { wait(NULL); return 0; }
  char *taken = malloc(size);
  memset(taken, 1, size);
  free(taken);
  if (argc == 4) { write(1, "up", 2); pause(); }
  return 0;
}
"""


@pytest.fixture(scope="module")
def taker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root filesystem of one program."""
    need("gcc")
    folder = tmp_path_factory.mktemp("taker")
    (folder / "taker.c").write_text(SOURCE)
    (folder / "rootfs").mkdir()
    run("gcc", "-O0", "-static", "taker.c", "-o", "rootfs/taker", cwd=folder)
    return folder


def container(taker: Path, folder: Path, *arguments: str) -> Job:
    (folder / "job").mkdir()
    process = Process(("/taker", *arguments), ("PATH=/",), "/", User())
    return Job(image(ContainerConfig(), "/taker file 0755", str(taker)), "brasm-x", str(folder / "job"), process, Box())


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return choose(make_runtime(tmp_path / "unboxed-runc"), User())


@pytest.fixture
def watched(runtime: Runtime) -> Watched:
    return Watched(runtime)


@pytest.mark.parametrize("arguments", [("40",), ("40", "in a child")])
def test_what_was_given_back_right_before_the_end_counts(
    taker: Path, watched: Watched, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    with running(watched, container(taker, tmp_path, *arguments), (None, None, None)) as started:
        assert started.wait(60) == 0
    assert watched.peak is not None
    assert 40 * MEGABYTE <= watched.peak < 44 * MEGABYTE


def test_the_same_each_time_and_never_the_runtime_s_own(taker: Path, runtime: Runtime, tmp_path: Path) -> None:
    """Nothing is taken: the runtime, which is Python here, takes much more than its program."""
    peaks = []
    for number in range(5):
        (tmp_path / str(number)).mkdir()
        one = Watched(runtime)
        with running(one, container(taker, tmp_path / str(number), "0"), (None, None, None)) as started:
            assert started.wait(60) == 0
        peaks.append(one.peak)
    assert all(peak is not None and 100_000 < peak < 3 * MEGABYTE for peak in peaks), peaks


def test_a_server_is_looked_at_before_it_is_stopped(taker: Path, watched: Watched, tmp_path: Path) -> None:
    job = container(taker, tmp_path, "30", "and", "wait")
    with (tmp_path / "said").open("wb") as said, running(watched, job, (None, said, None)) as started:
        wait_for(lambda: (tmp_path / "said").read_bytes() == b"up", "it waits")
        started.signal(signal.SIGTERM)
        assert started.wait(60) == 128 + signal.SIGTERM
    assert watched.peak is not None
    assert 30 * MEGABYTE <= watched.peak < 34 * MEGABYTE
    assert not [thread for thread in threading.enumerate() if thread.name == "memory"]


def test_what_executes_no_file_of_the_image_does_not_count(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "elsewhere/rootfs").mkdir(parents=True)
    (tmp_path / "elsewhere/rootfs/taker").symlink_to(sys.executable)
    with running(watched, container(tmp_path / "elsewhere", tmp_path, "-c", ""), (None, None, None)) as started:
        assert started.wait(60) == 0
    assert watched.peak is None


def test_without_being_held_what_stays_long_enough_is_seen(
    taker: Path, watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_self: Exits, _pid: int) -> bool:
        return False

    monkeypatch.setattr(Exits, "hold", forbidden)
    test_a_server_is_looked_at_before_it_is_stopped(taker, watched, tmp_path)


def test_the_peak_of_a_process() -> None:
    assert (peak_of(os.getpid()) or 0) > MEGABYTE
    process = subprocess.Popen(("true",))
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert peak_of(process.pid) is None, "a zombie has no memory"
    process.wait()
    assert peak_of(process.pid) is None


LOOP = "trap 'exit 3' USR1; while :; do sleep 0.01; done"


def test_signals_reach_what_is_held() -> None:
    """A thread that traces hands them on; stopping and going on work as ever."""
    process = subprocess.Popen(("sh", "-c", f'sh -c "{LOOP}" & echo $!; wait $!'), stdout=subprocess.PIPE)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    over, held, ended = threading.Event(), threading.Event(), list[int]()

    def trace() -> None:
        exits = Exits()
        assert exits.hold(pid)
        held.set()
        while not over.wait(0.001):
            ended.extend(exits.ending())

    thread = threading.Thread(target=trace)
    thread.start()
    try:
        assert held.wait(30)
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: _state(pid) in "Tt", "it is stopped")
        os.kill(pid, signal.SIGCONT)
        wait_for(lambda: len(ended) > 1, "it goes on; what it starts is held as well")
        os.kill(pid, signal.SIGUSR1)
        assert process.wait(30) == 3
    finally:
        over.set()
        thread.join()
        process.kill()
        process.wait()
        process.stdout.close()
    assert ended.count(pid) == 1


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0]
