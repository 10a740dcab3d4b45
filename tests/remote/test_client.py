"""A client: TLS or not, authorization, trying again; and what is told of failures."""

from __future__ import annotations

import base64
import gc
import itertools
import threading
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assembler.base.errors import RemoteError
from assembler.remote.access import Access
from assembler.remote.client import Client, Retry, retry_after
from assembler.remote.connection import Origin
from assembler.remote.credentials import Credentials
from assembler.remote.http import BrokenError
from assembler.remote.registry import check_login
from tests.remote import actions
from tests.remote.clients import Raw, error_of, logged_in, read_head, server_connections, settings
from tests.remote.messages import Answer
from tests.remote.standin import Standin, TokenAuth

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from tests.remote.certificates import Certificates
    from tests.remote.serving import Server

pytestmark = pytest.mark.usefixtures("alone")

SECRET = "s3cret-pass"
PULL = frozenset({"repository:app:pull"})


def client(server: Server, repository: str = "app", **more: Any) -> Client:
    return Client(server.address, settings(**more), repository)


def token_auth(**more: Any) -> TokenAuth:
    return TokenAuth(users={"ann": SECRET}, **more)


# --- TLS or not


def test_this_machine_is_tried_without_tls() -> None:
    with Standin() as server:
        assert client(server).origin.scheme == "http"
        assert [r.path for r in server.requests] == ["/v2/"]


def test_this_machine_is_spoken_to_by_tls_where_it_does(certificates: Certificates) -> None:
    naps: list[float] = []
    with Standin(tls=certificates) as server:
        assert client(server, naps=naps).origin.scheme == "https"
        assert client(server, naps=naps, access=Access(verify=False)).origin.scheme == "https"
    assert naps == []


def test_go_answers_400_to_who_forgot_tls() -> None:
    answer = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    with Raw(answer) as server:
        assert Client(server.address, settings()).origin.scheme == "https"


def test_another_machine_is_never_tried_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.create_connection", lambda *_, **__: pytest.fail("nothing is to be asked yet"))
    assert Client("registry.example:5000", settings()).origin == Origin("https", "registry.example", 5000)
    assert Client("docker.io", settings()).origin == Origin("https", "registry-1.docker.io", 443)
    plain = Client("registry.example:5000", settings(Access(plain_http=True)))
    assert plain.origin == Origin("http", "registry.example", 5000)


def test_who_hangs_up_once_is_not_taken_for_tls() -> None:
    for action in (actions.hang_up(), actions.hang_up(reset=True)):
        with Standin() as server:
            server.misbehave(action=action)
            assert client(server).origin.scheme == "http"


def test_nobody_there() -> None:
    naps: list[float] = []
    with Standin() as server:
        pass
    error = error_of(client, server, naps=naps)
    assert "Connection refused" in error.message
    assert len(naps) == 5


# --- trying again


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_get_better_is_tried_again(status: int) -> None:
    naps: list[float] = []
    with Standin() as server:
        made = client(server, naps=naps)
        server.misbehave(action=actions.status(status), times=3)
        assert made.call("GET", "/v2/").status == 200
    assert len(naps) == 3
    for nap, expected in zip(naps, (0.25, 0.5, 1.0), strict=True):
        assert 0.75 * expected <= nap <= 1.25 * expected


@pytest.mark.parametrize("status", [400, 403, 404, 405, 413, 501])
def test_what_does_not_get_better_is_not_tried_again(status: int) -> None:
    naps: list[float] = []
    with Standin() as server:
        made = client(server, naps=naps)
        server.misbehave(action=actions.status(status), times=None)
        assert made.call("GET", "/v2/").status == status
    assert naps == []


def test_patience_ends_with_the_answer_that_there_is() -> None:
    naps: list[float] = []
    with Standin() as server:
        made = client(server, naps=naps)
        server.forget_requests()
        server.misbehave(action=actions.status(503, "UNAVAILABLE"), times=None)
        response = made.call("GET", "/v2/")
        error = made.failure(response, "docker://x/y: tags")
        assert error.message == "docker://x/y: tags: the registry answers 503: UNAVAILABLE: unavailable"
        assert len(server.requests) == 6
    assert len(naps) == 5


@pytest.mark.parametrize(
    ("method", "action"),
    [
        ("GET", actions.hang_up()),
        ("PUT", actions.hang_up()),
        ("GET", actions.hang_up(reset=True)),
        ("PUT", actions.hang_up(reset=True)),
        ("GET", actions.half_answer(0.5)),
    ],
)
def test_broken_connections_are_tried_again(method: str, action: Any) -> None:
    with Standin() as server:
        made = client(server)
        server.misbehave(action=action, times=4)
        server.misbehave(action=lambda _: Answer(200, (), b"{}"))
        response = made.call(method, "/v2/", limit=100)
        assert response.read(100) == b"{}"


def test_broken_connections_without_end() -> None:
    naps: list[float] = []
    with Standin() as server:
        made = client(server, naps=naps)
        server.misbehave(action=actions.hang_up(), times=None)
        error = error_of(made.call, "GET", "/v2/")
        assert isinstance(error, BrokenError)
        assert f"GET {server.url}/v2/" in error.message
        assert len(naps) == 5


def test_retry_after_is_honoured_in_both_forms() -> None:
    for as_date in (False, True):
        naps: list[float] = []
        told: list[str] = []
        with Standin() as server:
            made = client(server, naps=naps, told=told)
            server.misbehave(action=actions.too_many(20, as_date=as_date))
            assert made.call("GET", "/v2/").status == 200
        assert 17 <= naps[0] <= 20
        assert len(told) == 1
        assert "429; again in" in told[0]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("seconds", ["3600", "99999999999", "9" * 400])
def test_who_asks_for_too_much_patience(status: int, seconds: str) -> None:
    naps: list[float] = []
    with Standin() as server:
        made = client(server, naps=naps)
        server.misbehave(action=actions.status(status, Retry_After=seconds))
        error = error_of(made.call, "GET", "/v2/")
        assert "asks to come back in" in error.message
        assert error.status == status
    assert naps == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, 0), ("", 0), ("7", 7), (" 7 ", 7), ("-7", 0), ("soon", 0), ("7.5", 0), (formatdate(1000, usegmt=True), 0),
     (formatdate(1_000_100, usegmt=True), 100), ("Mon, 32 Foo 2020", 0)],
)  # fmt: skip
def test_retry_after(value: str | None, seconds: float) -> None:
    assert retry_after(value, 1_000_000) == seconds


@given(st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ ([+-]\d+|[A-Z]+)"))
@hypothesis_settings(max_examples=100, deadline=None)
def test_retry_after_never_fails(value: str) -> None:
    assert retry_after(value, time.time()) >= 0


def test_pauses_grow_and_differ() -> None:
    pauses = [[Retry().pause(attempt) for _ in range(20)] for attempt in range(5)]
    assert all(max(one) < min(later) * 4 for one, later in itertools.pairwise(pauses))
    assert len(set(pauses[0])) > 1


# --- authorization


def challenges(server: Server) -> int:
    return sum(request.status == 401 for request in server.requests)


def test_basic(tmp_path: Path) -> None:
    with Standin(basic={"ann": SECRET}) as server:
        made = client(server, access=logged_in(tmp_path, server.address))
        for _ in range(3):
            assert made.call("GET", "/v2/", PULL).status == 200
        assert challenges(server) == 2  # the one that finds out TLS or not, and the first


def test_basic_that_is_wrong_is_shown_once(tmp_path: Path) -> None:
    with Standin(basic={"ann": SECRET}) as server:
        made = client(server, access=logged_in(tmp_path, server.address, password="s3cret-wrong"))
        server.forget_requests()
        error = error_of(made.call, "GET", "/v2/")
        assert error.status == 401
        assert "'ann' are refused" in error.message
        assert f"brasm login {server.address}" in (error.hint or "")
        assert len(server.requests) == 2


def test_no_credentials() -> None:
    with Standin(basic={"ann": SECRET}) as server:
        error = error_of(client(server).call, "GET", "/v2/")
        assert "wants credentials" in error.message
        assert error.hint == f"brasm login {server.address}"
        assert error.exit_code == 5


@pytest.mark.parametrize("own_port", [True, False])
@pytest.mark.parametrize("fields", [("token",), ("access_token",), ("token", "access_token")])
def test_bearer(tmp_path: Path, own_port: bool, fields: tuple[str, ...]) -> None:
    with Standin(token_auth=token_auth(own_port=own_port, fields=fields)) as server:
        server.repository("app").add_image("1")
        made = client(server, access=logged_in(tmp_path, server.address))
        for _ in range(3):
            assert made.call("GET", "/v2/app/tags/list", PULL).status == 200
        assert len(server.token_requests) == 1
        assert server.token_requests[0].query["service"] == "stand-in"
        assert server.token_requests[0].query["scope"] == "repository:app:pull"
        assert not any(
            r.headers.get("Authorization", "").startswith("Basic") for r in server.requests if r.path != "/token"
        )


def test_tokens_without_credentials() -> None:
    access = {"": {"app": "pull"}}
    with Standin(token_auth=token_auth(access=access)) as server:
        server.repository("app").add_image("1")
        made = client(server)
        assert made.call("GET", "/v2/app/tags/list", PULL).status == 200
        assert "Authorization" not in server.token_requests[0].headers
        error = error_of(made.call, "POST", "/v2/app/blobs/uploads/", frozenset({"repository:app:pull,push"}))
        assert "wants credentials" in error.message


def test_identity_tokens_go_in_a_body(tmp_path: Path) -> None:
    with Standin(token_auth=token_auth()) as server:
        assert server.tokens is not None
        identity = server.tokens.identity_token("ann")
        made = Client(server.address, settings(), "app", Credentials(identity_token=identity))
        assert made.call("GET", "/v2/", PULL).status == 200
        assert [r.method for r in server.token_requests] == ["POST"]
        assert identity not in server.token_requests[0].target
        wrong = Client(server.address, settings(), "app", Credentials(identity_token="s3cret-identity"))
        assert error_of(wrong.call, "GET", "/v2/").status == 401
    del tmp_path


def test_expired_tokens_are_had_anew(tmp_path: Path) -> None:
    with Standin(token_auth=token_auth(uses=1)) as server:
        server.repository("app").add_image("1")
        made = client(server, access=logged_in(tmp_path, server.address))
        for _ in range(5):
            assert made.call("GET", "/v2/app/tags/list", PULL).status == 200
        assert len(server.token_requests) == 5


def test_one_token_for_several_threads(tmp_path: Path) -> None:
    with Standin(token_auth=token_auth()) as server:
        server.repository("app").add_image("1")
        made = client(server, access=logged_in(tmp_path, server.address))
        got: list[int] = []
        threads = [
            threading.Thread(target=lambda: got.append(made.call("GET", "/v2/app/tags/list", PULL).status))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == [200] * 8
        assert len(server.token_requests) == 1


def test_401_for_ever_is_bounded(tmp_path: Path) -> None:
    with Standin(token_auth=token_auth()) as server:
        made = client(server, access=logged_in(tmp_path, server.address))
        server.forget_requests()
        server.misbehave(action=actions.unauthorized(), times=None)
        error = error_of(made.call, "GET", "/v2/", PULL)
        assert error.status == 401
        assert len(server.requests) <= 4
        assert len(server.token_requests) <= 3


def test_401_for_ever_is_bounded_for_threads_too(tmp_path: Path) -> None:
    with Standin(token_auth=token_auth()) as server:
        made = client(server, access=logged_in(tmp_path, server.address))
        server.forget_requests()
        server.misbehave(action=actions.unauthorized(), times=None)
        threads = [threading.Thread(target=error_of, args=(made.call, "GET", "/v2/", PULL)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        assert len(server.token_requests) <= 12
        assert len(server.requests) <= 64


def other_host_never_saw_credentials(server: Server) -> None:
    for request in server.requests:
        assert "Authorization" not in request.headers
        assert SECRET not in request.target


def test_basic_and_bearer_offered_together(tmp_path: Path) -> None:
    with Standin(token_auth=token_auth()) as server:
        made = client(server, access=logged_in(tmp_path, server.address))
        assert server.tokens is not None
        realm = (
            f'Basic realm="x", Bearer realm="{server.tokens.url}/token",service="a,b",scope="repository:app:pull,push"'
        )
        server.misbehave(action=actions.unauthorized(realm))
        assert made.call("GET", "/v2/", PULL).status == 200
        assert server.token_requests[0].query["service"] == "a,b"
        # both scopes: what the request needs, and what the registry asks for
        assert server.token_requests[0].target.count("scope=") == 2


@pytest.mark.parametrize(
    "challenge",
    ["Negotiate abc==", 'Digest realm="x",nonce="y"', "", "Bearer", 'Bearer realm=""', 'Bearer realm="/token"',
     'Bearer realm="ftp://a/token"', 'Bearer realm="http://[bad"', 'Bearer realm="https://u:s3cret@a:port/"',
     'Bearer realm="http://registry.example/token"', 'Bearer realm="\x1b[31mred"', "\x1b[31m x"],
)  # fmt: skip
def test_challenges_that_nobody_can_meet(tmp_path: Path, challenge: str) -> None:
    with Standin() as server:
        made = client(server, access=logged_in(tmp_path, server.address))
        server.misbehave(action=actions.unauthorized(challenge or " "), times=None)
        error = error_of(made.call, "GET", "/v2/", PULL)
        assert server.address in error.message
        assert error.status == 401


def test_a_token_server_without_tls_for_a_registry_with(tmp_path: Path, certificates: Certificates) -> None:
    with Standin(tls=certificates) as server, Standin() as tokens:
        access = msgspec.structs.replace(logged_in(tmp_path, server.address), ca_file=certificates.authority)
        server.misbehave(action=actions.unauthorized(f'Bearer realm="{tokens.url}/token"'), times=None)
        error = error_of(client(server, access=access).call, "GET", "/v2/", PULL)
        assert "not encrypted" in error.message
        assert tokens.requests == []


def test_a_token_server_without_tls_elsewhere_where_the_user_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(address: tuple[str, int], *_: Any, **__: Any) -> Any:
        asked.append(address[0])
        raise ConnectionRefusedError(111, "Connection refused")

    with Standin() as server:
        access = msgspec.structs.replace(logged_in(tmp_path, server.address), plain_http=True)
        made = client(server, access=access)
        server.misbehave(action=actions.unauthorized('Bearer realm="http://tokens.example/token"'), times=None)
        import socket

        real = socket.create_connection
        monkeypatch.setattr(
            socket, "create_connection", lambda a, *r, **n: (real if a[0] == "127.0.0.1" else refuse)(a, *r, **n)
        )
        error = error_of(made.call, "GET", "/v2/", PULL)
        assert "its token server" in error.message
        assert asked == ["tokens.example"] * 6


def tokens_of(server: Standin) -> Server:
    assert server.tokens is not None
    return server.tokens


@pytest.mark.parametrize(
    ("action", "times", "fine"),
    [
        (actions.status(500), 3, True),
        (actions.too_many(5), 2, True),
        (actions.hang_up(reset=True), 3, True),
        (actions.half_answer(), 3, True),
        (actions.without_length(), None, True),
        (actions.http_1_0(), None, True),
        (actions.status(500), None, False),
        (actions.too_many(1), None, False),
        (actions.too_many(9999), None, False),
        (actions.hang_up(), None, False),
        (actions.half_answer(), None, False),
        (actions.status(400), None, False),
        (actions.status(404), None, False),
        (actions.denied(), None, False),
        (actions.not_json(), None, False),
        (actions.huge(2 << 20), None, False),
        (actions.endless(), None, False),
        (actions.to_itself(), None, False),
        (actions.redirect("ftp://x/"), None, False),
        (actions.with_body(b"{}"), None, False),
        (actions.with_body(b'{"token": null}'), None, False),
        (actions.with_body(b'{"token": 5}'), None, False),
        (actions.with_body(b'["s3cret"]'), None, False),
        (actions.with_body(b"\xff\xfe"), None, False),
        (actions.with_body(b'{"token": "s3cret\\r\\nX-Header: y"}'), None, False),
        (actions.with_body('{"token": "s3cret-\u20ac"}'.encode()), None, False),
        (actions.with_body(b'{"token": ""}'), None, False),
        (actions.with_body(b""), None, False),
    ],
)
def test_token_servers_that_misbehave(tmp_path: Path, action: Any, times: int | None, fine: bool) -> None:
    with Standin(token_auth=token_auth()) as server:
        made = client(server, access=logged_in(tmp_path, server.address))
        tokens_of(server).misbehave(action=action, times=times)
        if fine:
            assert made.call("GET", "/v2/", PULL).status == 200
        else:
            error = error_of(made.call, "GET", "/v2/", PULL)
            assert server.address in error.message or tokens_of(server).address in error.message
        assert len(server.token_requests) <= 8


@pytest.mark.parametrize("code", [302, 307, 308])
def test_a_token_server_that_redirects_elsewhere(tmp_path: Path, code: int) -> None:
    with Standin(token_auth=token_auth()) as server, Standin(host="127.0.0.2") as other:
        made = client(server, access=logged_in(tmp_path, server.address))
        tokens_of(server).misbehave(action=actions.redirect(f"{other.url}/token", code), times=None)
        error_of(made.call, "GET", "/v2/", PULL)
        identity = Client(server.address, settings(), "app", Credentials(identity_token="s3cret-identity"))
        error_of(identity.call, "GET", "/v2/", PULL)
        other_host_never_saw_credentials(other)
        assert all(r.body_size == 0 for r in other.requests)


def test_a_registry_that_redirects_to_who_wants_credentials(tmp_path: Path) -> None:
    with Standin() as server, Standin(basic={"ann": SECRET}, host="127.0.0.2") as other:
        made = client(server, access=logged_in(tmp_path, server.address))
        server.misbehave(action=actions.redirect(f"{other.url}/v2/"), times=None)
        error = error_of(made.call, "GET", "/v2/", PULL)
        assert other.address in error.message
        assert error.status == 401
        other_host_never_saw_credentials(other)
        assert len(other.requests) == 1


@pytest.mark.parametrize("where", ["errors", "html"])
def test_a_registry_that_repeats_what_it_was_shown(tmp_path: Path, where: str) -> None:
    """Nothing of it gets into an error, whether it was a password, a token, or both in base64."""
    seen: list[str] = []

    def repeat(exchange: Any) -> Answer:
        shown = exchange.request.headers.get("Authorization", "")
        seen.append(shown)
        encoded = base64.b64encode(f"ann:{SECRET}".encode()).decode()
        text = f"you sent {shown} and {encoded} and {SECRET}"
        body = (
            msgspec.json.encode({"errors": [{"code": "DENIED", "message": text}]})
            if where == "errors"
            else text.encode()
        )
        return Answer(403, (), body)

    for more in ({"basic": {"ann": SECRET}}, {"token_auth": token_auth()}):
        with Standin(**more) as server:
            made = client(server, access=logged_in(tmp_path, server.address))
            assert made.call("GET", "/v2/", PULL).status == 200
            server.misbehave(action=repeat, times=None)
            response = made.call("GET", "/v2/", PULL)
            message = made.failure(response, "x").message
            assert SECRET not in message
            assert seen[-1].partition(" ")[2] not in message
            assert base64.b64encode(f"ann:{SECRET}".encode()).decode() not in message
            assert "403" in message


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"errors":[{"code":"A","message":"b"},{"code":"C","message":"d"}]}', ": A: b; C: d"),
        (b'{"errors":[{"code":"A","message":null}]}', ": A"),
        (b'{"errors":[{"code":"A","message":"x\\ny\\u001b[31m"}]}', ": A: x y\\x1b[31m"),
        (b'{"errors":null}', ""),
        (b'{"errors":[]}', ""),
        (b"<html><body>nginx</body></html>", ""),
        (b"", ""),
        (b"\xff", ""),
        (b'{"errors":[{"code":"A","message":"' + b"x" * 5000 + b'"}]}', ": A: " + "x" * 497),
    ],
)
def test_what_a_registry_says(body: bytes, shown: str) -> None:
    with Standin() as server:
        made = client(server)
        server.misbehave(action=lambda _: Answer(404, (), body))
        error = made.failure(made.call("GET", "/v2/"), "thing")
        assert error.message == f"thing: the registry answers 404{shown}"


@pytest.mark.parametrize("action", [actions.endless(), actions.huge(1 << 20), actions.half_answer(0.5)])
def test_error_bodies_without_end_or_half(action: Any) -> None:
    def failing(exchange: Any) -> Answer:
        answer: Answer = action(exchange)
        return msgspec.structs.replace(answer, status=404)

    with Standin() as server:
        made = client(server)
        server.misbehave(action=failing)
        assert made.failure(made.call("GET", "/v2/"), "thing").status == 404


@pytest.mark.parametrize(("status", "hint"), [(401, "login"), (403, "login"), (413, "size"), (429, "later"), (404, "")])
def test_hints(status: int, hint: str) -> None:
    with Standin() as server:
        made = client(server)
        server.misbehave(action=actions.unauthorized() if status == 401 else actions.status(status), times=None)
        failing = status == 401
        error = error_of(made.call, "GET", "/v2/") if failing else made.failure(made.call("GET", "/v2/"), "thing")
        assert hint in (error.hint or "")
        assert error.status == status


def test_nothing_stays_open_when_a_client_is_gone(tmp_path: Path) -> None:
    with Standin(token_auth=token_auth()) as server:
        made = client(server, access=logged_in(tmp_path, server.address))
        assert made.call("GET", "/v2/", PULL, limit=10).status == 200
        gc.collect()
        gc.disable()
        try:
            del made
            deadline = time.monotonic() + 10
            while server_connections(server) and time.monotonic() < deadline:
                time.sleep(0.005)
            assert server_connections(server) == 0
        finally:
            gc.enable()


# --- login


def test_login(tmp_path: Path) -> None:
    for more in ({"basic": {"ann": SECRET}}, {"token_auth": token_auth()}):
        with Standin(**more) as server:
            check_login(server.address, Credentials("ann", SECRET), Access())
            error = error_of(check_login, server.address, Credentials("ann", "s3cret-wrong"), Access())
            assert "'ann' are refused" in error.message
            wrong = logged_in(tmp_path, server.address, password="s3cret-wrong")
            check_login(server.address, Credentials("ann", SECRET), wrong)


def test_login_where_there_is_no_registry() -> None:
    with Standin() as server:
        server.misbehave(action=actions.status(404), times=None)
        error = error_of(check_login, server.address, Credentials("ann", SECRET), Access())
        assert error.hint == "is this a registry?"


def test_slow_and_chatty_servers_are_given_up() -> None:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while connection.send(b"X: " + b"y" * 1000 + b"\r\n"):
            pass

    with Raw(talk) as server, pytest.raises(RemoteError):
        Client(server.address, settings(timeout=0.1))
