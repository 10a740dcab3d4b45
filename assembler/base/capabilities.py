"""File capabilities: the text of cap_from_text(3) to the bytes of `security.capability`.

The bytes are `struct vfs_cap_data` of revision 2 (linux/capability.h): a magic with the effective flag, then
permitted and inheritable, low and high words, little endian.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# fmt: off
_NAMES: Final = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
    "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
    "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
    "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
    "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
    "checkpoint_restore",
)
# fmt: on
_NUMBERS: Final = {f"cap_{name}": number for number, name in enumerate(_NAMES)}
_ALL: Final = (1 << len(_NAMES)) - 1
_CLAUSE: Final = re.compile(r"(?P<names>[a-z0-9_,]*)(?P<operations>(?:[=+-][eip]*)+)", re.IGNORECASE)
_OPERATION: Final = re.compile(r"([=+-])([eip]*)", re.IGNORECASE)
_REVISION_2: Final = 0x02000000
_EFFECTIVE: Final = 1


class CapabilityError(ValueError):
    """A text is not of the form that cap_from_text(3) takes, or names no set that a file can have."""


def capability_xattr(clauses: Iterable[str]) -> bytes:
    """Return the value of `security.capability` for clauses such as `cap_net_raw+ep`, applied in order.

    Raises:
        CapabilityError: a clause cannot be read, or the effective set is neither empty nor all that is permitted or
            inheritable: a file has one effective flag, not a set (capabilities(7)).
    """
    sets = dict.fromkeys("eip", 0)
    for clause in clauses:
        _apply(clause, sets)
    effective, inheritable, permitted = sets["e"], sets["i"], sets["p"]
    if effective not in {0, permitted | inheritable}:
        raise CapabilityError("the effective capabilities of a file are all of the others or none")
    magic = _REVISION_2 | (_EFFECTIVE if effective else 0)
    low, high = 0xFFFFFFFF, 32
    return struct.pack("<5I", magic, permitted & low, inheritable & low, permitted >> high, inheritable >> high)


def _apply(clause: str, sets: dict[str, int]) -> None:
    match = _CLAUSE.fullmatch(clause)
    if match is None:
        raise CapabilityError(f"{clause!r} is not of the form 'cap_net_raw+ep'")
    operations = _OPERATION.findall(match["operations"].lower())
    mask = _mask(match["names"].lower(), first=operations[0][0])
    for operator, flags in operations:
        if operator == "=":
            for flag in sets:
                sets[flag] &= ~mask
        for flag in flags:
            sets[flag] = sets[flag] & ~mask if operator == "-" else sets[flag] | mask


def _mask(names: str, *, first: str) -> int:
    if names == "all" or (not names and first == "="):
        return _ALL
    if unknown := [name for name in names.split(",") if name not in _NUMBERS]:
        raise CapabilityError(f"{unknown[0]!r} is no capability")
    return sum(1 << _NUMBERS[name] for name in set(names.split(",")))
