"""Doing a task: compressing and decompressing a tar, or putting a root filesystem to tests, in this process.

In: a `Task` and where its tar is found. Out: an `Answer`. Nothing is kept; what fails is an answer too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from typing import TYPE_CHECKING

from assembler.base.content import SharedFile, Span
from assembler.base.decompress import decompress
from assembler.base.errors import BrasmError, DestinationError, Interrupted
from assembler.base.progress import Silent
from assembler.experiments.results.measures import rounded
from assembler.experiments.results.records import TestRow
from assembler.experiments.trials.work import Answer, Broken, Check, Checked, Squeeze, Squeezed, Tars, Task
from assembler.layers.render import compress
from assembler.oci.image import LAYER_TYPES, Image, Layer
from assembler.oci.types import Descriptor, ImageConfig, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.base.content import Content
    from assembler.pipeline.test import Target


def perform(task: Task, tars: Tars, worker: str) -> Answer:
    """Do a task.

    Args:
        task: what.
        tars: where its tar is found.
        worker: who does it, for the answer.

    Raises:
        Interrupted: a signal ended it.
    """
    try:
        match task:
            case Squeeze():
                return squeeze(task, tars, worker)
            case Check():
                return check(task, tars, worker)
    except Interrupted:
        raise
    except BrasmError as error:
        return Broken(error.message, error.hint, worker)


@contextlib.contextmanager
def ends_at_once(task: Task, *signals: signal.Signals) -> Iterator[None]:
    """Let signals end this process on the spot while it does a task that leaves nothing behind.

    A compressor may take a minute before Python hears of a signal; a container has to be tidied up after.
    """
    if isinstance(task, Check):
        yield
        return
    before = {each: signal.signal(each, signal.SIG_DFL) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def squeeze(task: Squeeze, tars: Tars, worker: str) -> Squeezed:
    """Compress a tar, and decompress it again, each in one thread; measure both, and keep nothing.

    CPU time is what is measured, since others work on this machine at the same time. It is the whole process's: whoever
    calls this does nothing else meanwhile.

    Raises:
        SourceError: the tar is not there.
        DestinationError: there is no room for the compressed bytes.
    """
    tar = tars.content(task.tar)
    try:
        blob = SharedFile.temporary()
        began = time.process_time()
        stored = compress((tar,), task.compression, task.level, blob, Silent(), workers=1)
        compressed = time.process_time()
    except OSError as error:
        raise _no_room(error) from error
    for _ in decompress(Span(blob, 0, stored.size).chunks(), task.compression):
        pass
    unpacked = time.process_time()
    taken = rounded(compressed - began), rounded(unpacked - compressed)
    return Squeezed(stored.digest, stored.size, *taken, worker)


def check(task: Check, tars: Tars, worker: str) -> Checked:
    """Unpack a root filesystem and put it to its tests, in a layout that is there only meanwhile.

    Raises:
        BrasmError: no runtime works, or the root cannot be unpacked.
    """
    from assembler.destinations import layout  # squeezing needs neither
    from assembler.oci.shipment import Shipment
    from assembler.pipeline.run import remove
    from assembler.pipeline.test import Terms, run_tests
    from assembler.runtime.container import held_signals

    tar, folder = tars.content(task.tar), None
    try:
        with held_signals():
            folder = _temporary_folder()
        layout.write(Shipment.of(_plain_image(task, tar)), folder, "trial", "trial")
        terms = Terms(task.runtime, None, None, keep=False, tell=_unheard, change=lambda box: box)
        tested = run_tests(_target(task, folder), terms, Silent(), _unheard)
    finally:
        if folder is not None:
            with held_signals():
                remove(folder)
    rows = tuple(TestRow(one.name, one.problems, rounded(one.seconds)) for one in tested.results)
    return Checked(rows, tested.runtime, worker)


def _plain_image(task: Check, tar: Content) -> Image:
    """Return the image of a root filesystem in one layer, as it is."""
    descriptor = Descriptor(LAYER_TYPES["none"], task.tar, tar.size)
    layer = Layer(descriptor, task.tar, tar.size, 0, "", tar)
    return Image(decode(task.config, ImageConfig, "the trial's config"), (layer,))


def _target(task: Check, folder: str) -> Target:
    from assembler.oci.reference import Reference
    from assembler.pipeline.test import Target
    from assembler.recipe.types import LoadedRecipe, Recipe, SourceSpec

    recipe = Recipe(name="trial", source=SourceSpec(), test=task.tests, run=task.run)
    return Target("trial", Reference("oci", folder, tag="trial"), LoadedRecipe(recipe, task.folder))


def _temporary_folder() -> str:
    try:
        return tempfile.mkdtemp(prefix="brasm-trial-")
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> DestinationError:
    folder = tempfile.gettempdir()
    return DestinationError(
        f"{folder}: cannot be written: {error.strerror}", hint="free some room, or set TMPDIR to another folder"
    )


def _unheard(_: object) -> None:
    """Nobody listens: the answer says it all."""


def name_of_worker() -> str:
    """Return what records call this process: its machine and its id."""
    return f"{os.uname().nodename}/{os.getpid()}"
