"""`brasm tags`: what a repository or layout has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assembler.cli.options import json_option
from assembler.cli.output import print_json
from assembler.cli.remote import registry_options
from assembler.oci.reference import parse
from assembler.pipeline.registry import list_tags

if TYPE_CHECKING:
    from assembler.remote.access import Access


@click.command(short_help="List the tags of a repository or layout.")
@click.argument("repository", metavar="REPOSITORY")
@registry_options
@json_option
def command(*, repository: str, access: Access, as_json: bool) -> None:
    """List the tags of a repository or layout.

    REPOSITORY is docker://HOST/NAME, oci:DIR or oci-archive:FILE.
    """
    reference = parse(repository)
    tags = list_tags(reference, access)
    if as_json:
        print_json({"repository": str(reference), "tags": tags})
        return
    for tag in tags:
        click.echo(tag)
