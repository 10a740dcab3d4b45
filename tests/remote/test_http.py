"""One exchange: bodies both ways, redirects, and what a broken server can do to them."""

from __future__ import annotations

import os
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler.base.content import CHUNK, Bytes, SharedFile, Span
from assembler.base.errors import BrasmError, RemoteError, SourceError
from assembler.remote.http import BrokenError, Request, redirected
from tests.remote import actions
from tests.remote.clients import (
    SIZES,
    Echo,
    Raw,
    Stream,
    error_of,
    fine_line,
    get,
    http_of,
    noise,
    read_head,
    server_connections,
    span,
)
from tests.remote.messages import Answer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from assembler.base.content import Content

pytestmark = pytest.mark.usefixtures("alone")

SECRET = {"Authorization": "Basic s3cret"}


# --- bodies of answers


@pytest.mark.parametrize(
    "action",
    [actions.changed(lambda a: a), actions.without_length(), actions.without_length(chunked=False), actions.http_1_0(),
     actions.trickle()],
)  # fmt: skip
def test_body_however_its_end_is_told(action: Any) -> None:
    with Echo() as server:
        server.misbehave(action=action)
        http = http_of()
        assert get(server.url, http=http) == b"hello"
        assert get(server.url, http=http) == b"hello"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("status", [200, 204, 304, 404])
def test_answers_without_a_body_leave_the_connection_usable(method: str, status: int) -> None:
    with Echo() as server:
        http = http_of()
        for _ in range(3):
            server.misbehave(action=lambda _: Answer(status, (("Content-Length", "0"),)))
            http.exchange(Request(method, server.url)).close()
        assert server_connections(server) == 1


def test_half_a_body_is_a_broken_connection_and_what_came_is_kept() -> None:
    with Echo() as server:
        server.misbehave(action=actions.half_answer(0.6))
        response = http_of().exchange(Request("GET", server.url))
        came: list[bytes] = []
        with pytest.raises(BrokenError, match="2 bytes before its end"):
            came.extend(response.chunks())
        assert b"".join(came) == b"hel"


def test_bytes_before_a_reset_are_not_lost() -> None:
    data = noise(3 * CHUNK // 2)

    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(data) * 2) + data)

    with Raw(talk) as server:
        came: list[bytes] = []
        response = http_of().exchange(Request("GET", server.url))
        with pytest.raises(BrokenError):
            came.extend(response.chunks())
        assert b"".join(came) == data


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 70_000,
    ],
)
def test_rubbish_is_a_broken_connection(answer: bytes) -> None:
    with Raw(answer) as server:
        error = error_of(get, server.url + "/v2/x?_state=secret")
        assert isinstance(error, BrokenError)
        assert server.address in error.message


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_an_answer_or_a_remote_error(data: bytes, head: bool) -> None:
    with Raw((b"HTTP/1.1 200 OK\r\n" if head else b"") + data) as server:
        try:
            get(server.url)
        except RemoteError as error:
            fine_line(error)


@pytest.mark.parametrize("limit", [0, 1, 1000, 1 << 20])
def test_endless_bodies_are_given_up(limit: int) -> None:
    with Echo() as server:
        server.misbehave(action=actions.endless())
        response = http_of().exchange(Request("GET", server.url))
        assert "more than" in error_of(response.read, limit).message


def test_an_answer_of_just_the_limit() -> None:
    with Echo() as server:
        assert http_of().exchange(Request("GET", server.url)).read(5) == b"hello"
        assert "than 4 bytes" in error_of(http_of().exchange(Request("GET", server.url)).read, 4).message


def test_nothing_comes_for_too_long() -> None:
    with Echo() as server:
        server.misbehave(action=actions.stall())
        server.misbehave(action=actions.stall_in_body())
        assert "timed out" in error_of(get, server.url, timeout=0.1).message
        assert "timed out" in error_of(get, server.url, timeout=0.1).message


# --- bodies of requests


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [Bytes, span, Stream])
def test_bodies_arrive_whole(size: int, make: Callable[[bytes], Content]) -> None:
    data = noise(size)
    told: list[int] = []
    with Echo() as server:
        http = http_of()
        for _ in range(2):
            told.clear()
            response = http.exchange(Request("PUT", server.url, body=make(data), sent=told.append))
            assert response.read(size or 5) == (data or b"hello")
            assert sum(told) == size
        assert server_connections(server) == 1


def test_a_span_goes_by_sendfile_and_where_that_cannot_be_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    data, calls = noise(3 * CHUNK), []
    real = os.sendfile

    def sendfile(out: int, file: int, offset: int, count: int) -> int:
        calls.append(count)
        if len(calls) == 2:
            raise OSError(22, "Invalid argument")
        return real(out, file, offset, min(count, CHUNK))

    monkeypatch.setattr(os, "sendfile", sendfile)
    told: list[int] = []
    with Echo() as server:
        response = http_of().exchange(Request("PUT", server.url, body=span(data), sent=told.append))
        assert response.read(4 * CHUNK) == data
    assert (len(calls), sum(told)) == (2, len(data))


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("make", [Bytes, span, Stream])
def test_a_connection_that_breaks_in_a_body(make: Callable[[bytes], Content], reset: bool) -> None:
    with Echo() as server:
        server.misbehave(action=actions.half_request(size=1000, reset=reset))
        request = Request("PUT", server.url, body=make(noise(8 * CHUNK)))
        assert isinstance(error_of(http_of().exchange, request), BrokenError)


def test_sendfile_to_who_has_hung_up_before_the_first_byte() -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(1)  # and leaves with the rest unread: a reset

    with Raw(talk) as server:
        for _ in range(5):
            request = Request("PUT", server.url, body=span(noise(8 * CHUNK)))
            assert isinstance(error_of(http_of().exchange, request), BrokenError)


@pytest.mark.parametrize("make", [Bytes, span, Stream])
@pytest.mark.parametrize("status", [401, 413, 307])
def test_early_answers_are_heard_and_the_connection_is_not_used_again(
    make: Callable[[bytes], Content], status: int
) -> None:
    with Echo() as server:
        server.misbehave(action=actions.early(status))
        http = http_of()
        response = http.exchange(Request("PUT", server.url, body=make(noise(16 * CHUNK))))
        assert response.status == status
        response.close()
        assert get(server.url, http=http) == b"hello"


@pytest.mark.parametrize("make", [Bytes, span, Stream])
def test_early_answer_of_who_neither_reads_on_nor_closes(make: Callable[[bytes], Content]) -> None:
    release = threading.Event()

    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        release.wait(10)

    with Raw(talk) as server:
        told: list[int] = []
        request = Request("PUT", server.url, body=make(noise(64 * CHUNK)), sent=told.append)
        response = http_of(timeout=30).exchange(request)
        assert (response.status, response.read(2)) == (413, b"no")
        assert sum(told) < 64 * CHUNK
        release.set()


def test_early_success_is_none() -> None:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    with Raw(talk) as server:
        request = Request("PUT", server.url, body=Bytes(noise(32 * CHUNK)))
        assert isinstance(error_of(http_of().exchange, request), BrokenError)


def test_go_ahead_that_nobody_asked_for() -> None:
    data = noise(4 * CHUNK)

    def talk(connection: socket.socket) -> None:
        got = read_head(connection)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        got = got.partition(b"\r\n\r\n")[2]
        while len(got) < len(data):
            got += connection.recv(1 << 20)
        assert got == data
        connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    with Raw(talk) as server:
        for body in (Bytes(data), span(data)):
            response = http_of().exchange(Request("PUT", server.url, body=body))
            assert response.status == 201
            response.close()


def test_who_takes_nothing_is_given_up() -> None:
    release = threading.Event()

    def talk(_: socket.socket) -> None:
        release.wait(10)

    with Raw(talk) as server:
        for body in (Bytes(noise(32 * CHUNK)), span(noise(32 * CHUNK))):
            request = Request("PUT", server.url, body=body)
            error = error_of(http_of(timeout=0.1).exchange, request)
            assert "timed out" in error.message
        release.set()


def test_a_source_that_ends_or_cannot_be_read_is_no_broken_connection() -> None:
    def bad(number: int) -> None:
        if number:
            raise OSError(5, "Input/output error")

    short = span(noise(CHUNK))
    bodies: list[Content] = [Span(short.file, 0, 4 * CHUNK), Stream(noise(3 * CHUNK), fails=bad)]
    with Echo() as server:
        for body in bodies:
            with pytest.raises(SourceError) as caught:
                http_of().exchange(Request("PUT", server.url, body=body))
            fine_line(caught.value)


def test_a_file_that_breaks_under_sendfile(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "sendfile", broken)
    monkeypatch.setattr(os, "pread", broken)
    with Echo() as server, pytest.raises(SourceError, match="Input/output error"):
        http_of().exchange(Request("PUT", server.url, body=span(b"data")))


def test_an_interrupt_closes_the_connection() -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with Echo() as server:
        http = http_of()
        with pytest.raises(KeyboardInterrupt):
            http.exchange(Request("PUT", server.url, body=Bytes(noise(CHUNK)), sent=interrupt))
        assert get(server.url, http=http) == b"hello"


def test_memory_is_bounded_by_pieces() -> None:
    """A large file passes, though it is sparse and no byte of it is held."""
    size = 1 << 28
    file = SharedFile.temporary()
    os.ftruncate(file.fileno(), size)
    received = 0

    def talk(connection: socket.socket) -> None:
        nonlocal received
        received = len(read_head(connection).partition(b"\r\n\r\n")[2])
        buffer = bytearray(1 << 20)
        while received < size and (count := connection.recv_into(buffer)):
            received += count
        connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    with Raw(talk) as server:
        tracemalloc.start()
        response = http_of().exchange(Request("PUT", server.url, body=Span(file, 0, size)))
        response.close()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert received == size
    assert peak < 8 * CHUNK


# --- URLs and headers that nobody can send


@pytest.mark.parametrize(
    ("url", "headers"),
    [("/v2/", {"Authorization": "Bearer s3cret\r\nX: y"}), ("/", {"X": "\u20ac"})],
)
def test_what_cannot_be_sent_is_told_without_it(url: str, headers: dict[str, str]) -> None:
    with Echo() as server:
        error = error_of(get, server.url + url, headers=headers)
        assert not isinstance(error, BrokenError)


def test_odd_characters_of_a_location_are_escaped_and_escapes_are_not() -> None:
    with Echo() as server:
        get(server.url + "/a b/\xe9?_state=a%2Fb==&x=a b|\x7f")
        assert server.requests[-1].target == "/a%20b/%E9?_state=a%2Fb==&x=a%20b%7C%7F"


# --- redirects


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_what_is_secret_does_not_go_to_another_host(code: int, method: str) -> None:
    with Echo() as server, Echo("127.0.0.2") as other:
        server.misbehave(action=actions.redirect(f"{other.url}/x", code))
        body = Bytes(b"data") if method == "PUT" else None
        response = http_of().exchange(Request(method, server.url, {**SECRET, "Cookie": "s3cret", "X": "y"}, body))
        response.close()
        seen = other.requests[-1]
        assert response.status == 200
        assert response.request.url == f"{other.url}/x"
        assert seen.method == ("GET" if code == 303 and method == "PUT" else method)
        assert seen.headers.get("Authorization") is seen.headers.get("Cookie") is None
        assert "s3cret" not in str(seen.headers)


def test_another_port_is_another_host() -> None:
    with Echo() as server, Echo() as other:
        server.misbehave(action=actions.redirect(other.url))
        get(server.url, headers=SECRET)
        assert "Authorization" not in other.requests[-1].headers


def test_the_same_host_is_shown_what_it_was_shown() -> None:
    with Echo() as server:
        server.misbehave(action=actions.redirect("/there"))
        get(server.url, headers=SECRET)
        assert server.requests[-1].path == "/there"
        assert server.requests[-1].headers["Authorization"] == SECRET["Authorization"]


def test_a_secret_body_goes_nowhere_else() -> None:
    with Echo() as server, Echo() as other:
        for code in (301, 302, 303, 307, 308):
            server.misbehave(action=actions.redirect(other.url, code))
            request = Request("POST", server.url, body=Bytes(b"refresh_token=s3cret"), secret=True)
            assert "not to see credentials" in error_of(http_of().exchange, request).message
        assert other.requests == []


def test_redirect_loops_end() -> None:
    with Echo() as server:
        server.misbehave(action=actions.to_itself(), times=None)
        assert "redirects" in error_of(get, server.url + "/v2/?_state=x").message
        assert len(server.requests) < 10


@pytest.mark.parametrize("location", ["http://[bad", "ftp://a/b", "http://a:b:c/", "http://u:s3cret@a:x/"])
def test_redirects_to_nowhere(location: str) -> None:
    with Echo() as server:
        server.misbehave(action=actions.redirect(location))
        error = error_of(get, server.url)
        assert server.address in error.message


def test_a_redirect_without_a_location_is_an_answer() -> None:
    with Echo() as server:
        server.misbehave(action=lambda _: Answer(302))
        response = http_of().exchange(Request("GET", server.url))
        response.close()
        assert response.status == 302


def test_no_redirect_from_tls_to_plain_http() -> None:
    error = error_of(redirected, Request("GET", "https://a/x"), 307, "http://a/x")
    assert "not encrypted" in error.message


# --- what is private


def test_requests_are_called_without_query_and_user() -> None:
    assert Request("GET", "http://u:s3cret@a/v2/x?_state=y#z").what == "GET http://a/v2/x"


def test_errors_are_brasm_errors() -> None:
    assert issubclass(BrokenError, BrasmError)
    assert BrokenError.exit_code == 5
