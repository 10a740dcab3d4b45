"""Which version of each package is there, as the root filesystem's own package database says.

In: a tree. Out: names to versions. Known are dpkg (`/var/lib/dpkg/status` and the `status.d` of distroless images),
opkg (`/usr/lib/opkg/status`) and apk (`/lib/apk/db/installed`). Source: deb-control(5), apk-v2(5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.content import read
from assembler.base.paths import from_bytes, join
from assembler.tree import Regular, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STANZAS: Final = ("/var/lib/dpkg/status", "/usr/lib/opkg/status", "/var/lib/opkg/status")
_FOLDER: Final = "/var/lib/dpkg/status.d"
_APK: Final = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")


def read_versions(tree: Tree) -> Mapping[str, str]:
    """Return the version of each package that a database names; empty where none is known."""
    stanzas = (*_STANZAS, *(join(_FOLDER, file) for file in tree.children(_FOLDER)))
    pairs = [pair for path in stanzas for pair in _pairs(tree, path, "Package", "Version")]
    pairs += [pair for path in _APK for pair in _pairs(tree, path, "P", "V")]
    return dict(pairs)


def _pairs(tree: Tree, path: str, name_key: str, version_key: str) -> Iterator[tuple[str, str]]:
    """Yield name and version of each stanza; what the next lines of a field say has no part in it."""
    entry = tree.get(path)
    text = from_bytes(read(entry.content)) if isinstance(entry, Regular) else ""
    for stanza in text.split("\n\n"):
        fields = dict(line.partition(":")[::2] for line in stanza.split("\n") if line[:1] not in {" ", "\t"})
        name, version = fields.get(name_key, "").strip(), fields.get(version_key, "").strip()
        if name and version:
            yield name, version
