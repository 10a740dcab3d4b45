"""Dynamic string tokens: `$ORIGIN`, `${LIB}`, `$PLATFORM` (System V ABI, "Substitution Sequences"; dl-load.c)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN: Final = re.compile(r"\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)(?![A-Za-z0-9_]))")


def expand(text: str, values: Mapping[str, str | None]) -> str | None:
    """Replace the tokens of a path; None where a known token has no value, which voids the whole path.

    What only looks like a token stays as it is, as glibc leaves it.
    """
    names = [match[1] or match[2] for match in _TOKEN.finditer(text)]
    if any(values.get(name) is None for name in names):
        return None
    return _TOKEN.sub(lambda match: values[match[1] or match[2]] or "", text)
