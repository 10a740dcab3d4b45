"""gconv: the character set modules that `iconv_open` opens, of those that `select.charsets` lists.

UTF-8, UTF-16, UCS-4 and ASCII are in libc. The text configuration comes with the modules; the cache does not, since
it names all that a root had (without it glibc reads `gconv-modules` and `gconv-modules.d/*.conf`). Source: glibc
`iconv/gconv_conf.c`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.paths import join, name
from assembler.graph.loaders.glibc import Glibc
from assembler.graph.rules.common import LIBC, Rule, Scene, callers_of, opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.graph.types import Edge

CACHE: Final = "gconv-modules.cache"

_CONFIGURATION: Final = "gconv-modules"


def find(scene: Scene) -> Iterator[Edge]:
    """Keep the modules of the character sets, and the configuration that names them."""
    if not scene.charsets or not isinstance(scene.loader, Glibc):
        return
    for caller in callers_of(scene, frozenset({"iconv_open"}), but=LIBC):
        for folder in (join(directory, "gconv") for directory in scene.loader.directories):
            yield from _in_folder(scene, caller.path, folder)


def _in_folder(scene: Scene, by: str, folder: str) -> Iterator[Edge]:
    files = configuration_files(folder, scene.names(folder), scene.names(join(folder, f"{_CONFIGURATION}.d")))
    modules = modules_of(map(scene.text, files), scene.charsets)
    if modules:
        for path in (*files, *(join(folder, module) for module in sorted(modules))):
            yield from opened(scene, by, path, "glibc opens it for iconv_open and select.charsets")


def configuration_files(folder: str, names: Iterable[str], below: Iterable[str]) -> list[str]:
    """Return the paths of the text configuration: the file of a gconv folder, and those of `gconv-modules.d`."""
    own = [join(folder, _CONFIGURATION)] if _CONFIGURATION in names else []
    return own + [f"{folder}/{_CONFIGURATION}.d/{one}" for one in below if one.endswith(".conf")]


def is_configuration(path: str) -> bool:
    """Say whether a file of a gconv folder is part of the text configuration."""
    return _CONFIGURATION in path and name(path) != CACHE


def modules_of(texts: Iterable[str], charsets: Iterable[str]) -> set[str]:
    """Return the file names of the modules for character sets, by any alias."""
    aliases: dict[str, str] = {}
    modules: dict[str, set[str]] = {}
    for text in texts:
        _read_configuration(text, aliases, modules)
    wanted = {charset.upper() for charset in charsets}
    names = wanted | {aliases[charset] for charset in wanted if charset in aliases}
    return {f"{module}.so" for charset in names for module in modules.get(charset, ())}


def _read_configuration(text: str, aliases: dict[str, str], modules: dict[str, set[str]]) -> None:
    for line in text.splitlines():
        match line.partition("#")[0].split():
            case ["alias", alias, charset, *_]:
                aliases[alias.rstrip("/").upper()] = charset.rstrip("/").upper()
            case ["module", source, target, module, *_]:
                for charset in (source, target):
                    modules.setdefault(charset.rstrip("/").upper(), set()).add(module.removesuffix(".so"))


RULE = Rule("gconv", "recommended", "gconv modules of select.charsets, for glibc programs that call iconv_open", find)
