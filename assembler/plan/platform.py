"""Which platform an image is for: the ELF files say it, and the recipe may insist.

In: a plan and its recipe. Out: the OCI platform. What the roots reach decides; where they reach no ELF file (mode
`all` without an entrypoint), the programs among the kept files do. Source: image-spec v1.1, image-index.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.errors import RecipeError, RootError
from assembler.base.paths import show
from assembler.elf.identify import identify
from assembler.oci.types import Platform
from assembler.tree import Regular

if TYPE_CHECKING:
    from assembler.elf.machine import Machine
    from assembler.plan.types import Plan
    from assembler.recipe import Recipe

_HINT = "set image.platform, for example 'linux/amd64'"


def platform_of(plan: Plan, recipe: Recipe) -> Platform:
    """Return the platform.

    Raises:
        RootError: the ELF files disagree with each other or with `image.platform`, or are for a machine that OCI has
            no name for.
        RecipeError: there is no ELF file and the recipe does not say it either.
    """
    wanted = _parse(recipe.image.platform)
    machine = plan.graph.machine or _machine_of_programs(plan, wanted)
    if machine is None:
        if wanted is None:
            raise RecipeError(f"{recipe.name}: no ELF file tells the architecture", key="image.platform", hint=_HINT)
        return wanted
    found = _platform(machine)
    if wanted is None:
        return found
    if (wanted.os, wanted.architecture) != (found.os, found.architecture) or wanted.variant not in {
        None,
        found.variant,
    }:
        raise RootError(f"image.platform is {wanted}, but the ELF files are for {found}", hint="correct one of them")
    return found


def _parse(text: str | None) -> Platform | None:
    if text is None:
        return None
    system, architecture, *variant = text.split("/")
    return Platform(architecture, system, variant=variant[0] if variant else None)


def _platform(machine: Machine) -> Platform:
    if machine.architecture is None:
        raise RootError(f"the ELF files are for {machine}, for which the image-spec has no architecture")
    return Platform(machine.architecture, "linux", variant=machine.variant)


def _machine_of_programs(plan: Plan, wanted: Platform | None) -> Machine | None:
    """Ask the executable files themselves; where they are for several machines, the recipe must choose."""
    found: dict[str, tuple[Machine, str]] = {}
    for entry in plan.entries:
        if isinstance(entry, Regular) and entry.mode & 0o111 and entry.content.size:
            machine = _identify(entry)
            if machine is not None:
                found.setdefault(str(_platform(machine)), (machine, entry.path))
    if wanted is not None:
        fitting = [machine for text, (machine, _) in found.items() if (text + "/").startswith(f"{wanted}/")]
        return max(fitting, key=lambda machine: machine.variant or "") if fitting else _only(found)
    return _only(found)


def _only(found: dict[str, tuple[Machine, str]]) -> Machine | None:
    if len(found) > 1:
        examples = ", ".join(f"{show(path)} is for {text}" for text, (_, path) in sorted(found.items()))
        raise RootError(f"the programs are for several machines: {examples}", hint=_HINT)
    return next((machine for machine, _ in found.values()), None)


def _identify(entry: Regular) -> Machine | None:
    with entry.content.open() as stream:
        return identify(stream.read(64))
