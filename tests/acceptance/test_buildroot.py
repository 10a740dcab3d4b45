"""Real builds, where there is a Buildroot: they take an hour or two, so a variable of the environment asks for them.

`BRASM_BUILDROOT` names a checkout of the release that the recipes pin; `BRASM_CONFIG` may name a file with symbols of
the machine. `XDG_CACHE_HOME` decides where toolchains and builds stay. `BRASM_BUILDROOT_TOOLCHAIN` may name options
that are added to the recipes' toolchains, such as `headers-6.1`.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

import pytest

from assembler.base.content import read
from assembler.base.paths import ancestors
from assembler.base.progress import Silent
from assembler.oci.reference import parse
from assembler.recipe import load_recipe
from assembler.recipe.find import find_recipe
from assembler.sources.buildroot.devices import Line, parse_device_table
from assembler.sources.image import flatten, open_image
from assembler.sources.tarball import read_tarball
from assembler.tree import Device, Regular, Symlink
from tests.acceptance.taskd import synchronise
from tests.tools import BRASM, need, need_root, run

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.tree import Entry, Tree

CHECKOUT: Final = os.environ.get("BRASM_BUILDROOT")
OPTIONS: Final = os.environ.get("BRASM_BUILDROOT_TOOLCHAIN", "")
CACHE: Final = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
TABLES: Final = os.path.join(os.path.dirname(__file__), "tables")

pytestmark = pytest.mark.skipif(CHECKOUT is None, reason="BRASM_BUILDROOT names no checkout of Buildroot")


def build(recipe: str, image: Path, variant: str | None = None) -> str:
    """Build a recipe and pack it to `image`; return the output folder."""
    need("make", "gcc", "wget", "cpio", "unzip", "rsync", "bc")
    named = load_recipe(find_recipe(recipe), variant=variant).recipe.buildroot.toolchain or ""
    more = ("--variant", variant) if variant else ()
    toolchain = f"buildroot.toolchain={'+'.join(filter(None, (named, OPTIONS)))}"
    done = run(
        *BRASM, "build", recipe, *more, "--set", toolchain, "--json", "-o", image, timeout=4 * 3600,
        env={"XDG_CACHE_HOME": CACHE},
    )  # fmt: skip
    return str(json.loads(done)["build"]["output"])


def own_rootfs(output: str) -> Tree:
    """Return the root filesystem as Buildroot itself writes it."""
    run("make", "-C", output, "rootfs-tar", timeout=1800)
    return read_tarball(os.path.join(output, "images", "rootfs.tar"), Silent())


def made_on_the_way(output: str) -> set[str]:
    """Return what makedevs may make on the way to something else: there it gets 0777, here 0755."""
    with open(os.path.join(output, "build", "buildroot-fs", "full_devices_table.txt"), encoding="utf-8") as file:
        lines = parse_device_table(file.read(), "table")
    return {above for line in lines if isinstance(line, Line) for above in ancestors(line.path)}


def facts(entry: Entry) -> dict[str, object]:
    found: dict[str, object] = {
        "type": type(entry).__name__,
        "mode": f"{entry.mode:04o}",
        "owner": (entry.uid, entry.gid),
        "xattrs": entry.xattrs,
    }
    match entry:
        case Regular():
            found["content"] = read(entry.content)
        case Symlink():
            found["target"] = entry.target
            del found["mode"]
        case Device():
            found["device"] = (entry.kind, entry.major, entry.minor)
    return found


def differences(ours: Tree, theirs: Tree) -> list[str]:
    """Word what differs: of each path its type, mode, owner, xattrs, content, target, device."""
    lines = [f"{path}: only in one" for path in sorted({one.path for one in ours} ^ {one.path for one in theirs})]
    for entry in ours:
        other = theirs.get(entry.path)
        if other is not None and facts(entry) != facts(other):
            lines.append(f"{entry.path}: {facts(entry)} != {facts(other)}"[:300])
    return lines


@pytest.mark.parametrize(("recipe", "variant"), [("taskd", None), (TABLES, None)], ids=["taskd", "tables"])
def test_the_root_is_the_one_that_buildroot_writes(tmp_path: Path, recipe: str, variant: str | None) -> None:
    need_root()
    output = build(recipe, tmp_path / "image.tar", variant)
    run(*BRASM, "pack", "--source", output, "--mode", "all", "-o", tmp_path / "all.tar")
    ours = flatten(open_image(parse(str(tmp_path / "all.tar"))), Silent())
    theirs = own_rootfs(output)
    accidents = {
        path
        for path in made_on_the_way(output)
        if {**facts(ours[path]), "mode": "0777"} == facts(theirs[path]) and ours[path].mode == 0o755
    }
    assert [line for line in differences(ours, theirs) if line.partition(":")[0] not in accidents] == []
    assert len(ours) > 90


@pytest.mark.parametrize("variant", [None, "musl", "musl-static"])
def test_taskd_synchronises_over_tls(tmp_path: Path, variant: str | None) -> None:
    build("taskd", tmp_path / "taskd.tar", variant)
    synchronise(str(tmp_path / "taskd.tar"), tmp_path)


def test_nothing_to_do_runs_no_make(tmp_path: Path) -> None:
    output = build("taskd", tmp_path / "first.tar")
    before = os.stat(os.path.join(output, ".brasm", "build.log")).st_mtime_ns
    assert build("taskd", tmp_path / "second.tar") == output
    assert os.stat(os.path.join(output, ".brasm", "build.log")).st_mtime_ns == before
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()
