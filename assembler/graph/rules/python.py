"""Python: the standard library, which the interpreter imports from before it runs anything, lib-dynload included.

Left out is what only developers of Python and its users' desks need: tests, editors, the graphical toolkit,
installers, byte code beside its source. What is installed beside it (site-packages) is the recipe's to keep. Source:
CPython `Modules/getpath.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from assembler.base.paths import name
from assembler.graph.rules.common import Rule, Scene
from assembler.graph.types import Edge
from assembler.tree import Directory, Found

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAM: Final = re.compile(r"python(3\.\d+)")
_LIBRARY: Final = re.compile(r"libpython(3\.\d+)m?\.so\.1\.0")
_PLACES: Final = ("/usr/lib", "/usr/local/lib", "/usr/lib64", "/lib")
_LANDMARKS: Final = ("os.py", "os.pyc")
_NOT: Final = re.compile(
    r"test|tests|idle_test|idlelib|turtledemo|tkinter|lib2to3|ensurepip|distutils|pydoc_data|config-.*"
    r"|dist-packages|site-packages|EXTERNALLY-MANAGED|LICENSE\.txt|cgi\.py|turtle\.py|_tkinter.*|_test.*|xx.*"
    r"|__pycache__"
)


def find(scene: Scene) -> Iterator[Edge]:
    """Keep the library of the interpreter that is, or is embedded in, the program."""
    for one in scene.load.objects:
        match = _LIBRARY.fullmatch(one.elf.soname or "") or _PROGRAM.fullmatch(name(one.path))
        if match is not None:
            for place in _PLACES:
                at = scene.tree.walk(f"{place}/python{match[1]}")
                names = scene.names(at.path) if isinstance(at, Found) else ()
                if any(landmark in names for landmark in _LANDMARKS):
                    yield from _library(scene, one.path, at.path)
                    return


def _library(scene: Scene, by: str, folder: str) -> Iterator[Edge]:
    for child in scene.names(folder):
        path = f"{folder}/{child}"
        if _NOT.fullmatch(child):
            continue
        if isinstance(scene.tree[path], Directory):
            yield from _library(scene, by, path)
        else:
            at = scene.tree.walk(path)
            if isinstance(at, Found):
                yield Edge(by, at.path, "dlopen-rule", path, "the standard library", at.via)


RULE = Rule(
    "python", "required", "Python's standard library with lib-dynload, for the interpreter and who embeds it", find
)
