"""The stand-in asks for credentials as registries do: Basic, and bearer tokens of a service (token.md)."""

from __future__ import annotations

import base64
from urllib.parse import urlencode

import pytest

from tests.remote.asking import ask, connection, converse
from tests.remote.standin import Standin, TokenAuth

NOBODY = "sha256:" + "0" * 64
DATA = b"0123456789"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_basic() -> None:
    with Standin(basic={"ann": "s:cret"}) as registry:
        got = ask(registry, "GET", "/v2/")
        assert (got.status, got.code) == (401, "UNAUTHORIZED")
        assert got.headers["WWW-Authenticate"].startswith('Basic realm="')
        assert got.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
        assert ask(registry, "GET", "/v2/", Authorization=basic("ann", "wrong")).status == 401
        assert ask(registry, "GET", "/v2/", Authorization=basic("ann", "s:cret")).status == 200


AUTH = TokenAuth(
    users={"ann": "secret", "bob": "secret"},
    access={"": {"public/*": "pull"}, "bob": {"team/*": "pull,push", "public/*": "pull"}},
)


def token(registry: Standin, user: str, *scopes: str, **more: str) -> str:
    query = urlencode([("service", "stand-in"), *(("scope", scope) for scope in scopes), *more.items()])
    with connection(registry.tokens) as one:
        headers = {"Authorization": basic(user, "secret")} if user else {}
        got = converse(one, "GET", f"/token?{query}", headers=headers)
    assert got.status == 200
    return "Bearer " + str(got.document["token"])


def test_challenges() -> None:
    with Standin(token_auth=AUTH) as registry:
        assert registry.tokens.address != registry.address
        realm = f'realm="http://{registry.tokens.address}/token",service="stand-in"'
        for method, path, scope in (
            ("GET", "/v2/", ""),
            ("HEAD", "/v2/team/app/manifests/1", ',scope="repository:team/app:pull"'),
            ("POST", "/v2/team/app/blobs/uploads/", ',scope="repository:team/app:pull,push"'),
            ("DELETE", f"/v2/team/app/blobs/{NOBODY}", ',scope="repository:team/app:delete"'),
        ):
            got = ask(registry, method, path)
            assert (got.status, got.headers["WWW-Authenticate"]) == (401, f"Bearer {realm}{scope}")


def test_tokens_hold_what_was_granted() -> None:
    with Standin(token_auth=AUTH) as registry:
        registry.repository("team/app").add_image("1")
        registry.repository("public/app").add_image("1")
        registry.repository("other").add_image("1")
        pull = token(registry, "bob", "repository:team/app:pull,push", "repository:other:pull")
        assert ask(registry, "GET", "/v2/team/app/manifests/1", Authorization=pull).status == 200
        assert ask(registry, "POST", "/v2/team/app/blobs/uploads/", Authorization=pull).status == 202
        refused = ask(registry, "GET", "/v2/other/manifests/1", Authorization=pull)
        assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
        nobody = token(registry, "", "repository:public/app:pull,push repository:team/app:pull")
        assert ask(registry, "GET", "/v2/public/app/manifests/1", Authorization=nobody).status == 200
        assert ask(registry, "GET", "/v2/team/app/manifests/1", Authorization=nobody).status == 401
        assert ask(registry, "POST", "/v2/public/app/blobs/uploads/", Authorization=nobody).status == 401
        assert [(issued.user, set(issued.scopes)) for issued in registry.tokens.issued] == [
            ("bob", {"team/app"}),
            ("", {"public/app"}),
        ]


def test_wrong_credentials_get_no_token() -> None:
    with Standin(token_auth=AUTH) as registry:
        for wrong in (basic("ann", "wrong"), basic("eve", "secret"), "Basic ???", "Bearer x"):
            assert ask(registry.tokens, "GET", "/token", Authorization=wrong).status == 401
        assert ask(registry, "GET", "/v2/", Authorization=basic("ann", "secret")).status == 401
        assert registry.tokens.issued == []


def test_tokens_expire() -> None:
    with Standin(token_auth=TokenAuth(users={"ann": "secret"}, uses=2)) as registry:
        value = token(registry, "ann")
        statuses = [ask(registry, "GET", "/v2/", Authorization=value).status for _ in range(3)]
        assert statuses == [200, 200, 401]
    with Standin(token_auth=AUTH) as registry:
        value = token(registry, "ann")
        assert ask(registry, "GET", "/v2/", Authorization=value).status == 200
        registry.tokens.revoke_all()
        refused = ask(registry, "GET", "/v2/", Authorization=value)
        assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    with Standin(token_auth=TokenAuth(users={"ann": "secret"}, seconds=0)) as registry:
        assert ask(registry, "GET", "/v2/", Authorization=token(registry, "ann")).status == 401


def form(**fields: str) -> bytes:
    return urlencode(fields).encode()


def test_identity_tokens() -> None:
    with Standin(token_auth=AUTH) as registry:
        wanted = {"service": "stand-in", "client_id": "test", "scope": "repository:team/app:pull"}
        identity = registry.tokens.identity_token("bob")
        for fields in (
            {"grant_type": "refresh_token", "refresh_token": identity},
            {"grant_type": "password", "username": "bob", "password": "secret", "access_type": "offline"},
        ):
            got = ask(registry.tokens, "POST", "/token", form(**wanted, **fields))
            assert (got.status, got.document["scope"]) == (200, "repository:team/app:pull")
            bearer = f"Bearer {got.document['access_token']}"
            assert ask(registry, "GET", "/v2/", Authorization=bearer).status == 200
        assert registry.tokens.identity_tokens[got.document["refresh_token"]] == "bob"
        for fields, error in (
            ({"grant_type": "refresh_token", "refresh_token": "none"}, "invalid_grant"),
            ({"grant_type": "password", "username": "bob", "password": "wrong"}, "invalid_grant"),
            ({"grant_type": "what"}, "unsupported_grant_type"),
        ):
            got = ask(registry.tokens, "POST", "/token", form(**wanted, **fields))
            assert (got.status in {400, 401}, got.document["error"]) == (True, error)
        assert [request.method for request in registry.token_requests] == ["POST"] * 5


def test_token_services_of_other_kinds() -> None:
    odd = TokenAuth(users={"ann": "secret"}, own_port=False, oauth2=False, fields=("access_token",), expires_in=None)
    with Standin(token_auth=odd) as registry:
        challenge = ask(registry, "GET", "/v2/").headers["WWW-Authenticate"]
        assert f'realm="http://{registry.address}/token"' in challenge
        assert ask(registry, "POST", "/token", form(grant_type="password")).status == 404
        got = ask(registry, "GET", "/token?offline_token=true", Authorization=basic("ann", "secret"))
        assert set(got.document) == {"access_token", "issued_at", "refresh_token"}
        assert len(registry.token_requests) == 2


@pytest.mark.parametrize("mount", ["challenge", "session"])
def test_mounts_need_pull(mount: str) -> None:
    auth = TokenAuth(users=AUTH.users, access=AUTH.access, mount=mount)  # type: ignore[arg-type]
    with Standin(token_auth=auth) as registry:
        digest = registry.repository("secret/base").add_blob(DATA)["digest"]
        registry.repository("public/base").add_blob(DATA)
        path = f"/v2/team/app/blobs/uploads/?mount={digest}&from="
        value = token(registry, "bob", "repository:team/app:pull,push", "repository:secret/base:pull")
        got = ask(registry, "POST", path + "secret/base", Authorization=value)
        if mount == "challenge":
            assert got.status == 401
            wanted = "repository:secret/base:pull repository:team/app:pull,push"
            assert f'scope="{wanted}"' in got.headers["WWW-Authenticate"]
        else:
            assert got.status == 202
        assert registry.repositories.get("team/app", registry.repository("none")).blobs == {}
        value = token(registry, "bob", "repository:team/app:pull,push", "repository:public/base:pull")
        assert ask(registry, "POST", path + "public/base", Authorization=value).status == 201
