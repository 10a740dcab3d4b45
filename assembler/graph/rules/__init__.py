"""What programs open at run time without any header saying so: small rules, one file each.

Each file has a `RULE`, some a second (see `common.Rule`): a name, a priority, and a function of a `Scene` that yields
edges. Which rules there are stands here, in the order in which they are asked.
"""

from __future__ import annotations

from assembler.graph.rules import (
    ca_bundle,
    gconv,
    gio,
    libgcc,
    nss,
    openssl,
    p11_kit,
    pam,
    python,
    qt,
    terminfo,
    zoneinfo,
)
from assembler.graph.rules.common import Rule, Scene

__all__ = ["RULES", "Rule", "Scene"]

RULES: tuple[Rule, ...] = (
    libgcc.RULE,
    nss.RULE,
    gconv.RULE,
    pam.RULE,
    openssl.RULE,
    openssl.MODULES_RULE,
    p11_kit.RULE,
    ca_bundle.RULE,
    gio.RULE,
    qt.RULE,
    python.RULE,
    terminfo.RULE,
    zoneinfo.RULE,
    zoneinfo.ALL_RULE,
)
