"""What images cost, several side by side: their sizes, and how long packing, unpacking and starting them takes.

In: `Subject`s. Out: a `Benched` for each. All is measured in rounds, in each of which every image has its turn, in
turn forwards and backwards, so that whatever disturbs the machine meets all of them.

    stored, unpacked, on_disk, files, layers    as `brasm pack` reports them
    libraries, relocations                      what the loader has to do at the start: `startup`
    pack, pack_cpu, pack_memory                 `brasm pack` as a process of its own: seconds, seconds of all
                                                processors, bytes of its largest process
    unpack                                      seconds from the image as stored, which is on this machine and in
                                                memory, to a folder
    start_cold, start_warm                      seconds from the runtime's start until the image is up: `starting`. Cold
                                                is the start while no file of the image is in memory, warm the next one
    tests_cold, tests_warm                      seconds of all the recipe's tests together, each with a container from
                                                its start to its removal, servers with their stop
    memory                                      bytes: the most resident memory that one of the image's own processes
                                                has in its tests: `runtime.memory`

The same runs are never timed and watched at once.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.digest import Digest
from assembler.base.errors import DestinationError, ElfError, ProgramError, RootError
from assembler.base.paths import show
from assembler.base.progress import Silent
from assembler.experiments.bench.launch import usage_of
from assembler.experiments.bench.starting import first_start
from assembler.experiments.bench.turns import take_turn
from assembler.experiments.facts.startup import Startup, startup_cost
from assembler.oci.reference import Reference
from assembler.oci.types import LAYER_FORMATS
from assembler.pipeline.run import remove, unpacked
from assembler.pipeline.test import Target, Terms
from assembler.plan.inventory import sizes_with
from assembler.runtime.choose import choose
from assembler.runtime.container import held_signals
from assembler.runtime.users import resolve
from assembler.sources.image import flatten, open_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.base.progress import Progress
    from assembler.runtime.runtimes import Runtime
    from assembler.sources.image import OpenedImage
    from assembler.tree import Tree

_REMOTE: Final = frozenset({"docker", "docker-daemon"})
_WITHOUT_STARTING: Final = frozenset({"pack", "pack_cpu", "pack_memory", "unpack"})
_OVER_BUDGET: Final = 1
"""What `brasm pack` ends with where an image is packed, and larger than its recipe wants."""


class Subject(Struct, frozen=True):
    """What is measured: an image with its tests, and of one that a recipe makes, the arguments of its `brasm pack`."""

    target: Target
    pack: tuple[str, ...] | None = None


class Extent(Struct, frozen=True):
    """How much is measured: how often, and whether images are packed anew, and started."""

    rounds: int
    packs: bool = True
    starts: bool = True


class Benched(Struct, frozen=True):
    """What an image costs.

    Attributes:
        image: its name.
        digest: of the manifest.
        stored: bytes of layers as stored, config and manifest.
        unpacked: bytes of the files, hard links once.
        on_disk: the same in blocks of 4 KiB, directories with one each.
        files: regular files, hard links once.
        layers: of the image.
        libraries: that are mapped at the start.
        relocations: that the loader works on.
        runtime: what it was started in, if it was.
        runs: by measure, as above, a number for each round; None where this machine or runtime cannot measure it.
        failures: one line each: tests that fail. Then nothing that is measured by starting counts.
        notes: one line each.
    """

    image: str
    digest: Digest
    stored: int
    unpacked: int
    on_disk: int
    files: int
    layers: int
    libraries: int
    relocations: int
    runtime: str | None = None
    runs: dict[str, tuple[float, ...] | None] = {}
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def bench(subjects: Sequence[Subject], terms: Terms, extent: Extent, progress: Progress) -> tuple[Benched, ...]:
    """Measure images.

    Args:
        subjects: which.
        terms: how they are started.
        extent: how much is measured.
        progress: told of each turn.

    Raises:
        SourceError, ImageError: an image cannot be read.
        DestinationError: there is no room in TMPDIR.
        ProgramError: no runtime works, or packing failed.
    """
    with _temporary_folder() as folder:
        benches = []
        for number, subject in enumerate(subjects):
            own = os.path.join(folder, str(number))
            os.mkdir(own)
            benches.append(_Bench(subject, terms, extent, own, progress))
        progress.start("measure", extent.rounds * len(benches), unit="runs")
        for number in range(extent.rounds):
            for one in reversed(benches) if number % 2 else benches:
                progress.status(f"round {number + 1} of {extent.rounds}: {one.name}")
                one.measure()
                progress.advance(1)
        return tuple(one.result() for one in benches)


class _Bench:
    """One image, and all that was measured of it so far."""

    def __init__(self, subject: Subject, terms: Terms, extent: Extent, folder: str, progress: Progress) -> None:
        self.name = subject.target.name
        self._target = target = _brought_here(subject.target, folder, progress)
        self._pack = subject.pack if extent.packs else None
        self._terms = terms
        self._folder = folder
        self._opened = open_image(target.image, platform=target.platform, access=target.access)
        tree = flatten(self._opened, progress)
        self._runs: dict[str, list[float | None]] = {}
        self._failures: tuple[str, ...] = ()
        self._facts = self._look(tree)
        self._notes: dict[str, None] = dict.fromkeys(_plain_layers(self._opened))
        self._runtime = self._choose(tree) if extent.starts and extent.rounds else None

    def _look(self, tree: Tree) -> Benched:
        """Return what is known of the image without running anything."""
        opened = self._opened
        blobs = (*opened.layers, *filter(None, (opened.manifest.config,)))
        sizes = sizes_with(tuple(tree), blobs, len(opened.manifest_bytes))
        startup = Startup(0, 0)
        try:
            startup = startup_cost(tree, opened.config.config)
        except ElfError as error:
            self._failures = (error.message,)
        return Benched(
            image=self.name,
            digest=opened.digest,
            stored=sizes.transferred,
            unpacked=sizes.unpacked,
            on_disk=sizes.on_disk,
            files=sizes.files,
            layers=len(opened.layers),
            libraries=startup.libraries,
            relocations=startup.relocations,
        )

    def _choose(self, tree: Tree) -> Runtime | None:
        """Return what starts the image; None where nothing is to be started, or nobody could start it."""
        config = self._opened.config.config
        recipe = self._target.recipe
        if not (config is not None and (config.entrypoint or config.cmd)) and (
            recipe is None or first_start(recipe.recipe.test) is None
        ):
            self._notes["it starts nothing"] = None
            return None
        try:
            user = resolve(tree, config.user if config is not None else None)
        except RootError as error:
            self._failures = (error.message,)
            return None
        try:
            return choose(self._terms.runtime, user)
        except ProgramError as error:
            raise ProgramError(error.message, hint=f"{error.hint}; or --no-run, to start nothing") from error

    def measure(self) -> None:
        """Measure all once."""
        if self._pack is not None:
            self._measure_packing(self._pack)
        began = time.perf_counter()
        tree = flatten(self._opened, Silent())
        with unpacked(self._opened, tree, keep=False, tell=self._terms.tell) as image:
            self._add("unpack", time.perf_counter() - began)
            if self._runtime is None or self._failures:
                return
            turn = take_turn(image, self._opened, self._target, self._terms, self._runtime)
        self._failures = turn.failures
        self._notes |= dict.fromkeys(turn.notes)
        for name, value in turn.values.items():
            self._add(name, value)

    def result(self) -> Benched:
        """Return all that was measured; of what could not be measured in some round, nothing."""
        runs: dict[str, tuple[float, ...] | None] = {}
        for name, values in self._runs.items():
            if not self._failures or name in _WITHOUT_STARTING:
                known = tuple(value for value in values if value is not None)
                runs[name] = known if len(known) == len(values) else None
        runtime = None if self._runtime is None else self._runtime.name
        return replace(self._facts, runtime=runtime, runs=runs, failures=self._failures, notes=tuple(self._notes))

    def _add(self, measure: str, value: float | None) -> None:
        self._runs.setdefault(measure, []).append(value)

    def _measure_packing(self, arguments: tuple[str, ...]) -> None:
        output = os.path.join(self._folder, "packed.tar")
        command = (sys.executable, "-m", "assembler", "pack", *arguments, "--quiet", "--output", output)
        usage = usage_of(command, self._folder, allowed=(0, _OVER_BUDGET))
        try:
            os.unlink(output)
        except FileNotFoundError as error:
            raise ProgramError(f"{shlex.join(command)}: it has written no image") from error
        self._add("pack", usage.wall)
        self._add("pack_cpu", usage.cpu)
        self._add("pack_memory", usage.memory)


def _plain_layers(opened: OpenedImage) -> Iterator[str]:
    """Say how many layers are stored as they are, which registries and `brasm pack` compress."""
    plain = sum(LAYER_FORMATS[layer.media_type] == "none" for layer in opened.layers)
    if plain:
        yield f"stored without compression: {plain} of {len(opened.layers)} layers, as archives of docker have them"


def _brought_here(target: Target, folder: str, progress: Progress) -> Target:
    """Copy what is far away, so that no time of a network is in what is measured."""
    if target.image.transport not in _REMOTE:
        return target
    from assembler.pipeline.copy import Way, copy

    here = Reference("oci", os.path.join(folder, "image"), tag="here")
    copy(target.image, here, Way(platform=target.platform), target.access, progress)
    return replace(target, image=here, platform=None)


@contextlib.contextmanager
def _temporary_folder() -> Iterator[str]:
    try:
        folder = tempfile.mkdtemp(prefix="brasm-bench-")
    except OSError as error:
        where = show(tempfile.gettempdir())
        raise DestinationError(f"{where}: cannot be written: {error.strerror}", hint="set TMPDIR") from error
    try:
        yield folder
    finally:
        with held_signals():
            remove(folder)
