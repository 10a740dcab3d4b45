"""Failures in the middle of writing: contents that end, interruptions at any system call; and what is left then."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from assembler.base.errors import Interrupted, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from assembler.oci.image import Image


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


class Failing(msgspec.Struct, frozen=True):
    """A content that ends too early."""

    error: BaseException
    size: int = 100

    def open(self) -> Any:
        raise self.error

    def chunks(self) -> Iterator[bytes]:
        yield b"some"
        raise self.error


FAILURES = [SourceError("gone"), OSError(5, "Input/output error"), KeyboardInterrupt(), Interrupted(15)]


def failing(image: Image, error: BaseException) -> Image:
    bad = msgspec.structs.replace(image.layers[-1], blob=Failing(error))
    return msgspec.structs.replace(image, layers=(*image.layers[:-1], bad))


def interrupt_at(monkeypatch: pytest.MonkeyPatch, call: int) -> list[str]:
    """Raise after one of the calls that change something; also from then on nothing else fails."""
    done: list[str] = []
    for name in ("open", "mkdir", "write", "fsync", "replace", "rename", "copy_file_range", "chown", "utime", "chmod"):
        original = getattr(os, name)

        def counted(*arguments: Any, _name: str = name, _original: Any = original, **named: Any) -> Any:
            result = _original(*arguments, **named)
            done.append(_name)
            if len(done) == call + 1:
                if _name == "open":
                    os.close(result)
                raise KeyboardInterrupt
            return result

        monkeypatch.setattr(os, name, counted)
    return done
