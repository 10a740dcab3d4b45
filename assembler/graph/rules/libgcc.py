"""libgcc_s.so.1, which glibc opens when a thread is cancelled or calls `pthread_exit` (`misc/unwind-link.c`).

Without it the program dies at that moment: "libgcc_s.so.1 must be installed for pthread_exit to work".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.graph.loaders.glibc import Glibc
from assembler.graph.rules.common import Rule, Scene, dlopened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Edge

_TRIGGERS = {"pthread_cancel", "pthread_exit"}
_LIBC = ("libc.so.6", "libpthread.so.0")


def find(scene: Scene) -> Iterator[Edge]:
    """Keep libgcc_s where an object other than libc itself cancels threads or ends them."""
    if not isinstance(scene.loader, Glibc):
        return
    for one in scene.load.objects:
        called = _TRIGGERS.intersection(one.elf.calls)
        if called and one.elf.soname not in _LIBC:
            why = f"glibc opens it for {' and '.join(sorted(called))}"
            yield from dlopened(scene, one, "libgcc_s.so.1", why)


RULE = Rule("libgcc", "required", "libgcc_s.so.1, for glibc programs that cancel or end threads", find)
