"""Editing a defconfig as a person would: lines change where they stand, comments and order stay, new ones come last.

In: the file's text, symbols with their new values. Out: the new text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from assembler.base.dotconfig import config_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINE: Final = re.compile(r"\s*(?:# (?P<unset>BR2_\w+) is not set|(?P<set>BR2_\w+)=.*)\s*")


def edit_defconfig(text: str, changes: Mapping[str, str | None], comment: str | None = None) -> str:
    """Return a defconfig with other values.

    Args:
        text: the file.
        changes: by symbol, the value in `parse_config`'s form; None takes its lines out.
        comment: a line before those that are new.
    """
    lines: list[str] = []
    placed: set[str] = set()
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        symbol = (match["unset"] or match["set"]) if match else None
        if symbol is None or symbol not in changes:
            lines.append(line)
        elif symbol not in placed:
            placed.add(symbol)
            lines += _lines(symbol, changes[symbol])
    new = [line for symbol, value in changes.items() if symbol not in placed for line in _lines(symbol, value)]
    lines += [f"# {comment}"] if comment and new else []
    return "".join(f"{line}\n" for line in [*lines, *new])


def _lines(symbol: str, value: str | None) -> list[str]:
    return [] if value is None else list(config_lines({symbol: value}))
