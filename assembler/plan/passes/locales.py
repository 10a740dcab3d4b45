"""Locales: message catalogues, compiled locales, their sources; all but those that `select.locales` lists.

Sources: glibc `locale/findlocale.c` (language[_territory][.codeset][@modifier]), gettext's folders.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.plan.passes.common import below
from assembler.plan.types import Proposal
from assembler.tree import Directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.graph.types import Graph
    from assembler.recipe import Recipe
    from assembler.tree import Tree

REASON: Final = "locales"

_FOLDERS: Final = {
    "/usr/share/locale": "message catalogues",
    "/usr/local/share/locale": "message catalogues",
    "/usr/lib/locale": "compiled locales",
    "/usr/lib64/locale": "compiled locales",
    "/usr/share/X11/locale": "X11 locales",
}
_SOURCES: Final = "/usr/share/i18n"
_ARCHIVE: Final = "locale-archive"
_NAME: Final = re.compile(r"([A-Za-z]{1,8})(?:_([A-Za-z0-9]+))?(?:\.([^@]+))?(?:@(.+))?")
_PORTABLE: Final = ("C", "POSIX")


class Locale(Struct, frozen=True):
    """A locale's name in its parts."""

    language: str
    territory: str | None
    modifier: str | None

    def covers(self, folder: Locale) -> bool:
        """Say whether a program in this locale looks into the folder: `de_DE` looks into `de_DE` and `de`."""
        if self.language in _PORTABLE:
            return folder.language in _PORTABLE
        same_territory = folder.territory is None or self.territory in {None, folder.territory}
        return self.language == folder.language and same_territory and folder.modifier in {None, self.modifier}


def parse_locale(text: str) -> Locale | None:
    """Read `de`, `de_DE.UTF-8`, `sr@latin`; None for what is no locale's name."""
    match = _NAME.fullmatch(text)
    return Locale(match[1], match[2], match[4]) if match else None


def locales(tree: Tree, _graph: Graph, recipe: Recipe) -> Iterator[Proposal]:
    """Propose to drop the data of locales that are not listed, and to keep that of those that are."""
    wanted = [locale for text in recipe.select.locales if (locale := parse_locale(text))]
    for entry in below(tree, _SOURCES):
        yield Proposal(entry.path, "drop", REASON, f"locale sources ({_SOURCES})")
    for folder, what in _FOLDERS.items():
        for child in _children(tree, folder, wanted):
            yield from _judge(tree, folder, child, what, wanted)


def _children(tree: Tree, folder: str, wanted: Sequence[Locale]) -> list[str]:
    """List a folder; of a lazy tree only where something of it may be wanted, since all else is dropped anyway."""
    if tree.partial and all(one.language in _PORTABLE for one in wanted):
        return []
    return list(tree.children(folder))


def _judge(tree: Tree, folder: str, child: str, what: str, wanted: Sequence[Locale]) -> Iterator[Proposal]:
    path = f"{folder}/{child}"
    others = [one for one in wanted if one.language not in _PORTABLE]
    if child == _ARCHIVE:
        keep, rule = bool(others), f"archive of all compiled locales ({folder})"
    else:
        locale = parse_locale(child)
        if locale is None or not isinstance(tree.get(path), Directory):
            return  # locale.alias and its like
        fitting = next((one for one in wanted if one.covers(locale)), None)
        keep, rule = fitting is not None, f"{what} ({folder})"
        if fitting is not None and fitting.language in _PORTABLE:
            return  # there in mode prune, and not asked for in mode closure
    for entry in tree.below(path) if keep else below(tree, path):
        yield Proposal(entry.path, "keep" if keep else "drop", REASON, "select.locales" if keep else rule)
