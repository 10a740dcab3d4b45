"""`brasm toolchain`: Buildroot's SDKs in the cache, which recipes share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assembler.base.units import format_size
from assembler.cli.buildroot import buildroot_option, machine_option
from assembler.cli.options import complete_recipe, json_option, quiet_option
from assembler.cli.output import console, note, print_json
from assembler.cli.progress import long_progress, progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.buildroot.store import Toolchain


def complete_toolchain(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete a fragment's name, then options after each `+`."""
    from assembler.buildroot.compose import fragments, options

    *before, last = incomplete.split("+")
    start = "".join(f"{part}+" for part in before)
    known = options() if before else fragments()
    return [start + name for name in known if name.startswith(last) and name not in before]


def complete_stored(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a toolchain that is in the cache."""
    from assembler.buildroot.store import stored_toolchains

    return [one.name for one in stored_toolchains() if one.name.startswith(incomplete)]


@click.group(name="toolchain", short_help="Build, list, export toolchains that recipes share.")
def command() -> None:
    """Build, list, export toolchains that recipes share: Buildroot's SDKs, kept in the cache.

    NAME is a fragment of toolchain/configs with options of toolchain/options: x86-64-musl+cxx+size. A toolchain is
    known by what it was built of: Buildroot's commit, the fragment and options, the architecture of the machine.
    """


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_toolchain)
@click.option("--recipe", metavar="RECIPE", shell_complete=complete_recipe, help="The recipe's, by its pin.")
@click.option("--variant", metavar="NAME", help="Which of the recipe's variants.")
@buildroot_option
@machine_option
@click.option("--keep", is_flag=True, help="Keep Buildroot's output folder.")
@json_option
@quiet_option
def build(
    *,
    names: tuple[str, ...],
    recipe: str | None,
    variant: str | None,
    buildroot: str | None,
    machine: str | None,
    keep: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Build toolchains, unless the cache has them: an hour or so each. Ctrl-C is safe: the next call goes on."""
    from assembler.buildroot.sdk import get_toolchain
    from assembler.pipeline.toolchains import toolchain_requests

    with long_progress(quiet=quiet) as listener:
        requests = toolchain_requests(names, recipe, variant, buildroot, machine, listener)
        found = [get_toolchain(request, listener, keep=keep) for request in requests]
    if as_json:
        print_json([_json(one) for one in found])
        return
    for one in found:
        note(f"{one.name}: {format_size(one.size)}, built in {one.seconds:.0f} s")
        click.echo(one.folder)


@command.command(name="list")
@click.option("--all", "everything", is_flag=True, help="Fragments and options that there are, built or not.")
@json_option
def list_toolchains(*, everything: bool, as_json: bool) -> None:
    """List the toolchains in the cache; with --all, what can be built."""
    from assembler.buildroot.compose import fragments, options
    from assembler.buildroot.store import stored_toolchains

    if everything:
        if as_json:
            print_json({"fragments": fragments(), "options": options()})
        else:
            click.echo("\n".join([*fragments(), *(f"  +{name}" for name in options())]))
        return
    found = stored_toolchains()
    if as_json:
        print_json([_json(one) for one in found])
    else:
        _print_table(found)


@command.command()
@click.argument("name", shell_complete=complete_stored)
@json_option
def show(*, name: str, as_json: bool) -> None:
    """Show what a toolchain is, and by which symbols Buildroot uses it."""
    from assembler.base.dotconfig import config_lines
    from assembler.buildroot.sdk import external_toolchain
    from assembler.buildroot.store import choose_toolchain

    one = choose_toolchain(name)
    if as_json:
        print_json({**_json(one), "symbols": external_toolchain(one)})
        return
    for key, value in _json(one).items():
        click.echo(f"{key:<10} {value}")
    for line in config_lines(external_toolchain(one)):
        click.echo(f"  {line}")


@command.command()
@click.argument("names", nargs=-1, required=True, shell_complete=complete_stored)
def remove(*, names: tuple[str, ...]) -> None:
    """Remove toolchains from the cache; what was built with them stays."""
    from assembler.buildroot.store import choose_toolchain, remove_toolchain

    for one in [choose_toolchain(name) for name in names]:
        remove_toolchain(one)
        note(f"removed {one.folder}")


@command.command()
@click.argument("name", shell_complete=complete_stored)
@click.argument("file", type=click.Path(dir_okay=False))
@quiet_option
def export(*, name: str, file: str, quiet: bool) -> None:
    """Write a toolchain to FILE, a .tar.zst, for `brasm toolchain import` on another machine."""
    from assembler.buildroot.store import choose_toolchain, export_toolchain

    with progress(quiet=quiet) as listener:
        export_toolchain(choose_toolchain(name), file, listener)


@command.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@quiet_option
def import_(*, file: str, quiet: bool) -> None:
    """Put an exported toolchain into the cache. It is programs that this machine will run: know where it is from."""
    from assembler.buildroot.store import import_toolchain

    with progress(quiet=quiet) as listener:
        click.echo(import_toolchain(file, listener).folder)


def _json(one: Toolchain) -> dict[str, object]:
    return {
        "name": one.name,
        "digest": one.digest,
        "folder": one.folder,
        "buildroot": one.release,
        "identity": one.identity,
        "host": one.host,
        "tuple": one.tuple,
        "libc": one.libc,
        "gcc": one.gcc,
        "headers": one.headers,
        "seconds": one.seconds,
        "size": one.size,
    }


def _print_table(found: Sequence[Toolchain]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("toolchain", "digest", "buildroot", "libc", "gcc", "headers", "size", "built in"):
        table.add_column(title, justify="right" if title in {"size", "built in"} else "left")
    for one in found:
        facts = one.digest[:12], one.release, one.libc, one.gcc, one.headers
        table.add_row(one.name, *facts, format_size(one.size), f"{one.seconds:.0f} s")
    console().print(table)
