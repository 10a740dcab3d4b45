"""Contents: the same bytes by every way in, and no torn reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from assembler.base.content import CHUNK, Bytes, Content, FileContent, SharedFile, Span, read
from assembler.base.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

DATA = bytes(range(256)) * 5000


@pytest.fixture
def contents(tmp_path: Path) -> list[Content]:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    named = os.fsencode(path)
    spool = SharedFile.temporary(str(tmp_path))
    spool.write(b"before" + DATA + b"after")
    return [Bytes(DATA), FileContent.of(named, os.lstat(named)), Span(spool, 6, len(DATA))]


def test_all_contents_read_alike(contents: list[Content]) -> None:
    for content in contents:
        assert content.size == len(DATA)
        assert read(content) == DATA
        with content.open() as stream:
            stream.seek(1000)
            assert stream.read(300) == DATA[1000:1300]
            stream.seek(-4, os.SEEK_END)
            assert stream.read() == DATA[-4:]


def test_chunks_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(CHUNK * 2 + 1))
    named = os.fsencode(path)
    assert [len(chunk) for chunk in FileContent.of(named, os.lstat(named)).chunks()] == [CHUNK, CHUNK, 1]


def test_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    named = os.fsencode(path)
    content = FileContent.of(named, os.lstat(named))
    path.write_bytes(b"longer than before")
    with pytest.raises(SourceError, match="changed while it was read"):
        read(content)


def test_a_file_that_changes_between_two_chunks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(CHUNK * 2))
    named = os.fsencode(path)
    chunks = FileContent.of(named, os.lstat(named)).chunks()
    next(chunks)
    with path.open("r+b") as file:
        file.seek(CHUNK)
        file.write(b"x")
    with pytest.raises(SourceError, match="changed while it was read"):
        list(chunks)


def test_a_file_that_shrinks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(CHUNK * 2))
    named = os.fsencode(path)
    chunks = FileContent.of(named, os.lstat(named)).chunks()
    next(chunks)
    os.truncate(path, CHUNK)
    with pytest.raises(SourceError, match="changed while it was read"):
        list(chunks)


def test_a_file_replaced_by_a_symlink_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    named = os.fsencode(path)
    content = FileContent.of(named, os.lstat(named))
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(SourceError, match="cannot be read"):
        read(content)


def test_a_span_past_the_end_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(b"12345")
    with pytest.raises(SourceError, match="truncated"):
        read(Span(SharedFile.existing(str(path)), 3, 10))
