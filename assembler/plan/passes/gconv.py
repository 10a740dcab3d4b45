"""gconv: glibc's character set modules, all but those that `select.charsets` lists; UTF-8 and ASCII are in libc.

Mode closure keeps what the rule of the same name finds. The configuration stays where a module stays; the cache goes,
since it names modules that are gone. Source: glibc `iconv/gconv_conf.c`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.content import read
from assembler.base.paths import from_bytes, is_below, join, name
from assembler.elf.identify import HEAD, identify
from assembler.graph.gconv_conf import is_configuration, modules_of
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


def gconv(tree: Tree, _graph: Graph, recipe: Recipe) -> Iterator[Proposal]:
    """Propose to drop the modules of character sets that are not listed."""
    charsets = {charset.upper() for charset in recipe.select.charsets}
    for folder in _folders(tree, everywhere=bool(charsets)):
        wanted = _wanted(tree, folder, charsets) if charsets else set()
        for entry in tree.below(folder) if wanted else below(tree, folder):
            of_use = name(entry.path) in wanted or is_configuration(entry.path) or isinstance(entry, Directory)
            if not (wanted and of_use):
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
    """Return the file names of the modules for character sets, and of the libraries beside them."""
    files = [entry for entry in tree.below(folder) if isinstance(entry, Regular) and is_configuration(entry.path)]
    found = modules_of((from_bytes(read(entry.content)) for entry in files), charsets)
    return found | {needed for module in found for needed in _needed(tree, join(folder, module))}


def _needed(tree: Tree, path: str) -> tuple[str, ...]:
    from assembler.elf.read import read_elf  # few recipes list character sets

    entry = tree.get(path)
    if not isinstance(entry, Regular):
        return ()
    with entry.content.open() as stream:
        head = stream.read(HEAD)
    return read_elf(entry.content, path).needed if identify(head) else ()
