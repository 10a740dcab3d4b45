"""`brasm logout`: forget the credentials of a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from assembler.base.errors import UsageError
from assembler.cli.options import quiet_option
from assembler.cli.output import note
from assembler.cli.remote import registry_options

if TYPE_CHECKING:
    from assembler.remote.access import Access


@click.command(short_help="Forget the credentials of a registry.")
@click.argument("registry", metavar="REGISTRY", required=False)
@click.option("--all", "everything", is_flag=True, help="All that the file and its credential helpers keep.")
@registry_options
@quiet_option
def command(*, registry: str | None, everything: bool, access: Access, quiet: bool) -> None:
    """Forget the credentials of a registry, where brasm login keeps them: in docker's config.json or its helper.

    --authfile or REGISTRY_AUTH_FILE names another file, such as podman's auth.json.
    """
    from assembler.pipeline.login import logout, logout_all, registry_host

    if (registry is None) != everything:
        raise UsageError("name a registry, or --all of them", hint="brasm logout quay.io")
    if registry is None:
        lines = [f"logged out of {key}" for key in logout_all(access)]
    else:
        host = registry_host(registry)
        lines = [*(f"note: {line}" for line in logout(host, access)), f"logged out of {host}"]
    if not quiet:
        for line in lines:
            note(line)
