"""OpenSSL: its configuration and the providers that it activates; engines and other providers by another rule.

Where they are is compiled into libcrypto (`OPENSSL_info`): OPENSSLDIR, MODULESDIR, ENGINESDIR. Source: OpenSSL
`crypto/provider_conf.c`, config(5).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from assembler.base.paths import join
from assembler.graph.rules.common import Rule, Scene, all_in, is_library, opened, user_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.loaders.base import Object
    from assembler.graph.types import Edge

_LIBCRYPTO: Final = ("libcrypto.so.3", "libcrypto.so.1.1")
_FOLDER: Final = re.compile(rb'(OPENSSLDIR|MODULESDIR|ENGINESDIR): "([^"\0]{1,4095})"')
_BUILT_IN: Final = ("default", "base", "null")
_NO: Final = ("0", "no", "false", "off")


def find(scene: Scene) -> Iterator[Edge]:
    """Keep openssl.cnf, what it includes, and the providers that it activates."""
    crypto = user_of(scene, *_LIBCRYPTO)
    if crypto is None:
        return
    folders = folders_of(scene, crypto)
    path = scene.env.get("OPENSSL_CONF") or join(folders.get("OPENSSLDIR", "/etc/ssl"), "openssl.cnf")
    yield from opened(scene, crypto.path, path, "libcrypto reads it when it is first used")
    sections = read_configuration(scene.text(path))
    for included in sections.get(".include", {}).values():
        yield from opened(scene, crypto.path, included, f"{path} includes it")
    for name, module in active_providers(sections):
        where = module or f"{name}.so"
        full = where if where.startswith("/") else join(folders.get("MODULESDIR", "/usr/lib/ossl-modules"), where)
        yield from opened(scene, crypto.path, full, f"{path} activates the provider {name}")


def find_modules(scene: Scene) -> Iterator[Edge]:
    """Keep all providers and engines that are installed."""
    crypto = user_of(scene, *_LIBCRYPTO)
    if crypto is not None:
        folders = folders_of(scene, crypto)
        for key in ("MODULESDIR", "ENGINESDIR"):
            if key in folders:
                yield from all_in(scene, crypto.path, folders[key], f"libcrypto's {key}", is_library)


def folders_of(scene: Scene, crypto: Object) -> dict[str, str]:
    """Return libcrypto's folders by their names."""
    found = _FOLDER.findall(scene.facts.whole(crypto.path))
    return {key.decode(): value.decode("utf-8", "surrogateescape") for key, value in found}


def read_configuration(text: str) -> dict[str, dict[str, str]]:
    """Read config(5) as far as providers need it: sections of `name = value`; `.include` as a section of its own."""
    sections: dict[str, dict[str, str]] = {"": {}}
    at = sections[""]
    for raw in text.replace("\\\n", "").splitlines():
        line = raw.partition("#")[0].strip()
        if line.startswith("[") and line.endswith("]"):
            at = sections.setdefault(line[1:-1].strip(), {})
        elif line.startswith(".include"):
            path = line.removeprefix(".include").lstrip(" =\t")
            sections.setdefault(".include", {})[path] = path
        elif "=" in line:
            key, _, value = line.partition("=")
            at[key.strip()] = value.strip()
    return sections


def active_providers(sections: dict[str, dict[str, str]]) -> Iterator[tuple[str, str | None]]:
    """Yield the providers that are activated and not built in: name, and module where it is given."""
    start = sections.get(sections[""].get("openssl_conf", ""), {})
    for name, section in sections.get(start.get("providers", ""), {}).items():
        own = sections.get(section, {})
        if name not in _BUILT_IN and own.get("activate", "0").lower() not in _NO:
            yield own.get("identity", name), own.get("module")


RULE = Rule("openssl", "recommended", "openssl.cnf and the providers that it activates, for users of libcrypto", find)
MODULES_RULE = Rule("openssl_modules", "suggested", "all of OpenSSL's providers and engines", find_modules)
