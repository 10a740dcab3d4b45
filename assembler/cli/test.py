"""`brasm test`: does the image do what its recipe says?"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Any

import click

from assembler.base.errors import UsageError
from assembler.base.paths import show
from assembler.cli.boxes import limit_options
from assembler.cli.options import (
    Changes,
    complete_recipe,
    is_image,
    json_option,
    platform_option,
    quiet_option,
    read_recipe,
    recipe_options,
)
from assembler.cli.output import note, print_json
from assembler.cli.progress import progress
from assembler.cli.remote import remote_options
from assembler.oci.reference import parse
from assembler.pipeline.test import Target, Terms, Tested, packed, run_tests, write_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from assembler.base.progress import Progress
    from assembler.cli.boxes import Limits
    from assembler.pipeline.make import Sources
    from assembler.remote.access import Access
    from assembler.runtime.setting import Result


@click.command(short_help="Test images in an OCI runtime: by a recipe's tests, or whether they start.")
@click.argument("targets", nargs=-1, metavar="[RECIPE|IMAGE]...", shell_complete=complete_recipe)
@click.option(
    "--recipe", metavar="RECIPE", help="Whose tests images are put to. Default: are they closed, do they start?"
)
@click.option("-k", "select", metavar="PATTERN", help="Only tests whose name matches, or the one of that number.")
@recipe_options
@limit_options
@platform_option
@click.option("--junit", metavar="FILE", help="Write JUnit's XML as well.")
@click.option("--keep", is_flag=True, help="Leave the unpacked image behind, and say where.")
@remote_options
@json_option
@quiet_option
def command(
    *,
    targets: tuple[str, ...],
    recipe: str | None,
    select: str | None,
    changes: Changes,
    limits: Limits,
    platform: str | None,
    junit: str | None,
    keep: bool,
    access: Access,
    as_json: bool,
    quiet: bool,
) -> int:
    """Test images in an OCI runtime: by a recipe's tests, or whether they start.

    A RECIPE is packed, and its [[test]]s are run in what came of it, each in a container of its own: without network,
    with a root that cannot be written to, without capabilities, but for what [run] and the options say. An IMAGE
    is put to the tests of --recipe. Without any, its root has to be closed, and its entrypoint has to start: within
    --timeout (5s) it goes on running or ends well, and docker's health check, if it has one, is content.

    The exit code is 1 where a test failed. What the root of such an image lacks is listed as well.
    """
    _check(targets, changes, select)
    terms = Terms(limits.runtime, limits.seconds, select, keep, note, limits.change)
    tested: list[Tested] = []
    with progress(quiet=quiet or as_json) as listener, contextlib.ExitStack() as packing:
        packer = _Packer(changes, access, packing, listener)
        for target in _targets(targets, recipe, platform, packer):
            if not as_json and not quiet:
                click.echo(target.name)
            tested.append(run_tests(target, terms, listener, _printer(as_json=as_json, quiet=quiet)))
    if junit is not None:
        write_report(junit, tested)
    return _finish(tested, select, as_json=as_json, quiet=quiet)


def _check(targets: tuple[str, ...], changes: Changes, select: str | None) -> None:
    if not targets and changes.source is None:
        raise UsageError("neither a recipe nor an image is given", hint="brasm test RECIPE, or brasm test x.tar")
    try:
        re.compile(select or "")
    except re.error as error:
        raise UsageError(f"-k {select!r}: not a regular expression: {error}") from error


class _Packer:
    """Packs recipes for as long as they are tested; a source that several have is read once."""

    def __init__(self, changes: Changes, access: Access, packing: contextlib.ExitStack, listener: Progress) -> None:
        self.changes = changes
        self.access = access
        self._packing = packing
        self._listener = listener
        self._sources: Sources | None = None

    def targets(self, text: str | None) -> Iterator[Target]:
        """Yield a recipe's image in each of the variants that are asked for, packed when its turn comes."""
        from assembler.pipeline.make import Sources

        self._sources = self._sources or Sources(self._listener, self.access)
        for each in self.changes.each():
            loaded = read_recipe(text, each)
            reference = self._packing.enter_context(packed(loaded, self._sources, os.environ, self._listener))
            yield Target(f"{loaded.recipe.name}:{loaded.recipe.version}", reference, loaded)


def _targets(texts: tuple[str, ...], recipe: str | None, platform: str | None, packer: _Packer) -> Iterator[Target]:
    for text in texts or (None,):
        if text is not None and is_image(text):
            loaded = None if recipe is None else read_recipe(recipe, packer.changes)
            yield Target(text, parse(text), loaded, platform, packer.access)
        elif recipe is not None:
            source = text or packer.changes.source
            raise UsageError(f"{source}: no image, so --recipe says nothing of it")
        else:
            yield from packer.targets(text)


def _printer(*, as_json: bool, quiet: bool) -> Callable[[Result], None]:
    def print_result(result: Result) -> None:
        if as_json or (quiet and not result.problems):
            return
        word = click.style("FAIL", fg="red", bold=True) if result.problems else click.style("ok  ", fg="green")
        click.echo(f"  {word}  {show(result.name)}  {result.seconds:.2f} s")
        for problem in result.problems:
            click.echo(f"        {problem}")

    return print_result


def _finish(tested: list[Tested], select: str | None, *, as_json: bool, quiet: bool) -> int:
    """Sum up; the exit code is 1 where a test failed."""
    count, failed = sum(len(one.results) for one in tested), sum(one.failed for one in tested)
    if select is not None and not count:
        raise UsageError(f"-k {select!r}: no test has such a name or number")
    if as_json:
        print_json([_json(one) for one in tested])
    elif not quiet:
        names = ", ".join(dict.fromkeys(one.runtime for one in tested))
        click.echo(f"{count} {'test' if count == 1 else 'tests'}, {failed} failed, by {names}")
    return 1 if failed else 0


def _json(one: Tested) -> dict[str, Any]:
    tests = [
        {
            "name": show(result.name),
            "passed": not result.problems,
            "problems": result.problems,
            "seconds": round(result.seconds, 3),
            "stdout": result.stdout,
            "stderr": result.stderr,
            "server": result.server,
        }
        for result in one.results
    ]
    passed = len(tests) - one.failed
    return {
        "name": one.name,
        "digest": one.digest,
        "runtime": one.runtime,
        "passed": passed,
        "failed": one.failed,
        "tests": tests,
    }
