"""`brasm delete`: have a registry forget an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assembler.cli.options import json_option, quiet_option
from assembler.cli.output import note, print_json
from assembler.cli.remote import registry_options
from assembler.oci.reference import parse
from assembler.pipeline.registry import delete

if TYPE_CHECKING:
    from assembler.remote.access import Access


@click.command(short_help="Delete an image from a registry.")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--tag-only", is_flag=True, help="Delete the tag and leave the manifest, where the registry can.")
@registry_options
@json_option
@quiet_option
def command(*, images: tuple[str, ...], tag_only: bool, access: Access, as_json: bool, quiet: bool) -> None:
    """Delete an image from a registry.

    IMAGE is docker://HOST/NAME:TAG or docker://HOST/NAME@DIGEST. The manifest goes, and with it every tag that names
    it; blobs go when the registry next collects what nothing names.
    """
    rows = []
    for text in images:
        reference = parse(text)
        digest = delete(reference, access, tag_only=tag_only)
        rows.append({"reference": str(reference), "digest": digest})
        if not quiet and not as_json:
            note(f"{reference}: {'the tag' if tag_only else f'{digest}, and every tag that named it,'} is gone")
    if as_json:
        print_json(rows)
