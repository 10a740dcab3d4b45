"""Authorization at one registry: nothing at first, then what its challenge asks for.

In: a 401 and the scopes that a request needs. Out: the value of `Authorization` for the next try. Credentials go to the
registry (Basic) or to the token server that it names (Bearer), and are looked up only when they are asked for.
Source: distribution, `docs/spec/auth/token.md`, `oauth.md`; scopes are `repository:NAME:ACTIONS`.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from assembler.base.content import Bytes
from assembler.base.errors import RemoteError
from assembler.base.paths import show
from assembler.remote.challenge import Challenge, parse_challenges
from assembler.remote.connection import Origin, is_loopback, origin_of
from assembler.remote.http import AGENT, BrokenError, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from assembler.remote.credentials import Credentials
    from assembler.remote.http import Response

Scopes = frozenset[str]

MOST_TOKEN: Final = 1 << 20
"""Bytes of a token server's answer that are read."""

_LEAST_SECRET: Final = 4
"""Characters of what is struck out of messages: less than that is no secret, and would strike out half of them."""
_WANTED: Final = frozenset({401, 403})


class _Token(Struct, frozen=True):
    """The answer of a token server; one of the two is there."""

    token: str | None = None
    access_token: str | None = None


_TOKEN: Final = msgspec.json.Decoder(_Token)
"""Made before there are threads: see `remote.known`."""


class Authorizer:
    """What one registry was shown so far; used by several threads."""

    def __init__(
        self, origin: Origin, find: Callable[[], Credentials | None], ask: Callable[[Request], Response], *, plain: bool
    ) -> None:
        """Authorize at a registry.

        Args:
            origin: the registry.
            find: looks up credentials; called at most once.
            ask: sends a request to a token server.
            plain: whether the user wants HTTP without TLS, also to a host that is not this machine.
        """
        self._origin = origin
        self._find = find
        self._ask = ask
        self._plain = plain
        self._looked = False
        self._credentials: Credentials | None = None
        self._basic: str | None = None
        self._tokens: dict[Scopes, str] = {}
        self._secrets: set[str] = set()
        self._lock = threading.Lock()

    def header(self, scopes: Scopes) -> str | None:
        """Return what to send with a request."""
        return self._tokens.get(scopes) or self._basic

    def answer(self, response: Response, scopes: Scopes, used: str | None) -> bool:
        """Take note of a challenge, so that `header` has what it asks for; say whether another thread had done so.

        Args:
            response: a 401.
            scopes: what the request needs.
            used: what it was sent with.

        Raises:
            RemoteError: there are no credentials, or they are refused.
        """
        challenges = {each.scheme: each for each in parse_challenges(response.headers.get_all("WWW-Authenticate", []))}
        with self._lock:
            if self.header(scopes) != used:
                return True
            if (bearer := challenges.get("bearer")) is not None:
                self._tokens[scopes] = "Bearer " + self._token(bearer, scopes)
            elif "basic" in challenges:
                self._basic = self._basic_header(used)
            else:
                known = ", ".join(challenges) or "none"
                message = f"{self._origin}: it wants to know who asks, by means that brasm has not: {show(known[:100])}"
                raise RemoteError(message, status=401)
            return False

    def without_secrets(self, text: str) -> str:
        """Strike out of a text what was shown to the registry or its token server; a registry may well repeat it."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def refused(self, detail: str) -> RemoteError:
        """Return the error of one who is refused again and again."""
        if self._credentials is None:
            return RemoteError(
                f"{self._origin}: it wants credentials{detail}",
                status=401,
                hint=f"brasm login {self._origin.authority}",
            )
        return RemoteError(
            f"{self._origin}: the credentials of {self._credentials.username!r} are refused{detail}",
            status=401,
            hint=f"brasm login {self._origin.authority}, or ask for the right to it",
        )

    def _basic_header(self, used: str | None) -> str:
        credentials = self._look_up()
        if credentials is None or used is not None:
            raise self.refused("")
        return _basic(credentials)

    def _look_up(self) -> Credentials | None:
        if not self._looked:
            self._credentials, self._looked = self._find(), True
            if (found := self._credentials) is not None:
                self._keep_secret(found.password, found.identity_token or "", _basic(found).partition(" ")[2])
        return self._credentials

    def _keep_secret(self, *secrets: str) -> None:
        # A new set: another thread may be going through the old one.
        self._secrets = self._secrets | {secret for secret in secrets if len(secret) >= _LEAST_SECRET}

    def _token(self, challenge: Challenge, scopes: Scopes) -> str:
        """Return a token of the server that a challenge names."""
        realm = challenge.parameters.get("realm", "").partition("#")[0]
        server = self._token_server(realm)
        wanted = sorted(scopes | set(challenge.parameters.get("scope", "").split()))
        request = _token_request(realm, challenge.parameters.get("service"), wanted, self._look_up())
        try:
            response = self._ask(request)
        except BrokenError as error:  # which was tried often enough
            raise RemoteError(f"{self._origin}: its token server: {error.message}", status=401) from error
        if response.status in _WANTED:
            response.close()
            raise self.refused(f" by its token server {server}")
        if response.status != 200:
            response.close()
            raise RemoteError(f"{self._origin}: its token server {server} answers {response.status}", status=401)
        token = _read_token(response.read(MOST_TOKEN), self._origin, server)
        self._keep_secret(token)
        return token

    def _token_server(self, realm: str) -> Origin:
        """Return who is asked for tokens: without TLS only where the registry is spoken to without it as well.

        And then only on this machine, unless the user says otherwise: it is sent a password.
        """
        try:
            server = origin_of(realm)
        except RemoteError:
            raise RemoteError(f"{self._origin}: it names no token server that could be asked", status=401) from None
        allowed = self._origin.scheme == "http" and (self._plain or is_loopback(server.host))
        if server.scheme == "http" and not allowed:
            raise RemoteError(f"{self._origin}: its token server {server} is not encrypted", status=401)
        return server


def _read_token(data: bytes, origin: Origin, server: Origin) -> str:
    try:
        answer = _TOKEN.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        answer = _Token()
    token = answer.token or answer.access_token
    if not token or not token.isascii() or not token.isprintable():
        raise RemoteError(f"{origin}: its token server {server} answers with what is no token", status=401)
    return token


def _token_request(realm: str, service: str | None, scopes: list[str], credentials: Credentials | None) -> Request:
    """Ask for a token: with a password by GET, with an identity token by POST (OAuth 2)."""
    named = [("service", service)] if service is not None else []
    if credentials is not None and credentials.identity_token:
        form = [
            ("grant_type", "refresh_token"),
            ("client_id", AGENT),
            ("refresh_token", credentials.identity_token),
            ("scope", " ".join(scopes)),
            *named,
        ]
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Request("POST", realm, headers, Bytes(urlencode(form).encode()), secret=True)
    query = urlencode([*named, *(("scope", scope) for scope in scopes)])
    url = realm + ("&" if urlsplit(realm).query else "?") + query if query else realm
    return Request("GET", url, {} if credentials is None else {"Authorization": _basic(credentials)})


def _basic(credentials: Credentials) -> str:
    return "Basic " + b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
