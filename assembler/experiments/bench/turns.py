"""One turn of an image that is unpacked: started cold and warm, put to its tests cold and warm, and watched.

In: the image in its folder, its tests, the runtime. Out: `Turn`. What is measured: see `bench`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.errors import ProgramError, RootError
from assembler.experiments.bench.cold import drop_from_memory
from assembler.experiments.bench.starting import first_start, start
from assembler.pipeline.test import limit_notes, own_root, setting_of
from assembler.runtime.case import run_test
from assembler.runtime.container import held_signals
from assembler.runtime.docker import Docker
from assembler.runtime.memory import Watched
from assembler.runtime.oci_runtime import OciRuntime
from assembler.runtime.setting import title

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.pipeline.test import Target, Terms
    from assembler.recipe.types import TestSpec
    from assembler.runtime.job import Unpacked
    from assembler.runtime.runtimes import Runtime
    from assembler.runtime.setting import Setting
    from assembler.sources.image import OpenedImage

_STAYS: Final = 0.05
"""The share of an image's pages that may stay in memory for a start to be called cold."""


class Turn(Struct, frozen=True):
    """What came of a turn.

    Attributes:
        values: by measure; None where this machine or runtime cannot measure it.
        failures: one line each: what the image does not do as it should. The values are then not complete.
        notes: one line each: why something was not measured.
    """

    values: dict[str, float | None]
    failures: tuple[str, ...]
    notes: tuple[str, ...]


def take_turn(image: Unpacked, opened: OpenedImage, target: Target, terms: Terms, runtime: Runtime) -> Turn:
    """Measure an image once.

    Args:
        image: unpacked.
        opened: the same as it is stored.
        target: its tests, and how they run.
        terms: what the command line says of that.
        runtime: what starts it.

    Raises:
        SourceError: the image cannot be read any more.
        DestinationError: there is no room in TMPDIR.
    """
    recipe = target.recipe
    tests = () if recipe is None else recipe.recipe.test
    if terms.seconds is not None:
        tests = tuple(replace(test, timeout=None) for test in tests)
    taking = _Taking(setting_of(target, terms, image, runtime), opened, tests)
    failures: tuple[str, ...] = ()
    try:
        taking.take()
    except _Failed as failed:
        failures = failed.args
    except (ProgramError, RootError) as error:
        failures = (error.message,)
    return Turn(taking.values, failures, tuple(taking.notes))


class _Failed(Exception):
    """An image does not do what it should; the arguments are why, a line each."""


class _Taking:
    """A turn while it is taken."""

    def __init__(self, setting: Setting, opened: OpenedImage, tests: tuple[TestSpec, ...]) -> None:
        self.values: dict[str, float | None] = {}
        self.notes: dict[str, None] = {}
        self._setting = setting
        self._opened = opened
        self._tests = tests
        self._first = first_start(tests)

    def take(self) -> None:
        """Measure all, in an order in which what is cold comes first."""
        runtime, image = self._setting.runtime, self._setting.image
        self.notes |= dict.fromkeys(limit_notes(self._setting))
        try:
            runtime.prepare(image)
            self.values["start_cold"] = self._start(cold=True)
            self.values["start_warm"] = self._start(cold=False)
            if self._first is not None:
                self.values["tests_cold"] = self._pass(cold=True)
                self.values["tests_warm"] = self._pass(cold=False)
            self.values["memory"] = self._watch()
        finally:
            with held_signals():
                runtime.release(image)

    def _start(self, *, cold: bool) -> float | None:
        """Start the image; return the seconds, None where it cannot be cold, or nothing tells when it is up."""
        with own_root(self._setting, self._opened) as own:
            counts = self._cool(own) if cold else True
            done = start(self._first, own)
        name = "starts" if self._first is None else title(self._first)
        _check(f"{name}: {problem}" for problem in done.problems)
        if done.seconds is None:
            self.notes["nothing tells when it is up: it goes on running and exposes no port; --recipe can tell"] = None
        return done.seconds if counts else None

    def _pass(self, *, cold: bool) -> float | None:
        """Put the image to all its tests; return the seconds of all, None where it cannot be cold."""
        seconds, counts = 0.0, True
        for number, test in enumerate(self._tests):
            with own_root(self._setting, self._opened) as own:
                if cold and (number == 0 or own is not self._setting):
                    counts &= self._cool(own)
                result = run_test(test, own)
            _check(f"{result.name}: {problem}" for problem in result.problems)
            seconds += result.seconds
        return seconds if counts else None

    def _watch(self) -> float | None:
        """Return the most memory that a process of the image has, None where that cannot be seen."""
        runtime = self._setting.runtime
        if not isinstance(runtime, OciRuntime):
            self.notes[f"memory: its processes cannot be watched in {runtime.name}; crun and runc let that"] = None
            return None
        watched = Watched(runtime)
        usual, self._setting = self._setting, replace(self._setting, runtime=watched)
        try:
            (self._start if self._first is None else self._pass)(cold=False)
        finally:
            self._setting = usual
        if watched.peak is None:
            self.notes["memory: no process of the image was seen: it is over too soon, or emulated"] = None
        return watched.peak

    def _cool(self, setting: Setting) -> bool:
        """Drop the image's files from memory; say whether they are gone."""
        if isinstance(setting.runtime, Docker):
            self.notes["cold: docker has the files elsewhere, where they cannot be dropped from memory"] = None
            return False
        share = drop_from_memory(setting.image.root)
        if share > _STAYS:
            self.notes["cold: the files stay in memory: set TMPDIR to a folder on a disk"] = None
        return share <= _STAYS


def _check(problems: Iterable[str]) -> None:
    found = tuple(problems)
    if found:
        raise _Failed(*found)
