"""How `brasm` refuses: one line of error, its exit code, and nothing left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tools import BRASM, attempt, need, need_root

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
"""What runs a program as an ordinary user."""


def need_an_ordinary_user() -> None:
    """Skip a test where an ordinary user could not run brasm at all."""
    need("setpriv")
    need_root()
    if attempt(*NOBODY, *BRASM, "--version").returncode:
        pytest.skip("an ordinary user may not enter the folder of this Python or of this checkout")


def refused(out: Path, code: int, *arguments: str | os.PathLike[str], under: Sequence[str] = ()) -> str:
    """Run `brasm` in a folder, hold its refusal to the rules, and return the line of the error."""
    before = sorted(out.iterdir())
    done = attempt(*under, *BRASM, *arguments, cwd=out)
    lines = done.stderr.splitlines()
    assert done.returncode == code, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    assert [line.partition(": ")[0] for line in lines] in (["error"], ["error", "hint"]), done.stderr
    assert done.stdout == ""
    assert sorted(out.iterdir()) == before
    return lines[0]


def whole(source: str | os.PathLike[str]) -> tuple[str | os.PathLike[str], ...]:
    """Return the arguments that pack all of a source."""
    return ("pack", "-s", source, "--mode", "all", "--set", "image.platform=linux/amd64", "-o", "x.tar")


def closure(source: str | os.PathLike[str], entrypoint: str = "/app") -> tuple[str | os.PathLike[str], ...]:
    """Return the arguments that pack what a program needs."""
    return ("pack", "-s", source, "-e", entrypoint, "-o", "x.tar")
