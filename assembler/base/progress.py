"""Progress of long work, told to whoever listens; who shows it, and how, is the command line's business."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener."""

    def start(self, task: str, total: int | None = None, *, unit: str = "") -> None:
        """A task begins: `walk`, `compress`. `total` where it is known; `unit` is `B` for bytes."""

    def advance(self, amount: int) -> None:
        """The task came on by so much; several threads may say so at once."""

    def status(self, line: str) -> None:
        """Say in one line where a task that takes minutes is."""


class Silent:
    """Nobody listens."""

    def start(self, task: str, total: int | None = None, *, unit: str = "") -> None:
        """See `Progress.start`."""

    def advance(self, amount: int) -> None:
        """See `Progress.advance`."""

    def status(self, line: str) -> None:
        """See `Progress.status`."""
