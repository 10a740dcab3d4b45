"""The `[[test]]`s of the recipes that Buildroot builds, with what Debian has of the same programs."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.tools import BRASM, need, need_root, run

if TYPE_CHECKING:
    from pathlib import Path

_CACHE = '{ path = "/var/cache/nginx", type = "directory", owner = "101:101" }'
_DEBIAN_S = '{ path = "/var/lib/nginx", type = "directory", owner = "101:101" }'
CHANGES = {"nginx": ("--set", f"files=[{_CACHE}, {_DEBIAN_S}]", "--tmpfs", "/var/lib/nginx")}
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
def test_the_tests_of_a_recipe(recipe: str, source: str) -> None:
    need("runc", "nsenter")
    need_root()
    changes = ("--set", "budget={}", *CHANGES.get(recipe, ()))
    done = run(*BRASM, "test", "--runtime", "runc", recipe, "--source", source, *changes)
    assert "0 failed, by runc" in done
