"""What rules share: what they are asked about, what they are, and finding a library as `dlopen` would."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.graph.facts import Facts
from assembler.graph.loaders import Load, Loader
from assembler.graph.request import Priority
from assembler.graph.types import Edge
from assembler.tree import Found, Regular, Tree

if TYPE_CHECKING:
    from assembler.graph.loaders.base import Object


class Scene(Struct, frozen=True):
    """What a rule is asked about: a program as it was loaded, in its root.

    Attributes:
        tree: the root filesystem.
        facts: memory of what was read of it.
        load: the program's objects, the program first.
        loader: the loader that mapped them.
        env: the image's environment.
        charsets: the character sets beyond UTF-8 that the image is to know.
    """

    tree: Tree
    facts: Facts
    load: Load
    loader: Loader
    env: Mapping[str, str] = {}
    charsets: tuple[str, ...] = ()

    def text(self, path: str) -> str:
        """Return a configuration file's text; empty where it is none."""
        at = self.tree.walk(path)
        return self.facts.whole(at.path).decode("utf-8", "surrogateescape") if isinstance(at, Found) else ""


class Rule(Struct, frozen=True):
    """Something that programs open at run time without any header saying so.

    Attributes:
        name: what the recipe's `select.rules` switches it by.
        priority: how much is lost without it: `required`, the program dies or fails its task; `recommended`, a
            documented function is gone; `suggested`, few will miss it.
        summary: one line for users: trigger and what is kept.
        find: yields edges of kind `dlopen-rule` from an object of the load, or from what an edge before it kept.
    """

    name: str
    priority: Priority
    summary: str
    find: Callable[[Scene], Iterator[Edge]]


def dlopened(scene: Scene, by: Object, name: str, why: str) -> Iterator[Edge]:
    """Yield the edge to a library in the default directories; none where the root does not have it."""
    for directory in scene.loader.directories:
        at = scene.tree.walk(f"{directory}/{name}")
        if isinstance(at, Found) and isinstance(at.entry, Regular):
            yield Edge(by.path, at.path, "dlopen-rule", name, f"{why}; system dir {directory}", at.via)
            return


def opened(scene: Scene, by: str, path: str, why: str) -> Iterator[Edge]:
    """Yield the edge to a file or directory by its absolute name; none where the root does not have it."""
    at = scene.tree.walk(path)
    if isinstance(at, Found):
        yield Edge(by, at.path, "dlopen-rule", path, why, at.via)
