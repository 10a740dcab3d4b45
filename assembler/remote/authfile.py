"""Files that hold credentials of registries: docker's `config.json` and podman's `auth.json`, one form.

In: where to look, a registry's host. Out: the entries that speak of it, the best first; and a file changed as a whole:
under a lock, mode 0600, with all else that is in it. Sources: docker/cli `cli/config/configfile`; containers/image
`docs/containers-auth.json.5.md`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from assembler.base.errors import UsageError
from assembler.base.files import atomic_file, destination_errors, write_all
from assembler.base.paths import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HUB: Final = "docker.io"
HUB_KEY: Final = "https://index.docker.io/v1/"
"""What docker calls its Hub in files and towards helpers; podman reads it too."""

_HUB_HOSTS: Final = frozenset({HUB, "index.docker.io", "registry-1.docker.io"})
_API_PATHS: Final = (["v1"], ["v2"])
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR})


class AuthFile(Struct, frozen=True):
    """A file that was read.

    Attributes:
        path: the machine's.
        document: all of it.
    """

    path: str
    document: dict[str, Any]

    @property
    def auths(self) -> dict[str, Any]:
        """The entries by their keys, which name a host, a repository, or a URL.

        Raises:
            UsageError: it is no object.
        """
        return self._object("auths")

    def helper(self, host: str) -> str | None:
        """Return the `NAME` of the `docker-credential-NAME` that keeps the credentials of a host, where there is one.

        Raises:
            UsageError: `credHelpers` or `credsStore` is not of its form.
        """
        for key, name in self._object("credHelpers").items():
            if hostname(key) == hostname(host):
                return self._program(name, f"credHelpers.{key}")
        return self._program(self.document.get("credsStore") or None, "credsStore")

    def helpers(self) -> dict[str, str]:
        """Return all helpers that the file names, each with the key that names it.

        Raises:
            UsageError: see `helper`.
        """
        named = {f"credHelpers.{key}": name for key, name in self._object("credHelpers").items()}
        if self.document.get("credsStore"):
            named["credsStore"] = self.document["credsStore"]
        return {name: key for key, value in named.items() if (name := self._program(value, key)) is not None}

    def wrong(self, key: str, problem: str) -> UsageError:
        """Make the error of a key that is not of its form; what stands there is a secret."""
        return UsageError(f"{show(self.path)}: {key}: {problem}", hint="mend it, or log in again: brasm login")

    def _object(self, key: str) -> dict[str, Any]:
        value = self.document.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.wrong(key, "is no JSON object")
        return value

    def _program(self, name: object, key: str) -> str | None:
        if name is None:
            return None
        if not isinstance(name, str) or not name or "/" in name:
            raise self.wrong(key, "is not the NAME of a program docker-credential-NAME")
        return name


def read(path: str) -> AuthFile | None:
    """Read a file; None where it is not there. An empty one has no entries.

    Raises:
        UsageError: it cannot be read, or is no JSON object.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        hint = "credentials are looked for in it: make it readable, or name another by --authfile"
        raise UsageError(f"{show(path)}: cannot be read: {error.strerror}", hint=hint) from error
    try:
        document = json.loads(data) if data.strip() else {}
    except (ValueError, RecursionError) as error:
        where = f": line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError(f"{show(path)}: is not JSON{where}", hint="mend it, or move it away") from None
    if not isinstance(document, dict):
        raise UsageError(f"{show(path)}: is no JSON object", hint="mend it, or move it away")
    return AuthFile(path, document)


def hostname(name: str) -> str:
    """Return the host of a key as docker reads it: without scheme and path; all names of the Hub are `docker.io`.

    Source: docker/cli, `credentials.ConvertToHostname`.
    """
    host = name.removeprefix("https://").removeprefix("http://").partition("/")[0].lower()
    return HUB if host in _HUB_HOSTS else host


def key_of(host: str) -> str:
    """Return the key under which docker keeps a host's credentials."""
    return HUB_KEY if hostname(host) == HUB else host


def is_host(key: str, host: str) -> bool:
    """Whether a key names a host as a whole, not a repository there."""
    return _parts(key) == [hostname(host)]


def matching(keys: Iterable[str], host: str, repository: str | None, *, whole_hosts: bool) -> list[str]:
    """Return the keys that speak of a repository, the best first.

    The longest path wins (`quay.io/team/app` before `quay.io/team` before `quay.io`), then the key that is spelled
    as the host is.

    Args:
        keys: hosts, repositories or folders of them, URLs.
        host: the registry's.
        repository: the name there; None for keys of the host alone.
        whole_hosts: whether a key with a path speaks of its host too, if no other does: so docker reads its own file.
    """
    wanted = [hostname(host), *(repository or "").strip("/").split("/")] if repository else [hostname(host)]
    ranked: list[tuple[int, bool, str]] = []
    for key in keys:
        parts = _parts(key)
        if wanted[: len(parts)] == parts:
            ranked.append((len(parts), key == host, key))
        elif whole_hosts and parts[0] == wanted[0]:
            ranked.append((0, False, key))
    return [key for _, _, key in sorted(ranked, key=lambda item: item[:2], reverse=True)]


def _parts(key: str) -> list[str]:
    """Split a key into host and path; the path of a URL, `/v1/` and `/v2/` are the API's."""
    path = [] if "://" in key else key.rstrip("/").split("/")[1:]
    return [hostname(key), *(path if path not in _API_PATHS else ())]


@contextlib.contextmanager
def changed(path: str) -> Iterator[AuthFile]:
    """Give a file to change its `document`; at the end it is written where something changed.

    The folder is made (mode 0700) where it is missing, and locked meanwhile (flock(2)): two changes at once both stay.

    Raises:
        UsageError: see `read`.
        DestinationError: it cannot be written.
    """
    goal = os.path.realpath(path)
    with destination_errors(path), _locked(os.path.dirname(goal)):
        file = read(goal) or AuthFile(goal, {})
        before = json.dumps(file.document)
        yield AuthFile(path, file.document)
        if json.dumps(file.document) != before:
            with atomic_file(goal, 0o600) as descriptor:
                _keep_owner(goal, descriptor)
                write_all(descriptor, json.dumps(file.document, indent="\t").encode() + b"\n")


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _keep_owner(path: str, descriptor: int) -> None:
    """Leave a user's file to the user where root changes it."""
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(path)
        if os.geteuid() == 0 and status.st_uid:
            os.fchown(descriptor, status.st_uid, status.st_gid)
