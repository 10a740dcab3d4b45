"""One test of a recipe, in a container of the image.

In: a `TestSpec`, the image. Out: `Result`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from assembler.runtime.checks import file_problems
from assembler.runtime.container import running
from assembler.runtime.job import new_job
from assembler.runtime.process import NotStarted, Overrides
from assembler.runtime.setting import Result, Setting, Streams, judged, limit_of, title

if TYPE_CHECKING:
    from assembler.recipe.types import TestSpec


def run_test(test: TestSpec, setting: Setting) -> Result:
    """Run one test.

    Raises:
        ProgramError: the runtime failed, or this machine cannot run the program.
    """
    began = time.monotonic()
    found = tuple(file_problems(test.files, setting.image.tree))
    result = Result(title(test), (), 0)
    try:
        if test.serve is not None:
            from assembler.runtime.serve import run_served  # most tests have no server

            result = run_served(test, test.serve, setting)
        elif test.run:
            result = _run_alone(test, setting)
    except NotStarted as error:
        found = (*found, error.message)
    return replace(result, problems=(*found, *result.problems), seconds=time.monotonic() - began)


def _run_alone(test: TestSpec, setting: Setting) -> Result:
    process = setting.process(Overrides(entrypoint=test.run))
    job = new_job(setting.image, process, setting.box)
    limit, began = limit_of(test, setting), time.monotonic()
    with (
        Streams(job, "run", test.stdin) as streams,
        running(setting.runtime, job, streams.files) as container,
    ):
        code = container.wait(limit)
        outcome = streams.outcome(code, time.monotonic() - began)
        error = None if code is None else container.failure(code, outcome.stderr)
        if error is not None:
            raise error
    return judged(test, outcome, limit)
