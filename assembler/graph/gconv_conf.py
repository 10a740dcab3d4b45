"""gconv's text configuration: which modules character sets need (glibc `iconv/gconv_conf.c`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.paths import join, name

if TYPE_CHECKING:
    from collections.abc import Iterable

CONFIGURATION: Final = "gconv-modules"
_CACHE: Final = "gconv-modules.cache"


def configuration_files(folder: str, names: Iterable[str], below: Iterable[str]) -> list[str]:
    """Return the paths of the text configuration: the file of a gconv folder, and those of `gconv-modules.d`."""
    own = [join(folder, CONFIGURATION)] if CONFIGURATION in names else []
    return own + [f"{folder}/{CONFIGURATION}.d/{one}" for one in below if one.endswith(".conf")]


def is_configuration(path: str) -> bool:
    """Say whether a file of a gconv folder is part of the text configuration."""
    return CONFIGURATION in path and name(path) != _CACHE


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
