"""What is kept of blobs between runs: who holds it, what is damaged, what goes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assembler.remote.known import Facts, Session, noted, prune
from tests.tools import environment, need_root, run, wait_for

if TYPE_CHECKING:
    from pathlib import Path

HOST = "registry.example"


def facts_in(folder: Path, key: str = "k") -> Facts:
    with noted(HOST, key, str(folder)) as note:
        return note.facts


def only_file(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def test_facts_last(tmp_path: Path) -> None:
    with noted(HOST, "k", str(tmp_path)) as note:
        note.has("a")
        note.has("b")
        note.under_way("c", Session("http://h/x", 7))
        note.has("a")
    assert facts_in(tmp_path) == Facts(("a", "b"), {"c": Session("http://h/x", 7)})
    assert facts_in(tmp_path, "other") == Facts()
    with noted("other.example", "k", str(tmp_path)) as note:
        assert note.facts == Facts()


def test_facts_are_taken_back(tmp_path: Path) -> None:
    with noted(HOST, "k", str(tmp_path)) as note:
        note.has("a")
        note.under_way("a", Session("x", 1))
        note.has_not("a")
        assert note.facts == Facts((), {"a": Session("x", 1)})
        note.under_way("a", None)
    assert facts_in(tmp_path) == Facts()


def test_a_repository_that_has_it_has_no_upload(tmp_path: Path) -> None:
    with noted(HOST, "k", str(tmp_path)) as note:
        note.under_way("a", Session("x", 1))
        note.has("a")
    assert facts_in(tmp_path) == Facts(("a",))


def test_few_repositories_are_remembered(tmp_path: Path) -> None:
    with noted(HOST, "k", str(tmp_path)) as note:
        for number in range(20):
            note.has(str(number))
    assert facts_in(tmp_path).repositories == tuple(str(number) for number in range(19, 11, -1))


def test_the_files_are_nobody_elses(tmp_path: Path) -> None:
    folder = tmp_path / "a/b"
    with noted(HOST, "k", str(folder)) as note:
        note.under_way("a", Session("http://h/?_state=secret", 1))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert only_file(folder).stat().st_mode & 0o777 == 0o600


@given(
    st.binary(max_size=200)
    | st.sampled_from([b"[]", b"{", b'{"repositories": 5}', b'{"sessions": {"a": {}}}', b"1" * 5000])
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_counts_for_nothing(tmp_path: Path, data: bytes) -> None:
    with noted(HOST, "k", str(tmp_path)) as note:
        note.has("a")
    only_file(tmp_path).write_bytes(data)
    with noted(HOST, "k", str(tmp_path)) as note:
        note.has("b")
        assert "b" in note.facts.repositories
    assert facts_in(tmp_path).repositories[0] == "b"


@pytest.mark.parametrize("kind", ["file", "folder", "link", "fifo"])
def test_a_cache_that_cannot_be(tmp_path: Path, kind: str) -> None:
    """Nothing is remembered then, and nothing fails."""
    folder = tmp_path / "cache"
    if kind == "file":
        folder.write_text("")
    else:
        with noted(HOST, "k", str(folder)):
            pass
        file = only_file(folder)
        file.unlink()
        if kind == "folder":
            file.mkdir()
        elif kind == "link":
            file.symlink_to(tmp_path / "x")
        else:
            os.mkfifo(file)
    with noted(HOST, "k", str(folder)) as note:
        note.has("a")
        note.under_way("b", Session("x", 1))
        assert note.facts == Facts(("a",), {"b": Session("x", 1)})
    assert not (tmp_path / "x").exists()
    prune(str(folder), now=time.time() + 1e9)


def test_a_cache_that_may_not_be_written(tmp_path: Path) -> None:
    need_root()
    script = (
        "import os, encodings.idna\n"
        "from assembler.remote.known import noted, prune\n"
        "os.setuid(65534)\n"
        f"with noted('h', 'k', {str(tmp_path / 'c')!r}) as note: note.has('a'); print(note.facts.repositories)\n"
        f"prune({str(tmp_path / 'c')!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "('a',)\n"


def test_one_at_a_time_among_threads(tmp_path: Path) -> None:
    inside, most, waited = 0, 0, []
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with noted(HOST, "k", str(tmp_path), waiting=lambda: waited.append(1)):
            with guard:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with guard:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert waited


def test_one_at_a_time_among_processes_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    script = (
        "import sys, time; from assembler.remote.known import noted\n"
        f"with noted({HOST!r}, 'k', {str(tmp_path)!r}) as note: \n"
        " note.has('child'); print('in', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], env=environment(), stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "in\n"
        got: list[Facts] = []
        waited: list[int] = []

        def wait() -> None:
            with noted(HOST, "k", str(tmp_path), waiting=lambda: waited.append(1)) as note:
                got.append(note.facts)

        thread = threading.Thread(target=wait)
        thread.start()
        wait_for(lambda: waited, "it waits for the other process")
        assert got == []
        child.kill()
        thread.join(30)
    assert got == [Facts(("child",))]


def test_prune(tmp_path: Path) -> None:
    for key in "abc":
        with noted(HOST, key, str(tmp_path)) as note:
            note.has("x")
    (tmp_path / "folder").mkdir()
    old = time.time() - 40 * 24 * 3600
    for path in tmp_path.iterdir():
        os.utime(path, (old, old))
    assert facts_in(tmp_path, "a") == Facts(("x",))  # which is a use
    with noted(HOST, "b", str(tmp_path)):
        prune(str(tmp_path))
    assert sum(path.is_file() for path in tmp_path.iterdir()) == 2
    assert facts_in(tmp_path, "c") == Facts()
    prune(str(tmp_path / "missing"))


def test_who_waits_for_a_file_that_is_pruned_takes_a_new_one(tmp_path: Path) -> None:
    waiting = threading.Event()
    order: list[str] = []

    def wait() -> None:
        with noted(HOST, "k", str(tmp_path), waiting=waiting.set) as note:
            order.append("second")
            note.has("b")

    with noted(HOST, "k", str(tmp_path)) as note:
        thread = threading.Thread(target=wait)
        thread.start()
        assert waiting.wait(10)
        prune(str(tmp_path), now=time.time() + 1e9)
        note.has("a")
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert facts_in(tmp_path) == Facts(("b",))


def test_the_first_threads_of_a_process(tmp_path: Path) -> None:
    """Whatever they read first: msgspec's first look at a type is not for two threads at once."""
    with noted(HOST, "k", str(tmp_path)) as note:
        note.under_way("c", Session("http://h/x", 7))
    code = (
        "import io, sys, threading\n"
        "from assembler.remote import authorize, client, known\n"
        "sys.setswitchinterval(1e-6)\n"
        "barrier, file = threading.Barrier(4), open(sys.argv[1])\n"
        "def read():\n"
        "    barrier.wait()\n"
        "    facts = known._read(file.fileno())\n"
        "    barrier.wait()\n"
        '    said = client._read_errors(io.BytesIO(b\'{"errors":[{"code":"DENIED"}]}\'))\n'
        "    barrier.wait()\n"
        '    token = authorize._read_token(b\'{"token":"t"}\', None, None)\n'
        "    print(f'{facts.sessions[\"c\"].offset} {said} {token}\\n', end='')\n"
        "threads = [threading.Thread(target=read) for _ in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
    )
    for _ in range(12):
        assert run(sys.executable, "-c", code, only_file(tmp_path)) == "7 DENIED t\n" * 4
