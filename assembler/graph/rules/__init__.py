"""What programs open at run time without any header saying so: small rules, one file each.

Each file has one `RULE` (see `common.Rule`): a name, a priority, and a function of a `Scene` that yields edges. Which
rules there are stands here, in the order in which they are asked.
"""

from __future__ import annotations

from assembler.graph.rules import libgcc, nss
from assembler.graph.rules.common import Rule, Scene

__all__ = ["RULES", "Rule", "Scene"]

RULES: tuple[Rule, ...] = (libgcc.RULE, nss.RULE)
