"""The `[[test]]`s of the recipes that Buildroot builds, with what Debian has of the same programs."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from assembler.recipe import load_recipe
from assembler.recipe.find import find_recipe
from tests.acceptance.images import Bundle
from tests.tools import need, need_root, pack, run

if TYPE_CHECKING:
    from pathlib import Path

_CACHE = '{ path = "/var/cache/nginx", type = "directory", owner = "101:101" }'
_DEBIAN_S = '{ path = "/var/lib/nginx", type = "directory", owner = "101:101" }'
CHANGES = {"nginx": ("--set", f"files=[{_CACHE}, {_DEBIAN_S}]")}
"""What Debian's program wants besides: its folder for what is buffered."""


@pytest.fixture
def source(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The root filesystem that has a recipe's program."""
    if request.param == "taskd":
        need("taskd")
        return "/"
    if request.param == "nginx":
        return str(request.getfixturevalue("debian_root"))
    return str(_applets(tmp_path / "applets"))


def _applets(root: Path) -> Path:
    """Install busybox as Buildroot does: one program and a link for each applet."""
    need("busybox")
    busybox = shutil.which("busybox")
    assert busybox is not None
    for path in run(busybox, "--list-full").split():
        link = root / path
        link.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(os.path.relpath(root / "bin/busybox", link.parent), link)
    (root / "bin/busybox").unlink(missing_ok=True)
    shutil.copy(busybox, root / "bin/busybox")
    return root


@pytest.mark.parametrize(
    ("recipe", "source"), [(name, name) for name in ("busybox", "nginx", "taskd")], indirect=["source"]
)
def test_the_tests_of_a_recipe(recipe: str, source: str, tmp_path: Path) -> None:
    need_root()
    tag = load_recipe(find_recipe(recipe)).recipe.version
    changes = ("--set", "budget={}", *CHANGES.get(recipe, ()))
    pack(recipe, "--source", source, *changes, "-o", f"oci:layout:{tag}", cwd=tmp_path)
    bundle = Bundle(tmp_path / "layout", tag, tmp_path / "bundle")
    for test in load_recipe(find_recipe(recipe)).recipe.test:
        done = bundle.run(test.run, stdin=test.stdin or "")
        assert done.returncode == test.exit, f"{test.run}: {done.stdout}{done.stderr}"
        assert test.stdout is None or re.search(test.stdout, done.stdout), f"{test.run}: {done.stdout}"
        assert test.stderr is None or re.search(test.stderr, done.stderr), f"{test.run}: {done.stderr}"
