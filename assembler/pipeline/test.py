"""Testing images: their recipe's tests, or what every image must do.

recipe ─▶ Image ─▶ layout ─▶ Tree ─▶ folder ─▶ container ─▶ Results
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.digest import Digest
from assembler.base.files import atomic_file, write_all
from assembler.base.paths import show
from assembler.oci.reference import Reference
from assembler.pipeline.run import remove, unpacked
from assembler.recipe.types import LoadedRecipe
from assembler.remote.access import Access
from assembler.runtime.box import Box, box_of, parse_duration
from assembler.runtime.case import run_test
from assembler.runtime.choose import choose
from assembler.runtime.container import held_signals
from assembler.runtime.job import Job, Unpacked
from assembler.runtime.process import Process
from assembler.runtime.setting import Result, Setting, title
from assembler.runtime.users import resolve
from assembler.sources.image import OpenedImage, flatten, open_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.base.progress import Progress
    from assembler.pipeline.make import Sources
    from assembler.recipe.types import TestSpec
    from assembler.runtime.runtimes import Runtime
    from assembler.tree import Tree

SMOKE_SECONDS = 5.0
"""How long an image without tests of its own is watched."""


class Target(Struct, frozen=True):
    """What is tested.

    Attributes:
        name: what reports call it.
        image: where it is.
        recipe: the tests, and how they run; None for what every image must do.
        platform: of an image for several.
        access: the way to registries and daemons.
    """

    name: str
    image: Reference
    recipe: LoadedRecipe | None = None
    platform: str | None = None
    access: Access = Access()


class Terms(Struct, frozen=True):
    """How all are tested.

    Attributes:
        runtime: a name or path; None for whichever works.
        seconds: that each program may take; None for what the recipe says.
        select: which tests, by a regular expression of their names or by their number; None for all.
        keep: whether folders are left behind.
        tell: said one line of what the user should know.
        change: what the command line changes of a recipe's `[run]`.
    """

    runtime: str | None
    seconds: float | None
    select: str | None
    keep: bool
    tell: Callable[[str], None]
    change: Callable[[Box], Box]


class Tested(Struct, frozen=True):
    """What came of it: results in the recipe's order, and at the end why the root is not closed, if it is not."""

    name: str
    digest: Digest
    runtime: str
    results: tuple[Result, ...]

    @property
    def failed(self) -> int:
        """How many tests failed."""
        return sum(bool(result.problems) for result in self.results)


@contextlib.contextmanager
def packed(
    loaded: LoadedRecipe, sources: Sources, environment: Mapping[str, str], progress: Progress
) -> Iterator[Reference]:
    """Pack a recipe into a layout that is there only meanwhile.

    Raises:
        BrasmError: see `pipeline.make.pack`.
    """
    from assembler.pipeline.make import pack  # images that are there already need none of it

    folder: str | None = None
    try:
        with held_signals():  # no signal falls between a folder and its name
            folder = tempfile.mkdtemp(prefix="brasm-test-")
        reference = Reference("oci", os.path.join(folder, "layout"), tag=loaded.recipe.version)
        pack(loaded, [reference], sources, environment, progress)
        yield reference
    finally:
        with held_signals():
            if folder is not None:
                remove(folder)


def run_tests(target: Target, terms: Terms, progress: Progress, done: Callable[[Result], None]) -> Tested:
    """Test an image.

    Args:
        target: which, and by what.
        terms: how.
        progress: told of the unpacking.
        done: told of each result.

    Raises:
        SourceError, ImageError: the image cannot be read.
        ProgramError: no runtime works, or it failed.
    """
    opened = open_image(target.image, platform=target.platform, access=target.access)
    tree = flatten(opened, progress)
    config = opened.config.config
    runtime = choose(terms.runtime, resolve(tree, config.user if config is not None else None))
    with unpacked(opened, tree, keep=terms.keep, tell=terms.tell) as image:
        runtime.prepare(image)
        try:
            setting = setting_of(target, terms, image, runtime)
            for note in limit_notes(setting):
                terms.tell(f"note: {note}")
            results = tuple(_told(_results(target, terms, setting, opened), done))
        finally:
            with held_signals():
                runtime.release(image)
    return Tested(target.name, opened.digest, runtime.name, results)


def write_report(path: str, tested: Sequence[Tested]) -> None:
    """Write all results as JUnit's XML.

    Raises:
        DestinationError: the file cannot be written.
    """
    from assembler.runtime.junit import junit_xml  # only where it is asked for

    data = junit_xml({one.name: one.results for one in tested})
    with atomic_file(path) as descriptor:
        write_all(descriptor, data)


def setting_of(target: Target, terms: Terms, image: Unpacked, runtime: Runtime) -> Setting:
    """Return what a recipe's `[run]` and the command line say together."""
    if target.recipe is None:
        return Setting(image, runtime, terms.change(Box()), terms.seconds or SMOKE_SECONDS, os.getcwd())
    recipe = target.recipe.recipe
    own = parse_duration(recipe.run.timeout) if recipe.test else SMOKE_SECONDS
    return Setting(image, runtime, terms.change(box_of(recipe.run)), terms.seconds or own, target.recipe.folder)


def limit_notes(setting: Setting) -> Sequence[str]:
    """Say which limits the runtime cannot put into force, a line each."""
    image = setting.image
    user = resolve(image.tree, image.config.user if image.config is not None else None)
    return setting.runtime.notes(Job(image, image.name, image.folder, Process((), (), "/", user), setting.box))


@contextlib.contextmanager
def own_root(setting: Setting, opened: OpenedImage) -> Iterator[Setting]:
    """Give each test that may write to its root one of its own."""
    if setting.box.read_only:
        yield setting
        return
    with unpacked(opened, setting.image.tree, keep=False, tell=lambda _: None) as fresh:
        image = replace(setting.image, folder=fresh.folder, root=fresh.root)
        yield replace(setting, image=image)


def _told(results: Iterator[Result], done: Callable[[Result], None]) -> Iterator[Result]:
    for result in results:
        done(result)
        yield result


def _results(target: Target, terms: Terms, setting: Setting, opened: OpenedImage) -> Iterator[Result]:
    """Yield the results of an image; where one is bad, last of all what its root lacks."""
    if target.recipe is None or not target.recipe.recipe.test:
        from assembler.runtime.smoke import smoke_test

        yield _closed(setting.image.tree, opened)
        yield from smoke_test(setting)
        return
    bad = False
    for test in _selected(target.recipe.recipe.test, terms.select):
        with own_root(setting, opened) as own:
            result = run_test(test if terms.seconds is None else replace(test, timeout=None), own)
        bad |= bool(result.problems)
        yield result
    if bad and (closed := _closed(setting.image.tree, opened)).problems:
        yield closed


def _selected(tests: Sequence[TestSpec], select: str | None) -> Iterator[TestSpec]:
    for number, test in enumerate(tests, start=1):
        if select is None or select == str(number) or re.search(select, title(test)):
            yield test


def _closed(tree: Tree, opened: OpenedImage) -> Result:
    """Look for what programs of the image need and it does not have."""
    from assembler.graph.closed import check_root  # no test that passes asks for it

    began = time.monotonic()
    violations = check_root(tree, opened.config).violations
    found = tuple(f"{one.rule}: {show(one.path)}: {one.message}" for one in violations)
    return Result("the root is closed", found, time.monotonic() - began)
