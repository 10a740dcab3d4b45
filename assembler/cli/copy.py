"""`brasm copy`: images from place to place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assembler.base.errors import UsageError
from assembler.base.units import format_size
from assembler.cli.options import json_option, platform_option, quiet_option
from assembler.cli.output import note, print_json
from assembler.cli.progress import progress
from assembler.cli.remote import remote_options
from assembler.oci.reference import parse
from assembler.pipeline.copy import Way, copy

if TYPE_CHECKING:
    from assembler.remote.access import Access


@click.command(short_help="Copy an image between registries, layouts, archives and daemons.")
@click.argument("source", metavar="SOURCE")
@click.argument("destination", metavar="DESTINATION")
@click.option("--all", "every", is_flag=True, help="The whole index: all platforms, and what is listed with them.")
@click.option("--format", "kind", type=click.Choice(["oci"]), help="Make docker's manifests OCI ones: new digests.")
@platform_option
@remote_options
@json_option
@quiet_option
def command(
    *,
    source: str,
    destination: str,
    every: bool,
    kind: str | None,
    platform: str | None,
    access: Access,
    as_json: bool,
    quiet: bool,
) -> None:
    """Copy an image between registries, layouts, archives and daemons, bytes as they are.

    Both are docker://[HOST/]NAME[:TAG], docker-daemon:NAME[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG],
    docker-archive:FILE[:NAME[:TAG]] or FILE.tar; a source may end in @DIGEST in a registry, and a destination may be
    dir:DIR, an unpacked root filesystem. Digests stay what they are, unless the destination's format has no place for
    them: then a note says so. A destination without a tag takes the source's.

    The digest goes to standard output, all else to standard error.
    """
    if every and platform is not None:
        raise UsageError("--all or --platform, not both", hint="--all copies every platform")
    with progress(quiet=quiet) as listener:
        way = Way(platform, every=every, to_oci=kind == "oci")
        copied = copy(parse(source), parse(destination), way, access, listener)
    if as_json:
        print_json(copied)
        return
    if not quiet:
        note(f"copied {source}: {format_size(copied.size)}")
        for line in copied.notes:
            note(f"  note: {line}")
        note(f"  wrote {copied.output}")
    click.echo(copied.digest)
