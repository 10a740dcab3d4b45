"""`brasm verify`: is an image sound, and is its root closed?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assembler.base.paths import show
from assembler.cli.options import json_option, platform_option, quiet_option
from assembler.cli.output import note, print_json
from assembler.cli.progress import progress
from assembler.cli.remote import remote_options
from assembler.oci.reference import parse
from assembler.pipeline.examine import verify

if TYPE_CHECKING:
    from assembler.remote.access import Access


@click.command(short_help="Check an image: digests, the spec's rules, and that its root is closed.")
@click.argument("image", metavar="IMAGE")
@platform_option
@remote_options
@json_option
@quiet_option
def command(*, image: str, platform: str | None, access: Access, as_json: bool, quiet: bool) -> int:
    """Check an image: digests, the spec's rules, and that its root is closed.

    IMAGE is FILE.tar, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG], docker://NAME[:TAG] or
    docker-daemon:NAME[:TAG]. All violations are listed at once, and the exit code is 4 when there is one. Setuid
    files, file capabilities and world-writable paths are listed beside them: they are no violations.
    """
    with progress(quiet=quiet) as listener:
        report = verify(parse(image), platform, listener, access)
    if as_json:
        print_json(report)
        return 4 if report.violations else 0
    for violation in report.violations:
        where = f"{show(violation.path)}: " if violation.path else ""
        click.echo(f"{click.style(violation.rule, fg='red')}: {where}{violation.message}")
    if not quiet:
        for finding in report.findings:
            note(f"note: {show(finding.path)}: {finding.message}")
    if report.violations:
        return 4
    click.echo(f"{report.digest}: sound and closed: {_count(report.layers, 'layer')}, {report.entries:,} entries")
    return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)
