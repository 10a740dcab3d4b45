"""The stand-in for a Buildroot tree, ready to be run.

`standin/` is data. What depends on the machine is filled in when it is copied: the Python that has kconfiglib.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.tools import lack

VERSION: Final = "2025.02.16"
"""The release that it stands in for, as its Makefile and the tag of its repository name it."""

_DATA: Final = Path(__file__).with_name("standin")
_EPOCH: Final = "1784143200 +0000"
_PERSON: Final = {"NAME": "Buildroot", "EMAIL": "buildroot@localhost", "DATE": _EPOCH}


def make_tree(folder: Path, *, repository: bool = False) -> Path:
    """Copy the tree to `folder/buildroot` and return that path.

    With `repository` it is a Git repository of one commit with the tag `2025.02.16`: what a `file://` URL can clone.
    """
    if shutil.which("make") is None:
        lack("make is not installed: apt install make")
    tree = folder / "buildroot"
    shutil.copytree(_DATA, tree, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "support/standin/python.mk").write_text(f"STANDIN_PYTHON := {sys.executable}\n")
    if repository:
        commit(tree)
    return tree


def commit(tree: Path) -> str:
    """Make a repository of a tree; return the commit, which the tag `2025.02.16` names."""
    git(tree, "init", "--quiet", "--initial-branch=master")
    git(tree, "add", "--all", "--force")
    git(tree, "commit", "--quiet", "--message", f"Makefile: Update for {VERSION}")
    git(tree, "tag", "--annotate", "--message", VERSION, VERSION)
    return git(tree, "rev-parse", "HEAD")


def git(tree: Path, *arguments: str) -> str:
    """Run git in a tree, whatever this machine's settings of it are; return what it says."""
    if shutil.which("git") is None:
        lack("git is not installed: apt install git")
    person = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _PERSON.items()}
    settings = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", tree, *arguments], env={**kept, **person, **settings}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def archive(name: str) -> bytes:
    """Return what the archive of this name holds, as a primary site would have it: `gmp-6.3.0.tar.xz`."""
    return f"stand-in for {name}\n".encode()
