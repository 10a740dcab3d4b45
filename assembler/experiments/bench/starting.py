"""How long an image takes until it is up: its server can be spoken to, or its program has done its work.

In: an image unpacked, and the recipe's test that says when it is up, if there is one. Out: `Start`. Time runs from the
runtime's start, so that the runtime's own part, which is the same for all images, is in it.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.runtime.checks import describe_code, last_lines, problems
from assembler.runtime.container import running
from assembler.runtime.job import new_job
from assembler.runtime.ports import is_listened_on
from assembler.runtime.process import NotStarted, Overrides
from assembler.runtime.serve import Server, wait_until_ready
from assembler.runtime.setting import Setting, Streams, limit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.oci.types import ContainerConfig
    from assembler.recipe.types import TestSpec
    from assembler.runtime.container import Container

_PAUSE: Final = 0.001
"""Seconds between looks at whether a server is ready: how exact its time is."""

_PORT: Final = re.compile(r"\d+(/(tcp|udp))?")
_FAILED: Final = frozenset({126, 127})


class Start(Struct, frozen=True):
    """How a start went.

    Attributes:
        seconds: until it was up; None where nothing tells: it goes on running, and has no port.
        problems: why it did not come up, a line each.
    """

    seconds: float | None
    problems: tuple[str, ...] = ()


def first_start(tests: Sequence[TestSpec]) -> TestSpec | None:
    """Return the first test that starts something."""
    return next((test for test in tests if test.serve is not None or test.run), None)


def start(test: TestSpec | None, setting: Setting) -> Start:
    """Start an image, wait until it is up, and end it by force.

    A test with `serve` is up when its server is ready, one without when its program has ended. Without a test, the
    entrypoint is when all ports that the image exposes are listened on, or when it has ended.

    Args:
        test: of the recipe; None for the entrypoint as it is.
        setting: the image, and how it runs.

    Raises:
        ProgramError: the runtime failed, or this machine cannot run the program.
        RootError: the image starts nothing.
    """
    overrides = Overrides()
    if test is not None:
        overrides = Overrides(args=test.serve.args) if test.serve is not None else Overrides(entrypoint=test.run)
    try:
        process = setting.process(overrides)
    except NotStarted as error:
        return Start(None, (error.message,))
    job = new_job(setting.image, process, setting.box)
    stdin = test.stdin if test is not None and test.serve is None else None
    began = time.perf_counter()
    with Streams(job, "start", stdin) as streams, running(setting.runtime, job, streams.files) as container:
        if test is None:
            return _entrypoint(container, streams, setting, began)
        if test.serve is None:
            return _program(test, container, streams, setting, began)
        problem = wait_until_ready(Server(container, streams), test.serve, _PAUSE)
        return Start(time.perf_counter() - began, () if problem is None else (problem,))


def _program(test: TestSpec, container: Container, streams: Streams, setting: Setting, began: float) -> Start:
    limit = limit_of(test, setting)
    code = container.wait(limit)
    seconds = time.perf_counter() - began
    outcome = streams.outcome(code, seconds)
    _check_started(container, code, outcome.stderr)
    return Start(seconds, problems(test, outcome, limit))


def _entrypoint(container: Container, streams: Streams, setting: Setting, began: float) -> Start:
    ports = _ports(setting.image.config)
    deadline = began + setting.seconds
    while True:
        now = time.perf_counter()
        code = container.wait(min(_PAUSE, deadline - now) if ports else deadline - now)
        if code is not None:
            seconds = time.perf_counter() - began
            _check_started(container, code, streams.text(2))
            return Start(seconds, _ended_badly(code, streams))
        pid = container.runtime.pid(container.job)
        if ports and pid is not None and all(is_listened_on(port, pid) for port in ports):
            return Start(time.perf_counter() - began)
        if now > deadline or not ports:
            return Start(None, tuple(f"nothing listens on port {port} within {setting.seconds:g} s" for port in ports))


def _check_started(container: Container, code: int | None, stderr: str) -> None:
    error = None if code is None else container.failure(code, stderr)
    if error is not None:
        raise error


def _ended_badly(code: int, streams: Streams) -> tuple[str, ...]:
    """Return why an end is a failure to start: by the exit codes of shells, or by a signal, as `brasm test` has it."""
    if code not in _FAILED and code <= 128:
        return ()
    said = last_lines(streams.text(2)) or last_lines(streams.text(1))
    return (f"{describe_code(code)}{': ' if said else ''}{said}",)


def _ports(config: ContainerConfig | None) -> tuple[str, ...]:
    exposed = (config.exposed_ports if config is not None else None) or ()
    return tuple(port for port in exposed if _PORT.fullmatch(port))
