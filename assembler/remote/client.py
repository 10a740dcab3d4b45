"""A registry as a client sees it: requests with authorization, made again where that may help.

In: method, path, what it needs. Out: an answer whose status says something. Sources: RFC 6585, 4 (429); RFC 9110,
10.2.3 (Retry-After); distribution-spec v1.1, "Error Codes".
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from assembler.base.errors import RemoteError
from assembler.base.paths import show
from assembler.remote.access import Access
from assembler.remote.authorize import MOST_TOKEN, Authorizer, Scopes
from assembler.remote.connection import Origin, is_loopback, origin_of
from assembler.remote.http import TIMEOUT, Body, BrokenError, Http, NoTlsError, Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.remote.credentials import Credentials

_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
_REFUSALS: Final = 3
"""How often a registry is shown something new before it is taken to mean it."""

_MOST_ERROR: Final = 1 << 16
_DOCKER_HUB: Final = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}


class Retry(Struct, frozen=True):
    """How often and when something is tried again; times in seconds.

    Attributes:
        attempts: how often something is tried in all.
        first: the first pause; each one after is twice as long, a quarter more or less.
        most: the longest pause that a registry may ask for.
        sleep: waits.
    """

    attempts: int = 6
    first: float = 0.25
    most: float = 120.0
    sleep: Callable[[float], None] = time.sleep

    def pause(self, attempt: int) -> float:
        """Return the pause after an attempt, of which 0 is the first."""
        return float(self.first * 2**attempt * random.uniform(0.75, 1.25))  # noqa: S311 - it only spreads clients


class Settings(Struct, frozen=True):
    """What a client of registries is made with.

    Attributes:
        access: what the user says of it.
        retry: see `Retry`.
        timeout: seconds in which nothing comes before a connection counts as broken.
        told: told in a line why nothing seems to happen.
    """

    access: Access
    retry: Retry = Retry()
    timeout: float = TIMEOUT
    told: Callable[[str], None] = lambda _: None


class _ApiError(Struct, frozen=True):
    code: str | None = None
    message: str | None = None


class _ApiErrors(Struct, frozen=True):
    errors: tuple[_ApiError, ...] | None = None


_ERRORS: Final = msgspec.json.Decoder(_ApiErrors)
"""Made before there are threads: see `remote.known`."""


class _Patience:
    """Doing things again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def again(self, request: Request, once: Callable[[Request], Response]) -> Response:
        """Do something until it is answered, or patience ends: then the last answer or error is what there is."""
        last = self._settings.retry.attempts - 1
        for attempt in range(last):
            try:
                response = once(request)
            except BrokenError as error:
                self.pause(attempt, None, error.message)
                continue
            if response.status not in _RETRIED:
                response.attempt = attempt
                return response
            response.close()
            self.pause(attempt, response, f"{request.what}: {response.status}")
        response = once(request)
        response.attempt = last
        return response

    def pause(self, attempt: int, response: Response | None, why: str) -> None:
        """See `Client.pause`."""
        retry = self._settings.retry
        asked = 0.0 if response is None else retry_after(response.headers.get("Retry-After"), time.time())
        if response is not None and asked > retry.most:
            hint = "try again then" if response.status == 429 else None
            raise RemoteError(f"{why}; it asks to come back in {asked:.0f} s", status=response.status, hint=hint)
        seconds = max(asked, retry.pause(attempt))
        if seconds >= 1:
            self._settings.told(f"{why}; again in {seconds:.0f} s")
        retry.sleep(seconds)


class Client:
    """One registry; used by several threads.

    Attributes:
        host: as in references.
        settings: what it was made with.
        origin: where requests go.
    """

    def __init__(
        self, host: str, settings: Settings, repository: str | None = None, credentials: Credentials | None = None
    ) -> None:
        """Reach a registry.

        Args:
            host: as in references.
            settings: see there.
            repository: whose credentials are looked for, where a file has some for it alone.
            credentials: those to show in place of what is found.

        Raises:
            RemoteError: the host's name cannot be one.
        """
        self.host = host
        self.settings = settings
        http = self._http = Http(settings.access, settings.timeout)
        patience = self._patience = _Patience(settings)
        self.origin = self._find_origin()

        def find() -> Credentials | None:
            from assembler.remote.credentials import find as find_credentials

            return credentials or find_credentials(host, repository, settings.access)

        def ask(request: Request) -> Response:
            return patience.again(request, lambda request: _whole(http.exchange(request), MOST_TOKEN))

        # Neither holds this client: where nothing refers to it any more, its connections are closed at once.
        self._authorizer = Authorizer(self.origin, find, ask, plain=settings.access.plain_http)

    def call(
        self,
        method: str,
        path: str,
        scopes: Scopes = frozenset(),
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        body: Body | None = None,
        sent: Callable[[int], None] | None = None,
        again: bool = True,
        limit: int | None = None,
    ) -> Response:
        """Make a request.

        Args:
            method: of HTTP.
            path: of the URL, from its `/` on, or a whole URL (an upload's Location).
            scopes: `repository:NAME:ACTIONS` that it needs.
            headers: see `Request`.
            body: likewise.
            sent: likewise.
            again: whether it is made again after a broken connection or an answer that asks for it.
            limit: bytes of the answer's body, which is read at once, so that it comes whole or is asked for again; None
                for one that the caller reads.

        Raises:
            BrokenError: no answer could be had.
            RemoteError: credentials are missing or refused; the body has more bytes.
        """
        url = f"{self.origin}{path}" if path.startswith("/") else path
        request = Request(method, url, headers, body, sent)

        def once(request: Request) -> Response:
            return _whole(self._authorized(request, scopes), limit)

        return self._patience.again(request, once) if again else once(request)

    def failure(self, response: Response, what: str, hint: str | None = None) -> RemoteError:
        """Return the error of an answer that is not the one hoped for, and close it.

        Args:
            response: the answer.
            what: what was wanted, and of which place.
            hint: what to do, where the status does not say it.
        """
        said = self._said(response)
        status = response.status
        hints = {
            400: "does it speak TLS? Leave out --plain-http" if self.settings.access.plain_http else None,
            401: f"brasm login {self.origin.authority}",
            403: f"the credentials may not do this: brasm login {self.origin.authority} with others",
            407: f"{self.origin.scheme}_proxy=http://USER:PASSWORD@HOST:PORT, or no_proxy={self.origin.host}",
            413: "the registry takes no blob or manifest of this size",
            429: "too many requests: try again later",
        }
        answered = origin_of(response.request.url)
        who = "the registry" if answered == self.origin else str(answered)
        message = f"{what}: {who} answers {status}{said}"
        return RemoteError(message, status=status, hint=hint or hints.get(status))

    def pause(self, attempt: int, response: Response | None, why: str) -> None:
        """Wait before the next attempt.

        Raises:
            RemoteError: the registry asks for more patience than anybody has.
        """
        self._patience.pause(attempt, response, why)

    def _authorized(self, request: Request, scopes: Scopes) -> Response:
        """Do something, showing what the registry wants to see; nobody else is shown anything."""
        if origin_of(request.url) != self.origin:
            return self._http.exchange(request)
        shown = 0
        while True:
            used = self._authorizer.header(scopes)
            sent = request if used is None else replace(request, headers={**request.headers, "Authorization": used})
            response = self._http.exchange(sent)
            if response.status != 401:
                return response
            if (other := origin_of(response.request.url)) != self.origin:
                response.abandon()
                raise RemoteError(f"{request.what}: it leads to {other}, which answers 401", status=401)
            if shown == _REFUSALS:
                raise self._authorizer.refused(self._said(response))
            response.close()
            shown += not self._authorizer.answer(response, scopes, used)

    def _said(self, response: Response) -> str:
        """Return what a registry says of an error, ready to follow on the same line; empty where it says nothing."""
        said = _read_errors(response)
        return f": {self._authorizer.without_secrets(said)}" if said else ""

    def _find_origin(self) -> Origin:
        """Choose TLS or not: without it only for this machine, if it speaks no TLS there, or where the user says so."""
        name = _DOCKER_HUB.get(self.host, self.host)
        access = self.settings.access
        if access.plain_http:
            return origin_of(f"http://{name}")
        secure = origin_of(f"https://{name}")
        certified = access.ca_file is not None or access.cert_dir is not None
        if not is_loopback(secure.host) or certified:
            return secure
        for attempt in range(self.settings.retry.attempts - 1):
            try:
                return self._tried(origin_of(f"http://{name}"), secure)
            except BrokenError as error:
                self.pause(attempt, None, error.message)
        return self._tried(origin_of(f"http://{name}"), secure)

    def _tried(self, plain: Origin, secure: Origin) -> Origin:
        """Return which of two origins there is.

        Raises:
            BrokenError: none, or none will say so.
        """
        try:
            response = self._http.exchange(Request("GET", f"{plain}/v2/"))
        except BrokenError as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
            broken = error  # with TLS, some only hang up
        else:
            response.close()  # and Go's answer 400
            return secure if response.status == 400 or response.request.url.startswith("https:") else plain
        try:
            self._http.exchange(Request("GET", f"{secure}/v2/")).close()
        except BrokenError:
            raise broken from None
        except NoTlsError:
            return plain
        except RemoteError:
            pass  # it speaks TLS: what is wrong with its certificate is told to the first who asks for something
        return secure


def _whole(response: Response, limit: int | None) -> Response:
    """Return an answer of which, if all is well, the whole body was read."""
    if limit is not None and response.status < 300:
        response.read(limit)
    return response


def retry_after(value: str | None, now: float) -> float:
    """Read `Retry-After`: seconds, or a date; what cannot be read counts as nothing.

    Args:
        value: of the header.
        now: in seconds since the epoch.
    """
    if not value:
        return 0.0
    if value.strip().isdecimal():
        return float(value)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError, TypeError):
        return 0.0


def _read_errors(response: Response) -> str:
    """Return what a registry says of an error, on one line; empty where it says nothing that can be read."""
    try:
        errors = _ERRORS.decode(response.read(_MOST_ERROR)).errors or ()
    except (RemoteError, msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    texts = (": ".join(filter(None, (each.code, each.message))) for each in errors)
    return show(" ".join("; ".join(filter(None, texts)).split())[:500])
