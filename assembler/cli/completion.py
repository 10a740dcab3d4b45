"""`brasm completion`: the script that makes a shell complete brasm's arguments."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(short_help="Print the shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, *, shell: str) -> None:
    """Print the shell's completion script.

    For bash, put this into ~/.bashrc:

        eval "$(brasm completion bash)"
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    click.echo(kind(context.find_root().command, {}, "brasm", "_BRASM_COMPLETE").source())
