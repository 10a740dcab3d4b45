"""Progress on a terminal, for work that takes over half a second. Elsewhere: silence, but for work of minutes."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from assembler.base.progress import Progress, Silent
from assembler.base.units import format_size
from assembler.cli.output import note

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress as Bar

DELAY: Final = 0.5
"""Seconds before anything is shown."""


def progress(*, quiet: bool) -> TerminalProgress | QuietProgress:
    """Return a context manager that gives a listener."""
    return QuietProgress() if quiet or not sys.stderr.isatty() else TerminalProgress()


def long_progress(*, quiet: bool) -> TerminalProgress | QuietProgress | LineProgress:
    """Return a context manager that gives a listener for work that takes minutes."""
    return progress(quiet=quiet) if quiet or sys.stderr.isatty() else LineProgress()


class QuietProgress:
    """Shows nothing."""

    def __enter__(self) -> Progress:
        return Silent()

    def __exit__(self, *_: object) -> None:
        """Nothing was opened."""


class LineProgress(Silent):
    """Prints where a task that takes minutes is, a line each time: for logs of CI."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was opened."""

    def start(self, task: str, total: int | None = None, *, unit: str = "") -> None:
        """See `Progress.start`."""
        note(task)

    def status(self, line: str) -> None:
        """See `Progress.status`."""
        note(line)


class TerminalProgress:
    """Shows the current task with rich, which is imported only when there is something to show."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._bar: Bar | None = None
        self._name = self._unit = ""
        self._total: int | None = None
        self._done = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self, task: str, total: int | None = None, *, unit: str = "") -> None:
        """See `Progress.start`."""
        self._name, self._total, self._unit, self._done = task, total, unit, 0
        if self._bar is not None:
            self._show_task(self._bar)

    def advance(self, amount: int) -> None:
        """See `Progress.advance`."""
        with self._lock:
            self._done += amount
            if self._bar is None and time.monotonic() - self._began > DELAY:
                self._bar = _open_bar()
                self._show_task(self._bar)
            if self._bar is not None:
                self._bar.update(self._bar.task_ids[-1], completed=self._done, amount=self._amount())

    def status(self, line: str) -> None:
        """See `Progress.status`."""
        self._name = line
        self.advance(0)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[-1], description=line)

    def _show_task(self, bar: Bar) -> None:
        """Show one task at a time, the current one."""
        for task in list(bar.task_ids):
            bar.remove_task(task)
        bar.add_task(self._name, total=self._total, completed=self._done, amount=self._amount())

    def _amount(self) -> str:
        if self._unit != "B":
            return f"{self._done:,} {self._unit}"
        total = f" of {format_size(self._total)}" if self._total is not None else ""
        return f"{format_size(self._done)}{total}"


def _open_bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as RichProgress

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[amount]}"))
    bar = RichProgress(*columns, console=Console(stderr=True), transient=True)
    bar.start()
    return bar
