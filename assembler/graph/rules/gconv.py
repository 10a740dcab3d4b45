"""gconv: the character set modules that `iconv_open` opens, of those that `select.charsets` lists.

UTF-8, UTF-16, UCS-4 and ASCII are in libc. The text configuration comes with the modules; the cache does not, since
it names all that a root had (without it glibc reads `gconv-modules` and `gconv-modules.d/*.conf`). Source: glibc
`iconv/gconv_conf.c`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.paths import join
from assembler.graph.gconv_conf import CONFIGURATION, configuration_files, modules_of
from assembler.graph.loaders.glibc import Glibc
from assembler.graph.rules.common import LIBC, Rule, Scene, callers_of, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Edge


def find(scene: Scene) -> Iterator[Edge]:
    """Keep the modules of the character sets, and the configuration that names them."""
    if not scene.charsets or not isinstance(scene.loader, Glibc):
        return
    for caller in callers_of(scene, frozenset({"iconv_open"}), but=LIBC):
        for folder in (join(directory, "gconv") for directory in scene.loader.directories):
            yield from _in_folder(scene, caller.path, folder)


def _in_folder(scene: Scene, by: str, folder: str) -> Iterator[Edge]:
    files = configuration_files(folder, scene.names(folder), scene.names(join(folder, f"{CONFIGURATION}.d")))
    modules = modules_of(map(scene.text, files), scene.charsets)
    if modules:
        for path in (*files, *(join(folder, module) for module in sorted(modules))):
            yield from opened(scene, by, path, "glibc opens it for iconv_open and select.charsets")


RULE = Rule("gconv", "recommended", "gconv modules of select.charsets, for glibc programs that call iconv_open", find)
