"""Strings in a file that look like the name of a library or a path: what `strings(1)` would show of them.

In: a content. Out: `Strings`. What opens files at run time holds their names as C strings, most often as constants.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.paths import from_bytes

if TYPE_CHECKING:
    from assembler.base.content import Content

_NAME: Final = re.compile(
    rb"(?<![\w/.+%~-])"  # a format or the rest of a longer path is no name
    rb"((?:/[\w.+@:-]{1,255}){1,32}/?|lib[\w.+-]{1,255}\.so(?:\.\d{1,9}){0,4})"
    rb'(?=[\0"])'
)
_LONGEST: Final = 4096
_MOST: Final = 20_000


class Strings(Struct, frozen=True):
    """What was found, each once, sorted.

    Attributes:
        libraries: names such as `libfoo.so.1`.
        paths: absolute paths, as they are written but for a slash at the end.
    """

    libraries: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


def read_strings(content: Content, path: str) -> Strings:
    """Look through a whole file; at most 20,000 names are kept, which no real file comes near.

    Raises:
        SourceError: it cannot be read.
    """
    found: set[bytes] = set()
    rest = b""
    for chunk in content.chunks():
        data = rest + chunk
        found.update(match[1] for match in _NAME.finditer(data))
        rest = data[-_LONGEST:]
        if len(found) > _MOST:
            break
    names = sorted({from_bytes(one.rstrip(b"/")) for one in found} - {""})
    paths = tuple(name for name in names if name.startswith("/"))
    return Strings(tuple(name for name in names if not name.startswith("/")), paths)
