"""`python -m benches.buildroot`: what real builds took and what their images weigh; writes benches/BUILDROOT.md.

Reads the cache that `brasm build` and `brasm toolchain` left, so nothing is built here: each record there says how
long it took. Sizes are measured now: of each finished build the image that brasm packs, beside Buildroot's own
`rootfs.tar` as `docker import` would take it, plain and with gzip -9.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from assembler.buildroot.builds import stored_builds
from assembler.buildroot.store import stored_toolchains
from assembler.recipe.find import shipped_recipes
from benches.programs import BRASM
from benches.report import table

if TYPE_CHECKING:
    from assembler.buildroot.builds import Build

HERE: Final = os.path.dirname(os.path.abspath(__file__))
TUTORIAL: Final = 12_250_000
"""Bytes of the tutorial's image of taskd, as `docker images` shows it."""


class Weighed(NamedTuple):
    """A build, and bytes of what can be made of it."""

    build: Build
    stored: int
    unpacked: int
    rootfs: int
    rootfs_gzip: int


def main() -> None:
    """Weigh what the cache has, write the record."""
    parser = argparse.ArgumentParser(prog="python -m benches.buildroot", description=__doc__)
    parser.add_argument("--output", default=os.path.join(HERE, "BUILDROOT.md"), help="the record to write")
    parser.add_argument("--notes", default="", help="a sentence on the machine and its caches")
    options = parser.parse_args()
    builds = [one for one in stored_builds() if one.finished is not None and one.name in shipped_recipes()]
    if not builds:
        parser.error("the cache has no finished build of a recipe that ships: brasm build makes one")
    text = record([weigh(one) for one in builds], options.notes)
    with open(options.output, "w", encoding="utf-8") as file:
        file.write(text)
    sys.stdout.write(text)


def weigh(build: Build) -> Weighed:
    """Pack a build as its recipe says, and let Buildroot write its own tarball."""
    packed = _pack(build)
    run("make", "-C", build.output, "rootfs-tar")
    rootfs = os.path.join(build.output, "images", "rootfs.tar")
    gzip = len(subprocess.run(["gzip", "-9nc", rootfs], capture_output=True, check=True).stdout)
    return Weighed(build, packed["size"], packed["unpacked_size"], os.path.getsize(rootfs), gzip)


def _pack(build: Build) -> dict[str, Any]:
    variant = ["--variant", build.variant] if build.variant else []
    with tempfile.TemporaryDirectory() as folder:
        words = ["pack", build.name, *variant, "--source", build.output, "--json", "-o", os.path.join(folder, "x.tar")]
        found: dict[str, Any] = json.loads(run(BRASM, *words))
    return found


def run(*words: str) -> str:
    """Run a program that must succeed, and return what it printed."""
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def record(weighed: list[Weighed], notes: str) -> str:
    """Write the record."""
    toolchains = [
        [one.name, one.release, f"{one.seconds / 60:.0f}", f"{one.size / 1e6:.0f}"] for one in stored_toolchains()
    ]
    builds = [
        [
            one.build.title,
            f"{one.build.seconds:.0f}",
            f"{one.stored:,}",
            f"{one.unpacked:,}",
            f"{one.rootfs:,}",
            f"{one.rootfs_gzip:,}",
            f"{one.stored / one.rootfs_gzip:.2f}",
            f"{TUTORIAL / one.unpacked:.1f}" if one.build.name == "taskd" else "",
        ]
        for one in sorted(weighed, key=lambda one: one.build.title)
    ]
    head = ["", "packages, s", "stored", "unpacked", "rootfs.tar", "gzip -9", "stored / gzip -9", "12.25 MB / unpacked"]
    return (
        "## Real Buildroot builds\n\nWritten by `python -m benches.buildroot`. "
        f"{notes}\n\nToolchains, each built once:\n\n"
        + table(["", "Buildroot", "minutes", "SDK, MB"], toolchains)
        + "\nRecipes, each with its toolchain from the cache; bytes. `rootfs.tar` is what `docker import` takes.\n\n"
        + table(head, builds)
    )


if __name__ == "__main__":
    main()
