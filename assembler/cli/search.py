"""`brasm search`: packages of a Buildroot tree."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

import click

from assembler.base.errors import NegativeAnswer
from assembler.cli.buildroot import buildroot_option
from assembler.cli.options import complete_recipe, json_option, quiet_option
from assembler.cli.output import note, print_json
from assembler.cli.progress import progress

if TYPE_CHECKING:
    from assembler.buildroot.packages import KnownPackage

_WIDTH: Final = 100
_HELP_LINES: Final = 2
_BELOW: Final = " \u203a "
"""Between a menu and what is in it."""


@click.command(short_help="Find packages of Buildroot.")
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@buildroot_option
@click.option("--recipe", metavar="RECIPE", shell_complete=complete_recipe, help="Search the tree that RECIPE pins.")
@click.option("--host", is_flag=True, help="Programs of the machine that builds, in place of the image's.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Show so many at most.")
@json_option
@quiet_option
def command(
    *,
    words: tuple[str, ...],
    buildroot: str | None,
    recipe: str | None,
    host: bool,
    limit: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Find packages of Buildroot that have all words in their name, prompt or help; the best matches come first.

    Each with its symbol, menu, and what it needs of the toolchain or of other packages; `brasm add` sees to the
    latter. Without --buildroot and --recipe, the newest release that was cloned into the cache is searched.
    """
    from assembler.pipeline.search import search_packages
    from assembler.recipe import load_recipe
    from assembler.recipe.find import find_recipe

    loaded = load_recipe(find_recipe(recipe)) if recipe is not None else None
    with progress(quiet=quiet) as listener:
        found = search_packages(words, loaded, buildroot, listener, host=host)
    if as_json:
        print_json([_json(package) for package in found[:limit]])
    else:
        click.echo("\n\n".join(map(_shown, found[:limit])), nl=bool(found))
    if len(found) > limit and not quiet:
        note(f"note: {len(found) - limit:,} more match: --limit {len(found)}")
    if not found:
        raise NegativeAnswer(f"no package has {' and '.join(map(repr, words))}", hint="fewer, or shorter, words")


def _shown(package: KnownPackage) -> str:
    head = f"{package.name} {package.version or ''}".strip()
    lines = [f"{head:<40} {package.symbol}"]
    prompt = () if package.prompt == package.name else (package.prompt,)
    lines.append(f"  {_BELOW.join((*package.menu, *prompt))}")
    if package.needs:
        lines += textwrap.wrap(
            f"needs {', '.join(package.needs_in_words)}", _WIDTH, initial_indent="  ", subsequent_indent="    "
        )
    lines += [f"  {line}" for line in package.help.split("\n\n")[0].splitlines()[:_HELP_LINES]]
    return "\n".join(lines)


def _json(package: KnownPackage) -> dict[str, object]:
    return {
        "name": package.name,
        "symbol": package.symbol,
        "prompt": package.prompt,
        "menu": package.menu,
        "needs": package.needs,
        "needs_in_words": package.needs_in_words,
        "help": package.help,
        "version": package.version,
        "host": package.is_host,
        "folder": package.folder,
    }
