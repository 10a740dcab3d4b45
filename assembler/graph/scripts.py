"""Scripts: the interpreter that `#!` names, as the kernel reads it, and the program that `env` finds.

Source: Linux `fs/binfmt_script.c` (one optional argument, 255 bytes, spaces and tabs), coreutils `env.c` (`-S`).
"""

from __future__ import annotations

import shlex

from msgspec import Struct

from assembler.base.paths import from_bytes, name

_LINE = 255
"""Bytes of the first line that count: `BINPRM_BUF_SIZE` less one."""


class Shebang(Struct, frozen=True):
    """The first line of a script: its interpreter, and the program that env is asked to find, if it is env."""

    interpreter: str
    by_env: str | None = None


def parse_shebang(head: bytes) -> Shebang | None:
    """Read the first line of a file; None where it is no script, or names no interpreter."""
    if not head.startswith(b"#!"):
        return None
    line = from_bytes(head[2:_LINE].partition(b"\n")[0]).strip(" \t")
    interpreter, _, argument = line.replace("\t", " ").partition(" ")
    if not interpreter:
        return None
    return Shebang(interpreter, _sought_by_env(argument.strip()) if name(interpreter) == "env" else None)


def _sought_by_env(argument: str) -> str | None:
    """Return the name that env looks for: its first operand, after assignments and options."""
    if argument.startswith(("-S", "--split-string")):
        words = _split(argument.removeprefix("--split-string=").removeprefix("-S"))
    else:
        words = [argument] if argument else []
    return next((word for word in words if not word.startswith("-") and "=" not in word), None)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an unclosed quote: env would refuse it too
        return []
