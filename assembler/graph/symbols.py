"""Symbols and versions: whether what a program's objects refer to is there, as `ldd -r` would say.

In: loads, and the symbol tables of their objects. Out: what is missing. Nothing is executed. Sources: glibc
`elf/dl-version.c` (`_dl_check_map_versions`), `elf/dl-lookup.c` (`check_match`, `do_lookup_x`); musl
`ldso/dynlink.c` (`find_sym`); uClibc-ng `ldso/ldso/dl-hash.c`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.elf.symbols import Defined, SymbolTable, Wanted
from assembler.graph.facts import Broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.facts import Facts
    from assembler.graph.loaders.base import Load, Object, SymbolRules

_RELR_VERSION: Final = "GLIBC_ABI_DT_RELR"
_UNVERSIONED: Final = 3
"""References without a version find symbols whose version has a lower index, whatever it is."""


class MissingSymbol(Struct, frozen=True, gc=False):
    """A symbol that nothing in scope defines.

    Attributes:
        path: of the object that refers to it.
        name: of the symbol.
        version: that it must have; None where any will do.
    """

    path: str
    name: str
    version: str | None = None


class MissingVersion(Struct, frozen=True, gc=False):
    """A version that a library does not define.

    Attributes:
        path: of the object that asks for it.
        file: the library, as DT_NEEDED names it.
        version: the version.
        provider: the path of the library that was found.
    """

    path: str
    file: str
    version: str
    provider: str


class Binder:
    """Checks loads; what it learns of a pair of objects it keeps for the next load."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._defined: dict[str, dict[str, tuple[Defined, ...]]] = {}
        self._met: dict[tuple[str, str, SymbolRules], int] = {}

    def missing_symbols(self, load: Load, rules: SymbolRules) -> tuple[MissingSymbol, ...]:
        """Return the symbols that relocations refer to and no object of the global scope defines, weak ones apart."""
        found: list[MissingSymbol] = []
        for one in load.objects:
            found += self._missing_of(one, load, rules)
        return tuple(found)

    def _missing_of(self, one: Object, load: Load, rules: SymbolRules) -> Iterator[MissingSymbol]:
        wanted = self._table(one.path).wanted
        left = sum(1 << index for index, want in enumerate(wanted) if not want.weak)
        for provider in load.objects:
            if not left:
                return
            left &= ~self._met_by(one.path, provider.path, rules)
        for index, want in enumerate(wanted):
            if left >> index & 1:
                yield MissingSymbol(one.path, want.name, want.version)

    def _met_by(self, path: str, provider: str, rules: SymbolRules) -> int:
        """Return which of an object's references a provider can meet: a bit each."""
        key = (path, provider, rules)
        if key not in self._met:
            definitions = self._definitions(provider)
            versioned = self._table(provider).versioned
            bits = 0
            for index, want in enumerate(self._table(path).wanted):
                candidates = definitions.get(want.name)
                if candidates and not (want.copied and path == provider) and _meets(want, candidates, rules, versioned):
                    bits |= 1 << index
            self._met[key] = bits
        return self._met[key]

    def _definitions(self, path: str) -> dict[str, tuple[Defined, ...]]:
        if path not in self._defined:
            found: dict[str, tuple[Defined, ...]] = {}
            for one in self._table(path).defined:
                found[one.name] = (*found.get(one.name, ()), one)
            self._defined[path] = found
        return self._defined[path]

    def _table(self, path: str) -> SymbolTable:
        table = self._facts.symbols(path)
        return SymbolTable() if table is None or isinstance(table, Broken) else table


def _meets(want: Wanted, candidates: tuple[Defined, ...], rules: SymbolRules, versioned: bool) -> bool:
    """Say whether one of a provider's symbols of a name is what a reference is bound to (`check_match`)."""
    if rules == "names" or not versioned:
        return True
    if rules == "default versions":
        return any(not one.hidden for one in candidates)
    if want.version is None:
        shown = [one for one in candidates if not one.hidden]
        return any(one.index < _UNVERSIONED for one in candidates) or len(shown) == 1
    return any(one.version == want.version or (one.version is None and not one.hidden) for one in candidates)


def missing_versions(load: Load, rules: SymbolRules) -> tuple[MissingVersion, ...]:
    """Return the versions that are asked of libraries and that those do not define; weak ones may be missing.

    Only glibc looks at them. A library without any version is taken as it is.
    """
    return tuple(_missing_versions(load)) if rules == "versioned" else ()


def _missing_versions(load: Load) -> Iterator[MissingVersion]:
    by_soname = {one.elf.soname: one for one in reversed(load.objects)}
    for one in load.objects:
        for need in one.elf.version_needs:
            provider = by_soname.get(need.file) or _provider(load, one.path, need.file)
            versions = provider.elf.versions if provider is not None else ()
            if provider is not None and versions and need.version not in versions and not need.weak:
                yield MissingVersion(one.path, need.file, need.version, provider.path)
        libc = by_soname.get("libc.so.6")
        asked = any(need.version == _RELR_VERSION for need in one.elf.version_needs)
        if one.elf.relr and not asked and libc is not None and _RELR_VERSION not in libc.elf.versions:
            yield MissingVersion(one.path, "libc.so.6", _RELR_VERSION, libc.path)


def _provider(load: Load, path: str, name: str) -> Object | None:
    """Return what a need was met by that is known by no soname."""
    target = next((edge.target for edge in load.edges if (edge.source, edge.name) == (path, name)), None)
    return next((one for one in load.objects if one.path == target), None)
