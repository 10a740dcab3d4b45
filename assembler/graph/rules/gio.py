"""GIO: the modules that GLib's libgio opens: TLS, proxies, settings. Source: GLib `gio/giomodule.c`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.graph.rules.common import Rule, Scene, all_in, is_library, user_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Edge


def find(scene: Scene) -> Iterator[Edge]:
    """Keep the modules of GIO_MODULE_DIR and of the folder that is compiled in, and the cache that describes them."""
    user = user_of(scene, "libgio-2.0.so.0")
    if user is None:
        return
    folders = [path for path in scene.facts.strings(user.path).paths if path.endswith("/gio/modules")]
    own = scene.env.get("GIO_MODULE_DIR")
    for folder in [own] if own else folders:
        why = f"libgio opens what is in {folder}"
        yield from all_in(scene, user.path, folder, why, lambda one: is_library(one) or one == "giomodule.cache")


RULE = Rule("gio", "recommended", "GIO modules (TLS, proxies, settings), for users of libgio", find)
