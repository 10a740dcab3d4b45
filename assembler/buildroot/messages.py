"""What Buildroot says while it builds: its messages, and the place of a failure (package/pkg-generic.mk, Makefile).

A message is `>>> PACKAGE VERSION STEP` between terminal escapes; a package without a version has two spaces there, and
what belongs to no package has three: `>>>   Finalizing target directory`.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

from msgspec import Struct

_ESCAPE: Final = re.compile(r"\x1b\[[0-9;]*m|\x1b\([AB0]")
_STAMP: Final = re.compile(r"\*\*\* \[.*/(?:build|per-package)/(?P<folder>[^/\]]+)/\.stamp_(?P<step>\w+)\] Error \d+")
_STOPPED: Final = re.compile(r"make(?:\[\d+\])?: \*\*\* (?!Waiting for unfinished jobs)")
_ERROR: Final = re.compile(r"(?:\berror:|\bERROR[: ]|: not found$|No such file or directory|undefined reference)")
_CONTEXT: Final = 12
"""Lines that are shown before the line at which a build stopped."""


class Message(Struct, frozen=True):
    """A step that begins.

    Attributes:
        package: as Buildroot names it, `host-` first for the machine's; empty for what belongs to none.
        version: empty where it has none.
        step: `Extracting`, `Configuring`, `Installing to target`, …
    """

    package: str
    version: str
    step: str


class Failure(Struct, frozen=True):
    """Where a build stopped.

    Attributes:
        package: the folder of the package, with its version: `glibc-2.41`; None where make says none.
        step: the stamp that was not reached: `configured`, `target_installed`.
        error: the line that tells what is wrong, as far as it can be told.
        context: the lines before make first stopped, that line included.
    """

    package: str | None
    step: str | None
    error: str
    context: tuple[str, ...]


def parse_message(line: str) -> Message | None:
    """Return the step that a line of Buildroot's output announces; None for all other lines."""
    plain = _ESCAPE.sub("", line).rstrip("\r\n")
    if not plain.startswith(">>> "):
        return None
    rest = plain.removeprefix(">>> ")
    if rest.startswith("  "):
        return Message("", "", rest.strip())
    package, _, rest = rest.partition(" ")
    version, _, step = rest.partition(" ")
    return Message(package, version, step) if step else None


class FailureFinder:
    """Reads a build's output line by line and remembers what would tell of a failure; memory is bounded."""

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=_CONTEXT)
        self._context: tuple[str, ...] = ()
        self._error: str | None = None
        self._at: re.Match[str] | None = None

    def feed(self, line: str) -> None:
        """Take the next line."""
        plain = _ESCAPE.sub("", line).rstrip("\r\n")
        if parse_message(line) is not None and self._at is None:
            self._context, self._error = (), None  # a parallel step that went on; what counts is the last stop
        self._last.append(plain)
        if _STOPPED.match(plain) and not self._context:
            self._context = tuple(self._last)
            self._error = next((one for one in reversed(self._context[:-1]) if _ERROR.search(one)), None)
        if match := _STAMP.search(plain):
            self._at = match

    def failure(self) -> Failure:
        """Return what is known when make has failed."""
        context = self._context or tuple(self._last)
        error = self._error or (context[-1] if context else "no message")
        if self._at is None:
            return Failure(None, None, error, context)
        return Failure(self._at["folder"], self._at["step"], error, context)
