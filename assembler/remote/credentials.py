"""Credentials of registries: looked for where docker and podman keep them, stored there and erased.

In: a registry's host and, where known, a repository. Out: `Credentials`. The files, in the order in which they are
asked; the first that knows the repository or its host wins:

1. the one that the user names (`--authfile`), and then no other;
2. `$REGISTRY_AUTH_FILE`;
3. `$XDG_RUNTIME_DIR/containers/auth.json`, without that variable `/run/containers/UID/auth.json` (podman's);
4. `$XDG_CONFIG_HOME/containers/auth.json`, without it `~/.config/containers/auth.json`;
5. `$DOCKER_CONFIG/config.json`, without it `~/.docker/config.json` (docker's).

In each a helper that is set for the host (`credHelpers`, else `credsStore`) is asked before the file's own entries.
They are stored in 1, else 2, else 5. A secret is never part of a message. Sources: docker/cli
`cli/config/credentials`; containers/image `docs/containers-auth.json.5.md`.
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from assembler.base.errors import UsageError
from assembler.base.paths import show
from assembler.remote import authfile
from assembler.remote.helper import TOKEN_USER, Helper

if TYPE_CHECKING:
    from assembler.remote.access import Access
    from assembler.remote.authfile import AuthFile


class Credentials(Struct, frozen=True):
    """What a registry is shown. With an identity token (OAuth2's refresh token) user name and password may be empty."""

    username: str = ""
    password: str = ""
    identity_token: str | None = None

    def __repr__(self) -> str:
        """Show no secret."""
        kind = "password" if self.identity_token is None else "identity_token"
        return f"Credentials(username={self.username!r}, {kind}=***)"

    __str__ = __repr__

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Show no secret."""
        return [("username", self.username)]


class Place(Struct, frozen=True):
    """Where credentials are kept.

    Attributes:
        name: the file, or a helper's program.
        plain: whether whoever can read the file can read them.
    """

    name: str
    plain: bool


def find(host: str, repository: str | None, access: Access) -> Credentials | None:
    """Find the credentials of a repository; None where there are none.

    Args:
        host: the registry's, with its port where it has one; of docker's Hub any of its names.
        repository: the name there, such as `team/app`; None to look for the host's only.
        access: names the file, where the user does.

    Raises:
        UsageError: a file cannot be read, or is malformed; the message names file and key.
        ProgramError: a helper that a file names is not installed, or fails.
    """
    found = locate(host, repository, access)
    return None if found is None else found[0]


def locate(host: str, repository: str | None, access: Access) -> tuple[Credentials, Place] | None:
    """Find credentials, and where they are; otherwise as `find`."""
    for path in _files(access):
        file = authfile.read(path)
        if file is None and path == access.authfile:
            hint = f"brasm login --authfile {show(path)} {host} makes it"
            raise UsageError(f"{show(path)}: no such file", hint=hint)
        found = file and (_from_helper(file, host) or _from_entries(file, host, repository))
        if found:
            return found
    return None


def store(host: str, credentials: Credentials, access: Access) -> Place:
    """Keep the credentials of a host, in place of those that are there.

    The file's folder is made (mode 0700) where it is missing; the file has mode 0600 and keeps what else is in it.

    Raises:
        UsageError: the file is malformed.
        ProgramError: a helper that it names fails.
        DestinationError: it cannot be written.
    """
    path = _own_file(access)
    with authfile.changed(path) as file:
        name = file.helper(host)
        if name is not None:
            token = credentials.identity_token
            user, secret = (credentials.username, credentials.password) if token is None else (TOKEN_USER, token)
            Helper(name, path).store(authfile.key_of(host), user, secret)
        _forget(file, host)
        # With a helper, an empty entry says that it has something: docker leaves one too.
        entry = _encoded(credentials) if name is None else {}
        file.document["auths"] = {**file.auths, authfile.key_of(host): entry}
    return Place(path, plain=True) if name is None else Place(Helper(name, path).program, plain=False)


def erase(host: str, access: Access) -> bool:
    """Forget the credentials of a host where `store` keeps them, and say whether there were any.

    Raises:
        UsageError, ProgramError, DestinationError: see `store`.
    """
    path = _own_file(access)
    if authfile.read(path) is None:
        return False
    with authfile.changed(path) as file:
        name = file.helper(host)
        asked = [] if name is None else [Helper(name, path).erase(server) for server in _servers(host)]
        return _forget(file, host) or any(asked)


def erase_all(access: Access) -> tuple[str, ...]:
    """Forget all credentials that the file and its helpers keep; return the hosts or repositories.

    Raises:
        UsageError, ProgramError, DestinationError: see `store`.
    """
    path = _own_file(access)
    if authfile.read(path) is None:
        return ()
    with authfile.changed(path) as file:
        keys = list(file.auths)
        for name in file.helpers():
            helper = Helper(name, path)
            keys += [server for server in helper.servers() if helper.erase(server)]
        file.auths.clear()
    return tuple(dict.fromkeys(authfile.hostname(key) if authfile.is_host(key, key) else key for key in keys))


def _files(access: Access) -> tuple[str, ...]:
    if access.authfile is not None:
        return (access.authfile,)
    environ = os.environ
    runtime = environ.get("XDG_RUNTIME_DIR")
    folders = (
        f"{runtime}/containers" if runtime else f"/run/containers/{os.getuid()}",
        os.path.join(environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "containers"),
    )
    named = environ.get("REGISTRY_AUTH_FILE")
    return (*([named] if named else ()), *(f"{folder}/auth.json" for folder in folders), _docker_file())


def _docker_file() -> str:
    return os.path.join(os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"), "config.json")


def _own_file(access: Access) -> str:
    """Return the file that is written: one that the user names, else docker's."""
    return access.authfile or os.environ.get("REGISTRY_AUTH_FILE") or _docker_file()


def _servers(host: str) -> tuple[str, ...]:
    """Return what helpers are asked for; podman keeps the Hub's under its plain name."""
    return (authfile.HUB_KEY, authfile.HUB) if authfile.hostname(host) == authfile.HUB else (host,)


def _from_helper(file: AuthFile, host: str) -> tuple[Credentials, Place] | None:
    name = file.helper(host)
    if name is None:
        return None
    helper = Helper(name, file.path)
    for server in _servers(host):
        answer = helper.get(server)
        if answer is not None:
            user, secret = answer
            token = user == TOKEN_USER
            found = Credentials(identity_token=secret) if token else Credentials(user, secret)
            return found, Place(helper.program, plain=False)
    return None


def _from_entries(file: AuthFile, host: str, repository: str | None) -> tuple[Credentials, Place] | None:
    auths = file.auths
    for key in authfile.matching(auths, host, repository, whole_hosts=file.path == _docker_file()):
        found = _decoded(file, key, auths[key])
        if found is not None:
            return found, Place(file.path, plain=True)
    return None


def _decoded(file: AuthFile, key: str, entry: Any) -> Credentials | None:
    """Read an entry; an empty one says nothing (docker leaves it where a helper has the secret)."""
    where = f"auths.{key}"
    if not isinstance(entry, dict):
        raise file.wrong(where, "is no JSON object")
    fields = {name: entry.get(name) or "" for name in ("auth", "username", "password", "identitytoken")}
    for name, value in fields.items():
        if not isinstance(value, str):
            raise file.wrong(f"{where}.{name}", "is no string")
    user, password = fields["username"], fields["password"]
    if fields["auth"]:
        try:
            text = base64.b64decode(fields["auth"], validate=True).decode()
        except ValueError:
            raise file.wrong(f"{where}.auth", "is not base64 of USER:PASSWORD") from None
        user, colon, password = text.partition(":")
        if not colon:
            raise file.wrong(f"{where}.auth", "is not base64 of USER:PASSWORD")
    token = fields["identitytoken"] or None
    return Credentials(user, password.rstrip("\0"), token) if user or password or token else None


def _encoded(credentials: Credentials) -> dict[str, str]:
    pair = f"{credentials.username}:{credentials.password}".encode()
    entry = {"auth": base64.b64encode(pair).decode("ascii")}
    return entry if credentials.identity_token is None else {**entry, "identitytoken": credentials.identity_token}


def _forget(file: AuthFile, host: str) -> bool:
    """Drop all entries of a host, however it is spelled; those of single repositories stay."""
    known = [key for key in file.auths if authfile.is_host(key, host)]
    for key in known:
        del file.document["auths"][key]
    return bool(known)
