"""The tasks that trials are made of, done wherever there is a processor for them: values in, values out.

`Squeeze`: compress a tar, measure it, forget the bytes. `Check`: put a root filesystem to the recipe's tests. Both name
what they work on by its digest; a worker asks its `Tars` for it. What tasks there are, and that each is done once, is
decided by `experiments.trials.runner`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from assembler.base.digest import Digest
from assembler.experiments.results.records import TestRow
from assembler.oci.image import Compression
from assembler.recipe.types import RunSpec, TestSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.base.content import Content
    from assembler.layers.tars import Tar


class Squeeze(Struct, frozen=True, tag="squeeze"):
    """Compress a tar: its diff_id, the format, and the level; None for the format's default."""

    tar: Digest
    compression: Compression
    level: int | None


class Squeezed(Struct, frozen=True, tag="squeezed"):
    """A compressed tar: digest and bytes as stored, CPU time of compressing and of decompressing it, and who did it."""

    digest: Digest
    size: int
    compress_seconds: float
    unpack_seconds: float
    worker: str


class Check(Struct, frozen=True, tag="check"):
    """Put a root filesystem to tests.

    Attributes:
        tar: the diff_id of all of it as one layer.
        config: the image's config, as JSON, for that one layer.
        tests: of the recipe.
        run: of the recipe.
        folder: where programs of this machine (`client`) run: the recipe's.
        runtime: a name or path; None for whichever works.
    """

    tar: Digest
    config: bytes
    tests: tuple[TestSpec, ...]
    run: RunSpec
    folder: str
    runtime: str | None


class Checked(Struct, frozen=True, tag="checked"):
    """What came of tests, in their order; in which runtime, and who did it."""

    tests: tuple[TestRow, ...]
    runtime: str
    worker: str


class Broken(Struct, frozen=True, tag="broken"):
    """A task that could not be done: one line, what to do about it, and who tried."""

    error: str
    hint: str | None
    worker: str


Task = Squeeze | Check
Answer = Squeezed | Checked | Broken


class Done(Struct, frozen=True):
    """A task with its answer."""

    task: Task
    answer: Answer


class Tars(Protocol):
    """Where a worker finds tars."""

    def content(self, diff_id: Digest) -> Content:
        """Return a tar.

        Raises:
            SourceError: there is none of that digest, or it is damaged.
        """


class Crew(Protocol):
    """Who does tasks: this process, others of this machine, or a cluster."""

    @property
    def width(self) -> int:
        """How many tasks are done at once, as far as is known now; at least 1."""

    def provide(self, tars: Iterable[Tar]) -> None:
        """Make tars known to all workers, before tasks name them.

        Raises:
            DestinationError: there is no room for them.
        """

    def forget(self, diff_id: Digest) -> None:
        """No further task names this tar."""

    def submit(self, task: Task) -> None:
        """Have a task done; it is not waited for."""

    def next(self) -> Done:
        """Wait for some task that was submitted; each is returned once.

        Raises:
            ProgramError: there is no worker any more.
        """

    def close(self) -> None:
        """End all that is under way, and tidy up; after a failure too."""
