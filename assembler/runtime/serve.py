"""A test of a server: the image's entrypoint is started, waited for, spoken to by a client, and stopped.

In: a `TestSpec` with `serve`. Out: `Result`. That a port is listened on is looked up in the container's own tables: no
connection is made but the client's. A client of this machine is run in the container's network by nsenter(1).
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.errors import ProgramError
from assembler.runtime.box import parse_duration
from assembler.runtime.checks import describe_code, last_lines
from assembler.runtime.container import Container, running
from assembler.runtime.job import new_job
from assembler.runtime.ports import is_listened_on
from assembler.runtime.process import Overrides
from assembler.runtime.setting import Result, Setting, Streams, judged, limit_of, run_beside, signal_number, title

if TYPE_CHECKING:
    from assembler.recipe.types import ServeSpec, TestSpec

_PAUSE: Final = 0.02
"""Seconds between looks at whether it is ready."""


class Server(Struct, frozen=True):
    """A server that was started."""

    container: Container
    streams: Streams

    @property
    def output(self) -> str:
        """What it wrote so far."""
        return self.streams.text(1) + self.streams.text(2)

    def died(self, code: int, when: str) -> str:
        """Say that it ended by itself."""
        said = last_lines(self.streams.text(2)) or last_lines(self.streams.text(1))
        return f"the server ended {when}: {describe_code(code)}: {said or '(it wrote nothing)'}"


def run_served(test: TestSpec, serve: ServeSpec, setting: Setting) -> Result:
    """Run a test with its server.

    Raises:
        NotStarted: the image has no such program.
        ProgramError: the runtime failed.
    """
    if setting.box.network == "host" and serve.port is not None and is_listened_on(serve.port, "self"):
        return Result(title(test), (f"port {serve.port} of this machine is in use already",), 0)
    process = setting.process(Overrides(args=serve.args))
    client = setting.process(Overrides(entrypoint=test.run)) if test.run else None
    job = new_job(setting.image, process, setting.box)
    with (
        Streams(job, "server", None) as streams,
        running(setting.runtime, job, streams.files) as container,
    ):
        server = Server(container, streams)
        problem = wait_until_ready(server, serve)
        result = Result(title(test), (), 0)
        if problem is None and (client is not None or test.client):
            inside = None if client is None else setting.runtime.exec_command(job, client)
            command = _outside(test.client, server, setting) if inside is None else inside
            outcome, alive = run_beside(command, test, job, setting, container)
            result = judged(test, outcome, limit_of(test, setting))
            problem = None if alive else server.died(container.wait(0) or 0, "before its client did")
        problem = problem or _stopped(server, setting)
        found = result.problems if problem is None else (problem, *result.problems)
        return Result(result.name, found, 0, result.stdout, result.stderr, server.output)


def wait_until_ready(server: Server, serve: ServeSpec, pause: float = _PAUSE) -> str | None:
    """Wait for a server, looking at it again after each pause of some seconds; return why it is not ready, if so.

    Raises:
        ProgramError: the runtime failed.
    """
    seconds = parse_duration(serve.timeout)
    deadline = time.monotonic() + seconds
    while missing := _missing(server, serve):
        code = server.container.wait(pause)
        if code is not None:
            error = server.container.failure(code, server.streams.text(2))
            if error is not None:
                raise error
            return server.died(code, "before it was ready")
        if time.monotonic() > deadline:
            said = last_lines(server.output) or "(nothing)"
            return f"the server is not ready within {seconds:g} s: {missing}; it wrote: {said}"
    return None


def _missing(server: Server, serve: ServeSpec) -> str | None:
    """Return what a server that is ready would have and this one has not."""
    pid = server.container.runtime.pid(server.container.job)
    if pid is None:
        return "its container has not started"
    if serve.port is not None and not is_listened_on(serve.port, pid):
        return f"nothing listens on port {serve.port}"
    if serve.ready is not None and not re.search(serve.ready, server.output):
        return f"{serve.ready!r} is not found in its output"
    return None


def _outside(client: tuple[str, ...], server: Server, setting: Setting) -> list[str]:
    """Return the command of a client of this machine.

    Raises:
        ProgramError: the container's network cannot be entered.
    """
    if setting.box.network == "host":
        return list(client)
    pid = server.container.runtime.pid(server.container.job)
    if pid is None:
        raise ProgramError(f"{setting.runtime.name}: it does not tell the process of the container")
    user = [] if os.geteuid() == 0 else [f"--user=/proc/{pid}/ns/user", "--preserve-credentials"]
    return ["nsenter", *user, f"--net=/proc/{pid}/ns/net", "--", *client]


def _stopped(server: Server, setting: Setting) -> str | None:
    """Stop a server as docker does; return why that did not go well, if so."""
    code = server.container.wait(0)
    if code is not None:
        return server.died(code, "before it was stopped")
    config = setting.image.config
    reason = server.container.stop(signal_number(config.stop_signal if config is not None else None))
    return None if reason is None else f"the server had to be killed: {reason}"
