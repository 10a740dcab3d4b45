"""A stand-in for registries in general: distribution-spec v1.1 in memory, and every misbehaviour on demand.

    with Standin(token_auth=TokenAuth(users={"ann": "secret"}, uses=3)) as registry:
        registry.misbehave(match=lambda r: r.method == "PATCH", action=actions.half_request(kept=True))
        ...  # a client pushes to registry.address
        assert registry.repositories["team/app"].tags == {"1": …}
        assert registry.dangling() == []

docker's own registry 2.8 has no referrers and no token service, and never fails when it is asked to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.remote import actions
from tests.remote.authority import TokenAuth, TokenServer, basic_guard, may_pull, token_guard
from tests.remote.certificates import server_context
from tests.remote.endpoints import Endpoints
from tests.remote.messages import Answer, HangUp, Request
from tests.remote.routes import VERSION_HEADER
from tests.remote.serving import Exchange, Server
from tests.remote.stored import Repository
from tests.remote.uploads import Options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.remote.certificates import Certificates

__all__ = ["Answer", "Cdn", "HangUp", "Options", "Repository", "Request", "Standin", "TokenAuth", "actions"]


class Standin(Server):
    """A registry on a loopback port.

    Args:
        token_auth: demand bearer tokens; `tokens` is then their service.
        basic: demand Basic credentials: passwords by user.
        tls: serve HTTPS with these certificates.
        demand_client_certificate: take only clients whose certificate the authority signed.
        host: the loopback address; `127.0.0.2` is another host to a client.
        options: the fields of `Options`: `referrers=False`, `lenient=True`, `page=2`, …
    """

    def __init__(
        self,
        *,
        token_auth: TokenAuth | None = None,
        basic: Mapping[str, str] | None = None,
        tls: Certificates | None = None,
        demand_client_certificate: bool = False,
        host: str = "127.0.0.1",
        **options: Any,
    ) -> None:
        context = server_context(tls, demand_client=demand_client_certificate) if tls else None
        super().__init__(host, context)
        self.repositories: dict[str, Repository] = {}
        self._tokens = TokenServer(token_auth, server_context(tls) if tls else None) if token_auth else None
        self._basic = basic_guard(basic) if basic else None
        self._bearer = token_guard(self._tokens, self._realm) if self._tokens else None
        self.endpoints = Endpoints(Options(**options), self.repositories, self._may_mount)

    def start(self) -> None:
        """Listen, and have the token service listen."""
        super().start()
        if self._tokens and self._tokens.auth.own_port:
            self._tokens.start()

    def stop(self) -> None:
        """Stop both."""
        super().stop()
        if self._tokens and self._tokens.auth.own_port:
            self._tokens.stop()

    def respond(self, exchange: Exchange) -> Answer:
        """Answer whoever may ask."""
        if self._tokens and not self._tokens.auth.own_port and exchange.request.path == "/token":
            return self._tokens.respond(exchange)
        return self.refusal(exchange) or self.endpoints.respond(exchange)

    def refusal(self, exchange: Exchange) -> Answer | None:
        """Hold a request to what was demanded: a token, or else Basic credentials."""
        refused = None
        if self._bearer:
            refused = self._bearer(exchange)
        elif self._basic:
            refused = self._basic(exchange.request)
        return refused.with_headers(dict([VERSION_HEADER])) if refused else None

    def repository(self, name: str) -> Repository:
        """Return a repository, made if it is not there, to be filled."""
        return self.repositories.setdefault(name, Repository())

    @property
    def tokens(self) -> TokenServer:
        """The token service of a registry that has one."""
        assert self._tokens is not None
        return self._tokens

    @property
    def token_requests(self) -> list[Request]:
        """The requests to the token service, wherever it is."""
        if self._tokens and self._tokens.auth.own_port:
            return self._tokens.requests
        return [request for request in self.requests if request.path == "/token"]

    @property
    def premature(self) -> list[str]:
        """Manifests that were pushed before what they name, taken or not."""
        return self.endpoints.premature

    def dangling(self) -> list[str]:
        """Return the tags and manifests that point to what is not there: none, whatever a client went through."""
        return [
            f"{name}: {problem}" for name, repository in self.repositories.items() for problem in repository.dangling()
        ]

    def _realm(self, exchange: Exchange) -> str:
        return f"{self.tokens.url if self.tokens.auth.own_port else exchange.base}/token"

    def _may_mount(self, request: Request, source: str) -> bool:
        return self._tokens is None or may_pull(self._tokens, request, source)


class Cdn(Server):
    """A second server, to which a registry redirects and whose uploads it lends: it asks for no credentials.

    As the stores behind registries do, it refuses requests that bear both a signature and an `Authorization`.
    """

    def __init__(self, registry: Standin, host: str = "127.0.0.1") -> None:
        super().__init__(host)
        self._registry = registry
        self.repositories = registry.repositories

    def respond(self, exchange: Exchange) -> Answer:
        """Serve blobs and uploads as the registry has them."""
        if "Authorization" in exchange.request.headers:
            return Answer(400, (("Content-Type", "application/xml"),), b"<Error><Code>InvalidArgument</Code></Error>")
        return self._registry.endpoints.respond(exchange).without("Docker-Distribution-Api-Version")
