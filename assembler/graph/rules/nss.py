"""glibc's name services: `libnss_X.so.2` for the services that /etc/nsswitch.conf names (nss/nss_module.c).

`files` and `dns` are in libc since glibc 2.34; where a root has libraries for them they are from before, and kept.
Without an nsswitch.conf, glibc uses `files` and `dns`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from assembler.graph.loaders.glibc import Glibc
from assembler.graph.rules.common import LIBC, Rule, Scene, dlopened, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Edge

CONFIGURATION: Final = "/etc/nsswitch.conf"

_USERS: Final = {"initgroups", "getpwnam", "getpwuid", "getpwnam_r", "getpwuid_r"}
_GROUPS: Final = {"getgrnam", "getgrgid", "getgrnam_r", "getgrgid_r"}
_HOSTS: Final = {"getaddrinfo", "gethostbyname", "gethostbyname_r"}
_DATABASES: Final = {"passwd": _USERS, "group": _GROUPS | {"initgroups"}, "hosts": _HOSTS}
_DEFAULTS: Final = {"passwd": ("files",), "group": ("files",), "hosts": ("dns", "files")}


def find(scene: Scene) -> Iterator[Edge]:
    """Keep the modules of the databases that the loaded objects ask, and the configuration that names them."""
    if not isinstance(scene.loader, Glibc):
        return
    services = _services(scene.text(CONFIGURATION))
    for one in scene.load.objects:
        if one.elf.soname in LIBC:
            continue
        asked = [name for name, calls in _DATABASES.items() if calls.intersection(one.elf.calls)]
        if asked:
            yield from opened(scene, one.path, CONFIGURATION, "glibc reads it for name services")
        for database in asked:
            for service in services.get(database, _DEFAULTS[database]):
                why = f"name service of {database} in {CONFIGURATION if services else 'glibc by default'}"
                yield from dlopened(scene, one, f"libnss_{service}.so.2", why)


def _services(text: str) -> dict[str, tuple[str, ...]]:
    """Read nsswitch.conf(5): `database: service [STATUS=action] service`."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        database, colon, rest = line.partition("#")[0].partition(":")
        if colon:
            found[database.strip()] = tuple(re.sub(r"\[[^]]*\]", " ", rest).split())
    return found


RULE = Rule("nss", "recommended", "libnss_*.so.2 of the services that nsswitch.conf names", find)
