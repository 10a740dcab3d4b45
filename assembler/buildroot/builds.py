"""Builds of recipes in the cache: what each is known by, whether it is whole, and what a new one would change.

Buildroot's manual knows no safe partial rebuild of a changed configuration: a package that was taken out stays in
`target/`. So a build is known by a digest of all that it is made of, a changed recipe has an output folder of its own,
and what is not whole is never packed.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from assembler.base.cache_folder import cache_folder
from assembler.base.digest import encoded, of_chunks, sha256
from assembler.base.errors import RecipeError
from assembler.base.files import atomic_file, destination_errors, write_all
from assembler.buildroot.compose import RECIPE_FOLDER, compose_recipe, compose_sdk, parse_toolchain, toolchain_folder
from assembler.buildroot.make import NOTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.recipe.types import LoadedRecipe

_FORM: Final = 1
_RECORD: Final = "build.json"
_SHORT: Final = 12
_SHOWN: Final = 8
_EXTERNAL_NAME: Final = re.compile(r"^name:\s*(?P<name>[A-Za-z0-9_]+)\s*$", re.MULTILINE)
_NOT_BUILT: Final = frozenset({".git", "configs", "options", "sdk.config", "image.config", "README.md"})
"""What stands at the top of an external tree and is no part of what is built: symbols count once they are composed."""

_BLOCK: Final = 1 << 20


class Build(Struct, frozen=True):
    """A build of a recipe.

    Attributes:
        name: the recipe's.
        variant: which of its variants.
        key: digest of what the recipe asks for; hexadecimal.
        release: Buildroot's.
        identity: Buildroot's, see `Checkout`.
        symbols: that were asked for.
        finished: seconds since the epoch; None while it is not whole.
        seconds: that the last call took.
    """

    name: str
    variant: str | None
    key: str
    release: str
    identity: str
    symbols: Mapping[str, str]
    finished: float | None = None
    seconds: float = 0.0

    @property
    def output(self) -> str:
        """Its output folder."""
        return os.path.join(_builds(), f"{self.title}-{self.key[:_SHORT]}-{self.identity[:_SHORT]}{self._changed}")

    @property
    def title(self) -> str:
        """The recipe's name and the variant's."""
        return ".".join(filter(None, (self.name.replace("/", "_"), self.variant)))

    @property
    def _changed(self) -> str:
        _, plus, digest = self.identity.partition("+")
        return plus + digest


def new_build(loaded: LoadedRecipe, release: str, identity: str) -> Build:
    """Return what a build of a recipe would be.

    Raises:
        RecipeError: the recipe has no defconfig, or one of its files cannot be read.
    """
    symbols = compose_recipe(loaded).symbols
    return Build(loaded.recipe.name, loaded.variant, recipe_key(loaded), release, identity, symbols)


def recipe_key(loaded: LoadedRecipe) -> str:
    """Digest what a recipe asks of Buildroot: symbols, the toolchain's, external trees, and files that symbols name.

    Raises:
        RecipeError: one of its files cannot be read.
    """
    spec = loaded.recipe.buildroot
    asked = list(compose_recipe(loaded).symbols.items())
    shared = spec.toolchain is not None and not spec.internal_toolchain
    sdk = list(compose_sdk(parse_toolchain(spec.toolchain or "")).symbols.items()) if shared else None
    trees = [_digest_folder(folder, _NOT_BUILT) for folder in externals(loaded)]
    return encoded(sha256(msgspec.json.encode([_FORM, asked, sdk, trees, _named_files(loaded, asked)])))


def externals(loaded: LoadedRecipe) -> tuple[str, ...]:
    """Return the external trees of a recipe: ours, then its own.

    Raises:
        RecipeError: one is no external tree.
    """
    own = [os.path.realpath(os.path.join(loaded.folder, path)) for path in loaded.recipe.buildroot.external]
    for path in own:
        if not os.path.isfile(os.path.join(path, "external.desc")):
            raise RecipeError(
                f"buildroot.external: {path}: no external tree of Buildroot: it has no external.desc",
                key="buildroot.external",
                hint="it needs external.desc, external.mk and Config.in; the manual's chapter on BR2_EXTERNAL",
            )
    return (toolchain_folder(), *own)


def find_build(loaded: LoadedRecipe, identity: str | None = None) -> Build | None:
    """Return the whole build of what a recipe asks for now.

    Args:
        loaded: the recipe.
        identity: Buildroot's; by default any: the newest build counts.
    """
    key = recipe_key(loaded)
    found = [one for one in _of_recipe(loaded) if one.key == key and one.finished is not None]
    found = [one for one in found if identity in {None, one.identity}]
    return max(found, key=lambda one: one.finished or 0.0, default=None)


def earlier_builds(build: Build) -> list[Build]:
    """Return other builds of the same recipe and variant, the newest first."""
    others = [one for one in stored_builds() if one.title == build.title and one.output != build.output]
    return sorted(others, key=lambda one: one.finished or 0.0, reverse=True)


def stored_builds() -> list[Build]:
    """Return all builds that were begun."""
    folder = _builds()
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [one for one in (_read(os.path.join(folder, name)) for name in names) if one is not None]


def changes(old: Build, new: Build) -> list[str]:
    """Word what a build has that an earlier one had not: symbols that were added, removed or changed."""
    lines = []
    for symbol in {**old.symbols, **new.symbols}:
        before, after = old.symbols.get(symbol, "n"), new.symbols.get(symbol, "n")
        if before != after:
            lines.append(f"{symbol}: {before} → {after}")
    if old.release != new.release or old.identity != new.identity:
        lines.append(f"Buildroot: {old.release} ({old.identity[:_SHORT]}) → {new.release} ({new.identity[:_SHORT]})")
    if not lines and old.key != new.key:
        lines.append("a file that the configuration names, or an external tree")
    return lines


def word_changes(lines: list[str]) -> str:
    """Put changes into one line."""
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return "; ".join(lines[:_SHOWN]) + more


def begin(build: Build) -> None:
    """Note that a build is under way: whatever its folder holds is not whole."""
    with destination_errors(build.output):
        os.makedirs(os.path.join(build.output, NOTES), exist_ok=True)
    _write(msgspec.structs.replace(build, finished=None))


def finish(build: Build, seconds: float) -> Build:
    """Note that a build is whole."""
    done = msgspec.structs.replace(build, finished=round(time.time(), 3), seconds=round(seconds, 1))
    _write(done)
    return done


def remove_build(build: Build) -> None:
    """Remove a build's output folder.

    Raises:
        DestinationError: it cannot be removed.
    """
    with destination_errors(build.output):
        shutil.rmtree(build.output)


def _builds() -> str:
    return os.path.join(cache_folder(), "builds")


def _of_recipe(loaded: LoadedRecipe) -> Iterator[Build]:
    for one in stored_builds():
        if (one.name, one.variant) == (loaded.recipe.name, loaded.variant):
            yield one


def _read(folder: str) -> Build | None:
    try:
        with open(os.path.join(folder, NOTES, _RECORD), "rb") as file:
            found = msgspec.json.decode(file.read(), type=Build)
    except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError):
        return None  # of a toolchain, or of another version of brasm
    return found if found.output == folder else None


def _write(build: Build) -> None:
    with atomic_file(os.path.join(build.output, NOTES, _RECORD)) as descriptor:
        write_all(descriptor, msgspec.json.encode(build))


def _named_files(loaded: LoadedRecipe, asked: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Digest the files and folders that symbols name: overlays, tables, scripts, configurations of packages."""
    variables = {RECIPE_FOLDER: loaded.folder}
    for folder in externals(loaded):
        variables[f"$(BR2_EXTERNAL_{external_name(folder)}_PATH)"] = folder
    found = []
    for symbol, value in asked:
        for word in value.split():
            path = word
            for variable, folder in variables.items():
                path = path.replace(variable, folder)
            if os.path.isabs(path) and os.path.exists(path):
                found.append((symbol, _digest_folder(path) if os.path.isdir(path) else _digest_file(path)))
    return found


def external_name(folder: str) -> str:
    """Return the name that an external tree's description gives it."""
    with open(os.path.join(folder, "external.desc"), encoding="utf-8", errors="replace") as file:
        match = _EXTERNAL_NAME.search(file.read())
    return match["name"] if match else ""


def _digest_file(path: str) -> str:
    with open(path, "rb") as file:
        return of_chunks(iter(lambda: file.read(_BLOCK), b""))


def _digest_folder(folder: str, left_out: frozenset[str] = frozenset()) -> str:
    """Digest a folder, but for what has one of these names at its top."""
    return of_chunks(_folder_chunks(folder, left_out))


def _folder_chunks(folder: str, left_out: frozenset[str]) -> Iterator[bytes]:
    """Yield each file's path, whether it may be executed, and its digest; of a link where it leads."""
    for above, folders, files in os.walk(folder):
        hidden = left_out if above == folder else frozenset()
        folders[:] = sorted(name for name in folders if name not in hidden)
        links = [name for name in folders if os.path.islink(os.path.join(above, name))]
        for name in sorted([*files, *links]):
            path = os.path.join(above, name)
            if name not in hidden:
                mark = "x" if os.access(path, os.X_OK) else "-"
                content = os.readlink(path) if os.path.islink(path) else _digest_file(path)
                yield os.fsencode(f"{os.path.relpath(path, folder)}\0{mark}{content}\0")
