"""The program `brasm`: finds the verb, turns errors into one line and an exit code.

Verbs are imported when they are called: `brasm --help` must not pay for what it does not use. So their one-line
help stands here, and a test holds it to the verbs' own.
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

import click

from assembler import __version__
from assembler.base.errors import BrasmError, DestinationError, Interrupted

if TYPE_CHECKING:
    from types import FrameType

VERBS: Final = {
    "pack": "Pack a root filesystem into an OCI image.",
    "build": "Build a recipe's packages with Buildroot, and pack them.",
    "plan": "Show what would be kept, dropped and changed, and why; write nothing.",
    "why": "Explain why a path is in the image, or why it is not.",
    "deps": "Show what ELF files need and where it is found: ldd for any root, nothing executed.",
    "copy": "Copy an image between registries, layouts, archives and daemons.",
    "index": "Put images for several platforms under one name.",
    "attach": "Attach files to an image: an SBOM, a signature.",
    "referrers": "List what is attached to an image.",
    "tags": "List the tags of a repository or layout.",
    "delete": "Delete an image from a registry.",
    "login": "Log in to a registry, and keep the credentials.",
    "logout": "Forget the credentials of a registry.",
    "run": "Run an image in an OCI runtime, without a daemon.",
    "test": "Test images in an OCI runtime: by a recipe's tests, or whether they start.",
    "bench": "Measure what images cost: sizes, and the time to pack, unpack and start.",
    "tune": "Try options or drops, each gated by the recipe's tests, and keep what came of each.",
    "report": "Make a page, a table or plots of what trials came to.",
    "verify": "Check an image: digests, the spec's rules, and that its root is closed.",
    "inspect": "Show what is in an image and where the bytes are.",
    "diff": "Show what differs between two images.",
    "cost": "Show what packages and symbols of Buildroot's cost in the image.",
    "new": "Start a recipe: its folder, with recipe.toml and defconfig.",
    "add": "Add packages, with what they need, to a recipe's defconfig.",
    "search": "Find packages of Buildroot.",
    "menuconfig": "Change a recipe's defconfig in Buildroot's own menu.",
    "toolchain": "Build, list, export toolchains that recipes share.",
    "rules": "List the rules of what programs open at run time.",
    "recipes": "List the recipes that ship with brasm.",
    "schema": "Print the JSON schema of a recipe.",
    "completion": "Print the shell's completion script.",
}


_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EIO}
"""What a file that standard output goes to may answer; whoever writes to other files has errors of their own."""


class Verbs(click.Group):
    """A group whose commands are modules of this package, imported by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order in which one meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"assembler.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run a verb to its last byte: whoever reads it may go before (`brasm plan | head`)."""
        try:
            result: object = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            _give_up_output()
            raise Interrupted(signal.SIGPIPE) from error
        except OSError as error:
            if error.errno not in _FULL or error.filename is not None:
                raise
            _give_up_output()
            raise DestinationError(f"standard output: cannot be written: {error.strerror}") from error
        return result

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which one is near."""
        import difflib

        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, VERBS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(VERBS)}"
            raise click.UsageError(f"no such command: {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)


def _give_up_output() -> None:
    """Let nothing more be said, not even by Python when it closes standard output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="brasm %(version)s")
@click.option("--debug", is_flag=True, help="Show a traceback with an error.")
def brasm(*, debug: bool) -> None:
    """Pack root filesystems, Buildroot's first of all, into minimal and reproducible OCI images."""


def main() -> None:
    """Run `brasm` and exit with its code (the tree of `base.errors`)."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # else nohup(1) has it ignored
        signal.signal(signal.SIGHUP, _terminate)
    gc.disable()  # a short life without cycles worth looking for
    sys.setswitchinterval(0.0005)  # a compressor's thread that is done gets its next block at once
    code = _run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all is written and closed: taking a large tree apart, object by object, would be for nothing


def _run() -> int:
    debug = "--debug" in sys.argv[1:]
    try:
        code = brasm.main(prog_name="brasm", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        where = f"{error.ctx.command_path}: " if error.ctx is not None else ""
        return _fail(where + error.format_message(), None, 2)
    except click.ClickException as error:
        return _fail(error.format_message(), None, error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", None, 128 + signal.SIGINT)
    except Interrupted as error:
        code = 128 + error.signal
        return code if error.signal == signal.SIGPIPE else _fail("terminated", None, code)
    except BrasmError as error:
        if debug:
            raise
        return _fail(error.message, error.hint, error.exit_code, error.context)


def _fail(message: str, hint: str | None, code: int, context: tuple[str, ...] = ()) -> int:
    for line in context:
        click.echo(click.style(f"  | {line}", dim=True), err=True)
    click.echo(click.style("error: ", fg="red", bold=True) + message, err=True)
    if hint:
        click.echo(click.style("hint: ", fg="cyan") + hint, err=True)
    return code


def _terminate(number: int, _: FrameType | None) -> None:
    raise Interrupted(number)
