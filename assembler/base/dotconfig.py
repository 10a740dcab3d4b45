"""Buildroot's configuration as text: `.config` and defconfigs (the format of kconfig, `Documentation/kbuild`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from assembler.base.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SET: Final = re.compile(r'(?P<symbol>BR2_\w+)=(?P<value>y|-?\d+|0[xX][0-9a-fA-F]+|"(?:[^"\\]|\\.)*")')
_UNSET: Final = re.compile(r"# (?P<symbol>BR2_\w+) is not set")
_ESCAPED: Final = re.compile(r"\\(.)")


def parse_config(text: str, where: str) -> dict[str, str]:
    """Return the symbols of a configuration: `y`, a number, a text without its quotes, or `n` for what is not set.

    A symbol that stands twice has its last value, as kconfig reads it.

    Args:
        text: the file.
        where: what errors call it.

    Raises:
        RecipeError: a line is neither an assignment, a comment nor empty; with its number.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _UNSET.fullmatch(line.strip()):
            found[match["symbol"]] = "n"
        elif match := _SET.fullmatch(line.strip()):
            found[match["symbol"]] = _value(match["value"])
        elif line.strip() and not line.lstrip().startswith("#"):
            raise RecipeError(
                f"{where}:{number}: not a line of a defconfig: {line.strip()!r}",
                hint="BR2_X=y, BR2_X=\"text\", or '# BR2_X is not set'",
            )
    return found


def config_text(symbols: Mapping[str, str]) -> str:
    """Write symbols as a defconfig, in the order in which they stand."""
    return "".join(f"{line}\n" for line in config_lines(symbols))


def config_lines(symbols: Mapping[str, str]) -> Iterable[str]:
    """Yield a line for each symbol."""
    for symbol, value in symbols.items():
        if value == "n":
            yield f"# {symbol} is not set"
        elif value == "y" or re.fullmatch(r"-?\d+|0[xX][0-9a-fA-F]+", value):
            yield f"{symbol}={value}"
        else:
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            yield f'{symbol}="{escaped}"'


def _value(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:-1]) if text.startswith('"') else text
