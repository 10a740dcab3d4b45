"""How registries and daemons are reached: the options that verbs with images have in common."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Function = TypeVar("Function", bound="Callable[..., Any]")

_NAMES: Final = ("plain_http", "ca_file", "cert_dir", "authfile", "daemon")
_REGISTRIES: Final = (
    click.option("--plain-http", is_flag=True, help="Speak HTTP without TLS to registries; loopback is tried so."),
    click.option("--insecure", is_flag=True, help="Do not check the certificates of registries."),
    click.option("--ca-file", metavar="FILE", help="Certificates (PEM) of authorities that registries may have too."),
    click.option(
        "--cert-dir", metavar="DIR", help="Folder with *.crt of authorities, *.cert and *.key of this client."
    ),
    click.option("--authfile", metavar="FILE", help="Credentials, in place of docker's and podman's own files."),
)
_DAEMON: Final = click.option("--daemon", metavar="URL", help="Docker's daemon, such as unix:///run/docker.sock.")


def remote_options(function: Function) -> Function:
    """Add the options of registries and daemons; the verb gets them as `access`."""
    return _with_access(function, (*_REGISTRIES, _DAEMON))


def registry_options(function: Function) -> Function:
    """Add the options of registries; the verb gets them as `access`."""
    return _with_access(function, _REGISTRIES)


def _with_access(function: Function, options: Sequence[Callable[[Function], Function]]) -> Function:
    @functools.wraps(function)
    def verb(**values: Any) -> object:
        from assembler.remote.access import Access

        insecure = values.pop("insecure")
        named = {name: values.pop(name) for name in _NAMES if name in values}
        return function(access=Access(verify=not insecure, **named), **values)

    for option in reversed(options):
        verb = option(cast("Function", verb))
    return cast("Function", verb)
