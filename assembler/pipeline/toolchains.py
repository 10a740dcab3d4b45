"""From names, or a recipe, to the toolchains that are wanted.

names ─▶ SdkRequests
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.errors import RecipeError, UsageError
from assembler.buildroot.checkout import LTS_COMMIT, LTS_VERSION, find_checkout
from assembler.buildroot.compose import parse_toolchain
from assembler.buildroot.sdk import SdkRequest
from assembler.pipeline.build import read_machine
from assembler.recipe import load_recipe
from assembler.recipe.find import find_recipe
from assembler.recipe.types import BuildrootSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.base.progress import Progress

_LTS = BuildrootSpec(version=LTS_VERSION, commit=LTS_COMMIT, releases=("*",))


def toolchain_requests(
    names: Sequence[str],
    recipe: str | None,
    variant: str | None,
    buildroot: str | None,
    machine: str | None,
    progress: Progress,
) -> list[SdkRequest]:
    """Return what is to be built.

    Args:
        names: of toolchains.
        recipe: whose toolchain is wanted besides, and whose release of Buildroot is used.
        variant: of the recipe.
        buildroot: a tree to use in place of a cloned release.
        machine: a file with symbols of this machine.
        progress: told when a release is cloned.

    Raises:
        UsageError: nothing is wanted, or a variant of no recipe.
        RecipeError: there is no such toolchain, or the recipe names none.
        ProgramError: Buildroot cannot be cloned.
    """
    spec, wanted = _LTS, list(names)
    if recipe is not None:
        spec = load_recipe(find_recipe(recipe), variant=variant).recipe.buildroot
        if spec.toolchain is None:
            raise RecipeError(f"{recipe}: names no buildroot.toolchain", key="buildroot.toolchain")
        wanted.append(spec.toolchain)
    elif variant is not None:
        raise UsageError(f"--variant {variant}: only a recipe has variants", hint="--recipe RECIPE")
    if not wanted:
        raise UsageError("no toolchain is named", hint="brasm toolchain list --all names them")
    parsed = [parse_toolchain(name) for name in dict.fromkeys(wanted)]
    checkout = find_checkout(buildroot, spec, progress)
    symbols = read_machine(machine)
    return [SdkRequest(checkout, name, symbols) for name in parsed]
