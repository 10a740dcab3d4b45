"""`brasm referrers`: what is attached to an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assembler.base.units import format_size
from assembler.cli.options import json_option
from assembler.cli.output import note, print_json
from assembler.cli.remote import registry_options
from assembler.oci.reference import parse
from assembler.pipeline.attach import find_referrers, save

if TYPE_CHECKING:
    from assembler.remote.access import Access


@click.command(short_help="List what is attached to an image.")
@click.argument("image", metavar="IMAGE")
@click.option("--type", "artifact_type", metavar="TYPE", help="Only what is of this type.")
@click.option("--platform", metavar="OS/ARCH", help="Of the image for it, not of the whole index.")
@click.option(
    "--save", "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False), help="Write its files there."
)
@registry_options
@json_option
def command(
    *,
    image: str,
    artifact_type: str | None,
    platform: str | None,
    folder: str | None,
    access: Access,
    as_json: bool,
) -> None:
    """List what is attached to an image: digest, type, size of the manifest.

    A registry is asked by the referrers API; where it has none, the tag of the digest's name is read.
    """
    reference = parse(image)
    subject, found = find_referrers(reference, artifact_type, platform, access)
    paths = save(reference, found, folder, access) if folder is not None else []
    if as_json:
        print_json({"subject": subject, "referrers": found, "files": paths})
        return
    for each in found:
        click.echo(f"{each.digest}  {each.artifact_type or '-'}  {format_size(each.size)}")
    if not found:
        note(f"nothing is attached to {subject}")
    for path in paths:
        note(f"  wrote {path}")
