"""Crews of one machine: the same answers from one process and from several, whoever dies meanwhile."""

from __future__ import annotations

import errno
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from assembler.base.content import Bytes, read
from assembler.base.digest import Digest
from assembler.base.errors import ProgramError
from assembler.base.progress import Silent
from assembler.experiments.trials.processes import Folder, Processes
from assembler.experiments.trials.tasks import perform
from assembler.experiments.trials.work import Broken, Check, Squeeze, Squeezed
from assembler.layers.group import LayerSpec
from assembler.layers.render import RenderOptions, render
from assembler.layers.tars import Tar, tar_of
from assembler.recipe.types import RunSpec, TestSpec
from tests.trees import make_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from assembler.base.content import Content
    from assembler.experiments.trials.work import Answer, Crew, Task
    from assembler.oci.image import Compression

CONFIG = b"""{
    "architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/bin/none"]},
    "rootfs": {"type": "layers", "diff_ids": ["%b"]}
}"""
NOWHERE = Digest("sha256:" + "0" * 64)


def tar(text: str = "content") -> Tar:
    entries = tuple(make_tree([f"/etc/file{number} file 0644 0:0 {text * number}" for number in range(9)]))
    return tar_of(LayerSpec("root", entries), 0)


class Known:
    """Tars in memory; a `Tars`."""

    def __init__(self, *tars: Tar) -> None:
        self._tars = {one.diff_id: one for one in tars}

    def content(self, diff_id: Digest) -> Content:
        return Bytes(b"".join(self._tars[diff_id].chunks()))


@pytest.fixture(params=[1, 3])
def crew(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = Processes(request.param)
    yield found
    found.close()
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def answers(crew: Crew, tasks: list[Task]) -> dict[Task, Answer]:
    for task in tasks:
        crew.submit(task)
    found = [crew.next() for _ in tasks]
    return {done.task: done.answer for done in found}


@pytest.mark.parametrize(("kind", "level"), [("gzip", 1), ("gzip", 12), ("zstd", 3), ("zstd", 19), ("none", None)])
def test_a_tar_is_squeezed_to_the_bytes_of_a_layer(kind: Compression, level: int | None, tmp_path: Path) -> None:
    one = tar("x" * 200_000)
    layer = render(one.spec, RenderOptions(kind, level, 0, str(tmp_path)), Silent())
    answer = perform(Squeeze(one.diff_id, kind, level), Known(one), "me")
    assert isinstance(answer, Squeezed)
    assert (answer.digest, answer.size) == (layer.descriptor.digest, layer.descriptor.size)
    assert (one.diff_id, one.size) == (layer.diff_id, layer.uncompressed_size)
    assert answer.worker == "me"


def test_every_crew_gives_the_same_answers(crew: Crew) -> None:
    tars = [tar("one"), tar("two")]
    crew.provide(tars)
    tasks: list[Task] = [Squeeze(one.diff_id, "gzip", level) for one in tars for level in (1, 6, 9)]
    found = answers(crew, tasks)
    expected = {task: perform(task, Known(*tars), "me") for task in tasks}
    for task in tasks:
        answer, other = found[task], expected[task]
        assert isinstance(answer, Squeezed)
        assert isinstance(other, Squeezed)
        assert (answer.digest, answer.size) == (other.digest, other.size)


def test_a_tar_that_is_forgotten_leaves_the_folder(crew: Crew, tmp_path: Path) -> None:
    one = tar()
    crew.provide([one])
    answers(crew, [Squeeze(one.diff_id, "gzip", 1)])
    (folder,) = tmp_path.iterdir()
    assert [path.name for path in folder.iterdir()] == [one.diff_id.replace(":", "-")]
    crew.forget(one.diff_id)
    assert list(folder.iterdir()) == []


def test_what_cannot_be_done_is_an_answer(crew: Crew) -> None:
    one = tar()
    crew.provide([one])
    task = Check(
        one.diff_id, CONFIG % one.diff_id.encode(), (TestSpec(run=("/bin/none",)),), RunSpec(), "/", "/no/such/runtime"
    )
    answer = answers(crew, [task])[task]
    assert isinstance(answer, Broken)
    assert "/no/such/runtime" in answer.error


def test_a_tar_that_is_not_there_is_an_answer(tmp_path: Path) -> None:
    answer = perform(Squeeze(NOWHERE, "gzip", 1), Folder(str(tmp_path)), "me")
    assert answer == Broken(
        f"{tmp_path}/{NOWHERE.replace(':', '-')}: cannot be read: No such file or directory", None, "me"
    )


def test_no_room_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    one = tar()
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")
    answer = perform(Squeeze(one.diff_id, "gzip", 1), Known(one), "me")
    assert isinstance(answer, Broken)
    assert answer.error == "/no/such/folder: cannot be written: No such file or directory"
    assert answer.hint is not None


def test_tars_have_their_bytes() -> None:
    one = tar()
    assert len(b"".join(one.chunks())) == one.size
    pieces = b"".join(piece if isinstance(piece, bytes) else read(piece) for piece in one.pieces())
    assert pieces == b"".join(one.chunks())


def slow_task() -> tuple[Tar, Squeeze]:
    """Return a task that takes long enough to be met at work."""
    one = tar(os.urandom(500_000).hex())
    return one, Squeeze(one.diff_id, "zstd", 22)


def test_a_process_that_dies_is_replaced_and_its_task_done_again() -> None:
    crew = Processes(1)
    try:
        one, task = slow_task()
        crew.provide([one])
        crew.submit(task)
        os.kill(next(iter(crew.at_work)), signal.SIGKILL)
        done = crew.next()
        assert isinstance(done.answer, Squeezed), done
    finally:
        crew.close()


def test_a_task_that_kills_twice_is_given_up() -> None:
    crew = Processes(2)
    try:
        one, task = slow_task()
        crew.provide([one])
        crew.submit(task)
        victims: set[int] = set()
        while len(victims) < 2:
            for pid in [pid for pid, at in crew.at_work.items() if at == task and pid not in victims]:
                victims.add(pid)
                os.kill(pid, signal.SIGKILL)
            if len(victims) < 2:
                crew._tend()
        done = crew.next()
        assert isinstance(done.answer, Broken)
        assert "was killed by SIGKILL, twice" in done.answer.error
        assert done.answer.hint is not None
        assert answers(crew, [Squeeze(one.diff_id, "gzip", 1)]), "the crew goes on"
    finally:
        crew.close()


def test_processes_are_started_as_there_are_tasks() -> None:
    crew = Processes(8)
    try:
        one, task = slow_task()
        crew.provide([one])
        assert crew.at_work == {}
        crew.submit(task)
        assert list(crew.at_work.values()) == [task]
        assert answers(crew, [Squeeze(one.diff_id, "gzip", level) for level in (1, 2)])
        assert len(crew.at_work) <= 3
    finally:
        crew.close()


def test_where_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    crew = Processes(2)
    try:
        one, task = slow_task()
        crew.provide([one])
        with monkeypatch.context() as patch:
            patch.setattr("assembler.experiments.trials.processes._Worker", refuse)
            with pytest.raises(ProgramError, match="no process can be started: Resource temporarily unavailable"):
                crew.submit(task)
        crew.submit(task)
        with monkeypatch.context() as patch:
            patch.setattr("assembler.experiments.trials.processes._Worker", refuse)
            assert answers(crew, [Squeeze(one.diff_id, "gzip", 1)]), "the one that there is does both"
    finally:
        crew.close()


def test_closing_ends_what_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    crew = Processes(2)
    one, task = slow_task()
    crew.provide([one])
    crew.submit(task)
    pids = list(crew.at_work)
    began = time.monotonic()
    crew.close()
    assert time.monotonic() - began < 60
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert list(tmp_path.iterdir()) == []
