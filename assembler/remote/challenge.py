"""What a registry wants to see before it serves: reading `WWW-Authenticate`.

In: the headers of a 401. Out: `Challenge`s. Source: RFC 9110, 11.6.1; distribution, `docs/spec/auth/token.md`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE: Final = r'"(?:[^"\\]|\\.)*"|[^\s",=][^\s",]*'
_PARAMETER: Final = re.compile(rf"[\s,]*({_WORD})\s*=\s*({_VALUE})", re.DOTALL)
"""A value that must be quoted, such as a URL, is taken without quotes too."""
_SCHEME: Final = re.compile(rf"[\s,]*({_WORD})(?:\s+[A-Za-z0-9._~+/-]+=*\s*(?=,|$))?")
"""A scheme, with its token68 where it has one instead of parameters."""


class Challenge(Struct, frozen=True):
    """One way to authorize: `scheme` in lower case, parameters by their name in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """Read the values of all `WWW-Authenticate` headers; what cannot be read ends the list."""
    found: list[Challenge] = []
    for value in values:
        position = 0
        while match := _PARAMETER.match(value, position) or _SCHEME.match(value, position):
            position = match.end()
            if match.re is _SCHEME:
                found.append(Challenge(match[1].lower(), {}))
            elif found:
                last = found.pop()
                found.append(Challenge(last.scheme, {**last.parameters, match[1].lower(): _unquoted(match[2])}))
    return found


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL) if value.startswith('"') else value
