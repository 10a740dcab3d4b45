"""`brasm index`: several images under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assembler.cli.options import json_option, quiet_option
from assembler.cli.output import note, print_json
from assembler.cli.progress import progress
from assembler.cli.remote import remote_options
from assembler.oci.reference import parse
from assembler.pipeline.index import add_to_index, create_index, remove_from_index

if TYPE_CHECKING:
    from assembler.pipeline.index import Indexed
    from assembler.remote.access import Access


@click.group("index", short_help="Put images for several platforms under one name.")
def command() -> None:
    """Put images for several platforms under one name.

    TARGET and IMAGE are docker://[HOST/]NAME[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG] or FILE.tar; an IMAGE may
    be docker-archive: or docker-daemon: too. What an image runs on is what its config says.
    """


@command.command(short_help="Make an index of images.")
@click.argument("target", metavar="TARGET")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@remote_options
@json_option
@quiet_option
def create(*, target: str, images: tuple[str, ...], access: Access, as_json: bool, quiet: bool) -> None:
    """Make an index of images, and of what other indexes list.

    The images are copied to where the index goes, byte for byte.
    """
    with progress(quiet=quiet) as listener:
        made = create_index(parse(target), [parse(image) for image in images], access, listener)
    _report(made, as_json=as_json, quiet=quiet)


@command.command(short_help="Add images to an index.")
@click.argument("target", metavar="TARGET")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@remote_options
@json_option
@quiet_option
def add(*, target: str, images: tuple[str, ...], access: Access, as_json: bool, quiet: bool) -> None:
    """Add images to an index, each in place of the one for its platform."""
    with progress(quiet=quiet) as listener:
        made = add_to_index(parse(target), [parse(image) for image in images], access, listener)
    _report(made, as_json=as_json, quiet=quiet)


@command.command(short_help="Take images out of an index.")
@click.argument("target", metavar="TARGET")
@click.argument("selectors", nargs=-1, required=True, metavar="OS/ARCH|DIGEST...")
@remote_options
@json_option
@quiet_option
def remove(*, target: str, selectors: tuple[str, ...], access: Access, as_json: bool, quiet: bool) -> None:
    """Take images out of an index, by their platform or digest. Their blobs stay where they are."""
    with progress(quiet=quiet) as listener:
        made = remove_from_index(parse(target), selectors, access, listener)
    _report(made, as_json=as_json, quiet=quiet)


def _report(made: Indexed, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(made)
        return
    if not quiet:
        for each in made.manifests:
            note(f"  {each.platform or each.artifact_type or ''!s:20} {each.digest}")
        for line in made.notes:
            note(f"  note: {line}")
        note(f"  wrote {made.output}")
    click.echo(made.digest)
