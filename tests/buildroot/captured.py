"""The output folder that a real build left, made again of its listings: paths, sizes, links, what ELF files need."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Final

from tests.elf.build import elf

CAPTURE: Final = Path(__file__).parent / "capture"
SOURCES: Final = Path(__file__).parents[1] / "sources" / "buildroot" / "capture"

_ENTRY: Final = re.compile(r"(?P<type>[dfl]) (?P<mode>\d+) 0:0 (?P<size>\d+) \.(?P<path>\S*) -> ?(?P<target>.*)")
_DYNAMIC: Final = re.compile(r"\.(?P<path>\S+): \((?P<tag>\w+)\).*\[(?P<value>.*)\]")
_PROGRAMS: Final = {"/bin/busybox", "/usr/bin/taskd"}
_LOADER: Final = "/lib/ld-linux-x86-64.so.2"


def make_output(output: Path, *, noted: bool = True) -> Path:
    """Make the output folder; without `noted` as one that brasm did not build. Returns its path."""
    (output / "build" / "buildroot-fs").mkdir(parents=True)
    shutil.copy(CAPTURE / "dot-config", output / ".config")
    shutil.copy(CAPTURE / "build-time.log", output / "build")
    _make_target(output / "target")
    (output / "build" / "buildroot-fs" / "full_users_table.txt").write_text("\n")
    shutil.copy(SOURCES / "full_devices_table.txt", output / "build" / "buildroot-fs")
    shutil.copy(SOURCES / "packages-file-list.txt", output / "build")
    if noted:
        (output / ".brasm").mkdir(exist_ok=True)
        shutil.copy(CAPTURE / "show-info.json", output / ".brasm")
    return output


def _make_target(target: Path) -> None:
    asked = _dynamic()
    for line in (SOURCES / "target-listing.txt").read_text().splitlines():
        match = _ENTRY.fullmatch(line)
        assert match, line
        at = Path(f"{target}{match['path']}")
        if match["type"] == "d":
            at.mkdir(parents=True, exist_ok=True)
        elif match["type"] == "l":
            at.symlink_to(match["target"])
        else:
            at.write_bytes(_content(match["path"], asked).ljust(int(match["size"]), b"\n"))
            os.chmod(at, int(match["mode"], 8))


def _content(path: str, asked: dict[str, dict[str, list[str]]]) -> bytes:
    tags = asked.get(path)
    if tags is None:
        return b""
    return elf(
        interp=_LOADER if path in _PROGRAMS else None,
        needed=tuple(tags.get("NEEDED", ())),
        soname=next(iter(tags.get("SONAME", ())), None),
    )


def _dynamic() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for line in (CAPTURE / "target-dynamic.txt").read_text().splitlines():
        match = _DYNAMIC.fullmatch(line)
        assert match, line
        found.setdefault(match["path"], {}).setdefault(match["tag"], []).append(match["value"])
    return found
