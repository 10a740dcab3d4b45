"""Logging in to a registry and out again.

In: a host and credentials, which the registry must accept. Out: where they are kept from now on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base.errors import UsageError
from assembler.base.paths import show
from assembler.oci.reference import is_host
from assembler.remote import credentials as kept

if TYPE_CHECKING:
    from assembler.remote.access import Access
    from assembler.remote.credentials import Credentials


class LoggedIn(Struct, frozen=True):
    """What logging in did. `where` is a file or a credential helper; `notes` are for the user, one line each."""

    where: str
    notes: tuple[str, ...]


def login(host: str, credentials: Credentials, access: Access) -> LoggedIn:
    """Show credentials to a registry and keep them where it accepts them.

    Raises:
        UsageError: the user name cannot be kept, or a file of credentials is malformed.
        DestinationError: the registry refuses them or cannot be reached, or they cannot be written.
        ProgramError: a credential helper fails.
    """
    from assembler.remote.registry import check_login

    if ":" in credentials.username:
        raise UsageError(f"{show(credentials.username)}: a user name has no colon (RFC 7617)")
    check_login(host, credentials, access)
    place = kept.store(host, credentials, access)
    notes = [f"{place.name}: the password stands there unencrypted; `credsStore` names a helper"] if place.plain else []
    used = kept.locate(host, None, access)
    if used is not None and used[1] != place:
        notes.append(f"{show(used[1].name)} has other credentials of {host}, which are found before")
    return LoggedIn(place.name, tuple(notes))


def logged_in(host: str, access: Access) -> str | None:
    """Return the user name that a registry would be shown; None where there are no credentials.

    Raises:
        UsageError, ProgramError: see `remote.credentials.find`.
    """
    found = kept.find(host, None, access)
    return None if found is None else found.username or "(identity token)"


def logout(host: str, access: Access) -> tuple[str, ...]:
    """Forget the credentials of a registry; return notes.

    Raises:
        UsageError: there are none, or a file of credentials is malformed.
        DestinationError: the file cannot be written.
        ProgramError: a credential helper fails.
    """
    erased = kept.erase(host, access)
    left = kept.locate(host, None, access)
    if left is not None:
        where = show(left[1].name)
        if not erased:
            raise UsageError(f"{host}: its credentials are in {where}", hint=f"brasm logout --authfile {where} {host}")
        return (f"{where} has credentials of {host} too, which are used from now on",)
    if not erased:
        raise UsageError(f"{host}: not logged in", hint="brasm logout --all forgets all that there is")
    return ()


def logout_all(access: Access) -> tuple[str, ...]:
    """Forget all credentials of one file and its helpers; return whose they were.

    Raises:
        UsageError, DestinationError, ProgramError: see `logout`.
    """
    return kept.erase_all(access)


def registry_host(text: str) -> str:
    """Read a registry's host as one types it: `quay.io`, `localhost:5000`, `https://registry.example/v2/`.

    Raises:
        UsageError: it is no host, or a repository.
    """
    rest = text.removeprefix("docker://").removeprefix("https://").removeprefix("http://")
    host, _, path = rest.partition("/")
    if not is_host(host):
        raise UsageError(f"{show(text)!r}: not the host of a registry", hint="such as quay.io or localhost:5000")
    if path.strip("/") not in {"", "v1", "v2"}:
        raise UsageError(f"{show(text)!r}: a repository, not a registry", hint=f"log in to its registry: {host}")
    return host
