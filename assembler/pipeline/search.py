"""Looking for packages in the tree that a recipe is built with, or in one that is there.

words ─▶ Checkout ─▶ KnownPackages ─▶ the best matches
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.errors import UsageError
from assembler.buildroot.builds import externals
from assembler.buildroot.checkout import cached_checkouts, find_checkout, open_checkout
from assembler.buildroot.compose import toolchain_folder
from assembler.buildroot.packages import packages_of, search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.base.progress import Progress
    from assembler.buildroot.checkout import Checkout
    from assembler.buildroot.packages import KnownPackage
    from assembler.recipe.types import LoadedRecipe


def search_packages(
    wanted: Sequence[str], loaded: LoadedRecipe | None, directory: str | None, progress: Progress, *, host: bool = False
) -> list[KnownPackage]:
    """Return the packages that have all words, the best matches first.

    Args:
        wanted: words; the case does not matter.
        loaded: a recipe whose pin and external trees count.
        directory: Buildroot's tree, where the user named one.
        progress: told when a release is cloned.
        host: whether to look for programs of the machine that builds, in place of the image's.

    Raises:
        UsageError: no tree is named, and none is in the cache.
        RecipeError, ProgramError: of `find_checkout` and `packages_of`.
    """
    if loaded is not None:
        checkout, trees = find_checkout(directory, loaded.recipe.buildroot, progress), externals(loaded)
    else:
        checkout, trees = _some_checkout(directory), (toolchain_folder(),)
    progress.start("read packages")
    return search(packages_of(checkout, trees), wanted, host=host)


def _some_checkout(directory: str | None) -> Checkout:
    if directory is not None:
        return open_checkout(directory)
    if cached := cached_checkouts():
        return cached[0]
    raise UsageError(
        "no tree of Buildroot is named, and none is in the cache",
        hint="--buildroot DIR, or --recipe RECIPE for the release that it pins",
    )
