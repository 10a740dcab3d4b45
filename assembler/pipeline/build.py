"""From a recipe's defconfig to an output folder that can be packed: toolchain once, packages, and no more of Buildroot.

recipe ─▶ Checkout ─▶ Toolchain ─▶ Composition ─▶ make ─▶ output folder
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.dotconfig import parse_config
from assembler.base.errors import RecipeError, SourceError, UsageError
from assembler.base.paths import from_bytes
from assembler.buildroot.builds import (
    Build,
    begin,
    changes,
    earlier_builds,
    externals,
    find_build,
    finish,
    new_build,
    remove_build,
    stored_builds,
    word_changes,
)
from assembler.buildroot.checkout import Checkout, find_checkout
from assembler.buildroot.compose import compose_recipe, own_symbols, parse_toolchain
from assembler.buildroot.job import MACHINE_SYMBOLS, Job, read_config, run_job
from assembler.buildroot.sdk import SdkRequest, external_toolchain, get_toolchain
from assembler.buildroot.watch import time_spent

if TYPE_CHECKING:
    from assembler.base.progress import Progress
    from assembler.recipe.types import LoadedRecipe

TARGET = "rootfs-common"
"""What make is asked for: packages, the finished target and the two tables, and no filesystem image (fs/common.mk)."""


class Built(Struct, frozen=True):
    """An output folder that can be packed.

    Attributes:
        build: what it is known by.
        fresh: whether make was run for it now.
        notes: one line each.
    """

    build: Build
    fresh: bool
    notes: tuple[str, ...] = ()


class BuildOptions(Struct, frozen=True):
    """How a user wants it built.

    Attributes:
        buildroot: a tree to use in place of the release that the recipe pins.
        machine: symbols that say how this machine builds.
        rebuild: whether a build that is whole is made again.
    """

    buildroot: str | None = None
    machine: Mapping[str, str] = {}
    rebuild: bool = False


def build(loaded: LoadedRecipe, options: BuildOptions, progress: Progress) -> Built:
    """Build what a recipe asks for, unless there is a whole build of it.

    Raises:
        RecipeError: the recipe has no defconfig, or kconfig does not take it.
        BrasmError: as `run_job` does.
    """
    check_defconfig(loaded)
    checkout = find_checkout(options.buildroot, loaded.recipe.buildroot, progress)
    wanted = new_build(loaded, checkout.version, checkout.identity)
    there = None if options.rebuild else find_build(loaded, checkout.identity)
    if there is not None:
        return Built(there, fresh=False)
    if options.rebuild and os.path.isdir(wanted.output):
        remove_build(wanted)
    job = _job(loaded, checkout, wanted, options, progress)
    began = time.monotonic()
    changed = _change_notes(wanted)
    for line in changed:
        progress.status(line)
    begin(wanted)
    run_job(job, loaded.recipe.name, progress)
    elapsed = time.monotonic() - began
    done = finish(wanted, elapsed if job.jobs > 1 else time_spent(wanted.output, elapsed))
    return Built(done, fresh=True, notes=(*_pin_notes(loaded, checkout), *changed))


def prune(build: Build) -> list[str]:
    """Remove earlier builds of a recipe and variant; return their folders."""
    gone = earlier_builds(build)
    for one in gone:
        remove_build(one)
    return [one.output for one in gone]


def built(loaded: LoadedRecipe) -> LoadedRecipe:
    """Return a recipe whose source is the output folder that was built of its defconfig.

    A recipe with another source, or whose source is an output folder already, is returned as it is.

    Raises:
        RecipeError: what it asks for now was not built.
    """
    if not has_defconfig(loaded):
        return loaded
    there = find_build(loaded)
    if there is None:
        raise _not_built(loaded)
    return with_output(loaded, there.output)


def with_output(loaded: LoadedRecipe, output: str) -> LoadedRecipe:
    """Return a recipe whose source is an output folder."""
    return replace(loaded, recipe=replace(loaded.recipe, source=replace(loaded.recipe.source, buildroot=output)))


def has_defconfig(loaded: LoadedRecipe) -> bool:
    """Say whether a recipe's source is a defconfig."""
    path = loaded.recipe.source.buildroot
    return path is not None and not os.path.isdir(os.path.join(loaded.folder, path))


def check_output_of(loaded: LoadedRecipe, output: str) -> None:
    """Refuse an output folder that lacks packages which a recipe's own files ask for.

    Whatever else it is configured for, such as the toolchain, is whoever's who built it.

    Raises:
        SourceError: it is of another configuration.
    """
    if not has_defconfig(loaded):
        return
    config = read_config(os.path.join(output, ".config"))
    asked = [name for name, value in own_symbols(loaded).items() if name.startswith("BR2_PACKAGE_") and value == "y"]
    if missing := [name for name in asked if config.get(name) != "y"]:
        raise SourceError(
            f"{output}: of another configuration: the recipe asks for {', '.join(missing)}",
            hint="brasm build builds what the recipe asks for",
        )


def check_defconfig(loaded: LoadedRecipe) -> None:
    """Refuse a recipe that Buildroot builds nothing for.

    Raises:
        RecipeError: it has no defconfig.
    """
    if not has_defconfig(loaded):
        raise RecipeError(
            f"{loaded.recipe.name}: there is nothing for Buildroot to build: source.buildroot is no defconfig",
            key="source.buildroot",
            hint="brasm pack packs it as it is; brasm new writes a recipe with a defconfig",
        )


def read_machine(path: str | None) -> dict[str, str]:
    """Read the symbols that say how this machine builds.

    Raises:
        UsageError: the file cannot be read, or has a symbol that belongs into the recipe.
        RecipeError: a line of it is none of a defconfig.
    """
    if path is None:
        return {}
    try:
        with open(path, "rb") as file:
            symbols = parse_config(from_bytes(file.read()), path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if foreign := sorted(symbols.keys() - MACHINE_SYMBOLS):
        raise UsageError(
            f"{path}: {foreign[0]} says what is built, not how this machine builds: it belongs into the recipe",
            hint=f"known here: {', '.join(sorted(MACHINE_SYMBOLS))}",
        )
    return symbols


def _job(loaded: LoadedRecipe, checkout: Checkout, wanted: Build, options: BuildOptions, progress: Progress) -> Job:
    spec = loaded.recipe.buildroot
    machine = {**options.machine, **({"BR2_JLEVEL": str(spec.jobs)} if spec.jobs is not None else {})}
    sdk = None
    if spec.toolchain is not None and not spec.internal_toolchain:
        request = SdkRequest(checkout, parse_toolchain(spec.toolchain, "buildroot.toolchain"), machine)
        sdk = external_toolchain(get_toolchain(request, progress))
    return Job(
        checkout=checkout,
        composition=compose_recipe(loaded, sdk).expanded(loaded.folder),
        output=wanted.output,
        target=TARGET,
        externals=externals(loaded),
        machine=machine,
        jobs=(spec.jobs or os.cpu_count() or 1) if spec.per_package else 1,
    )


def _not_built(loaded: LoadedRecipe) -> RecipeError:
    name, recipe = loaded.recipe.name, f"{loaded.recipe.name}{f' (variant {loaded.variant})' if loaded.variant else ''}"
    others = [one for one in stored_builds() if (one.name, one.variant) == (name, loaded.variant)]
    newest = max((one for one in others if one.finished is not None), key=lambda one: one.finished or 0, default=None)
    if newest is not None:
        wanted = new_build(loaded, newest.release, newest.identity)
        what = f"the build that there is, is of another configuration: {word_changes(changes(newest, wanted))}"
    else:
        what = "its build is not finished" if others else "Buildroot has built nothing of it yet"
    return RecipeError(
        f"source.buildroot: {recipe}: {what}",
        key="source.buildroot",
        hint="brasm build builds and packs it; --source OUTPUT packs an output folder that there is",
    )


def _pin_notes(loaded: LoadedRecipe, checkout: Checkout) -> list[str]:
    spec = loaded.recipe.buildroot
    if spec.commit is None or checkout.identity == spec.commit:
        return []
    return [f"{checkout.path} is {checkout.version} at {checkout.identity}, not the commit that the recipe pins"]


def _change_notes(done: Build) -> list[str]:
    others = earlier_builds(done)
    if not others:
        return []
    changed = word_changes(changes(others[0], done))
    folders = "an earlier build is" if len(others) == 1 else f"{len(others)} earlier builds are"
    return [f"changed since the last build: {changed}", f"{folders} still in the cache: --prune removes what is old"]
