"""What differs between two images, as JSON: everything, with keys that stay.

Of each thing that differs there is `before` and `after`, null where it was or is not there; sizes are in bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from assembler.base.paths import show
from assembler.tree import Device, Symlink, type_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.elf.types import ElfFile
    from assembler.graph.objects import Delta, ObjectChange
    from assembler.oci.compare import Setting, Value
    from assembler.pipeline.diff import Difference, Side
    from assembler.plan.growth import Growth, PackageGrowth
    from assembler.tree import Entry
    from assembler.tree.compare import FileChange


def difference_json(found: Difference, before: str, after: str) -> dict[str, Any]:
    """Return what `--json` prints; `before` and `after` are the images as the user names them."""
    old, new = msgspec.to_builtins(found.before.totals), msgspec.to_builtins(found.after.totals)
    return {
        "before": _side(before, found.before),
        "after": _side(after, found.after),
        "same": found.same,
        "totals": {key: _change(old[key], new[key]) for key in old},
        "files": [_file(one) for one in found.files],
        "times": found.times,
        "directories": [_growth(one) for one in found.directories],
        "kinds": [_growth(one) for one in found.kinds],
        "packages": [_package(one) for one in found.packages],
        "objects": [_object(one) for one in found.objects],
        "settings": [_setting(one) for one in found.settings],
        "layers": {
            "before": found.before.inspection.layers,
            "after": found.after.inspection.layers,
            "shared": found.shared,
            "fetched": found.fetched,
        },
    }


def _side(name: str, side: Side) -> dict[str, Any]:
    config = side.inspection.config
    platform = "/".join(filter(None, (config.os, config.architecture, config.variant)))
    return {"image": show(name), "digest": side.inspection.digest, "platform": platform}


def _change(old: int, new: int) -> dict[str, Any]:
    return {"before": old, "after": new, "delta": new - old, "ratio": round(new / old, 6) if old else None}


def _file(one: FileChange) -> dict[str, Any]:
    return {
        "path": show(one.path),
        "state": one.state,
        "what": one.what,
        "package": None if one.package is None else show(one.package),
        "also": [show(path) for path in one.also],
        "delta": one.delta,
        "before": _entry(one.before, one.size_before, one.link_before),
        "after": _entry(one.after, one.size_after, one.link_after),
    }


def _entry(entry: Entry | None, size: int, link: str | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "type": type_name(entry),
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "size": size,
        "target": show(entry.target) if isinstance(entry, Symlink) else None,
        "device": [entry.major, entry.minor] if isinstance(entry, Device) else None,
        "xattrs": {show(name): value.hex() for name, value in entry.xattrs},
        "link": None if link is None else show(link),
    }


def _growth(one: Growth) -> dict[str, Any]:
    return {
        "name": show(one.name),
        "files": _change(one.files_before, one.files_after),
        "size": _change(one.size_before, one.size_after),
    }


def _package(one: PackageGrowth) -> dict[str, Any]:
    return _growth(one) | {
        "state": one.state,
        "version": {"before": _text(one.version_before), "after": _text(one.version_after)},
    }


def _object(one: ObjectChange) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "state": one.state,
        "path": {"before": _text(one.path_before), "after": _text(one.path_after)},
        "size": _change(one.size_before, one.size_after),
        "what": one.what,
        "needed": _delta(one.needed),
        "version_needs": _delta(one.version_needs),
        "versions": _delta(one.versions),
        "before": _elf(one.before),
        "after": _elf(one.after),
    }


def _elf(elf: ElfFile | None) -> dict[str, Any] | None:
    if elf is None:
        return None
    names = {"soname": elf.soname, "interp": elf.interp, "rpath": elf.rpath, "runpath": elf.runpath}
    return {
        "machine": elf.machine.name,
        "architecture": elf.machine.architecture,
        **{key: _text(value) for key, value in names.items()},
        "needed": _texts(elf.needed),
        "relro": elf.relro,
        "exec_stack": elf.exec_stack,
        "text_relocations": elf.text_relocations,
        "relr": elf.relr,
    }


def _delta(one: Delta) -> dict[str, Any]:
    return {"added": _texts(one.added), "removed": _texts(one.removed)}


def _setting(one: Setting) -> dict[str, Any]:
    return {"section": one.section, "key": one.key, "before": _value(one.before), "after": _value(one.after)}


def _value(value: Value | None) -> str | list[str] | None:
    return list(value) if isinstance(value, tuple) else value


def _text(text: str | None) -> str | None:
    return show(text) if text else None


def _texts(texts: Sequence[str]) -> list[str]:
    return [show(text) for text in texts]
