"""Time zones: /etc/localtime and the zone that TZ names; all zones by another rule. Source: glibc `time/tzfile.c`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.graph.rules.common import LIBC, Rule, Scene, callers_of, opened
from assembler.tree import Found, Regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Edge

_CALLS: Final = frozenset({"localtime", "localtime_r", "tzset"})
_ZONES: Final = "/usr/share/zoneinfo"
_LOCAL: Final = "/etc/localtime"


def find(scene: Scene) -> Iterator[Edge]:
    """Keep the local zone."""
    zone = scene.env.get("TZ", "").removeprefix(":")
    path = _LOCAL if not zone else zone if zone.startswith("/") else f"{_ZONES}/{zone}"
    for caller in callers_of(scene, _CALLS, but=LIBC):
        yield from opened(scene, caller.path, path, "the local time zone")


def find_all(scene: Scene) -> Iterator[Edge]:
    """Keep all zones, for programs that are told others."""
    caller = next(callers_of(scene, _CALLS, but=LIBC), None)
    folder = scene.tree.walk(_ZONES)
    if caller is not None and isinstance(folder, Found):
        for entry in scene.tree.below(folder.path):
            if isinstance(entry, Regular):
                yield from opened(scene, caller.path, entry.path, "a time zone")


RULE = Rule(
    "zoneinfo", "recommended", "/etc/localtime and the zone that TZ names, for programs that ask the local time", find
)
ALL_RULE = Rule("zoneinfo_all", "suggested", "all time zones, for programs that ask the local time", find_all)
