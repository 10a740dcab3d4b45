"""Trials over a small tree, and a crew that counts: what tests of running trials share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from assembler.base.content import Bytes
from assembler.base.progress import Silent
from assembler.experiments.results.files import Writer
from assembler.experiments.results.measures import MEASURES
from assembler.experiments.results.records import VERSION, Header, TestRow
from assembler.experiments.trials.axes import parse_axis
from assembler.experiments.trials.matrix import Base, declare
from assembler.experiments.trials.tasks import perform
from assembler.experiments.trials.tune import Wish, runner_of
from assembler.experiments.trials.work import Broken, Check, Checked, Done
from assembler.remote.access import Access
from tests.trees import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from assembler.base.content import Content
    from assembler.base.digest import Digest
    from assembler.experiments.results.records import TrialRecord
    from assembler.experiments.trials.matrix import Candidate, Matrix
    from assembler.experiments.trials.runner import Runner
    from assembler.experiments.trials.work import Crew, Task
    from assembler.layers.tars import Tar

TREE = r"""
    /etc/app.conf          file 0644 0:0 answer = 42\n
    /etc/same              file 0644 0:0 answer = 42\n
    /usr/share/doc/app/a   file 0644 0:0 documentation documentation documentation
    /usr/share/app/data    file 0644 0:0 data data data data data data data data data data
    /opt/unused            file 0644 0:0 nobody asks for this
"""
EXACT = tuple(name for name, measure in MEASURES.items() if measure.exact)


def base_of(folder: Path, **tables: Any) -> Base:
    """Write the tree and return a recipe of it, with two tests."""
    root = make_folder(TREE, folder / "root")
    values = {
        "name": "app",
        "source": {"directory": root},
        "select": {"mode": "prune"},
        "image": {"platform": "linux/amd64"},
        "test": [{"name": "one", "files": ["/etc/app.conf"]}, {"name": "two", "files": ["!/opt/secret"]}],
        **tables,
    }
    return Base(values, str(folder), words=("app.toml",))


def matrix_of(base: Base, *vary: str) -> Matrix:
    return declare(base, [parse_axis(text) for text in vary])


def wish(**changes: Any) -> Wish:
    plain = {"tested": True, "runtime": None, "minimize": "compressed", "seconds": None, "retry": False}
    return Wish(**{**plain, "environment": {}, "access": Access(), **changes})


def runner(base: Base, crew: Crew, writer: Writer, **changes: Any) -> Runner:
    return runner_of(base, wish(**changes), crew, writer, Silent())


def ran(base: Base, crew: Crew, out: Writer, candidates: Sequence[Candidate], **changes: Any) -> list[TrialRecord]:
    """Run trials, all of which are finished."""
    found = runner(base, crew, out, **changes).run(candidates)
    assert None not in found
    return [record for record in found if record is not None]


def writer(path: Path) -> Writer:
    return Writer(os.fspath(path), Header(VERSION, "0", "app", {}))


def exactly(record: TrialRecord) -> tuple[object, ...]:
    """Return what of a record is the same wherever and whenever it is made."""
    exact = {name: value for name, value in record.measures.items() if name in EXACT}
    layers = [(row.title, row.diff_id, row.digest, row.size, row.media_type, row.level) for row in record.layers]
    tests = [(row.name, row.problems) for row in record.tests]
    return (record.id, record.number, record.options, record.outcome, record.error, record.image, exact, layers, tests)


class Counting:
    """A crew that does tasks itself, in order, and counts them; tests pass unless their root is in `bad`.

    Where `broken` says why, no task is done.
    """

    def __init__(self, stop_after: int | None = None) -> None:
        self.width = 2
        self.tasks: list[Task] = []
        self.known: dict[Digest, Tar] = {}
        self.forgotten: list[Digest] = []
        self.bad: set[Digest] = set()
        self.broken: str | None = None
        self._waiting: list[Task] = []
        self._stop_after = stop_after

    def provide(self, tars: Iterable[Tar]) -> None:
        self.known.update((tar.diff_id, tar) for tar in tars)

    def forget(self, diff_id: Digest) -> None:
        self.forgotten.append(diff_id)

    def submit(self, task: Task) -> None:
        assert task.tar in self.known
        assert task.tar not in self.forgotten
        self._waiting.append(task)

    def next(self) -> Done:
        if self._stop_after is not None and len(self.tasks) >= self._stop_after:
            raise KeyboardInterrupt
        task = self._waiting.pop(0)
        self.tasks.append(task)
        if self.broken is not None:
            return Done(task, Broken(self.broken, None, "me"))
        if isinstance(task, Check):
            problems = ("it does not",) if task.tar in self.bad else ()
            return Done(task, Checked(tuple(TestRow(one.name or "", problems, 0.25) for one in task.tests), "x", "me"))
        return Done(task, perform(task, self, "me"))

    def content(self, diff_id: Digest) -> Content:
        return Bytes(b"".join(self.known[diff_id].chunks()))

    def close(self) -> None:
        pass
