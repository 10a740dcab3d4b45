"""How registries and daemons are reached: what a user says of it on the command line, as a value."""

from __future__ import annotations

from msgspec import Struct


class Access(Struct, frozen=True):
    """The way to registries and daemons.

    Attributes:
        plain_http: speak HTTP without TLS, also to a host that is not this machine.
        verify: whether a registry's certificate is checked.
        ca_file: certificates (PEM) of authorities that are trusted besides the system's.
        cert_dir: a folder like docker's `/etc/docker/certs.d/HOST`: `*.crt` of authorities, `*.cert` and `*.key` of
            clients.
        authfile: where credentials are looked for, in place of docker's and podman's files.
        daemon: the daemon's address, such as `unix:///run/docker.sock`; None for `DOCKER_HOST` or docker's own.
    """

    plain_http: bool = False
    verify: bool = True
    ca_file: str | None = None
    cert_dir: str | None = None
    authfile: str | None = None
    daemon: str | None = None
