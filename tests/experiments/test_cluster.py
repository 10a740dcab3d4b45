"""A crew on a cluster: the answers of one machine, whoever dies meanwhile, and one line where it cannot go on."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assembler import __version__
from assembler.base import digest as digests
from assembler.base.content import FileContent
from assembler.base.digest import Digest
from assembler.base.errors import BrasmError, ProgramError, UsageError
from assembler.experiments.cluster import crew as module
from assembler.experiments.cluster import hand, orders
from assembler.experiments.cluster.crew import Cluster
from assembler.experiments.cluster.orders import Order, Reply
from assembler.experiments.trials.processes import Processes
from assembler.experiments.trials.work import Broken, Check, Checked, Squeeze, Squeezed
from assembler.layers.group import LayerSpec
from assembler.layers.tars import Tar, tar_of
from assembler.oci.reference import Reference, parse
from assembler.recipe.types import RunSpec, TestSpec
from assembler.remote.access import Access
from assembler.tree import Regular
from tests.experiments import clusters
from tests.tools import environment, lack, need, need_root, wait_for
from tests.trees import make_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.experiments.trials.work import Answer, Crew, Task

SLOW = random.Random(1).randbytes(150_000).hex()
"""What zstd works on for a while."""


class Heard:
    """Remembers what progress was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def start(self, task: str, total: int | None = None, *, unit: str = "") -> None:
        del task, total, unit

    def advance(self, amount: int) -> None:
        del amount

    def status(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[clusters.Cluster]:
    with clusters.Cluster(tmp_path) as started:
        yield started


@contextmanager
def crew_on(address: str, share: Reference | None = None, patience: float = 30) -> Iterator[Cluster]:
    crew = Cluster(address, share, Access(), Heard(), patience)
    try:
        yield crew
    finally:
        crew.close()


def tar(*lines: str) -> Tar:
    return tar_of(LayerSpec("root", tuple(make_tree(lines))), 0)


def squeezes(*tars: Tar, levels: Sequence[int] = (1, 6)) -> list[Task]:
    return [Squeeze(each.diff_id, kind, level) for each in tars for kind in ("gzip", "zstd") for level in levels]


def answers(crew: Crew, tasks: Sequence[Task]) -> dict[Task, Answer]:
    for task in tasks:
        crew.submit(task)
    return {done.task: done.answer for done in (crew.next() for _ in tasks)}


def plain(answer: Answer) -> tuple[object, ...]:
    """Return what of an answer is the same on every machine."""
    match answer:
        case Squeezed():
            return (answer.digest, answer.size)
        case Checked():
            return (answer.runtime, *((row.name, row.problems) for row in answer.tests))
        case Broken():
            return (answer.error.replace(answer.worker, ""), answer.hint)


def local(tars: Sequence[Tar], tasks: Sequence[Task]) -> dict[Task, tuple[object, ...]]:
    crew = Processes(1)
    try:
        crew.provide(tars)
        return {task: plain(answer) for task, answer in answers(crew, tasks).items()}
    finally:
        crew.close()


def same(found: dict[Task, Answer], expected: dict[Task, tuple[object, ...]]) -> None:
    assert {task: plain(answer) for task, answer in found.items()} == expected


def fails(
    error: type[BrasmError], match: str, address: str, share: Reference | None = None, patience: float = 30
) -> float:
    """Have a crew fail to begin; return how long that took."""
    began = time.monotonic()
    with pytest.raises(error, match=match) as caught, crew_on(address, share, patience):
        pass
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return time.monotonic() - began


def test_two_machines_give_the_answers_of_one(cluster: clusters.Cluster) -> None:
    for name in "ab":
        cluster.worker(name)
    tars = [tar("/a file some text"), tar("/a file some text", "/b file other text", "/c hard /b")]
    with crew_on(cluster.address) as crew:
        assert crew.width == 2
        crew.provide(tars[:1])
        first = squeezes(tars[0])
        same(answers(crew, first), local(tars, first))
        crew.provide(tars)
        second = squeezes(tars[1])
        found = answers(crew, second)
        same(found, local(tars, second))
        crew.forget(tars[0].diff_id)
        assert cluster.left("a") == cluster.left("b") != []
        again = squeezes(tars[1], levels=(2, 3, 4, 5))
        answers(crew, again)
        gone = f"{tars[0].diff_id.replace(':', '-')}.tar"
        left = [path.name for path in cluster.folder.glob("?/brasm-trials-*/*.tar")]
        assert len(left) >= 2
        assert gone not in left or left.count(gone) == 1, "whoever had an order since removed it"
        crew.provide(tars[:1])
        assert isinstance(answers(crew, [Squeeze(tars[0].diff_id, "gzip", 9)]).popitem()[1], Squeezed)
    assert cluster.left("a") == cluster.left("b") == []


def test_workers_of_one_machine_share_its_folder(cluster: clusters.Cluster) -> None:
    one, two = cluster.worker("a"), cluster.worker("a", "--nthreads", "2", "--no-nanny")
    each = tar("/a file " + SLOW)
    with crew_on(cluster.address) as crew:
        assert crew.width == 3
        crew.provide([each])
        tasks: list[Task] = [Squeeze(each.diff_id, "zstd", level) for level in range(1, 16)]
        same(answers(crew, tasks), local([each], tasks))
        (folder,) = cluster.left("a")
        kinds = sorted(path.suffix for path in (cluster.folder / "a" / folder).iterdir() if path.suffix != ".lock")
        assert kinds == [".contents", ".tar"]
        hands = one.hands() + two.hands()
        assert 2 <= len(hands) <= 3, "a thread has a process of its own, however many tasks it does"
    assert cluster.left("a") == []
    assert not any(map(clusters.is_running, hands))


def test_a_worker_that_dies_half_way(cluster: clusters.Cluster) -> None:
    one, _ = cluster.worker("a"), cluster.worker("b")
    each = tar("/a file " + SLOW, "/b file b")
    tasks: list[Task] = [Squeeze(each.diff_id, "zstd", level) for level in range(10, 20)]
    with crew_on(cluster.address) as crew:
        crew.provide([each])
        for task in tasks:
            crew.submit(task)
        found = dict([_pair(crew) for _ in range(3)])
        hands = one.hands()
        assert hands
        one.kill()
        found.update(_pair(crew) for _ in tasks[3:])
        same(found, local([each], tasks))
        wait_for(lambda: not any(map(clusters.is_running, hands)), "what it was at ends")
    assert cluster.left("b") == []


def _pair(crew: Crew) -> tuple[Task, Answer]:
    done = crew.next()
    return done.task, done.answer


def test_a_process_that_dies_is_replaced(cluster: clusters.Cluster) -> None:
    worker, each = cluster.worker("a"), tar("/a file " + SLOW * 40)
    killed: set[int] = set()

    def kill_next() -> None:
        wait_for(lambda: set(worker.hands()) - killed, "another process takes it")
        (victim,) = set(worker.hands()) - killed
        killed.add(victim)
        clusters.kill(victim)
        wait_for(lambda: worker.log.read_bytes().count(b"Compute Failed") == len(killed), "dask hears of it")

    with crew_on(cluster.address) as crew:
        crew.provide([each])
        crew.submit(Squeeze(each.diff_id, "zstd", 19))
        wait_for(lambda: list((cluster.folder / "a").glob("brasm-trials-*/*.tar")), "the task begins")
        for _ in range(3):
            kill_next()
        answer = crew.next().answer
        assert isinstance(answer, Broken)
        assert "that worked on it was killed by SIGKILL" in answer.error
        crew.submit(Squeeze(each.diff_id, "zstd", 12))
        kill_next()
        assert isinstance(crew.next().answer, Squeezed)


def test_a_worker_that_its_nanny_replaces(cluster: clusters.Cluster) -> None:
    """What `dask worker` starts by itself: a process that watches over another one."""
    if not os.access("/dev/shm", os.W_OK):  # where multiprocessing has its locks
        lack("/dev/shm cannot be written to")
    nanny, each = cluster.worker("a", "--nthreads", "1"), tar("/a file " + SLOW)
    tasks: list[Task] = [Squeeze(each.diff_id, "zstd", level) for level in range(12, 20)]
    with crew_on(cluster.address) as crew:
        crew.provide([each])
        for task in tasks:
            crew.submit(task)
        found = dict([_pair(crew)])
        clusters.kill(nanny.workers()[0])
        found.update(_pair(crew) for _ in tasks[1:])
        same(found, local([each], tasks))
    assert cluster.left("a") == []


def test_a_machine_that_comes_later_takes_its_part(cluster: clusters.Cluster) -> None:
    each = tar("/a file " + SLOW)
    heard = Heard()
    later = threading.Timer(0.5, lambda: cluster.worker("a"))
    later.start()
    crew = Cluster(cluster.address, None, Access(), heard)
    try:
        assert heard.lines == [f"no worker yet; on each machine: dask worker {cluster.address}"]
        crew.provide([each])
        tasks: list[Task] = [Squeeze(each.diff_id, "zstd", level) for level in range(6, 20)]
        for task in tasks:
            crew.submit(task)
        cluster.worker("b")
        found = dict(_pair(crew) for _ in tasks)
        assert crew.width == 2
        same(found, local([each], tasks))
        assert len({answer.worker for answer in found.values()}) == 2
    finally:
        crew.close()
        later.join()


def test_closing_ends_what_is_under_way(cluster: clusters.Cluster) -> None:
    worker, each = cluster.worker("a"), tar("/a file " + SLOW * 40)
    with crew_on(cluster.address) as crew:
        crew.provide([each])
        for level in (20, 21, 22):
            crew.submit(Squeeze(each.diff_id, "zstd", level))
        wait_for(lambda: list((cluster.folder / "a").glob("brasm-trials-*/*.tar")), "the first begins")
        hands, began = worker.hands(), time.monotonic()
    assert time.monotonic() - began < 15
    assert hands
    assert not any(map(clusters.is_running, hands))
    assert cluster.left("a") == []
    with crew_on(cluster.address) as crew:
        crew.provide([each])
        assert isinstance(answers(crew, [Squeeze(each.diff_id, "gzip", 1)]).popitem()[1], Squeezed), (
            "the worker is free"
        )


def test_a_worker_that_is_stopped_ends_what_it_is_at(cluster: clusters.Cluster) -> None:
    worker, each = cluster.worker("a"), tar("/a file " + SLOW * 40)
    with crew_on(cluster.address, patience=0.5) as crew:
        crew.provide([each])
        crew.submit(Squeeze(each.diff_id, "zstd", 22))
        wait_for(lambda: list((cluster.folder / "a").glob("brasm-trials-*/*.tar")), "it begins")
        hands = worker.hands()
        worker.stop()
        wait_for(lambda: not any(map(clusters.is_running, hands)), "its process ends")
        with pytest.raises(ProgramError, match=r"no worker for 0\.5 s"):
            crew.next()


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        assert fails(ProgramError, "no scheduler answers", address) < 20


def test_something_else_there(registry: str) -> None:
    assert fails(ProgramError, "no scheduler answers", f"tcp://{registry}") < 20


def test_no_worker_comes(cluster: clusters.Cluster) -> None:
    assert fails(ProgramError, r"no worker for 0\.2 s", cluster.address, patience=0.2) < 20


def test_no_worker_is_left(cluster: clusters.Cluster) -> None:
    worker, each = cluster.worker("a"), tar("/a file " + SLOW)
    with crew_on(cluster.address, patience=0.5) as crew:
        crew.provide([each])
        tasks: list[Task] = [
            Squeeze(each.diff_id, "gzip", 1),
            *(Squeeze(each.diff_id, "zstd", one) for one in (18, 19)),
        ]
        for task in tasks:
            crew.submit(task)
        assert isinstance(crew.next().answer, Squeezed), "what was done before counts"
        time.sleep(0.6)  # nobody looks meanwhile, and that is no time without workers
        worker.kill()
        began = time.monotonic()
        with pytest.raises(ProgramError, match=r"no worker for 0\.5 s") as caught:
            answers(crew, [Squeeze(each.diff_id, "gzip", 2)])
        assert time.monotonic() - began > 0.5
    assert caught.value.hint == f"on each machine: dask worker {cluster.address}"


def test_a_scheduler_that_dies(cluster: clusters.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(mine))
    cluster.worker("a")
    each = tar("/a file " + SLOW)
    began = time.monotonic()
    with crew_on(cluster.address) as crew:
        crew.provide([each])
        crew.submit(Squeeze(each.diff_id, "zstd", 19))
        cluster.scheduler.kill()
        with pytest.raises(ProgramError, match="the scheduler is gone"):
            crew.next()
        with pytest.raises(ProgramError, match="the scheduler is gone"):
            answers(crew, [Squeeze(each.diff_id, "zstd", 18)])
    assert time.monotonic() - began < 30
    assert list(mine.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "registry"])
def test_shares(cluster: clusters.Cluster, kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if kind == "folder":
        share = parse(f"oci:{tmp_path}/shared")
    else:
        share = parse(f"docker://{request.getfixturevalue('registry')}/trials")
    cluster.worker("a")
    tars = [tar("/a file one"), tar("/a file one", "/b file two")]
    with crew_on(cluster.address, share) as crew:
        for each in tars:
            crew.provide([each])
        tasks = squeezes(*tars)
        same(answers(crew, tasks), local(tars, tasks))
    if kind == "folder":
        blobs = {path.name for path in (tmp_path / "shared/blobs/sha256").iterdir()}
        with crew_on(cluster.address, share) as crew:
            for each in tars:
                crew.provide([each])
        assert blobs == {path.name for path in (tmp_path / "shared/blobs/sha256").iterdir()}, "sent once for all runs"


def test_a_share_that_a_worker_cannot_read(
    cluster: clusters.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.worker("a")
    share = tmp_path / "shared"
    with crew_on(cluster.address, Reference("oci", str(share))) as crew:
        send = crew._sender.send

        def sent_away(tars: object) -> object:
            found = send(tars)  # type: ignore[arg-type]
            shutil.rmtree(share)
            return found

        monkeypatch.setattr(crew._sender, "send", sent_away)
        with pytest.raises(ProgramError, match=r"cannot read oci:.*no such folder") as caught:
            crew.provide([tar("/a file x")])
        assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("", "no address of a scheduler"),
        ("10.0.0.1", "no address of a scheduler"),
        ("http://10.0.0.1:8786", "no address of a scheduler"),
        ("tcp://10.0.0.1:8786/x", "no address of a scheduler"),
        ("tcp://10.0.0.1:8786", "other machines"),
        ("tls://scheduler.example:8786", "other machines"),
        ("scheduler.example:8786", "other machines"),
        ("tcp://[fd00::1]:8786", "other machines"),
    ],
)
def test_addresses(address: str, match: str) -> None:
    assert fails(UsageError, match, address) < 1


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "localhost:1", "tcp://[::1]:1", "tls://127.0.0.7:1"])
def test_loopback_needs_no_share(address: str) -> None:
    with module._own_share(address) as share:
        assert Path(share.path).is_dir()
    assert not Path(share.path).exists()


def test_a_share_that_is_none(tmp_path: Path) -> None:
    for text in ("x.tar", "oci:x:1"):
        with pytest.raises(UsageError):
            Cluster("tcp://127.0.0.1:1", parse(text), Access(), Heard())


def shadow(folder: Path, name: str, text: str) -> dict[str, str]:
    """Return an environment in which Python finds a module first of all."""
    (folder / "python").mkdir()
    (folder / "python" / name).write_text(text)
    return {"PYTHONPATH": f"{folder}/python:{environment()['PYTHONPATH']}"}


OTHER = "import assembler\nassembler.__version__ = '0.0.1'\n"


def test_a_worker_with_another_version(cluster: clusters.Cluster, tmp_path: Path) -> None:
    cluster.worker("a", **shadow(tmp_path, "sitecustomize.py", OTHER))
    fails(ProgramError, rf"has brasm 0\.0\.1, and this is {__version__}", cluster.address)


def test_a_worker_without_brasm(cluster: clusters.Cluster, tmp_path: Path) -> None:
    cluster.worker("a", **shadow(tmp_path, "assembler.py", "__version__ = '0'\n"))
    fails(ProgramError, f"has no brasm {__version__}: .*assembler", cluster.address)


def test_a_worker_with_another_version_that_comes_later(cluster: clusters.Cluster, tmp_path: Path) -> None:
    first, each = cluster.worker("a"), tar("/a file x")
    with crew_on(cluster.address) as crew:
        crew.provide([each])
        cluster.worker("b", **shadow(tmp_path, "sitecustomize.py", OTHER))
        first.kill()
        crew.submit(Squeeze(each.diff_id, "gzip", 1))
        with pytest.raises(ProgramError, match=rf"a worker has brasm 0\.0\.1, and the orders are of {__version__}"):
            crew.next()


def test_dask_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ProgramError) as caught, crew_on("tcp://127.0.0.1:1"):
        pass
    assert caught.value.hint == "pip install 'brasm[cluster]'"


class KilledWorker(Exception):
    """As `distributed` has it."""

    last_worker = type("WorkerState", (), {"address": "tcp://10.0.0.7:1234"})()
    allowed_failures = 3


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (
            KilledWorker("k"),
            Broken("4 workers died while they did it", "there may not be memory for it", "tcp://10.0.0.7:1234"),
        ),
        (ProgramError("no room", hint="make some"), Broken("no room", "make some", "")),
        (ValueError("two\n  lines"), Broken("ValueError: two lines", "the worker's log says more", "")),
        (ValueError(), Broken("ValueError: ValueError", "the worker's log says more", "")),
    ],
)
def test_what_dask_gives_up(error: Exception, broken: Broken) -> None:
    assert module._broken(error) == broken


CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/busybox"]}})


def check_of(each: Tar, *tests: TestSpec, folder: str = "/") -> Check:
    config = json.loads(CONFIG)
    config["rootfs"] = {"type": "layers", "diff_ids": [each.diff_id]}
    return Check(each.diff_id, json.dumps(config).encode(), tests, RunSpec(timeout="30s"), folder, "runc")


def box() -> Tar:
    """Return a root filesystem with a program."""
    need("busybox", "runc")
    need_root()
    path = shutil.which("busybox")
    assert path is not None
    real = os.path.realpath(path)
    program = Regular("/bin/busybox", 0o755, 0, 0, 0, (), 0, FileContent.of(os.fsencode(real), os.stat(real)))
    return tar_of(LayerSpec("root", (*make_tree("/bin dir"), program)), 0)


def test_tests_run_on_workers(cluster: clusters.Cluster) -> None:
    each = box()
    cluster.worker("a")
    good = TestSpec(name="good", run=("/bin/busybox", "echo", "hello"), stdout="hello")
    bad = TestSpec(name="bad", run=("/bin/busybox", "false"))
    client = TestSpec(name="client", client=("true",), serve=None)
    tasks: list[Task] = [check_of(each, good), check_of(each, good, bad), check_of(each, client, folder="/no/such")]
    with crew_on(cluster.address) as crew:
        crew.provide([each])
        found = answers(crew, tasks)
    one, two, three = (found[task] for task in tasks)
    assert isinstance(one, Checked)
    assert isinstance(two, Checked)
    assert isinstance(three, Broken)
    assert [(row.name, bool(row.problems)) for row in one.tests] == [("good", False)]
    assert [(row.name, bool(row.problems)) for row in two.tests][:2] == [("good", False), ("bad", True)]
    assert three.error.startswith("/no/such: a test has a client")
    assert cluster.left("a") == []
    expected = local([each], tasks[:2])
    same({task: found[task] for task in tasks[:2]}, expected)


@pytest.mark.parametrize("how", ["close", "kill", "kill the process"])
def test_containers_end_with_whoever_wanted_them(cluster: clusters.Cluster, how: str) -> None:
    each = box()
    worker = cluster.worker("a")
    minute = f"6{random.randrange(10**6):06}"
    long = TestSpec(name="long", run=("/bin/busybox", "sleep", minute))
    with crew_on(cluster.address) as crew:
        crew.provide([each])
        crew.submit(check_of(each, long))
        wait_for(lambda: sleeping(minute), "the container runs")
        match how:
            case "kill":
                worker.kill()
            case "kill the process":
                os.kill(worker.hands()[0], 15)
    wait_for(lambda: not sleeping(minute), "the container ends")
    wait_for(
        lambda: (
            [name for name in os.listdir(cluster.folder / "a") if name.startswith(("brasm-run", "brasm-trial-"))] == []
        ),
        "its folders go",
    )


def sleeping(minute: str) -> list[int]:
    """Return processes that sleep for so long."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[1:3] == [b"sleep", minute.encode()] and clusters.is_running(int(path.parent.name)):
            found.append(int(path.parent.name))
    return found


def test_orders_are_json(tmp_path: Path) -> None:
    each = tar("/a file x")
    check = check_of(each, TestSpec(run=("/bin/sh", "-c", "é"), stdin="\0"))
    order = Order("1", "ab", Reference("oci", str(tmp_path)), (), task=check, forgotten=(Digest("sha256:x"),))
    line = orders.write(order)
    assert b"\n" not in line
    assert orders.read(line, Order) == order
    assert orders.read(line, orders.Head) == orders.Head("1", "ab")
    reply = Reply(Squeezed(digests.sha256(b""), 1, 0.5, 0.25, "me"))
    assert orders.read(orders.write(reply), Reply) == reply
    with pytest.raises(UsageError, match="cannot be told to other machines"):
        orders.write(Order("1", "ab", Reference("oci", "/\udcff"), ()))


def test_a_machine_without_room_is_not_the_task_s_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    order = Order(__version__, "ab", Reference("oci", str(tmp_path)), (), task=Squeeze(Digest("sha256:x"), "gzip", 1))
    reply = hand.serve(order)
    assert reply.answer is None
    assert reply.unready is not None
    assert "No such file or directory" in reply.unready
