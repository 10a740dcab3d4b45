"""Packages into a recipe's defconfig, with what they need of others.

recipe ─▶ Composition ─▶ Kconf ─▶ Enabled ─▶ the recipe's defconfig
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.dotconfig import parse_config
from assembler.base.errors import RecipeError
from assembler.base.files import atomic_file, write_all
from assembler.base.paths import from_bytes, to_bytes
from assembler.buildroot.builds import externals
from assembler.buildroot.checkout import find_checkout
from assembler.buildroot.compose import compose_recipe, own_files, own_symbols
from assembler.buildroot.defconfig import edit_defconfig
from assembler.buildroot.enable import Setting, enable
from assembler.buildroot.kconfig import first_sentence, nearest
from assembler.buildroot.kconfig_reasons import is_on, tell
from assembler.buildroot.kconfig_tree import configure, load_tree
from assembler.buildroot.packages import symbol_for
from assembler.pipeline.build import check_defconfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from assembler.base.progress import Progress
    from assembler.buildroot.enable import Lacking
    from assembler.buildroot.kconfig_tree import Kconf
    from assembler.recipe.types import LoadedRecipe

_WIDTH: Final = 100
"""Columns of a comment."""


class Addition(Struct, frozen=True):
    """What adding packages comes to.

    Attributes:
        path: of the file that is to change: the recipe's defconfig, or the fragment of its variant.
        settings: lines that it gets.
        already: packages that are on without them, by symbol, with what brings them.
        text: the file's new text; the old one, where nothing is to be added.
    """

    path: str
    settings: tuple[Setting, ...]
    already: Mapping[str, str]
    text: str


def add_packages(loaded: LoadedRecipe, names: Sequence[str], directory: str | None, progress: Progress) -> Addition:
    """Find out what a recipe's defconfig must say so that it has packages; nothing is written.

    Args:
        loaded: a recipe whose source is a defconfig.
        names: of packages, or symbols.
        directory: Buildroot's tree, where the user named one; else the release that the recipe pins.
        progress: told when the release is cloned.

    Raises:
        RecipeError: the recipe has no defconfig, the tree no such package, or a package needs what the toolchain does
            not have, or what the recipe has otherwise.
        UsageError, ProgramError: of `find_checkout`.
    """
    check_defconfig(loaded)
    path = os.path.join(loaded.folder, [*own_files(loaded)][-1 if loaded.variant else 0])
    checkout = find_checkout(directory, loaded.recipe.buildroot, progress)
    kconf = load_tree(checkout.path, externals(loaded))
    composed, own = compose_recipe(loaded).symbols, own_symbols(loaded)
    configure(kconf, composed)
    symbols = tuple(dict.fromkeys(find_symbol(kconf, name) for name in names))
    enabled = enable(kconf, symbols, own)
    if enabled.blocked:
        raise refusal(enabled.blocked, loaded)
    text = edited(_read(path), enabled.settings, kconf)
    _check_last_word(loaded, enabled.settings, path)
    _check(kconf, symbols, composed, parse_config(text, path))
    return Addition(path, enabled.settings, enabled.already, text)


def write_addition(addition: Addition) -> None:
    """Write the defconfig anew, whole or not at all.

    Raises:
        DestinationError: it cannot be written.
    """
    mode = os.stat(addition.path).st_mode & 0o777
    with atomic_file(addition.path, mode) as descriptor:
        write_all(descriptor, to_bytes(addition.text))


def find_symbol(kconf: Kconf, name: str) -> str:
    """Return the symbol of a package, or the symbol that is given itself.

    Raises:
        RecipeError: the tree has none, or has removed it.
    """
    import kconfiglib

    symbol = symbol_for(name)
    found = kconf.syms.get(symbol)
    if found is None or not found.nodes:
        near = nearest(symbol, (one.name for one in kconf.unique_defined_syms))
        hint = f"did you mean {_as_given(near, name)}?" if near else "brasm search WORD finds packages"
        raise RecipeError(f"{name}: Buildroot has no package or symbol of that name", hint=hint)
    if found.orig_type != kconfiglib.BOOL:
        raise RecipeError(f"{name}: takes a text or a number: write it into the defconfig")
    if all(node.filename.endswith("Config.in.legacy") for node in found.nodes):
        text = next((node.help for node in found.nodes if node.help), "")
        raise RecipeError(f"{name}: was removed from Buildroot: {first_sentence(text)}")
    return symbol


def describe(kconf: Kconf, symbol: str) -> str:
    """Return a symbol's prompt and the first sentence of its help: a comment for its line."""
    nodes = [node for node in kconf.syms[symbol].nodes if node.prompt]
    prompt = nodes[0].prompt[0] if nodes else symbol
    text = next((node.help for node in nodes if node.help), "")
    line = f"{prompt}: {first_sentence(text)}" if text else prompt
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1].rsplit(' ', 1)[0]} …"


def refusal(blocked: Mapping[str, Lacking], loaded: LoadedRecipe) -> RecipeError:
    """Return the error that says why packages cannot be had, and which toolchain would give them what they lack."""
    lines = [f"{symbol}: {tell(lacking, symbol)}" for symbol, lacking in blocked.items()]
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    options = missing_options(blocked)
    return RecipeError(
        f"{lines[0]}{more}",
        key="buildroot.toolchain" if options else "source.buildroot",
        hint=_toolchain_hint(loaded.recipe.buildroot.toolchain, options) if options else None,
        context=tuple(lines) if len(lines) > 1 else (),
    )


def missing_options(blocked: Mapping[str, Lacking]) -> tuple[str, ...]:
    """Return the toolchain options that would help; of several headers, the newest."""
    ends = [end for lacking in blocked.values() for one in lacking for end in one.settled_by]
    options = list(dict.fromkeys(end.advice.option for end in ends if end.advice and end.advice.option))
    headers = [one for one in options if one.startswith("headers-")]
    newest = max(headers, key=lambda one: [int(part) for part in re.findall(r"\d+", one)], default=None)
    return tuple(one for one in options if one not in headers or one == newest)


def with_options(toolchain: str, options: Iterable[str]) -> str:
    """Return a toolchain's name with further options; headers take the place of others."""
    fragment, *old = toolchain.split("+")
    new = list(options)
    if any(one.startswith("headers-") for one in new):
        old = [one for one in old if not one.startswith("headers-")]
    return "+".join([fragment, *sorted({*old, *new})])


def edited(text: str, settings: Sequence[Setting], kconf: Kconf) -> str:
    """Return a defconfig with settings in it, those of each wanted symbol under a comment."""
    for wanted in dict.fromkeys(one.for_symbol for one in settings):
        own = {one.symbol: one.value for one in settings if one.for_symbol == wanted}
        text = edit_defconfig(text, own, describe(kconf, wanted))
    return text


def _as_given(symbol: str, name: str) -> str:
    return symbol if name.startswith("BR2_") else symbol.removeprefix("BR2_PACKAGE_").lower().replace("_", "-")


def _toolchain_hint(toolchain: str | None, options: Sequence[str]) -> str:
    if toolchain is None:
        return "the defconfig chooses its toolchain itself; or take brasm's: buildroot.toolchain = 'x86-64-glibc+cxx'"
    return f'buildroot.toolchain = "{with_options(toolchain, options)}"'


def _check_last_word(loaded: LoadedRecipe, settings: Sequence[Setting], path: str) -> None:
    """Refuse what a file that comes after this one would undo."""
    paths = [os.path.join(loaded.folder, name) for name in own_files(loaded)]
    for later in paths[paths.index(path) + 1 :]:
        says = parse_config(_read(later), later)
        for one in settings:
            if says.get(one.symbol, one.value) != one.value:
                raise RecipeError(
                    f"{one.symbol}: {later}, which comes after {path}, has it otherwise", key="buildroot.fragments"
                )


def _check(kconf: Kconf, wanted: Sequence[str], composed: Mapping[str, str], edited: Mapping[str, str]) -> None:
    """Hold the new text to what it was made for, in a configuration that begins anew."""
    kconf.unset_values()
    configure(kconf, {**{name: value for name, value in composed.items() if name not in edited}, **edited})
    for name in wanted:
        if not is_on(kconf.syms[name]):
            raise RecipeError(f"{name}: the lines that it needs could not be found", hint="brasm menuconfig RECIPE")


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return from_bytes(file.read())
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}", key="source.buildroot") from error
