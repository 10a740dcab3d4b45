"""Who may do what: Basic (RFC 7617) and bearer tokens as docker's registries issue them.

Sources: distribution, `docs/spec/auth/token.md` (GET), `oauth.md` (POST), `scope.md`.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from tests.remote.messages import Answer
from tests.remote.routes import document, error, find
from tests.remote.serving import Server

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from tests.remote.messages import Request
    from tests.remote.serving import Exchange

Actions = frozenset[str]
Scopes = dict[str, Actions]
"""Actions (`pull`, `push`, `delete`) by repository."""

ANONYMOUS: Final = ""
_EVERYTHING: Final = frozenset({"pull", "push", "delete"})
_WANTED: Final = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}


class TokenAuth(Struct, frozen=True, kw_only=True):
    """How a token service is.

    Attributes:
        users: passwords by name.
        access: actions by a glob of repositories by user, such as `{"ann": {"team/*": "pull,push"}}`. A user who is not
            named may do everything, and who is nobody (`ANONYMOUS`) nothing.
        uses: how many requests a token is good for; None for any number.
        seconds: how long a token is good for; None for ever.
        own_port: whether the service has a port of its own; else it is `/token` of the registry.
        oauth2: whether it takes POST; else 404, as older ones do.
        fields: what a token is called in the answer to a GET: `token`, `access_token` or both.
        expires_in: what the answer says of the token's life, in seconds; None for nothing.
        mount: what comes of a mount from a repository whose scope the token lacks: a 401 that asks for that scope too,
            as distribution does, or a session as if the blob were not there.
        service: its name.
    """

    users: Mapping[str, str]
    access: Mapping[str, Mapping[str, str]] = msgspec.field(default_factory=dict)
    uses: int | None = None
    seconds: float | None = None
    own_port: bool = True
    oauth2: bool = True
    fields: tuple[str, ...] = ("token", "access_token")
    expires_in: int | None = 300
    mount: Literal["challenge", "session"] = "challenge"
    service: str = "stand-in"


class Token:
    """A token that was issued."""

    def __init__(self, user: str, scopes: Scopes, auth: TokenAuth) -> None:
        self.value = secrets.token_urlsafe(24)
        self.user = user
        self.scopes = scopes
        self.uses = 0
        self.revoked = False
        self._most = auth.uses
        self._end = None if auth.seconds is None else time.monotonic() + auth.seconds

    @property
    def expired(self) -> bool:
        """Whether it is good no more."""
        used_up = self._most is not None and self.uses >= self._most
        return self.revoked or used_up or (self._end is not None and time.monotonic() >= self._end)


class TokenServer(Server):
    """The token service. `issued` are its tokens, `identity_tokens` the users by their refresh tokens."""

    def __init__(self, auth: TokenAuth, context: ssl.SSLContext | None = None) -> None:
        super().__init__(context=context)
        self.auth = auth
        self.issued: list[Token] = []
        self.identity_tokens: dict[str, str] = {}
        self._guard = threading.Lock()

    def respond(self, exchange: Exchange) -> Answer:
        """Issue a token, or refuse to."""
        if exchange.request.path != "/token":
            return Answer(404)
        match exchange.request.method:
            case "GET":
                return self._get(exchange.request)
            case "POST" if self.auth.oauth2:
                return self._post(b"".join(exchange.body.chunks()).decode())
            case _:
                return Answer(404)

    def identity_token(self, user: str) -> str:
        """Make a refresh token, as `docker login` is given one."""
        value = secrets.token_urlsafe(24)
        self.identity_tokens[value] = user
        return value

    def revoke_all(self) -> None:
        """Let every token so far expire."""
        for token in list(self.issued):
            token.revoked = True

    def use(self, value: str) -> Token | None:
        """Find a token that is still good, and count its use."""
        with self._guard:
            token = next((token for token in self.issued if token.value == value and not token.expired), None)
            if token:
                token.uses += 1
            return token

    def _get(self, request: Request) -> Answer:
        query = parse_qs(urlsplit(request.target).query)
        user = user_of(request, self.auth.users)
        if user is None:
            return error(401, "UNAUTHORIZED", "wrong credentials", {"WWW-Authenticate": 'Basic realm="token"'})
        token = self._issue(user, query.get("scope", []))
        fields = {**dict.fromkeys(self.auth.fields, token.value), "issued_at": "2024-01-01T00:00:00Z"}
        offline = query.get("offline_token") == ["true"] and user
        return self._answer_with(fields, user if offline else None)

    def _post(self, form: str) -> Answer:
        fields = {key: values[0] for key, values in parse_qs(form).items()}
        match fields.get("grant_type"):
            case "refresh_token":
                user = self.identity_tokens.get(fields.get("refresh_token", ""))
            case "password":
                user = fields.get("username", "")
                user = user if self.auth.users.get(user) == fields.get("password") else None
            case _:
                return document(400, {"error": "unsupported_grant_type"})
        if user is None or not {"service", "client_id"} <= fields.keys():
            return document(400 if user else 401, {"error": "invalid_request" if user else "invalid_grant"})
        token = self._issue(user, [fields.get("scope", "")])
        granted = {"access_token": token.value, "scope": scope_text(token.scopes)}
        return self._answer_with(granted, user if fields.get("access_type") == "offline" else None)

    def _answer_with(self, fields: dict[str, str], offline_user: str | None) -> Answer:
        life = {} if self.auth.expires_in is None else {"expires_in": self.auth.expires_in}
        refresh = {"refresh_token": self.identity_token(offline_user)} if offline_user else {}
        return document(200, {**fields, **life, **refresh})

    def _issue(self, user: str, texts: Iterable[str]) -> Token:
        """Issue a token for what the user may do of what was asked for, which may be nothing."""
        scopes: Scopes = {}
        for text in " ".join(texts).split():
            kind, name, actions = (
                text.split(":", 1)[0],
                text.split(":", 1)[1].rpartition(":")[0],
                text.rpartition(":")[2],
            )
            if kind == "repository" and (granted := frozenset(actions.split(",")) & self.allowed(user, name)):
                scopes[name] = scopes.get(name, frozenset()) | granted
        token = Token(user, scopes, self.auth)
        with self._guard:
            self.issued.append(token)
        return token

    def allowed(self, user: str, name: str) -> Actions:
        """Return what a user may do with a repository."""
        if user not in self.auth.access:
            return _EVERYTHING if user else frozenset()
        globs = self.auth.access[user]
        return frozenset(
            action for glob, actions in globs.items() if fnmatchcase(name, glob) for action in actions.split(",")
        )


def wanted(request: Request) -> Scopes:
    """Return the scopes that a request takes (scope.md); none for `/v2/`."""
    route = find(request.path)
    if route is None or not route.name:
        return {}
    action = _WANTED.get(request.method, "pull,push")
    return {route.name: frozenset(action.split(","))}


def scope_text(scopes: Scopes) -> str:
    """Write scopes as challenges and token services do."""
    return " ".join(f"repository:{name}:{','.join(sorted(actions))}" for name, actions in scopes.items())


def user_of(request: Request, users: Mapping[str, str]) -> str | None:
    """Return whose Basic credentials came: `ANONYMOUS` without any, None if they are wrong."""
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if not kind:
        return ANONYMOUS
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user if kind.lower() == "basic" and user and users.get(user) == password else None


def basic_guard(users: Mapping[str, str]) -> Callable[[Request], Answer | None]:
    """Return what refuses requests without the right Basic credentials."""

    def refuse(request: Request) -> Answer | None:
        if user_of(request, users):
            return None
        return error(401, "UNAUTHORIZED", "", {"WWW-Authenticate": 'Basic realm="stand-in", charset="UTF-8"'})

    return refuse


def token_guard(service: TokenServer, realm: Callable[[Exchange], str]) -> Callable[[Exchange], Answer | None]:
    """Return what refuses requests without a token for what they do."""

    def refuse(exchange: Exchange) -> Answer | None:
        request = exchange.request
        scopes = wanted(request)
        source = request.query.get("from") if "mount" in request.query else None
        if source and service.auth.mount == "challenge":
            scopes = {source: frozenset({"pull"}), **scopes}
        kind, _, value = request.headers.get("Authorization", "").partition(" ")
        token = service.use(value) if kind.lower() == "bearer" else None
        if token and all(actions <= token.scopes.get(name, frozenset()) for name, actions in scopes.items()):
            return None
        challenge = {"realm": realm(exchange), "service": service.auth.service, "scope": scope_text(scopes)}
        if value:
            challenge["error"] = "insufficient_scope" if token else "invalid_token"
        text = ",".join(f'{key}="{value}"' for key, value in challenge.items() if value)
        return error(401, "UNAUTHORIZED", "", {"WWW-Authenticate": f"Bearer {text}"})

    return refuse


def may_pull(service: TokenServer, request: Request, name: str) -> bool:
    """Say whether a request's token lets it pull from a repository; it was counted already."""
    value = request.headers.get("Authorization", "").partition(" ")[2]
    token = next((token for token in service.issued if token.value == value), None)
    return token is not None and "pull" in token.scopes.get(name, frozenset())
