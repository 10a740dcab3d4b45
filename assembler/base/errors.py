"""The tree of errors. Each has an exit code; a user sees one line and, where there is one, a hint.

BrasmError
├── NegativeAnswer     1    the answer is no: over budget, path absent
├── UsageError         2    the command line is wrong
├── RecipeError        3    the recipe is wrong
├── RootError          4    the root filesystem is not closed or not valid
│   ├── SourceError         it cannot be read
│   ├── ElfError            a file is not the ELF file that it claims to be
│   └── ImageError          an image breaks the image-spec
├── DestinationError   5    the image cannot be written where it was to go
│   └── RemoteError         a registry or daemon cannot be reached, or refuses
├── ProgramError       6    a program that was run failed
└── Interrupted        130  SIGINT; 143 for SIGTERM
"""

from __future__ import annotations

from typing import ClassVar


class BrasmError(Exception):
    """An error that a user can act on: never shown with a traceback.

    Attributes:
        message: one line that names the file, the key or the digest, and what is wrong.
        hint: what to do about it, where that is known.
        context: lines that are shown before the message, such as the end of a program's output.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, context: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.context = context


class NegativeAnswer(BrasmError):
    """All went well and the answer is no."""

    exit_code = 1


class UsageError(BrasmError):
    """The command line cannot be understood."""

    exit_code = 2


class RecipeError(BrasmError):
    """The recipe is wrong. `key` is the path of the key at fault, such as `image.user`."""

    exit_code = 3

    def __init__(
        self, message: str, *, key: str | None = None, hint: str | None = None, context: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint, context=context)
        self.key = key


class RootError(BrasmError):
    """The root filesystem is not closed or not valid."""

    exit_code = 4


class SourceError(RootError):
    """A source cannot be read: not there, not readable, truncated, or changing while it is read."""


class ElfError(RootError):
    """A file is not the ELF file that its first bytes claim."""


class ImageError(RootError):
    """An image breaks the image-spec: a wrong digest or size, a missing blob, an unknown media type."""


class DestinationError(BrasmError):
    """The image cannot be written where it was to go."""

    exit_code = 5


class RemoteError(DestinationError):
    """A registry or daemon cannot be reached, refuses, or answers what no client can take.

    `status` is that of the HTTP answer; None where there was none. Whoever reads a source makes it a `SourceError`.
    """

    def __init__(
        self, message: str, *, status: int | None = None, hint: str | None = None, context: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint, context=context)
        self.status = status


class ProgramError(BrasmError):
    """A program that was run failed."""

    exit_code = 6


class Interrupted(BrasmError):
    """A signal ended the work; the exit code is the shell's convention, 128 + signal."""

    exit_code = 130

    def __init__(self, signal: int) -> None:
        super().__init__("interrupted")
        self.signal = signal
