"""Buildroot's own menu over a recipe's configuration; what the user changes there goes back into the recipe's file.

recipe ─▶ Composition ─▶ make menuconfig ─▶ make savedefconfig ─▶ the recipe's defconfig
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base.cache_folder import cache_folder
from assembler.base.errors import ProgramError
from assembler.base.files import atomic_file, destination_errors, write_all
from assembler.base.paths import from_bytes, to_bytes
from assembler.buildroot.builds import externals
from assembler.buildroot.checkout import find_checkout
from assembler.buildroot.compose import RECIPE_FOLDER, compose_recipe, own_files
from assembler.buildroot.defconfig import edit_defconfig
from assembler.buildroot.job import Job, configure, locked, read_config
from assembler.buildroot.make import NOTES, run_make
from assembler.pipeline.build import TARGET, check_defconfig

if TYPE_CHECKING:
    from assembler.base.progress import Progress
    from assembler.recipe.types import LoadedRecipe

_SAVED = "saved"


class Edited(Struct, frozen=True):
    """What a menu changed.

    Attributes:
        path: the file that was written.
        changes: by symbol, its new value; None where its line was taken out, since it has its default again.
    """

    path: str
    changes: Mapping[str, str | None]


def edit_in_menu(loaded: LoadedRecipe, buildroot: str | None, menu: str, progress: Progress) -> Edited:
    """Open a menu of Buildroot's on a recipe's configuration, and write what was changed into the recipe's last file.

    The toolchain is shown as one that Buildroot builds itself: its features are the same, and none need be there.

    Args:
        loaded: the recipe, with its variant.
        buildroot: a tree to use in place of the release that the recipe pins.
        menu: make's target: `menuconfig`, `nconfig`, `xconfig`.
        progress: told what is done before the menu opens.

    Raises:
        RecipeError: the recipe has no defconfig, or kconfig does not take it.
        ProgramError: the menu cannot be opened.
        DestinationError: the file cannot be written.
    """
    check_defconfig(loaded)
    checkout = find_checkout(buildroot, loaded.recipe.buildroot, progress)
    output = os.path.join(cache_folder(), "menuconfig", checkout.identity[:12])
    composition = compose_recipe(loaded).expanded(loaded.folder)
    job = Job(checkout, composition, output, TARGET, externals(loaded))
    with destination_errors(output):
        os.makedirs(os.path.join(output, NOTES), exist_ok=True)
    with locked(output):
        progress.start("configure")
        configure(job, afresh=True)
        before = _saved(job)
        _open(job, menu)
        config = read_config(os.path.join(output, ".config"))
        changes = _changes(before, _saved(job), config, loaded.folder)
    path = os.path.join(loaded.folder, [*own_files(loaded)][-1])
    _edit(path, changes)
    return Edited(path, changes)


def _open(job: Job, menu: str) -> None:
    done = subprocess.run(job.make.command(menu), env=job.make.variables(), check=False)
    if done.returncode:
        raise ProgramError(
            f"make {menu} failed with exit code {done.returncode}",
            hint="it needs a terminal, and ncurses to compile the menu: on Debian, apt install libncurses-dev",
        )


def _saved(job: Job) -> dict[str, str]:
    """Return the least defconfig that makes the current configuration."""
    path = os.path.join(job.output, NOTES, _SAVED)
    run_make(job.make, ("savedefconfig", f"BR2_DEFCONFIG={path}"))
    return read_config(path)


def _changes(
    before: Mapping[str, str], after: Mapping[str, str], config: Mapping[str, str], folder: str
) -> dict[str, str | None]:
    """Return what was changed: a symbol that is not in the later one has its default, which `config` tells."""
    changes: dict[str, str | None] = {}
    for symbol in {**before, **after}:
        if before.get(symbol) != after.get(symbol):
            value = after.get(symbol, config.get(symbol))
            changes[symbol] = None if value is None else value.replace(folder, RECIPE_FOLDER)
    return changes


def _edit(path: str, changes: Mapping[str, str | None]) -> None:
    if not changes:
        return
    with open(path, "rb") as file:
        text = from_bytes(file.read())
    with atomic_file(path, os.stat(path).st_mode & 0o777) as descriptor:
        write_all(descriptor, to_bytes(edit_defconfig(text, changes)))
