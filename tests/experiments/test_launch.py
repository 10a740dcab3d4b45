"""What a program costs, as the kernel says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from assembler.base.errors import ProgramError
from assembler.experiments.bench.launch import usage_of
from tests.tools import environment, wait_for

if TYPE_CHECKING:
    from pathlib import Path

MEGABYTE = 1 << 20


def test_its_own_memory_and_not_that_of_whoever_starts_it(tmp_path: Path) -> None:
    held = b"x" * (200 * MEGABYTE)
    small = usage_of(("true",), str(tmp_path))
    large = usage_of((sys.executable, "-c", f"b'x' * {100 * MEGABYTE}"), str(tmp_path))
    assert small.memory < 40 * MEGABYTE
    assert 100 * MEGABYTE < large.memory < 160 * MEGABYTE
    assert len(held) > large.memory


def test_seconds(tmp_path: Path) -> None:
    usage = usage_of((sys.executable, "-c", "import time; time.sleep(0.3)"), str(tmp_path))
    assert usage.wall >= 0.3
    assert usage.cpu > 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("sh", "-c", "echo first; echo last >&2; exit 3"), "exit code 3: last"),
        (("sh", "-c", "exit 3"), "exit code 3: it says nothing"),
        (("sh", "-c", "kill -9 $$"), "exit code -9: it says nothing"),
        (("no-such-program",), "exit code 127: FileNotFoundError"),
    ],
)
def test_failures(command: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match=message):
        usage_of(command, str(tmp_path))


def test_codes_that_are_allowed_and_no_input(tmp_path: Path) -> None:
    assert usage_of(("sh", "-c", "cat; exit 3"), str(tmp_path), allowed=(0, 3)).wall > 0


INTERRUPTED = """
import signal, sys
from assembler.experiments.bench.launch import usage_of
def end(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGTERM, end)
usage_of(("sh", "-c", "trap 'sleep 0.3; touch tidy; exit 1' TERM; touch up; while :; do sleep 0.05; done"), ".")
"""


def test_an_interruption_lets_it_tidy_up(tmp_path: Path) -> None:
    process = subprocess.Popen((sys.executable, "-c", INTERRUPTED), cwd=tmp_path, env=environment(), stderr=-3)
    wait_for((tmp_path / "up").exists, "it runs")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) != 0
    assert (tmp_path / "tidy").exists()
    assert not [one for one in os.listdir(tmp_path) if one not in {"up", "tidy", "written"}]
