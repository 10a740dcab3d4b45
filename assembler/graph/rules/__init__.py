"""What programs open at run time without any header saying so: small rules, one file each.

A rule is a function of a tree, what was loaded for a program, and the loader. It yields edges of kind `dlopen-rule`
whose `found` names the rule. Which rules there are stands here, in the order in which they are asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.graph.rules.libgcc import libgcc
from assembler.graph.rules.nss import nss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from assembler.graph.loaders import Load, Loader
    from assembler.graph.types import Edge
    from assembler.tree import Tree

    Rule = Callable[[Tree, Load, Loader], Iterator[Edge]]

RULES: tuple[Rule, ...] = (libgcc, nss)
