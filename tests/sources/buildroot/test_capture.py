"""From `target/` to Buildroot's own `rootfs.tar`, on the listings that a real build left."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from assembler.base.content import Bytes
from assembler.plan.passes.buildroot import MARKER
from assembler.sources.buildroot.devices import apply_device_table, parse_device_table
from assembler.sources.buildroot.draft import Draft
from assembler.sources.packages import read_packages
from assembler.tree import Directory, Regular, Symlink, Tree, type_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.tree import Entry

CAPTURE: Final = os.path.join(os.path.dirname(__file__), "capture")
_TARGET: Final = re.compile(r"(?P<type>[dfl]) (?P<mode>\d+) 0:0 \d+ \.(?P<path>\S*) -> ?(?P<target>.*)")
_TAR: Final = re.compile(
    r"(?P<type>[-dl])(?P<mode>[-rwxsStT]{9}) (?P<uid>\d+)/(?P<gid>\d+)\s+\d+ \S+ \S+\s+\./(?P<path>\S*?)/?"
    r"(?: -> (?P<target>.*))?"
)


def lines(name: str) -> list[str]:
    with open(os.path.join(CAPTURE, name), encoding="utf-8") as file:
        return file.read().splitlines()


def target() -> Iterator[Entry]:
    for line in lines("target-listing.txt"):
        match = _TARGET.fullmatch(line)
        assert match, line
        common = (match["path"] or "/", int(match["mode"], 8), 501, 501, 0, (), 0)
        match match["type"]:
            case "d":
                yield Directory(*common)
            case "l":
                yield Symlink(*common, match["target"])
            case _:
                yield Regular(*common, Bytes(b""))


def bits(text: str) -> int:
    plain = sum(1 << (8 - at) for at, letter in enumerate(text) if letter not in "-ST")
    special = {2: 0o4000, 5: 0o2000, 8: 0o1000}
    return plain + sum(bit for at, bit in special.items() if text[at] in "sStT")


def rootfs() -> dict[str, tuple[str, int, int, int, str | None]]:
    types = {"d": "directory", "l": "symlink", "-": "file"}
    found = {}
    for line in lines("rootfs-tar-listing.txt"):
        match = _TAR.fullmatch(line)
        assert match, line
        ids = int(match["uid"]), int(match["gid"])
        found[f"/{match['path']}"] = (types[match["type"]], bits(match["mode"]), *ids, match["target"])
    return found


def described(entry: Entry) -> tuple[str, int, int, int, str | None]:
    link = entry.target if isinstance(entry, Symlink) else None
    return type_name(entry), entry.mode, entry.uid, entry.gid, link


def test_the_tables_make_buildroots_root_of_its_target() -> None:
    draft = Draft(Tree(target()))
    draft.remove(MARKER)
    table = "\n".join(lines("full_devices_table.txt"))
    apply_device_table(draft, parse_device_table(table, "table"), "table")
    draft.empty("/run")
    draft.empty("/tmp")
    made = {entry.path: described(entry) for entry in draft.tree()}
    theirs = rootfs()
    assert made.keys() == theirs.keys()
    differences = {path: (made[path], theirs[path]) for path in made if made[path] != theirs[path]}
    # makedevs makes the parents of what it makes with mode 0777: a quirk that an image must not inherit.
    assert differences == {"/var": (("directory", 0o755, 0, 0, None), ("directory", 0o777, 0, 0, None))}


def test_every_path_that_a_package_installed_knows_it(tmp_path: object) -> None:
    folder = os.path.join(str(tmp_path), "build")
    os.makedirs(folder)
    with open(os.path.join(folder, "packages-file-list.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines("packages-file-list.txt")))
    packages = read_packages(Tree(target()), os.path.join(str(tmp_path), "target"))
    assert packages["/usr/bin/taskd"] == "taskd"
    assert packages["/bin/busybox"] == "busybox"
    assert {"gcc-final", "glibc", "gnutls", "nettle"} <= set(packages.values())
