"""What a configuration asks for and kconfig did not give, without a word: each such symbol, and why.

In: the symbols that were asked for and those of the `.config` that came of them. Out: `Complaint`s. Where all is as it
was asked nothing is read; a symbol that is to be off and does not occur costs a look for its name, and only a real
difference costs reading the whole tree.
"""

from __future__ import annotations

import difflib
import os
import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.buildroot.kconfig_reasons import (
    first_symbol,
    is_on,
    operands,
    prompt_condition,
    selectors,
    tell,
    why_off,
)
from assembler.buildroot.kconfig_tree import configure, host_gcc_of, known_symbols, load_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from assembler.buildroot.kconfig_tree import Kconf, Symbol

_LEGACY: Final = "BR2_LEGACY"
_LEGACY_FILE: Final = "Config.in.legacy"
_GIVEN_BY_MAKE: Final = frozenset({"BR2_DEFCONFIG"})
_PACKAGE: Final = "BR2_PACKAGE_"
_SENTENCE: Final = re.compile(r"(.+?[.!?])(?:\s|$)")
_NEAR: Final = 0.75
_SHOWN: Final = 3


class Complaint(Struct, frozen=True):
    """A symbol that is not as it was asked for.

    Attributes:
        symbol: its name.
        asked: its value in the defconfig, in the form of `base.dotconfig`.
        got: its value in `.config`; `n` where it does not occur.
        reason: why, on one line.
    """

    symbol: str
    asked: str
    got: str
    reason: str


def complaints(
    tree: str, externals: Sequence[str], asked: Mapping[str, str], got: Mapping[str, str]
) -> tuple[Complaint, ...]:
    """Return what was asked for and is not there, in the order in which it was asked.

    Args:
        tree: Buildroot's folder.
        externals: folders of external trees.
        asked: the composed defconfig.
        got: the `.config` that kconfig made of it.

    Raises:
        RecipeError: an external tree is none, or a Config.in file has an error.
    """
    differing = {name: value for name, value in asked.items() if _differs(value, got.get(name))}
    silent = [name for name, value in asked.items() if value in {"n", ""} and name not in got]
    if got.get(_LEGACY) != "y" and not differing:
        if not silent:
            return ()
        known = known_symbols(tree, externals)
        return tuple(Complaint(name, asked[name], "n", unknown(name, known)) for name in silent if name not in known)
    kconf = load_tree(tree, externals, host_gcc_of(got))
    configure(kconf, got)
    return tuple(_complain(kconf, asked, got, differing))


def unknown(name: str, known: Iterable[str]) -> str:
    """Return what to say of a symbol that a tree does not know."""
    near = nearest(name, known)
    return f"unknown symbol; did you mean {near}?" if near else "unknown symbol"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the symbol whose name is nearest, where one is near; what all packages' names begin with counts little."""
    alike = [one for one in known if one.startswith(_PACKAGE) == name.startswith(_PACKAGE)]
    short = {one.removeprefix(_PACKAGE): one for one in alike}
    found = difflib.get_close_matches(name.removeprefix(_PACKAGE), short, n=1, cutoff=_NEAR)
    return short[found[0]] if found else None


def _differs(asked: str, got: str | None) -> bool:
    return asked not in {"n", ""} if got is None else asked != got


def _complain(
    kconf: Kconf, asked: Mapping[str, str], got: Mapping[str, str], differing: Mapping[str, str]
) -> Iterable[Complaint]:
    for name, value in asked.items():
        symbol = kconf.syms.get(name)
        if name in _GIVEN_BY_MAKE:
            continue
        if symbol is None or not symbol.nodes:
            known = (one.name for one in kconf.unique_defined_syms)
            yield Complaint(name, value, got.get(name, "n"), unknown(name, known))
        elif _is_legacy(symbol):
            if value not in {"n", ""}:
                yield Complaint(name, value, got.get(name, "n"), _removed(symbol))
        elif name in differing and not _overridden(symbol, asked, got):
            yield Complaint(name, value, got.get(name, "n"), _reason(kconf, symbol, value))


def _is_legacy(symbol: Symbol) -> bool:
    return all(os.path.basename(node.filename) == _LEGACY_FILE for node in symbol.nodes)


def _removed(symbol: Symbol) -> str:
    texts = (node.help or (node.prompt[0] if node.prompt else "") for node in symbol.nodes)
    return f"was removed from Buildroot: {first_sentence(next(filter(None, texts), 'it says no more'))}"


def first_sentence(text: str) -> str:
    """Return the first sentence of a help text, on one line."""
    line = " ".join(text.split())
    match = _SENTENCE.match(line)
    return match[1] if match else line


def _overridden(symbol: Symbol, asked: Mapping[str, str], got: Mapping[str, str]) -> bool:
    """Say whether another member of the same choice, asked for as well, took a member's place.

    The later one wins, and complains for itself where it cannot be chosen. One that was asked for twice stands where it
    stood first, so that of two which could both be chosen either may be the later.
    """
    if symbol.choice is None or asked[symbol.name] != "y":
        return False
    names = [name for name, value in asked.items() if value == "y"]
    others = [one.name for one in symbol.choice.syms if one is not symbol and asked.get(one.name) == "y"]
    if any(names.index(one) > names.index(symbol.name) for one in others):
        return True
    return is_on(prompt_condition(symbol)) and any(got.get(one) == "y" for one in others)


def _reason(kconf: Kconf, symbol: Symbol, asked: str) -> str:
    import kconfiglib

    if symbol.orig_type == kconfiglib.BOOL and asked not in {"y", "n"}:
        return "takes y or n"
    if prompt_condition(symbol) is None:
        return _computed(symbol)
    if lacking := why_off(kconf, symbol):
        return tell(lacking)
    if symbol.choice is not None and symbol.orig_type == kconfiglib.BOOL:
        return _chosen(symbol, asked)
    if symbol.orig_type == kconfiglib.BOOL:
        selecting = _selecting(symbol)
        return f"{' and '.join(selecting)} selects it" if selecting and asked == "n" else "kconfig left it as it was"
    return _of_value(symbol)


def _computed(symbol: Symbol) -> str:
    names = dict.fromkeys(map(first_symbol, selectors(symbol)))
    setting = [name for name in names if name in symbol.kconfig.syms][:_SHOWN]
    told = f": {' or '.join(setting)} would set it" if setting else ""
    return f"has no prompt, so that no defconfig can set it{told}"


def _chosen(symbol: Symbol, asked: str) -> str:
    selection = symbol.choice.selection
    if asked == "n":
        return "a choice: it is what is chosen where nothing else is"
    return f"a choice: {selection.name} was chosen instead" if selection is not None else "a choice: nothing is chosen"


def _selecting(symbol: Symbol) -> list[str]:
    """Return what selects a symbol now."""
    if symbol.rev_dep is symbol.kconfig.n:
        return []
    return [first_symbol(one) for one in operands(symbol.rev_dep, any_of=True) if is_on(one)][:_SHOWN]


def _of_value(symbol: Symbol) -> str:
    for low, high, condition in symbol.ranges:
        if is_on(condition):
            return f"out of range: {low.str_value} to {high.str_value}"
    return "kconfig has another value"
