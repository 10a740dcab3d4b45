"""What every image must do: its entrypoint starts, and where it has docker's health check, that is content.

In: the image. Out: `Result`s. For images of which nobody says what they should do.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from assembler.recipe.types import TestSpec
from assembler.runtime.checks import describe_code, last_lines
from assembler.runtime.container import running
from assembler.runtime.job import new_job
from assembler.runtime.process import NotStarted, Overrides
from assembler.runtime.setting import Result, Setting, Streams, run_beside

if TYPE_CHECKING:
    from assembler.oci.types import ContainerConfig
    from assembler.runtime.container import Container

_FAILED: Final = frozenset({126, 127})
_PAUSE: Final = 0.5
"""Seconds between two health checks."""


def smoke_test(setting: Setting) -> tuple[Result, ...]:
    """Start the entrypoint: within `setting.seconds` it goes on running, or ends and was no failure to start.

    An image that starts nothing has nothing that can be tried.

    Raises:
        ProgramError: the runtime failed, or this machine cannot run the program.
    """
    config = setting.image.config
    if config is None or not (config.entrypoint or config.cmd):
        return ()
    try:
        process = setting.process(Overrides())
    except NotStarted as error:
        return (Result("starts", (error.message,), 0),)
    began = time.monotonic()
    job = new_job(setting.image, process, setting.box)
    check = _health_command(config)
    with (
        Streams(job, "smoke", None) as streams,
        running(setting.runtime, job, streams.files) as container,
    ):
        health = () if check is None else _health(check, container, setting)
        code = container.wait(max(0.0, began + setting.seconds - time.monotonic()) if check is None else 0)
        failure = None if code is None else container.failure(code, streams.text(2))
        if failure is not None:
            raise failure
        stdout, stderr = streams.text(1), streams.text(2)
    bad = code is not None and (code in _FAILED or code > 128)
    said = last_lines(stderr) or last_lines(stdout)
    found = (f"{describe_code(code)}{': ' if said else ''}{said}",) if bad and code is not None else ()
    return (Result("starts", found, time.monotonic() - began, stdout, stderr), *health)


def _health_command(config: ContainerConfig) -> tuple[str, ...] | None:
    """Return the command of docker's `Healthcheck.Test`: `NONE`, `CMD` with arguments, `CMD-SHELL` with a text."""
    test = config.healthcheck.test if config.healthcheck is not None else ()
    match test:
        case ("CMD", *words) if words:
            return tuple(words)
        case ("CMD-SHELL", text):
            return ("/bin/sh", "-c", text)
        case _:
            return None


def _health(check: tuple[str, ...], container: Container, setting: Setting) -> tuple[Result, ...]:
    """Ask until the answer is good or the time is over."""
    began, test = (
        time.monotonic(),
        TestSpec(name="health check", run=check, timeout=f"{max(1, round(setting.seconds))}s"),
    )
    try:
        process = setting.process(Overrides(entrypoint=check))
    except NotStarted as error:
        return (Result("health check", (error.message,), 0),)
    deadline = began + setting.seconds
    while True:
        if container.wait(_PAUSE / 10) is not None:
            return (Result("health check", ("the program ended before it was asked",), time.monotonic() - began),)
        if container.runtime.pid(container.job) is not None:
            command = container.runtime.exec_command(container.job, process)
            outcome, _ = run_beside(command, test, container.job, setting, container)
            good = outcome.code == 0
            if good or time.monotonic() > deadline:
                said = last_lines(outcome.stderr) or last_lines(outcome.stdout)
                ended = "no end" if outcome.code is None else describe_code(outcome.code)
                found = () if good else (f"{ended}{': ' if said else ''}{said}",)
                seconds = time.monotonic() - began
                return (Result("health check", found, seconds, outcome.stdout, outcome.stderr),)
        container.wait(_PAUSE)
