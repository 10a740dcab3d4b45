"""Versions in package databases: dpkg, distroless, opkg, apk."""

from __future__ import annotations

import pytest

from assembler.base.content import Bytes
from assembler.sources.versions import read_versions
from assembler.tree import Regular, Symlink, Tree

DPKG = """\
Package: libc6
Status: install ok installed
Description: GNU C Library
 Version: this is no field
Version: 2.36-9+deb12u9

Package: dash
Version: 0.5.12-2
Package-Type: deb

Package: no-version
"""


@pytest.mark.parametrize(
    ("path", "text", "versions"),
    [
        ("/var/lib/dpkg/status", DPKG, {"libc6": "2.36-9+deb12u9", "dash": "0.5.12-2"}),
        ("/var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 2024a-0\n", {"tzdata": "2024a-0"}),
        ("/usr/lib/opkg/status", "Package: busybox\nVersion: 1.36.1-r0\n", {"busybox": "1.36.1-r0"}),
        ("/lib/apk/db/installed", "P:musl\nV:1.2.5-r0\nF:lib\n\nP:zlib\nV:1.3\n", {"musl": "1.2.5-r0", "zlib": "1.3"}),
        ("/var/lib/dpkg/status", "", {}),
        ("/var/lib/dpkg/status", "Package\nVersion\n\n\n\n:\n", {}),
        ("/etc/x", DPKG, {}),
    ],
)
def test_versions(path: str, text: str, versions: dict[str, str]) -> None:
    tree = Tree([Regular(path, 0o644, 0, 0, 0, (), 0, Bytes(text.encode()))])
    assert read_versions(tree) == versions


def test_a_database_that_is_no_file() -> None:
    assert read_versions(Tree([Symlink("/var/lib/dpkg/status", 0o777, 0, 0, 0, (), 0, "x")])) == {}
