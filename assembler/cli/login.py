"""`brasm login`: credentials of a registry, kept where docker and podman look for them too."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from assembler.base.errors import NegativeAnswer, UsageError
from assembler.cli.options import quiet_option
from assembler.cli.output import note
from assembler.cli.remote import registry_options

if TYPE_CHECKING:
    from assembler.remote.access import Access
    from assembler.remote.credentials import Credentials

_LONGEST = 1 << 16
"""Bytes of a password at most; tokens have some thousand."""


@click.command(short_help="Log in to a registry, and keep the credentials.")
@click.argument("registry", metavar="REGISTRY")
@click.option("-u", "--username", metavar="USER", help="The user name. Default: it is asked for.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--get-login", is_flag=True, help="Only print the user name that would be used.")
@registry_options
@quiet_option
def command(
    *, registry: str, username: str | None, password_stdin: bool, get_login: bool, access: Access, quiet: bool
) -> None:
    """Log in to a registry, and keep the credentials.

    REGISTRY is such as quay.io or localhost:5000; docker.io is docker's Hub.

    The registry is asked whether it accepts user name and password. Then they are kept in docker's config.json, or by
    the credential helper that stands there (credsStore, credHelpers). --authfile or REGISTRY_AUTH_FILE names another
    file, such as podman's auth.json. What docker and podman have logged in to, brasm finds without this.
    """
    from assembler.pipeline.login import logged_in, login, registry_host

    host = registry_host(registry)
    if get_login:
        user = logged_in(host, access)
        if user is None:
            raise NegativeAnswer(f"{host}: not logged in")
        click.echo(user)
        return
    done = login(host, _asked(host, username, access, password_stdin=password_stdin), access)
    if not quiet:
        for line in done.notes:
            note(f"note: {line}")
        note(f"logged in to {host}: {done.where}")


def _asked(host: str, username: str | None, access: Access, *, password_stdin: bool) -> Credentials:
    """Return what the user says, without echo on a terminal."""
    from assembler.pipeline.login import logged_in
    from assembler.remote.credentials import Credentials

    if password_stdin:
        if username is None:
            raise UsageError("--password-stdin: the user name is not given", hint="add -u USER")
        return Credentials(username, _read_password())
    if not sys.stdin.isatty():
        hint = "brasm login -u USER --password-stdin REGISTRY < FILE"
        raise UsageError(f"{host}: standard input is no terminal, so no password can be asked for", hint=hint)
    if username is None:
        username = click.prompt(f"User name for {host}", default=logged_in(host, access), err=True)
    return Credentials(username, click.prompt("Password", hide_input=True, err=True))


def _read_password() -> str:
    """Read it to its end, without the line's end that `echo` adds."""
    data = sys.stdin.buffer.read(_LONGEST + 1)
    try:
        password = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise UsageError("the password on standard input is not UTF-8") from None
    if not password or len(data) > _LONGEST:
        problem = "is empty" if not password else f"has more than {_LONGEST:,} bytes"
        raise UsageError(f"the password on standard input {problem}")
    return password
