"""What rules share: what they are asked about, what they are, and finding a library as `dlopen` would."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.graph.facts import Facts
from assembler.graph.loaders import Load, Loader
from assembler.graph.request import Priority
from assembler.graph.types import Edge
from assembler.tree import Directory, Found, Tree

if TYPE_CHECKING:
    from assembler.graph.loaders.base import Hit, Object


class Scene(Struct, frozen=True):
    """What a rule is asked about: a program as it was loaded, in its root.

    Attributes:
        tree: the root filesystem.
        facts: memory of what was read of it.
        load: the program's objects, the program first.
        loader: the loader that mapped them.
        env: the image's environment.
        charsets: the character sets beyond UTF-8 that the image is to know.
        workdir: the directory that the program is started in.
    """

    tree: Tree
    facts: Facts
    load: Load
    loader: Loader
    env: Mapping[str, str] = {}
    charsets: tuple[str, ...] = ()
    workdir: str = "/"

    def find(self, by: Object, name: str) -> tuple[Hit, str] | None:
        """Return what an object would open by a library's name, and how it is found; None for nothing."""
        return self.loader.find(by, name, self.env, self.workdir)

    def text(self, path: str) -> str:
        """Return a configuration file's text; empty where it is none."""
        at = self.tree.walk(path)
        return self.facts.whole(at.path).decode("utf-8", "surrogateescape") if isinstance(at, Found) else ""

    def names(self, folder: str) -> Sequence[str]:
        """Return the names in a folder; none where it is none."""
        at = self.tree.walk(folder)
        return self.tree.children(at.path) if isinstance(at, Found) else ()


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
    """Yield the edge to a library that an object would open by its name; none where the root does not have it."""
    found = scene.find(by, name)
    if found is not None:
        hit, where = found
        yield Edge(by.path, hit.path, "dlopen-rule", name, f"{why}; {where}", hit.via)


def opened(scene: Scene, by: str, path: str, why: str) -> Iterator[Edge]:
    """Yield the edge to a file or directory by its absolute name; none where the root does not have it."""
    at = scene.tree.walk(path)
    if isinstance(at, Found):
        yield Edge(by, at.path, "dlopen-rule", path, why, at.via)


def all_in(
    scene: Scene, by: str, folder: str, why: str, fits: Callable[[str], bool] = lambda _: True
) -> Iterator[Edge]:
    """Yield the edges to the files of a folder whose names fit, and to what symlinks among them lead to."""
    for name in scene.names(folder):
        if fits(name):
            for edge in opened(scene, by, f"{folder}/{name}", why):
                if not isinstance(scene.tree[edge.target], Directory):
                    yield edge


def is_library(name: str) -> bool:
    """Say whether a file's name is a plugin's."""
    return name.endswith(".so")


def user_of(scene: Scene, *sonames: str) -> Object | None:
    """Return the first object of the load that has one of the sonames."""
    return next((one for one in scene.load.objects if one.elf.soname in sonames), None)


def callers_of(scene: Scene, calls: frozenset[str], but: tuple[str, ...] = ()) -> Iterator[Object]:
    """Yield the objects that call one of some functions; not those, by soname, that define them."""
    for one in scene.load.objects:
        if calls.intersection(one.elf.calls) and one.elf.soname not in but:
            yield one


LIBC: Final = ("libc.so.6", "libpthread.so.0", "libc.so", "libc.so.0", "libc.so.1", "ld-linux-x86-64.so.2")
"""What defines libc's functions, rather than calling them."""
