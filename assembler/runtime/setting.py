"""What the tests of an image share: where they run, what a program's streams are, what comes of a test.

In: an image unpacked and its limits. Out: `Setting`, `Result`.
"""

from __future__ import annotations

import os
import shlex
import signal
import time
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from msgspec import Struct

from assembler.base.errors import UsageError
from assembler.runtime.binfmt import check_startable
from assembler.runtime.box import Box, is_bound, parse_duration
from assembler.runtime.checks import Outcome, problems
from assembler.runtime.container import Container, popen, wait
from assembler.runtime.job import Job, Unpacked
from assembler.runtime.process import Overrides, Process, find_program, process_of
from assembler.runtime.runtimes import Runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.recipe.types import TestSpec

_LAST_WORDS: Final = 1.0
"""Seconds that a client and its server have, after the other one ended, to end as well."""

_KILLED: Final = 137
_MOST: Final = 1 << 24
"""Bytes of an output that are looked at."""


class Result(Struct, frozen=True):
    """What came of a test.

    Attributes:
        name: the test's.
        problems: why it failed, a line each; none where it passed.
        seconds: how long it took.
        stdout: what its program wrote.
        stderr: likewise.
        server: what the server wrote, on both streams.
    """

    name: str
    problems: tuple[str, ...]
    seconds: float
    stdout: str = ""
    stderr: str = ""
    server: str = ""


class Setting(Struct, frozen=True):
    """What all tests of an image share.

    Attributes:
        image: unpacked.
        runtime: what runs containers of it.
        box: their limits.
        seconds: that a program may take.
        folder: where clients are run.
    """

    image: Unpacked
    runtime: Runtime
    box: Box
    seconds: float
    folder: str

    def process(self, overrides: Overrides) -> Process:
        """Return a process of the image.

        Raises:
            NotStarted: the image has no such program.
            ProgramError: this machine cannot start it.
            RootError: see `process_of`.
        """
        process = process_of(self.image.config, self.image.tree, overrides)
        check_process(process, self.image, self.box)
        return process


def check_process(process: Process, image: Unpacked, box: Box) -> None:
    """Make sure that a program is there and can be started, but not of what the container alone has.

    Raises:
        NotStarted: the image has no such program.
        ProgramError: this machine cannot start it.
    """
    if not is_bound(process.args[0], box):
        check_startable(image.tree, find_program(process, image.tree))


def title(test: TestSpec) -> str:
    """Return what reports call a test."""
    if test.name is not None:
        return test.name
    if test.run or test.client:
        return shlex.join(test.run or test.client)
    return "serve" if test.serve is not None else f"files {' '.join(test.files)}"


def limit_of(test: TestSpec, setting: Setting) -> float:
    """Return the seconds that a test's program may take."""
    return setting.seconds if test.timeout is None else parse_duration(test.timeout)


def judged(test: TestSpec, outcome: Outcome, limit: float) -> Result:
    """Return the result of what a program did."""
    return Result(
        title(test), problems(test, outcome, limit), outcome.seconds, stdout=outcome.stdout, stderr=outcome.stderr
    )


def run_beside(
    command: Sequence[str], test: TestSpec, job: Job, setting: Setting, server: Container
) -> tuple[Outcome, bool]:
    """Run the client of a server; return what it did, and whether the server outlived it."""
    limit, began = limit_of(test, setting), time.monotonic()
    watch = os.pidfd_open(server.process.pid)
    try:
        with Streams(job, "client", test.stdin) as streams:
            client = popen(command, *streams.files, cwd=setting.folder)
            try:
                code = wait(client, limit, watch)
                # A client inside is killed with its server, whose end may be known a moment later.
                alive = server.wait(_LAST_WORDS if code == _KILLED else 0) is None
                code = wait(client, _LAST_WORDS) if code is None and not alive else code
            finally:
                if client.poll() is None:
                    os.killpg(client.pid, signal.SIGKILL)
                    client.wait()
            return streams.outcome(code, time.monotonic() - began), alive
    finally:
        os.close(watch)


class Streams:
    """The standard streams of a program, in files of a container's folder: nothing waits for anybody to read."""

    def __init__(self, job: Job, name: str, stdin: str | None) -> None:
        self._paths = [os.path.join(job.folder, f"{name}.{one}") for one in ("stdin", "stdout", "stderr")]
        with open(self._paths[0], "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(stdin or "")
        self.stdin: BinaryIO = open(self._paths[0], "rb")  # noqa: SIM115 closed by __exit__
        self.stdout: BinaryIO = open(self._paths[1], "wb")  # noqa: SIM115
        self.stderr: BinaryIO = open(self._paths[2], "wb")  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self.stdin, self.stdout, self.stderr):
            file.close()

    @property
    def files(self) -> tuple[BinaryIO, BinaryIO, BinaryIO]:
        """Standard input, output and error."""
        return self.stdin, self.stdout, self.stderr

    def text(self, which: int) -> str:
        """Return what was written so far: 1 is standard output, 2 standard error."""
        with open(self._paths[which], "rb") as file:
            return file.read(_MOST).decode("utf-8", "replace")

    def outcome(self, code: int | None, seconds: float) -> Outcome:
        """Return what a program did."""
        return Outcome(code, self.text(1), self.text(2), seconds)


def signal_number(text: str | None) -> int:
    """Return the number of a config's StopSignal: `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`.

    Raises:
        UsageError: Linux has no such signal.
    """
    name, _, offset = (text or "SIGTERM").upper().partition("+")
    try:
        if name.isdecimal():
            return signal.Signals(int(name)).value
        return signal.Signals["SIG" + name.removeprefix("SIG")].value + int(offset or 0)
    except (KeyError, ValueError) as error:
        raise UsageError(f"{text!r}: no signal of Linux", hint="set image.stop_signal, such as SIGTERM") from error
