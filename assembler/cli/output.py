"""What a user sees: results on standard output, all else on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from rich.console import Console


def note(line: str) -> None:
    """Say something beside the result."""
    click.echo(line, err=True)


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    data = msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=2)
    sys.stdout.write(data.decode() + "\n")


def package_line(name: str, version: str | None, license_text: str | None) -> str:
    """Write a package as people do: `gnutls 3.8.13, LGPL-2.1+`."""
    return ", ".join(filter(None, (" ".join(filter(None, (name, version))), license_text)))


def console() -> Console:
    """Return rich's console on standard output: plain when that is no terminal, and wide enough for pipes."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=False)
