r"""In-root paths: what stands where inside a root filesystem, whatever folder of the machine holds it.

A path is an absolute, normalised `str`: `/`, `/usr/bin/sh`. Names of the file system are bytes; they
are decoded as UTF-8 with `surrogateescape`, never by the machine's locale, so that the same tree gives
the same paths everywhere. A path cannot climb out: `..` at `/` stays at `/` (POSIX, pathname resolution).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*")


def from_bytes(raw: bytes) -> str:
    """Decode a name or path of the file system."""
    return raw.decode("utf-8", "surrogateescape")


def to_bytes(path: str) -> bytes:
    """Encode a name or path for the file system; sorting by this is sorting bytewise."""
    return path.encode("utf-8", "surrogateescape")


def normalize(path: str) -> str:
    """Make a path absolute and lexically normal: `usr//bin/./../lib` becomes `/usr/lib`."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/" + "/".join(parts)


def join(directory: str, name: str) -> str:
    """Put a single name below a directory."""
    return "/" + name if directory == "/" else f"{directory}/{name}"


def parent(path: str) -> str:
    """Return the directory that holds a path; that of `/` is `/`."""
    return path.rpartition("/")[0] or "/"


def name(path: str) -> str:
    """Return the last component; that of `/` is empty."""
    return path.rpartition("/")[2]


def ancestors(path: str) -> Iterator[str]:
    """Yield the directories above a path, the nearest first and `/` last; none for `/` itself."""
    while path != "/":
        path = parent(path)
        yield path


def is_below(path: str, directory: str) -> bool:
    """Say whether a path is the directory itself or stands anywhere below it."""
    return directory == "/" or path == directory or path.startswith(directory + "/")


def show(path: str) -> str:
    r"""Make a path fit for a line of text or JSON: control characters and stray bytes become `\xNN`."""
    if _PLAIN.fullmatch(path):
        return path
    return "".join(_show_character(character) for character in path)


def _show_character(character: str) -> str:
    if _PLAIN.fullmatch(character):
        return "\\\\" if character == "\\" else character
    return "".join(f"\\x{byte:02x}" for byte in to_bytes(character))
