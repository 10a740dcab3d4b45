"""`brasm run`: an image in an OCI runtime, without a daemon."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from assembler.base.errors import Interrupted, UsageError
from assembler.cli.boxes import limit_options
from assembler.cli.options import platform_option, quiet_option
from assembler.cli.output import note
from assembler.cli.progress import progress
from assembler.cli.remote import remote_options
from assembler.oci.reference import parse
from assembler.pipeline.run import Wish, run
from assembler.runtime.box import Bind, Box, box_of, parse_bind
from assembler.runtime.process import Overrides

if TYPE_CHECKING:
    from types import FrameType

    from assembler.cli.boxes import Limits
    from assembler.remote.access import Access


@click.command(short_help="Run an image in an OCI runtime, without a daemon.")
@click.argument("image", metavar="IMAGE")
@click.argument("args", nargs=-1, metavar="[-- ARGS...]")
@click.option("-e", "--env", metavar="NAME=VALUE", multiple=True, help="Set a variable; NAME alone: as it is here.")
@click.option("--entrypoint", metavar="COMMAND", help="Program and arguments in place of the image's.")
@click.option("-u", "--user", metavar="USER[:GROUP]", help="Names of the image, or numbers.")
@click.option("-w", "--workdir", metavar="PATH", help="Folder to start in.")
@click.option("-v", "--volume", metavar="HOST:PATH[:ro]", multiple=True, help="Show a file or folder of this machine.")
@limit_options
@click.option("--recipe", metavar="RECIPE", help="Take the limits of a recipe's [run].")
@platform_option
@click.option("--keep", is_flag=True, help="Leave the unpacked image behind, and say where.")
@remote_options
@quiet_option
def command(
    *,
    image: str,
    args: tuple[str, ...],
    env: tuple[str, ...],
    entrypoint: str | None,
    user: str | None,
    workdir: str | None,
    volume: tuple[str, ...],
    limits: Limits,
    recipe: str | None,
    platform: str | None,
    keep: bool,
    access: Access,
    quiet: bool,
) -> int:
    """Run an image in an OCI runtime, without a daemon.

    IMAGE is FILE.tar, oci:DIR[:TAG], docker://[HOST/]NAME[:TAG], or any other that brasm copy reads; ARGS stand in
    place of its cmd. It is unpacked to TMPDIR and run by the first of crun, runc, podman and docker that works here:
    without network, with a root that cannot be written to but for its volumes (in memory), without capabilities.
    Without root, crun runs it as the caller, who is the image's user there.

    The exit code is the program's; 128 + signal where a signal ended it, 124 after --timeout, 127 and 126 where there
    is no such program.
    """
    signal.signal(signal.SIGHUP, _hang_up)
    box = _box(recipe, limits, volume)
    overrides = Overrides(
        None if entrypoint is None else tuple(_split(entrypoint)),
        args or None,
        tuple(map(_variable, env)),
        user,
        _folder(workdir),
    )
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    tell = (lambda _: None) if quiet and not keep else note
    wish = Wish(overrides, box, limits.runtime, limits.seconds, terminal, keep, tell)
    with progress(quiet=quiet) as listener:
        return run(parse(image), platform, wish, listener, access)


def _box(recipe: str | None, limits: Limits, volumes: tuple[str, ...]) -> Box:
    box = Box()
    if recipe is not None:
        from assembler.recipe import load_recipe
        from assembler.recipe.find import find_recipe

        box = box_of(load_recipe(find_recipe(recipe)).recipe.run)
    return replace(limits.change(box), binds=tuple(map(_bind, volumes)))


def _bind(text: str) -> Bind:
    bind = parse_bind(text)
    source = os.path.abspath(bind.source)
    if not os.path.exists(source):
        raise UsageError(f"--volume {text}: {source} is not there")
    return replace(bind, source=source)


def _variable(text: str) -> str:
    name, equals, _ = text.partition("=")
    if not name:
        raise UsageError(f"--env {text!r}: not of the form NAME=VALUE")
    return text if equals else f"{name}={os.environ.get(name, '')}"


def _split(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--entrypoint {text!r}: {error}") from error
    if not words:
        raise UsageError("--entrypoint: is empty")
    return words


def _folder(path: str | None) -> str | None:
    if path is not None and not path.startswith("/"):
        raise UsageError(f"--workdir {path}: not an absolute path")
    return path


def _hang_up(number: int, _: FrameType | None) -> None:
    """What was unpacked is removed when the terminal goes as well."""
    raise Interrupted(number)
