"""libgcc_s.so.1, which glibc opens when a thread is cancelled or calls `pthread_exit` (`misc/unwind-link.c`).

Without it the program dies at that moment: "libgcc_s.so.1 must be installed for pthread_exit to work".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.graph.loaders.glibc import Glibc
from assembler.graph.rules.common import LIBC, Rule, Scene, callers_of, dlopened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Edge

_TRIGGERS = frozenset({"pthread_cancel", "pthread_exit"})


def find(scene: Scene) -> Iterator[Edge]:
    """Keep libgcc_s where an object other than libc itself cancels threads or ends them."""
    if not isinstance(scene.loader, Glibc):
        return
    for one in callers_of(scene, _TRIGGERS, but=LIBC):
        called = sorted(_TRIGGERS.intersection(one.elf.calls))
        yield from dlopened(scene, one, "libgcc_s.so.1", f"glibc opens it for {' and '.join(called)}")


RULE = Rule("libgcc", "required", "libgcc_s.so.1, for glibc programs that cancel or end threads", find)
