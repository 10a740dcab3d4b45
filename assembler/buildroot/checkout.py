"""Buildroot's own tree: the folder that the user names, or the release that a recipe pins, cloned into the cache.

In: a folder, or `[buildroot]`. Out: `Checkout`, whose identity is part of what builds and toolchains are known by.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import tempfile
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.cache_folder import cache_folder
from assembler.base.digest import encoded, of_chunks
from assembler.base.errors import BrasmError, ProgramError, RecipeError, UsageError
from assembler.base.files import destination_errors
from assembler.base.program import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.base.progress import Progress
    from assembler.recipe.types import BuildrootSpec

LTS_VERSION: Final = "2025.02.16"
"""What a new recipe pins: the newest release of the long-term series that these recipes were tried with."""

LTS_COMMIT: Final = "135af563b945b8c3d18f8fd370370075b9edb140"
REPOSITORY: Final = "https://gitlab.com/buildroot.org/buildroot.git"

_VERSION: Final = re.compile(r"^export BR2_VERSION := (?P<version>\S+)$", re.MULTILINE)
_NOT_SOURCE: Final = frozenset({".git", "output", "dl", "__pycache__"})
_BLOCK: Final = 1 << 20


class Checkout(Struct, frozen=True):
    """A Buildroot tree.

    Attributes:
        path: its folder, absolute and without symlinks.
        version: as its Makefile says it: `2025.02.16`.
        commit: that is checked out; None where the tree is no git checkout.
        identity: what it builds depends on: the commit, followed by a digest of what was changed since; for a tree
            without git a digest of its files.
    """

    path: str
    version: str
    commit: str | None
    identity: str


def open_checkout(path: str) -> Checkout:
    """Look at a folder that should be Buildroot's tree.

    Raises:
        UsageError: it is not.
        ProgramError: git fails there.
    """
    folder = os.path.realpath(path)
    try:
        with open(os.path.join(folder, "Makefile"), encoding="utf-8", errors="replace") as file:
            match = _VERSION.search(file.read())
    except OSError:
        match = None
    if match is None or not os.path.isfile(os.path.join(folder, "Config.in")):
        raise UsageError(
            f"{path}: not a Buildroot tree: it has no Config.in, or no Makefile with BR2_VERSION",
            hint="--buildroot takes the folder of a checkout or of an unpacked release",
        )
    if os.path.lexists(os.path.join(folder, ".git")):
        commit = _git(folder, "rev-parse", "HEAD").strip()
        return Checkout(folder, match["version"], commit, commit + _changes(folder))
    return Checkout(folder, match["version"], None, encoded(of_chunks(_contents(folder, _files(folder)))))


def find_checkout(directory: str | None, spec: BuildrootSpec, progress: Progress) -> Checkout:
    """Return the tree that a recipe is built with.

    Args:
        directory: what the user named.
        spec: what the recipe pins and allows.
        progress: told when the release is cloned.

    Raises:
        UsageError: the folder is no tree, or there is neither a folder nor a pin.
        RecipeError: the recipe does not allow that release, or the tag is not the commit that it pins.
        ProgramError: the release cannot be cloned.
    """
    if directory is not None:
        checkout = open_checkout(directory)
        check_release(checkout, spec)
        return checkout
    if spec.version is None:
        raise UsageError("the recipe pins no release of Buildroot", hint="--buildroot DIR, or set buildroot.version")
    folder = os.path.join(_releases_folder(), spec.version)
    if not os.path.isdir(folder):
        _clone(spec.repository or REPOSITORY, spec.version, spec.commit, folder, progress)
    checkout = open_checkout(folder)
    if spec.commit is not None and checkout.commit != spec.commit:
        raise _other_commit(spec.version, checkout.commit, spec.commit)
    return checkout


def cached_checkouts() -> list[Checkout]:
    """Return the releases that were cloned into the cache, the newest first."""
    folder = _releases_folder()
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = [open_checkout(os.path.join(folder, name)) for name in names if not name.startswith(".")]
    return sorted(found, key=lambda one: [int(part) for part in re.findall(r"\d+", one.version)], reverse=True)


def download_folder(checkout: Checkout) -> dict[str, str]:
    """Return the variable for downloads: releases in the cache share a folder, a tree of the user's has its own."""
    shared = os.path.realpath(_releases_folder())
    return {"BR2_DL_DIR": os.path.join(cache_folder(), "dl")} if os.path.dirname(checkout.path) == shared else {}


def check_release(checkout: Checkout, spec: BuildrootSpec) -> None:
    """Refuse a release that a recipe does not allow.

    Raises:
        RecipeError: it does not.
    """
    series = ".".join((spec.version or "").split("-")[0].split(".")[:2])
    allowed = spec.releases or ((series, f"{series}[.-]*") if series else ("*",))
    if not any(fnmatch.fnmatchcase(checkout.version, pattern) for pattern in allowed):
        wanted = " or ".join(spec.releases or (f"{series}.x",))
        raise RecipeError(
            f"{checkout.path}: Buildroot {checkout.version}, and the recipe allows {wanted}",
            key="buildroot.releases",
            hint=f"""another checkout, or --set 'buildroot.releases=["{checkout.version}"]' to try it""",
        )


def _releases_folder() -> str:
    return os.path.join(cache_folder(), "buildroot")


def _clone(repository: str, version: str, commit: str | None, folder: str, progress: Progress) -> None:
    """Clone a tag so that the folder is there whole, and of the right commit, or not at all."""
    progress.start(f"clone Buildroot {version}")
    above = os.path.dirname(folder)
    with destination_errors(above):
        os.makedirs(above, exist_ok=True)
    temporary = tempfile.mkdtemp(prefix=".clone-", dir=above)
    try:
        _clone_tag(repository, version, temporary)
        found = _git(temporary, "rev-parse", "HEAD").strip()
        if commit is not None and found != commit:
            raise _other_commit(version, found, commit)
        with destination_errors(folder):
            os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _clone_tag(repository: str, version: str, folder: str) -> None:
    quiet = ("-c", "advice.detachedHead=false", "clone", "--quiet", "--depth=1", f"--branch={version}")
    try:
        run(["git", *quiet, "--", repository, folder])
    except ProgramError as error:
        raise ProgramError(
            f"Buildroot {version} cannot be cloned: {error.message}",
            hint="--buildroot DIR takes a tree that is there already; buildroot.repository names a mirror",
        ) from error


def _other_commit(version: str, found: str | None, wanted: str) -> BrasmError:
    return RecipeError(
        f"buildroot.commit: tag {version} is commit {found}, not {wanted}",
        key="buildroot.commit",
        hint="the tag was moved, or the recipe has the commit of another release",
    )


def _git(folder: str, *words: str) -> str:
    """Run git in a folder that may belong to another user."""
    return run(["git", "-c", f"safe.directory={folder}", "-C", folder, *words])


def _changes(folder: str) -> str:
    """Return `+` and a digest where files were changed since the commit, or added; else nothing."""
    listed = _git(folder, "ls-files", "-z", "--modified", "--deleted", "--others", "--exclude-standard")
    paths = sorted(set(filter(None, listed.split("\0"))))
    return f"+{encoded(of_chunks(_contents(folder, paths)))[:12]}" if paths else ""


def _files(folder: str) -> Iterator[str]:
    for above, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _NOT_SOURCE)
        yield from (os.path.relpath(os.path.join(above, name), folder) for name in sorted(files))


def _contents(folder: str, paths: Iterator[str] | list[str]) -> Iterator[bytes]:
    """Yield what a digest of files is made of: each path, and its content or that it is gone."""
    for path in paths:
        full = os.path.join(folder, path)
        yield os.fsencode(path) + b"\0"
        if os.path.islink(full):
            yield os.fsencode(os.readlink(full))
        elif os.path.isfile(full):
            with open(full, "rb") as file:
                while block := file.read(_BLOCK):
                    yield block
        yield b"\0"
