"""What costs what: the plan, whose each path is, and what Buildroot's configuration says, brought together.

recipe ─▶ Plan
output folder ─▶ packages, .config, build times  ─▶ Cost
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base.errors import RecipeError
from assembler.buildroot.compose import own_symbols
from assembler.buildroot.cost import Cost, cost_of
from assembler.buildroot.job import read_config
from assembler.buildroot.known import packages_of_output
from assembler.buildroot.needs import Configured
from assembler.buildroot.watch import logged_times
from assembler.pipeline.build import has_defconfig
from assembler.pipeline.make import Sources, decide
from assembler.pipeline.packages import output_folder

if TYPE_CHECKING:
    from assembler.base.progress import Progress
    from assembler.recipe.types import LoadedRecipe


class Costs(Struct, frozen=True):
    """What a recipe's packages and symbols cost.

    Attributes:
        output: the output folder that was looked at.
        cost: what it says.
        notes: one line each: of the plan and of the source.
    """

    output: str
    cost: Cost
    notes: tuple[str, ...]


def cost(loaded: LoadedRecipe, sources: Sources, progress: Progress) -> Costs:
    """Work out what costs what in the image that a recipe makes.

    Raises:
        RecipeError: its source is no output folder of Buildroot, or what it asks for now was not built.
        SourceError: the output folder cannot be read, or its make does not tell of its packages.
        BrasmError: as `decide` does.
    """
    if loaded.recipe.source.buildroot is None:
        raise RecipeError(
            f"{loaded.recipe.name}: cost needs packages of Buildroot, and the source is no output folder of it",
            key="source",
            hint="brasm plan --json has the package of each path, where the root has a package database",
        )
    asked = _asked(loaded) if has_defconfig(loaded) else None
    source = sources.open(loaded)
    plan = decide(loaded, source, progress, with_packages=True)
    progress.start("packages")
    output = output_folder(source)
    symbols = read_config(os.path.join(output, ".config"))
    configured = Configured(packages_of_output(output), symbols, asked, logged_times(output))
    found = cost_of(plan, configured, closure_only=loaded.recipe.select.mode == "closure")
    return Costs(output, found, (*plan.warnings, *source.notes))


def _asked(loaded: LoadedRecipe) -> tuple[str, ...]:
    return tuple(symbol for symbol, value in own_symbols(loaded).items() if value == "y")
