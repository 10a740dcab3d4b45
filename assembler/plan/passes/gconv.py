"""gconv: glibc's character set modules, all but those that `select.charsets` lists; UTF-8 and ASCII are in libc.

The configuration stays where a module stays; the cache goes, since it names modules that are gone (without it glibc
reads `gconv-modules` and `gconv-modules.d/*.conf`). Source: glibc `iconv/gconv_conf.c`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.content import read
from assembler.base.paths import from_bytes, is_below, join, name
from assembler.elf.identify import HEAD, identify
from assembler.elf.read import read_elf
from assembler.plan.passes.common import below
from assembler.plan.types import Proposal
from assembler.tree import Directory, Regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Graph
    from assembler.recipe import Recipe
    from assembler.tree import Tree

REASON: Final = "gconv"

_PARENTS: Final = ("/usr/lib", "/usr/lib64", "/lib", "/lib64")
_CACHE: Final = "gconv-modules.cache"


def gconv(tree: Tree, _graph: Graph, recipe: Recipe) -> Iterator[Proposal]:
    """Propose to drop the modules of character sets that are not listed."""
    charsets = {charset.upper() for charset in recipe.select.charsets}
    for folder in _folders(tree, everywhere=bool(charsets)):
        wanted = _wanted(tree, folder, charsets) if charsets else set()
        for entry in tree.below(folder) if wanted else below(tree, folder):
            is_configuration = "gconv-modules" in entry.path and name(entry.path) != _CACHE
            if wanted and (name(entry.path) in wanted or is_configuration or isinstance(entry, Directory)):
                yield Proposal(entry.path, "keep", REASON, "select.charsets")
            else:
                yield Proposal(entry.path, "drop", REASON, f"character set modules ({folder})")


def _folders(tree: Tree, *, everywhere: bool) -> Iterator[str]:
    for above in _PARENTS:
        if tree.partial and not everywhere:
            found = {entry.path for entry in tree.seen() if is_below(entry.path, above)}
            yield from sorted(path for path in found if name(path) == "gconv")
        elif isinstance(tree.get(above), Directory):
            for folder in (above, *(join(above, child) for child in tree.children(above))):
                if isinstance(tree.get(join(folder, "gconv")), Directory):
                    yield join(folder, "gconv")


def _wanted(tree: Tree, folder: str, charsets: set[str]) -> set[str]:
    """Return the file names of the modules for character sets, by any alias, and of the libraries beside them."""
    aliases: dict[str, str] = {}
    modules: dict[str, set[str]] = {}
    for entry in tree.below(folder):
        if isinstance(entry, Regular) and "gconv-modules" in entry.path and name(entry.path) != _CACHE:
            _read_configuration(from_bytes(read(entry.content)), aliases, modules)
    names = {aliases.get(charset, charset) for charset in charsets} | charsets
    found = {f"{module}.so" for charset in names for module in modules.get(charset, ())}
    return found | {needed for module in found for needed in _needed(tree, join(folder, module))}


def _read_configuration(text: str, aliases: dict[str, str], modules: dict[str, set[str]]) -> None:
    for line in text.splitlines():
        match line.partition("#")[0].split():
            case ["alias", alias, charset, *_]:
                aliases[alias.rstrip("/").upper()] = charset.rstrip("/").upper()
            case ["module", source, target, module, *_]:
                for charset in (source, target):
                    modules.setdefault(charset.rstrip("/").upper(), set()).add(module)


def _needed(tree: Tree, path: str) -> tuple[str, ...]:
    entry = tree.get(path)
    if not isinstance(entry, Regular):
        return ()
    with entry.content.open() as stream:
        head = stream.read(HEAD)
    return read_elf(entry.content, path).needed if identify(head) else ()
