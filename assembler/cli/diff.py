"""`brasm diff`: what differs between two images."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

import click

from assembler.base.paths import show
from assembler.cli.options import (
    Changes,
    complete_recipe,
    is_image,
    json_option,
    platform_option,
    quiet_option,
    read_recipe,
)
from assembler.cli.output import console, note, print_json
from assembler.cli.progress import progress
from assembler.cli.remote import remote_options
from assembler.oci.reference import parse
from assembler.pipeline.diff import diff

if TYPE_CHECKING:
    from assembler.base.progress import Progress
    from assembler.oci.reference import Reference
    from assembler.pipeline.diff import Difference
    from assembler.pipeline.make import Sources
    from assembler.remote.access import Access

MOST: Final = 20
"""Rows of a table; `--all` and `--json` have them all."""


@click.command(short_help="Show what differs between two images.")
@click.argument("before", metavar="A", shell_complete=complete_recipe)
@click.argument("after", metavar="B", shell_complete=complete_recipe)
@platform_option
@click.option("--all", "everything", is_flag=True, help=f"All rows of each table. Default: the {MOST} largest.")
@click.option("--exit-code", "with_code", is_flag=True, help="Exit with 1 where files or config differ.")
@click.option("--html", metavar="FILE", help="Write a page as well: one file that works without a network.")
@remote_options
@json_option
@quiet_option
def command(
    *,
    before: str,
    after: str,
    platform: str | None,
    everything: bool,
    with_code: bool,
    html: str | None,
    access: Access,
    as_json: bool,
    quiet: bool,
) -> int:
    """Show what differs between two images: files, packages, programs and libraries, config, layers.

    A and B are FILE.tar, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG], docker://NAME[:TAG],
    docker-daemon:NAME[:TAG], or a recipe, which is packed. What changed most comes first, whether it grew or shrank.
    Hard links count once. What is equal in all but its modification time is counted, not listed.

    The exit code is 0; with --exit-code it is 1 where the files or the config differ. How the root is cut into layers,
    and how these are compressed, makes no difference there.
    """
    with progress(quiet=quiet or as_json) as listener, contextlib.ExitStack() as packing:
        packer = _Packer(access, packing, listener)
        found = diff(packer.reference(before), packer.reference(after), platform, listener, access)
    if html is not None:
        from assembler.experiments.report.difference_page import difference_page
        from assembler.experiments.report.write import write_file

        write_file(difference_page(before, after, found), html)
    if as_json:
        from assembler.cli.difference_json import difference_json

        print_json(difference_json(found, before, after))
    else:
        from assembler.cli.difference_tables import print_difference

        print_difference(console(), found, before, after, None if everything else MOST)
        if not quiet:
            _print_notes(found, before, after)
    return 1 if with_code and not found.same else 0


class _Packer:
    """Makes references of arguments; recipes are packed, and gone when the work is done."""

    def __init__(self, access: Access, packing: contextlib.ExitStack, listener: Progress) -> None:
        self._access = access
        self._packing = packing
        self._listener = listener
        self._sources: Sources | None = None

    def reference(self, text: str) -> Reference:
        """Return where an image is; a source that two recipes have is read once."""
        if is_image(text):
            return parse(text)
        from assembler.pipeline.make import Sources
        from assembler.pipeline.test import packed

        self._sources = self._sources or Sources(self._listener, self._access)
        loaded = read_recipe(text, Changes())
        return self._packing.enter_context(packed(loaded, self._sources, os.environ, self._listener))


def _print_notes(found: Difference, before: str, after: str) -> None:
    if found.times:
        files = f"{found.times:,} {'path differs' if found.times == 1 else 'paths differ'}"
        note(f"note: {files} in nothing but the modification time")
    sides = ((before, found.before.inspection), (after, found.after.inspection))
    unknown = [name for name, side in sides if not side.inventory.packages]
    if len(unknown) == 1:
        note(f"note: {show(unknown[0])} does not say what is of which package, so there is no table of packages")
