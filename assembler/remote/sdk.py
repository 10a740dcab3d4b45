"""Docker's SDK: a client of it, and what it raises as one line that names the daemon.

In: a daemon's address. Out: an `APIClient` of the SDK, which is imported only when there is a daemon to speak to.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

from assembler.base.errors import RemoteError
from assembler.base.paths import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HINT: Final = "start it, or name another's address: --daemon unix:///PATH or DOCKER_HOST"

_ANSWER: Final = 60
"""Seconds that a daemon may take to answer a question."""

_ANY: Final = "1.24"
"""A version of the API, so that the SDK does not ask for one."""

_LONGEST: Final = 500
_HINTS: Final = (
    (PermissionError, "be root, or in the socket's group: usermod -aG docker USER"),
    (TimeoutError, "is its address right, and the way to it open?"),
)


def client(address: str) -> tuple[Any, Mapping[str, str]]:
    """Return the SDK's client, and the headers with which the daemon answered its ping: they say what it is.

    The SDK would ask for `/version`, for which podman runs half a dozen programs.

    Raises:
        RemoteError: nothing answers, or no daemon does.
    """
    from docker import APIClient
    from docker.utils import kwargs_from_env

    try:
        with told(address, "connect"):
            options = {"timeout": _ANSWER, **kwargs_from_env({**os.environ, "DOCKER_HOST": address})}
            with contextlib.closing(APIClient(version=_ANY, **options)) as probe:
                answer = probe.get(f"{probe.base_url}/_ping", timeout=_ANSWER)
                answer.raise_for_status()
            return APIClient(version=answer.headers["Api-Version"], **options), answer.headers
    except KeyError:
        raise RemoteError(f"{show(address)}: connect: it answers what no daemon does", hint=HINT) from None
    except ValueError as error:
        hint = "is the address right, and docker's config.json, which the SDK reads, sound?"
        raise RemoteError(f"{show(address)}: connect: {line(str(error))}", hint=hint) from None


@contextlib.contextmanager
def told(address: str, task: str) -> Iterator[None]:
    """Turn what the SDK raises into one line that names the daemon and what it was to do."""
    from docker.errors import APIError, DockerException, StreamParseError
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except APIError as error:
        message = line(str(error.explanation or error))
        raise RemoteError(f"{show(address)}: {task}: {message}", status=error.status_code) from error
    except (DockerException, RequestException, HTTPError, StreamParseError) as error:
        cause = _system_error(error)
        if cause is None:
            raise RemoteError(f"{show(address)}: {task}: {line(str(error))}") from error
        hint = next((hint for kind, hint in _HINTS if isinstance(cause, kind)), HINT)
        message = cause.strerror or str(cause) or "it does not answer"
        raise RemoteError(f"{show(address)}: {task}: {line(message)}", hint=hint) from error


@contextlib.contextmanager
def understood(address: str, task: str) -> Iterator[None]:
    """Refuse an answer that is not of the API's form."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RemoteError(f"{show(address)}: {task}: it answers what no daemon does", hint=HINT) from error


def _system_error(error: BaseException | None) -> OSError | None:
    """Return what the system said, which the SDK, requests and urllib3 have wrapped in each other."""
    from requests import RequestException

    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, OSError) and not isinstance(each, RequestException):
            return each
        waiting += [each.__cause__, each.__context__, *(part for part in each.args if isinstance(part, BaseException))]
    return None


def line(text: str) -> str:
    """Make what a daemon says fit for one line."""
    line = show(" ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
