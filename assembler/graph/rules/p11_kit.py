"""p11-kit: the PKCS#11 modules that `*.module` files name. Source: p11-kit `p11-kit/conf.c`, pkcs11.conf(5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.paths import join, name
from assembler.graph.rules.common import Rule, Scene, all_in, opened, user_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Edge

_SUFFIX: Final = ".module"


def find(scene: Scene) -> Iterator[Edge]:
    """Keep the configuration of libp11-kit, and the modules that it enables."""
    user = user_of(scene, "libp11-kit.so.0")
    if user is None:
        return
    paths = scene.facts.strings(user.path).paths
    libraries = [path for path in paths if name(path) == "pkcs11" and "/lib" in path]
    for path in paths:
        if path.endswith("/pkcs11.conf"):
            yield from opened(scene, user.path, path, "libp11-kit reads it")
        elif name(path) == "modules" and ("pkcs11" in path or "p11-kit" in path):
            for edge in all_in(scene, user.path, path, "libp11-kit reads it", lambda one: one.endswith(_SUFFIX)):
                yield edge
                yield from _module(scene, edge.target, libraries)


def _module(scene: Scene, path: str, libraries: list[str]) -> Iterator[Edge]:
    for line in scene.text(path).splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        if colon and key.strip() == "module":
            module = value.strip()
            places = [module] if module.startswith("/") else [join(folder, module) for folder in libraries]
            for place in places:
                yield from opened(scene, path, place, f"a PKCS#11 module of {path}")


RULE = Rule("p11_kit", "recommended", "PKCS#11 modules that p11-kit's *.module files name", find)
