"""The stand-in misbehaves where it is told to, as often as it is told to, and then no more."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from assembler.base.digest import sha256
from tests.remote import actions
from tests.remote.asking import ask, begin, connection, converse
from tests.remote.certificates import make_certificates
from tests.remote.standin import Answer, Cdn, HangUp, Request, Standin, TokenAuth
from tests.tools import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.remote.certificates import Certificates
    from tests.remote.serving import Action, Exchange

DATA = bytes(range(256)) * 400
BLOB = f"/v2/app/blobs/{sha256(DATA)}"


@pytest.fixture
def registry() -> Iterator[Standin]:
    with Standin() as started:
        started.repository("app").add_blob(DATA)
        yield started


def by(method: str) -> Callable[[Request], bool]:
    return lambda request: request.method == method


def test_rules(registry: Standin) -> None:
    """Rules are tried in order, each for the requests that match, after some and a number of times."""
    first = registry.misbehave(match=by("HEAD"), action=actions.status(500), times=2, after=1)
    registry.misbehave(match=lambda r: "blobs" in r.path, action=actions.status(503), times=None)
    statuses = [ask(registry, "HEAD", BLOB).status for _ in range(4)]
    assert (statuses, first.hits) == ([503, 500, 500, 503], 2)
    assert ask(registry, "GET", "/v2/").status == 200
    registry.behave()
    assert ask(registry, "HEAD", BLOB).status == 200
    registry.misbehave(match=lambda _: len(registry.requests) == 7, action=actions.status(500), times=None)
    assert [ask(registry, "HEAD", BLOB).status for _ in range(3)] == [500, 200, 200]


@pytest.mark.parametrize(
    ("action", "status", "code"),
    [
        (actions.status(502, "UNKNOWN"), 502, "UNKNOWN"),
        (actions.denied(), 403, "DENIED"),
        (actions.unsupported(), 405, "UNSUPPORTED"),
        (actions.unauthorized(), 401, "UNAUTHORIZED"),
        (actions.too_many(7), 429, "TOOMANYREQUESTS"),
        (actions.early(500), 500, "UNKNOWN"),
    ],
)
def test_other_answers(registry: Standin, action: Action, status: int, code: str) -> None:
    location = begin(registry)
    registry.misbehave(match=by("PATCH"), action=action)
    got = ask(registry, "PATCH", location, DATA)
    assert (got.status, got.code) == (status, code)
    assert ask(registry, "GET", location).headers["Range"] == "0-0"
    assert registry.requests[1].body_size in {0, len(DATA)}


def test_retry_after(registry: Standin) -> None:
    registry.misbehave(action=actions.too_many(7))
    registry.misbehave(action=actions.too_many(7, as_date=True))
    registry.misbehave(action=actions.status(503, Retry_After="3"))
    assert ask(registry, "GET", BLOB).headers["Retry-After"] == "7"
    assert parsedate_to_datetime(ask(registry, "GET", BLOB).headers["Retry-After"]).year > 2000
    assert ask(registry, "GET", BLOB).headers["Retry-After"] == "3"


def test_unauthorized_for_ever() -> None:
    with Standin(token_auth=TokenAuth(users={"ann": "secret"})) as registry:
        registry.misbehave(action=actions.unauthorized(), times=None)
        got = ask(registry, "HEAD", BLOB, Authorization="Bearer good")
        assert 'scope="repository:app:pull"' in got.headers["WWW-Authenticate"]
        assert "error" not in got.headers["WWW-Authenticate"]


def test_connections_that_end(registry: Standin) -> None:
    registry.misbehave(action=actions.hang_up())
    with pytest.raises(http.client.RemoteDisconnected):
        ask(registry, "GET", BLOB)
    registry.misbehave(action=actions.hang_up(reset=True))
    with pytest.raises(ConnectionResetError):
        ask(registry, "GET", BLOB)
    assert [request.status for request in registry.requests] == [None, None]
    with registry.down(), pytest.raises(ConnectionRefusedError):
        ask(registry, "GET", BLOB)
    assert ask(registry, "GET", BLOB).body == DATA


def test_a_connection_ends_unannounced(registry: Standin) -> None:
    registry.misbehave(action=actions.close_after())
    with connection(registry) as one:
        assert converse(one, "GET", BLOB).body == DATA
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            converse(one, "GET", BLOB)


def test_half_an_answer(registry: Standin) -> None:
    registry.misbehave(match=by("GET"), action=actions.half_answer())
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(registry, "GET", BLOB)
    assert caught.value.partial == DATA[: len(DATA) // 2]
    rest = ask(registry, "GET", BLOB, Range=f"bytes={len(DATA) // 2}-")
    assert caught.value.partial + rest.body == DATA


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
def test_half_a_request(registry: Standin, kept: bool, chunked: bool) -> None:
    location = begin(registry)
    size = 3000 if chunked else None
    registry.misbehave(match=by("PATCH"), action=actions.half_request(kept=kept, size=size))
    with pytest.raises(ConnectionError):
        ask(registry, "PATCH", location, iter((DATA,)) if chunked else DATA)
    got = ask(registry, "GET", location)
    there = (size or len(DATA) // 2) if kept else 0
    assert got.headers["Range"] == f"0-{max(0, there - 1)}"
    rest = ask(registry, "PATCH", got.location, DATA[there:], Content_Range=f"{there}-{len(DATA) - 1}")
    assert ask(registry, "PUT", f"{rest.location}&digest={sha256(DATA)}").status == 201


def test_an_answer_is_lost(registry: Standin) -> None:
    location = begin(registry, "other")
    registry.misbehave(match=by("PUT"), action=actions.lose_answer())
    with pytest.raises(http.client.RemoteDisconnected):
        ask(registry, "PUT", f"{location}&digest={sha256(DATA)}", DATA)
    assert ask(registry, "PUT", f"{location}&digest={sha256(DATA)}", DATA).code == "BLOB_UPLOAD_UNKNOWN"
    assert registry.repositories["other"].blobs == {sha256(DATA): DATA}


def test_stalling(registry: Standin) -> None:
    registry.misbehave(action=actions.stall())
    registry.misbehave(action=actions.stall_in_body())
    with connection(registry, 0.1) as one, pytest.raises(TimeoutError):
        converse(one, "GET", BLOB)
    with connection(registry, 0.1) as one:
        one.request("GET", BLOB)
        response = one.getresponse()
        assert response.read(len(DATA) // 2) == DATA[: len(DATA) // 2]
        with response, pytest.raises(TimeoutError):
            response.read(1)


def test_slow_but_whole(registry: Standin) -> None:
    registry.misbehave(action=actions.trickle(len(DATA) // 4 + 1, 0.001))
    assert ask(registry, "GET", BLOB).body == DATA


@pytest.mark.parametrize(
    ("action", "body", "digest"),
    [
        (actions.other_bytes(), bytes(byte ^ 1 for byte in DATA), sha256(DATA)),
        (actions.other_length(-1), DATA[:-1], sha256(DATA)),
        (actions.other_length(2), DATA + b"\0\0", sha256(DATA)),
        (actions.other_digest_header(), DATA, sha256(b"something else")),
        (actions.without_header("Docker-Content-Digest"), DATA, None),
        (actions.without_length(), DATA, sha256(DATA)),
        (actions.without_length(chunked=False), DATA, sha256(DATA)),
        (actions.http_1_0(), DATA, sha256(DATA)),
        (actions.with_body(b"other"), b"other", sha256(DATA)),
    ],
)
def test_changed_answers(registry: Standin, action: Action, body: bytes, digest: str | None) -> None:
    registry.misbehave(match=by("GET"), action=action)
    with connection(registry) as one:
        got = converse(one, "GET", BLOB)
        assert (got.status, got.body, got.headers.get("Docker-Content-Digest")) == (200, body, digest)
        assert converse(one, "GET", BLOB).body == DATA


def test_framings(registry: Standin) -> None:
    for action, version, length, framing in (
        (actions.without_length(), 11, None, "chunked"),
        (actions.without_length(chunked=False), 11, None, None),
        (actions.http_1_0(), 10, str(len(DATA)), None),
    ):
        registry.misbehave(action=action)
        with connection(registry) as one:
            one.request("GET", BLOB)
            with one.getresponse() as response:
                found = (response.version, response.headers["Content-Length"], response.headers["Transfer-Encoding"])
                assert (found, response.read()) == ((version, length, framing), DATA)


def test_odd_documents(registry: Standin) -> None:
    for action in (actions.null_tags(), actions.not_json(), actions.huge(5_000_000)):
        registry.misbehave(action=action)
    assert ask(registry, "GET", "/v2/app/tags/list").document["tags"] is None
    with pytest.raises(json.JSONDecodeError):
        _ = ask(registry, "GET", "/v2/app/tags/list").document
    got = ask(registry, "GET", "/v2/app/tags/list")
    assert (len(got.body), list(got.document)) == (5_000_000, ["a"])
    registry.misbehave(action=actions.without_header("Docker-Distribution-Api-Version"))
    assert "Docker-Distribution-Api-Version" not in ask(registry, "GET", "/v2/").headers
    registry.misbehave(action=actions.with_header("Warning", '299 - "Old."'))
    assert ask(registry, "GET", "/v2/").headers["Warning"] == '299 - "Old."'


def test_endless(registry: Standin) -> None:
    registry.misbehave(action=actions.endless())
    with connection(registry) as one:
        one.request("GET", BLOB)
        assert len(one.getresponse().read(20_000_000)) == 20_000_000


# Upload sessions


def test_sessions_that_are_lost(registry: Standin) -> None:
    location = begin(registry)
    registry.misbehave(match=by("PATCH"), action=actions.lose_session(), after=1)
    first = ask(registry, "PATCH", location, DATA[:9])
    assert ask(registry, "PATCH", first.location, DATA[9:]).code == "BLOB_UPLOAD_UNKNOWN"
    assert registry.repositories["app"].uploads == {}


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_bytes_that_are_lost(registry: Standin, method: str) -> None:
    location = begin(registry)
    registry.misbehave(match=by(method), action=actions.forget_bytes(10))
    got = ask(registry, "PATCH", location, DATA[:100])
    if method == "GET":
        assert got.headers["Range"] == "0-99"
        got = ask(registry, "GET", location)
    assert got.headers["Range"] == "0-89"
    rest = ask(registry, "PATCH", got.location, DATA[90:], Content_Range=f"90-{len(DATA) - 1}")
    assert ask(registry, "PUT", f"{rest.location}&digest={sha256(DATA)}").status == 201


def test_an_offset_that_is_too_small(registry: Standin) -> None:
    location = begin(registry)
    registry.misbehave(match=by("PATCH"), action=actions.understate(10))
    got = ask(registry, "PATCH", location, DATA[:100])
    assert got.headers["Range"] == "0-89"
    assert ask(registry, "PATCH", got.location, DATA[90:], Content_Range=f"90-{len(DATA) - 1}").status == 416


def test_locations(registry: Standin) -> None:
    registry.misbehave(action=actions.without_header("Location"))
    assert "Location" not in ask(registry, "POST", "/v2/app/blobs/uploads/").headers
    registry.misbehave(action=actions.relative_location())
    assert ask(registry, "POST", "/v2/app/blobs/uploads/").headers["Location"].startswith("/v2/app/")


# Other hosts


def test_redirects(registry: Standin) -> None:
    with Cdn(registry, "127.0.0.2") as cdn:
        registry.misbehave(match=by("GET"), action=actions.to_cdn(cdn, 302), times=None)
        got = ask(registry, "GET", BLOB)
        assert (got.status, got.headers["Location"]) == (302, f"http://{cdn.address}{BLOB}?X-Signature=abc%2Fdef")
        assert ask(cdn, "GET", got.location, Range="bytes=9-").body == DATA[9:]
        refused = ask(cdn, "GET", got.location, Authorization="Bearer leaked")
        assert (refused.status, b"InvalidArgument" in refused.body) == (400, True)
        assert [request.headers.get("Authorization") for request in cdn.requests] == [None, "Bearer leaked"]
        cdn.misbehave(action=actions.status(503))
        assert ask(cdn, "GET", got.location).status == 503
        cdn.misbehave(action=actions.to_itself())
        loop = ask(cdn, "GET", got.location)
        assert (loop.status, loop.headers["Location"]) == (307, f"{cdn.url}{got.location}")


def test_uploads_on_another_host() -> None:
    with Standin(basic={"ann": "secret"}) as registry, Cdn(registry) as cdn:
        registry.misbehave(match=by("POST"), action=actions.location_on(cdn))
        got = ask(registry, "POST", "/v2/app/blobs/uploads/", Authorization="Basic YW5uOnNlY3JldA==")
        assert got.headers["Location"].startswith(cdn.url)
        stored = ask(cdn, "PUT", f"{got.location}&digest={sha256(DATA)}", DATA)
        assert (stored.status, registry.repositories["app"].blobs) == (201, {sha256(DATA): DATA})


# TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls") / "good")


def over_tls(registry: Standin, certificates: Certificates, *, client: bool = False) -> int:
    context = ssl.create_default_context(cafile=certificates.authority)
    if client:
        context.load_cert_chain(certificates.client_certificate, certificates.client_key)
    host, _, port = registry.address.partition(":")
    one = http.client.HTTPSConnection(host, int(port), timeout=10, context=context)
    try:
        return converse(one, "GET", "/v2/").status
    finally:
        one.close()


def test_tls(certificates: Certificates, tmp_path: Path) -> None:
    other = make_certificates(tmp_path / "other")
    with Standin(tls=certificates) as registry:
        assert registry.url == f"https://{registry.address}"
        assert over_tls(registry, certificates) == 200
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
            over_tls(registry, other)
        registry.misbehave(action=actions.hang_up(reset=True))
        with pytest.raises(ConnectionResetError):
            over_tls(registry, certificates)
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(registry, "GET", "/v2/")
        assert [request.status for request in registry.requests] == [200, None]


def test_client_certificates(certificates: Certificates) -> None:
    with Standin(tls=certificates, demand_client_certificate=True) as registry:
        assert over_tls(registry, certificates, client=True) == 200
        with pytest.raises((ssl.SSLError, OSError)):
            over_tls(registry, certificates)


@pytest.mark.parametrize(("names", "days", "match"), [("DNS:elsewhere", 2, "not valid for"), (None, -1, "expired")])
def test_bad_certificates(tmp_path: Path, names: str | None, days: int, match: str) -> None:
    bad = make_certificates(tmp_path / "bad", days=days, **({"names": names} if names else {}))
    with Standin(tls=bad) as registry, pytest.raises(ssl.SSLCertVerificationError, match=match):
        over_tls(registry, bad)


def test_stopping_ends_what_stalls() -> None:
    registry = Standin()
    with registry:
        registry.misbehave(action=actions.stall())
        waiting = socket.create_connection(tuple(registry.address.split(":")))  # type: ignore[arg-type]
        waiting.sendall(b"GET /v2/ HTTP/1.1\r\n\r\n")
        wait_for(lambda: registry.requests, "the request has come")
    with waiting:
        assert waiting.recv(1) == b""


@pytest.mark.parametrize("said", [b"hello\r\n\r\n", b"\x16\x03\x01\x02"])
def test_what_is_no_http(registry: Standin, said: bytes) -> None:
    host, _, port = registry.address.partition(":")
    with socket.create_connection((host, int(port))) as one:
        one.sendall(said)
        assert one.recv(100).startswith(b"HTTP/1.1 400 ")
    assert registry.requests == []


def test_an_action_of_ones_own(registry: Standin) -> None:
    """It may be served, looked at, and thrown away; the client can go on where the registry stands."""

    def act(exchange: Exchange) -> Answer:
        assert exchange.serve().status == 202
        raise HangUp(reset=True)

    registry.misbehave(match=by("POST"), action=act)
    with pytest.raises(ConnectionResetError):
        begin(registry)
    assert len(registry.repositories["app"].uploads) == 1
