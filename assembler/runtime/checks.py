"""What a test asks of what came: pure.

In: a test of the recipe, and what its program did, or the tree. Out: a line for each thing that is not as it should be.
"""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.paths import show
from assembler.tree import Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.recipe.types import TestSpec
    from assembler.tree import Tree

_SHOWN: Final = 4
"""Lines of an output that a message has, the last ones."""


class Outcome(Struct, frozen=True):
    """What a program did.

    Attributes:
        code: exit code, 128 + signal where it was killed by one; None where it had to be stopped after its time.
        stdout: what it wrote.
        stderr: likewise.
        seconds: how long it took.
    """

    code: int | None
    stdout: str
    stderr: str
    seconds: float


def problems(test: TestSpec, outcome: Outcome, limit: float) -> tuple[str, ...]:
    """Hold what a program did to its test; `limit` are the seconds that it had."""
    found = []
    if outcome.code is None:
        found.append(f"no end within {limit:g} s{_tail(outcome)}")
    elif outcome.code != test.exit:
        found.append(f"{describe_code(outcome.code)}, not {test.exit}{_tail(outcome)}")
    for stream, pattern, text in (
        ("standard output", test.stdout, outcome.stdout),
        ("standard error", test.stderr, outcome.stderr),
    ):
        if pattern is not None and not re.search(pattern, text):
            found.append(f"{pattern!r} is not found in {stream}: {last_lines(text) or '(empty)'}")
    return tuple(found)


def file_problems(paths: Iterable[str], tree: Tree) -> Iterator[str]:
    """Yield which paths the image should have and does not, or the other way round; symlinks count as they are."""
    for path in paths:
        there = isinstance(tree.walk(path.removeprefix("!"), follow_last=False), Found)
        if path.startswith("!") and there:
            yield f"{show(path[1:])} is in the image"
        elif not path.startswith("!") and not there:
            yield f"{show(path)} is not in the image"


def describe_code(code: int) -> str:
    """Say how a program ended: `exit code 1`, `killed by SIGSEGV (exit code 139)`."""
    try:
        name = signal.Signals(code - 128).name if code > 128 else None
    except ValueError:
        name = None
    return f"exit code {code}" if name is None else f"killed by {name} (exit code {code})"


def last_lines(text: str) -> str:
    """Return the last lines of an output as one line."""
    lines = [show(line) for line in text.strip().splitlines()]
    dots = "… " if len(lines) > _SHOWN else ""
    return dots + " | ".join(lines[-_SHOWN:])


def _tail(outcome: Outcome) -> str:
    text = last_lines(outcome.stderr) or last_lines(outcome.stdout)
    return f": {text}" if text else ""
