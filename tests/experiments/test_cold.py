"""Files are dropped from memory, as mincore sees it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from assembler.experiments.bench.cold import drop_from_memory, share_in_memory
from tests.tools import lack

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 64 * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of files just written, some of them odd."""
    made = tmp_path / "root"
    (made / "deep/er").mkdir(parents=True)
    (made / "deep/er/data").write_bytes(os.urandom(SIZE))
    (made / "small").write_bytes(b"x")
    (made / "empty").touch()
    os.link(made / "small", made / "again")
    (made / "link").symlink_to("deep/er/data")
    (made / "gone").symlink_to("nowhere")
    os.mkfifo(made / "fifo")
    return made


def test_what_was_just_written_is_dropped(folder: Path) -> None:
    assert share_in_memory(str(folder)) == 1
    left = drop_from_memory(str(folder))
    if left == 1:
        lack("the temporary folder is in memory")
    assert left == share_in_memory(str(folder)) == 0


def test_what_is_read_is_in_memory_again(folder: Path) -> None:
    if drop_from_memory(str(folder)):
        lack("the temporary folder is in memory")
    (folder / "small").read_bytes()
    assert share_in_memory(str(folder)) == 1 / 65
    (folder / "deep/er/data").read_bytes()
    assert share_in_memory(str(folder)) == 1
    assert drop_from_memory(str(folder)) == 0


def test_nothing_is_no_share(tmp_path: Path) -> None:
    assert drop_from_memory(str(tmp_path)) == 0


def test_a_tmpfs_keeps_its_files() -> None:
    if not os.path.ismount("/dev/shm") or not os.access("/dev/shm", os.W_OK):
        lack("there is no /dev/shm")
    folder = f"/dev/shm/brasm-test-{os.getpid()}"
    os.mkdir(folder)
    try:
        with open(f"{folder}/file", "wb") as file:
            file.write(bytes(SIZE))
        assert drop_from_memory(folder) == 1
    finally:
        os.unlink(f"{folder}/file")
        os.rmdir(folder)
