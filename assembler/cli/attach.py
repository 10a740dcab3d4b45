"""`brasm attach`: files that go with an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assembler.base.errors import UsageError
from assembler.cli.options import json_option, quiet_option
from assembler.cli.output import note, print_json
from assembler.cli.progress import progress
from assembler.cli.remote import registry_options
from assembler.oci.reference import parse
from assembler.pipeline.attach import OCTETS, Attachment, attach

if TYPE_CHECKING:
    from assembler.remote.access import Access


@click.command(short_help="Attach files to an image: an SBOM, a signature.")
@click.argument("image", metavar="IMAGE")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--type", "artifact_type", required=True, metavar="TYPE", help="What it is, such as application/spdx+json."
)
@click.option("--media-type", metavar="TYPE", help="Of the files; default: that of --type.")
@click.option("--annotation", "annotations", multiple=True, metavar="KEY=VALUE", help="Of the manifest. Repeatable.")
@click.option("--platform", metavar="OS/ARCH", help="Attach to the image for it, not to the whole index.")
@registry_options
@json_option
@quiet_option
def command(
    *,
    image: str,
    files: tuple[str, ...],
    artifact_type: str,
    media_type: str | None,
    annotations: tuple[str, ...],
    platform: str | None,
    access: Access,
    as_json: bool,
    quiet: bool,
) -> None:
    """Attach files to an image: an SBOM, a signature.

    IMAGE is docker://HOST/NAME[:TAG|@DIGEST] or oci:DIR[:TAG]. The files go where the image is, as an artifact whose
    subject it is; the image and its digest stay as they are. `brasm referrers` lists what is attached.
    """
    kind = media_type or artifact_type
    attachment = Attachment(
        _media_type(artifact_type), tuple((path, _media_type(kind or OCTETS)) for path in files), _pairs(annotations)
    )
    with progress(quiet=quiet) as listener:
        attached = attach(parse(image), attachment, platform, access, listener)
    if as_json:
        print_json(attached)
        return
    if not quiet:
        note(f"  attached to {attached.subject}: {attached.output}")
    click.echo(attached.digest)


def _media_type(text: str) -> str:
    """Check the form of a media type (RFC 6838, 4.2)."""
    kind, slash, name = text.partition("/")
    if not (slash and kind and name) or not text.isascii() or any(each.isspace() for each in text):
        raise UsageError(f"{text!r} is not a media type", hint="such as application/spdx+json")
    return text


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in texts)
    if "" in pairs or any("=" not in text for text in texts):
        raise UsageError(
            "an annotation is KEY=VALUE", hint="--annotation org.opencontainers.image.created=2026-01-31T12:00:00Z"
        )
    return pairs
