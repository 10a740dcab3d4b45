"""libgcc_s.so.1, which glibc opens when a thread is cancelled or calls `pthread_exit` (`misc/unwind-link.c`).

Without it the program dies at that moment: "libgcc_s.so.1 must be installed for pthread_exit to work".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.graph.loaders.glibc import Glibc
from assembler.graph.rules.common import dlopened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.loaders import Load, Loader
    from assembler.graph.types import Edge
    from assembler.tree import Tree

_TRIGGERS = {"pthread_cancel", "pthread_exit"}
_LIBC = ("libc.so.6", "libpthread.so.0")


def libgcc(tree: Tree, load: Load, loader: Loader) -> Iterator[Edge]:
    """Keep libgcc_s where an object other than libc itself cancels threads or ends them."""
    if not isinstance(loader, Glibc):
        return
    for one in load.objects:
        called = _TRIGGERS.intersection(one.elf.calls)
        if called and one.elf.soname not in _LIBC:
            why = f"glibc opens it for {' and '.join(sorted(called))}"
            yield from dlopened(tree, loader, one, "libgcc_s.so.1", why)
