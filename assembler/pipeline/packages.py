"""The packages of a Buildroot source: whose each path is, with versions and licences that its output folder knows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from assembler.base.paths import show
from assembler.buildroot.known import known_license, known_version, noted_packages
from assembler.oci.packages import write_records
from assembler.plan.explain import Owner
from assembler.plan.inventory import package_records

if TYPE_CHECKING:
    from assembler.plan.types import Plan
    from assembler.sources.open import Source


def output_folder(source: Source) -> str:
    """Return the output folder of a source that is one: its root is the folder's `target`."""
    return os.path.dirname(source.folder or "")


def packages_annotation(plan: Plan, source: Source) -> dict[str, str]:
    """Return the annotation that says which packages an image holds.

    Raises:
        SourceError: what the output folder notes of its packages is damaged.
    """
    own = {path: package for path, package in plan.packages.items() if _is_from_source(plan, path)}
    known = noted_packages(output_folder(source))
    return write_records(
        {
            show(name): replace(
                record, version=known_version(known.get(name)) or "", license=known_license(known.get(name)) or ""
            )
            for name, record in package_records(plan.entries, own).items()
        }
    )


def owner_of(path: str, source: Source) -> Owner | None:
    """Return the package that a path is of.

    Raises:
        SourceError: what the output folder notes of its packages is damaged.
    """
    name = source.packages().get(path)
    if name is None:
        return None
    package = noted_packages(output_folder(source)).get(name)
    return Owner(name, known_version(package), known_license(package))


def _is_from_source(plan: Plan, path: str) -> bool:
    decision = plan.decisions.get(path)
    return decision is not None and decision.reason != "files"
