"""Folders to pack: a copied distribution, many small files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def temporary(folder: str) -> Iterator[str]:
    """Give the path of a folder that is not there yet, and remove it afterwards."""
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def copies(root: str, folder: str, size: int) -> str:
    """Copy a root side by side until there are `size` bytes."""
    os.makedirs(folder)
    for number in range(-(-size // content_size(root))):
        subprocess.run(["cp", "-a", root, f"{folder}/copy{number}"], check=True)
    return folder


def small_files(folder: str, count: int, size: int = 1024) -> str:
    """Make files of `size` bytes that compress like text, two hundred in a folder."""
    for number in range(count):
        if number % 200 == 0:
            os.makedirs(f"{folder}/d{number // 200:04}")
        line = hashlib.sha256(str(number).encode()).hexdigest().encode() + b" some words of no meaning\n"
        with open(f"{folder}/d{number // 200:04}/f{number}", "wb") as file:
            file.write((line * (size // len(line) + 1))[:size])
    return folder


def content_size(root: str) -> int:
    """Return the bytes of all regular files, each hard link once."""
    seen = {}
    for folder, _, names in os.walk(root):
        for name in names:
            status = os.lstat(os.path.join(folder, name))
            if stat.S_ISREG(status.st_mode):
                seen[status.st_ino] = status.st_size
    return sum(seen.values())


def entry_count(root: str) -> int:
    """Return the number of files and folders."""
    return sum(len(directories) + len(names) for _, directories, names in os.walk(root)) + 1
