"""Files that are there whole or not at all; copies in the kernel and, where it cannot, through memory."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from assembler.base.content import Bytes, Content, SharedFile, Span
from assembler.base.errors import DestinationError, SourceError
from assembler.base.files import (
    atomic_file,
    copy_content,
    remove_unfinished,
    take_over,
    temporary_name,
    write_all,
)

if TYPE_CHECKING:
    from pathlib import Path


def copied_to(path: str, content: Content) -> None:
    with atomic_file(path) as descriptor:
        copy_content(content, descriptor)


def copied(content: Content, folder: Path) -> bytes:
    with atomic_file(f"{folder}/copy") as descriptor:
        write_all(descriptor, b"head")
        copy_content(content, descriptor)
        write_all(descriptor, b"tail")
    return (folder / "copy").read_bytes()


def span(data: bytes, offset: int, size: int) -> Span:
    file = SharedFile.temporary()
    file.write(data)
    return Span(file, offset, size)


@pytest.mark.parametrize("content", [Bytes(b"345"), span(b"0123456789", 3, 3)], ids=["memory", "file"])
def test_a_copy(content: Content, tmp_path: Path) -> None:
    assert copied(content, tmp_path) == b"head345tail"


@pytest.mark.parametrize("number", [errno.EXDEV, errno.ENOSYS, None])
def test_where_the_kernel_does_not_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None) -> None:
    def refuse(*_: object, **__: object) -> int:
        if number is None:
            return 0  # what file systems such as procfs answer
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "copy_file_range", refuse)
    assert copied(span(b"0123456789", 2, 4), tmp_path) == b"head2345tail"


def test_a_span_that_ends_too_early(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="truncated"):
        copied(span(b"0123", 2, 4), tmp_path)
    assert os.listdir(tmp_path) == []


def test_the_old_file_is_there_until_the_new_one_is(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    with pytest.raises(SourceError):
        copied_to(f"{tmp_path}/x", span(b"new", 0, 4))
    assert (tmp_path / "x").read_text() == "old"
    copied_to(f"{tmp_path}/x", Bytes(b"new"))
    assert (tmp_path / "x").read_text() == "new"
    assert os.listdir(tmp_path) == ["x"]


def test_the_longest_names(tmp_path: Path) -> None:
    name = "ä" * 127
    assert len(os.fsencode(os.path.basename(temporary_name(f"{tmp_path}/{name}")))) <= 255
    with atomic_file(f"{tmp_path}/{name}") as descriptor:
        write_all(descriptor, b"x")
    assert os.listdir(tmp_path) == [name]


def test_a_path_with_control_characters_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DestinationError) as caught, atomic_file(f"{tmp_path}/no\nwhere/x"):
        pass
    assert "\n" not in caught.value.message
    assert caught.value.hint == "make the folder first"


def test_an_unnamed_file_is_given_its_name_once(tmp_path: Path) -> None:
    unnamed = SharedFile.temporary(str(tmp_path))
    unnamed.write(b"data")
    whole = Span(unnamed, 0, 4)
    assert not take_over(Span(unnamed, 1, 3), str(tmp_path / "part"))
    assert not take_over(Bytes(b"data"), str(tmp_path / "bytes"))
    assert take_over(whole, str(tmp_path / "named")), "this file system knows O_TMPFILE"
    assert (tmp_path / "named").read_bytes() == b"data"
    assert not take_over(whole, str(tmp_path / "again")), "two names would be one file"
    assert [path.name for path in tmp_path.iterdir()] == ["named"]


@pytest.mark.parametrize("name", ["blob", "b" * 255])
def test_what_is_not_finished_goes_and_nothing_else(tmp_path: Path, name: str) -> None:
    path = f"{tmp_path}/{name}"
    kept = (tmp_path / name, tmp_path / ".blob.conf", tmp_path / ".blob.", tmp_path / f".x{name[:200]}.{'0' * 12}")
    for each in kept:
        each.write_text("kept")
    for unfinished in (temporary_name(path), temporary_name(path)):
        with open(unfinished, "w", encoding="ascii") as file:
            file.write("half")
    assert len(list(tmp_path.iterdir())) == len(kept) + 2
    remove_unfinished(path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
