"""Composing a defconfig: a toolchain's fragment and options, what every SDK or image wants, the recipe's own lines.

In: names of `toolchain/configs` and `toolchain/options`, a recipe. Out: `Composition`, in the order in which kconfig
reads it: of a symbol, and of the members of a choice, the last line counts.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.dotconfig import parse_config
from assembler.base.errors import RecipeError
from assembler.base.paths import from_bytes
from assembler.recipe.find import share_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.recipe.types import LoadedRecipe

RECIPE_FOLDER: Final = "$(BRASM_RECIPE_DIR)"
"""The recipe's folder in a defconfig: `$(BRASM_RECIPE_DIR)/users.txt`. What is built does not depend on where it is."""

_END: Final = "_defconfig"
_OPTION_END: Final = ".config"
_INTERNAL: Final = (
    "BR2_TOOLCHAIN_BUILDROOT_",
    "BR2_KERNEL_HEADERS_",
    "BR2_BINUTILS_VERSION_",
    "BR2_GCC_VERSION_",
    "BR2_GCC_ENABLE_",
    "BR2_PACKAGE_GLIBC_",
)
"""Symbols of a toolchain that Buildroot makes; with an SDK that is there already they are unknown."""


class ToolchainName(Struct, frozen=True, order=True):
    """A toolchain: a fragment of `toolchain/configs` and options of `toolchain/options`, sorted."""

    fragment: str
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "+".join((self.fragment, *self.options))


class Composition(Struct, frozen=True):
    """Symbols that are asked for.

    Attributes:
        symbols: by name, in the order in which kconfig is to read them.
        origins: by name, the file that says so.
    """

    symbols: Mapping[str, str]
    origins: Mapping[str, str]

    def with_symbols(self, symbols: Mapping[str, str], origin: str) -> Composition:
        """Return a composition with further lines at its end."""
        return _compose([(self.symbols, ""), (symbols, origin)], self.origins)

    def expanded(self, folder: str) -> Composition:
        """Return a composition in which `$(BRASM_RECIPE_DIR)` is the recipe's folder.

        Raises:
            RecipeError: a symbol names it, and its path has white space, at which Buildroot cuts such lists.
        """
        named = [symbol for symbol, value in self.symbols.items() if RECIPE_FOLDER in value]
        if named and re.search(r"\s", folder):
            raise RecipeError(
                f"{self.origins[named[0]]}: {named[0]}: Buildroot takes no path with white space: {folder!r}",
                key="source.buildroot",
                hint="move the recipe to a folder without",
            )
        given = {symbol: self.symbols[symbol].replace(RECIPE_FOLDER, folder) for symbol in named}
        return Composition({symbol: given.get(symbol, value) for symbol, value in self.symbols.items()}, self.origins)


def toolchain_folder() -> str:
    """Return the BR2_EXTERNAL tree that ships with brasm."""
    return share_folder("toolchain")


def fragments() -> list[str]:
    """Return the names of the toolchains' fragments."""
    return _names("configs", _END)


def options() -> list[str]:
    """Return the names of the options."""
    return _names("options", _OPTION_END)


def parse_toolchain(text: str, key: str | None = None) -> ToolchainName:
    """Read a name such as `x86-64-glibc+cxx`.

    Args:
        text: the name; the order of options does not matter.
        key: of the recipe, for errors.

    Raises:
        RecipeError: there is no such fragment or option.
    """
    fragment, *given = text.split("+")
    place = f"{key}: " if key else ""
    if fragment not in fragments():
        raise RecipeError(f"{place}no toolchain is called {fragment!r}", key=key, hint=_near(fragment, fragments()))
    for option in given:
        if option not in options():
            raise RecipeError(
                f"{place}no toolchain option is called {option!r}", key=key, hint=_near(option, options())
            )
    return ToolchainName(fragment, tuple(sorted(set(given))))


def compose_sdk(name: ToolchainName) -> Composition:
    """Return what an SDK is built of."""
    return _compose([*_toolchain_parts(name), _shipped("sdk.config")])


def compose_recipe(loaded: LoadedRecipe, sdk: Mapping[str, str] | None = None) -> Composition:
    """Return what a recipe's packages are built of.

    Args:
        loaded: a recipe whose `source.buildroot` is a defconfig.
        sdk: the symbols by which Buildroot knows the toolchain that is there; None for a toolchain of its own.

    Raises:
        RecipeError: a file cannot be read, or there is no such toolchain or option.
    """
    spec = loaded.recipe.buildroot
    parts: list[tuple[Mapping[str, str], str]] = []
    if spec.toolchain is not None:
        name = parse_toolchain(spec.toolchain, "buildroot.toolchain")
        parts += _toolchain_parts(name)
        if sdk is not None:
            parts = [({key: value for key, value in one.items() if not _is_internal(key)}, at) for one, at in parts]
            parts.append((sdk, f"toolchain {name}"))
    parts += [_option(one, "buildroot.options") for one in spec.options]
    parts += [_shipped("image.config"), (_settings(loaded), "[buildroot]")]
    parts += [_read(os.path.join(loaded.folder, path)) for path in own_files(loaded)]
    return _compose(parts)


def own_files(loaded: LoadedRecipe) -> Iterator[str]:
    """Yield the recipe's own files: the defconfig, then fragments, the variant's last."""
    yield loaded.recipe.source.buildroot or ""
    yield from loaded.recipe.buildroot.fragments


def own_symbols(loaded: LoadedRecipe) -> Mapping[str, str]:
    """Return what the recipe's own files ask for.

    Raises:
        RecipeError: one cannot be read.
    """
    return _compose([_read(os.path.join(loaded.folder, path)) for path in own_files(loaded)]).symbols


def _settings(loaded: LoadedRecipe) -> dict[str, str]:
    spec = loaded.recipe.buildroot
    found = {"BR2_CCACHE": spec.ccache, "BR2_PER_PACKAGE_DIRECTORIES": spec.per_package}
    return {symbol: "y" for symbol, asked in found.items() if asked}


def _toolchain_parts(name: ToolchainName) -> list[tuple[Mapping[str, str], str]]:
    own = _read(os.path.join(toolchain_folder(), "configs", name.fragment + _END))
    return [own, *(_option(one, "toolchain") for one in name.options)]


def _option(name: str, key: str) -> tuple[Mapping[str, str], str]:
    if name not in options():
        raise RecipeError(f"{key}: no option is called {name!r}", key=key, hint=_near(name, options()))
    return _shipped(os.path.join("options", name + _OPTION_END))


def _shipped(name: str) -> tuple[Mapping[str, str], str]:
    return _read(os.path.join(toolchain_folder(), name))


def _read(path: str) -> tuple[Mapping[str, str], str]:
    try:
        with open(path, "rb") as file:
            return parse_config(from_bytes(file.read()), path), path
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}", key="source.buildroot") from error


def _compose(parts: Iterable[tuple[Mapping[str, str], str]], origins: Mapping[str, str] | None = None) -> Composition:
    """Put parts one after the other; a symbol that comes again moves to where it came last."""
    symbols: dict[str, str] = {}
    where = dict(origins or {})
    for part, origin in parts:
        for symbol, value in part.items():
            symbols.pop(symbol, None)
            symbols[symbol] = value
            where[symbol] = origin or where[symbol]
    return Composition(symbols, where)


def _is_internal(symbol: str) -> bool:
    return symbol.startswith(_INTERNAL)


def _names(folder: str, end: str) -> list[str]:
    names = os.listdir(os.path.join(toolchain_folder(), folder))
    return sorted(name.removesuffix(end) for name in names if name.endswith(end))


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
