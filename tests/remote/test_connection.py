"""Connections: origins, keeping them, TLS with own certificates, proxies."""

from __future__ import annotations

import gc
import socket
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler.base.content import CHUNK, Bytes
from assembler.base.errors import RemoteError
from assembler.remote.access import Access
from assembler.remote.connection import Origin, joined, origin_of
from assembler.remote.http import BrokenError, NoTlsError, Request
from tests.remote import actions
from tests.remote.certificates import make_certificates
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
from tests.remote.standin import Standin
from tests.tools import need, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from assembler.base.content import Content
    from tests.remote.certificates import Certificates

pytestmark = pytest.mark.usefixtures("alone")

SECRET = {"Authorization": "Basic s3cret"}


# --- URLs


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://a/x", Origin("http", "a", 80)),
        ("https://A.example:5000", Origin("https", "a.example", 5000)),
        ("https://user:pw@a/", Origin("https", "a", 443)),
        ("http://[::1]:5000/v2/", Origin("http", "::1", 5000)),
    ],
)
def test_origin(url: str, origin: Origin) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    ["", "a", "ftp://a/", "http://", "http:///x", "http://[bad/", "http://a:port/", "http://a:99999/", "file:///etc",
     "http://a b/", "http://a\tb c/", "http://u:s3cret@/", "http://[]/", "https://a\\b/"],
)  # fmt: skip
def test_no_origin(url: str) -> None:
    error_of(origin_of, url)


@given(st.text(max_size=40), st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_locations_lead_somewhere_or_are_refused(host: str, location: str) -> None:
    for text in (location, f"http://{host}/{location}", f"//{host}"):
        try:
            assert joined("https://registry.example/v2/", text).startswith("https://")
        except RemoteError as error:
            fine_line(error)


# --- connections


def test_connections_are_kept_and_given_back() -> None:
    with Echo() as server:
        http = http_of()
        first, second = (http.exchange(Request("GET", server.url)) for _ in range(2))
        assert (first.read(9), second.read(9)) == (b"hello", b"hello")
        for _ in range(4):
            http.exchange(Request("PUT", server.url, body=Bytes(b"x"))).close()
        assert server_connections(server) == 2


def test_nothing_stays_open_when_nobody_refers_to_it() -> None:
    with Echo() as server:
        server.misbehave(action=actions.endless(), after=1)
        http = http_of()
        http.exchange(Request("GET", server.url)).close()
        http.exchange(Request("GET", server.url)).close()
        get(server.url, http=http)
        gc.collect()
        gc.disable()
        try:
            del http
            deadline = time.monotonic() + 10
            while server_connections(server) and time.monotonic() < deadline:
                time.sleep(0.005)
            assert server_connections(server) == 0
        finally:
            gc.enable()


def once_and_close(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_kept_connection_that_was_closed_is_not_used(method: str) -> None:
    with Raw(once_and_close) as server:
        http = http_of()
        for _ in range(3):
            assert http.exchange(Request(method, server.url)).read(2) == b"ok"
            time.sleep(0.02)
        assert server.connections == 3


def closing_at_the_second(seen: list[bytes]) -> Callable[[socket.socket], None]:
    """Answer the first request of a connection, and close it upon the second."""

    def talk(connection: socket.socket) -> None:
        seen.append(read_head(connection)[:4])
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        seen.append(read_head(connection)[:4])

    return talk


def test_a_kept_connection_that_closes_upon_a_request_is_made_again_for_get_only() -> None:
    seen: list[bytes] = []
    with Raw(closing_at_the_second(seen)) as server:
        http = http_of()
        for _ in range(3):
            assert get(server.url, http=http) == b"ok"
        assert server.connections == 3
        get(server.url, http=http)
        seen.clear()
        with pytest.raises(BrokenError):
            http.exchange(Request("PUT", server.url))
    assert seen.count(b"PUT ") == 1


def test_what_comes_unasked_is_not_taken_for_an_answer() -> None:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"
        )
        read_head(connection)

    with Raw(talk) as server:
        http = http_of()
        assert get(server.url, http=http) == b"ok"
        time.sleep(0.02)
        assert get(server.url, http=http) == b"ok"


def test_refused_connection() -> None:
    with Raw(b"") as server:
        url = server.url
    error = error_of(get, url)
    assert isinstance(error, BrokenError)
    assert "Connection refused" in error.message


def test_unknown_host_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)
    error = error_of(get, "http://registry.invalid/v2/")
    assert not isinstance(error, BrokenError)
    assert "registry.invalid" in error.message


# --- TLS


def trusting(certificates: Certificates, **more: Any) -> Access:
    return msgspec.structs.replace(Access(ca_file=certificates.authority), **more)


def test_own_authorities_by_file_by_folder_and_not_at_all(certificates: Certificates) -> None:
    with Standin(tls=certificates) as server:
        url = server.url + "/v2/"
        assert get(url, http=http_of(trusting(certificates))) == b"{}"
        assert get(url, http=http_of(Access(cert_dir=certificates.cert_dir))) == b"{}"
        assert get(url, http=http_of(Access(verify=False))) == b"{}"
        error = error_of(get, url)
        assert "not trusted" in error.message
        assert "--ca-file" in (error.hint or "")
        assert not isinstance(error, BrokenError)


def test_certificates_of_a_host_lie_where_docker_and_podman_look(alone: Path, certificates: Certificates) -> None:
    with Standin(tls=certificates) as server:
        folder = alone / ".config/containers/certs.d" / server.address
        folder.parent.mkdir(parents=True)
        folder.symlink_to(certificates.client_dir)
        assert get(server.url + "/v2/", http=http_of()) == b"{}"


def test_client_certificates(certificates: Certificates) -> None:
    with Standin(tls=certificates, demand_client_certificate=True) as server:
        url = server.url + "/v2/"
        assert get(url, http=http_of(Access(cert_dir=certificates.client_dir))) == b"{}"
        error = error_of(get, url, http=http_of(trusting(certificates)))
        if not isinstance(error, BrokenError):  # the alert may come too late to be read
            assert "--cert-dir" in (error.hint or "")


def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    made = make_certificates(tmp_path / "other", names="DNS:other.example")
    with Standin(tls=made) as server:
        error = error_of(get, server.url, http=http_of(trusting(made)))
        assert "127.0.0.1" in error.message
        assert "not trusted" in error.message


def test_tls_where_there_is_none() -> None:
    with Echo() as server:
        error = error_of(get, f"https://{server.address}/")
        assert isinstance(error, NoTlsError)
        assert "--plain-http" in (error.hint or "")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [span, Stream])
def test_bodies_by_tls(certificates: Certificates, size: int, make: Callable[[bytes], Content]) -> None:
    data = noise(size)
    with Standin(tls=certificates) as server:
        server.misbehave(action=lambda exchange: Answer(200, (), b"".join(exchange.body.chunks())), times=None)
        http = http_of(trusting(certificates))
        for _ in range(2):
            assert http.exchange(Request("PUT", server.url, body=make(data))).read(size) == data
        assert server_connections(server) == 1


def test_bodies_that_break_by_tls(certificates: Certificates) -> None:
    with Standin(tls=certificates) as server:
        http = http_of(trusting(certificates))
        server.misbehave(action=actions.half_request(size=1000))
        request = Request("PUT", server.url, body=Bytes(noise(8 * CHUNK)))
        assert isinstance(error_of(http.exchange, request), BrokenError)
        server.misbehave(action=actions.half_answer(), match=lambda r: r.method == "GET")
        assert isinstance(error_of(get, server.url + "/v2/", http=http), BrokenError)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.crt", "nothing"), ("a.crt", ""), ("a.cert", "nothing"), ("a.cert", None)],
)
def test_certificates_that_are_none(tmp_path: Path, name: str, content: str | None, certificates: Certificates) -> None:
    folder = tmp_path / "certs"
    folder.mkdir()
    if content is None:  # a certificate whose key is missing
        (folder / name).symlink_to(certificates.client_certificate)
    else:
        (folder / name).write_text(content)
        (folder / "a.key").write_text(content)
    error = error_of(get, "https://127.0.0.1:1/", http=http_of(Access(cert_dir=str(folder))))
    assert f"{folder}/a." in error.message
    assert content is not None or "a.key" in error.message


def test_a_key_with_a_password_is_refused_and_not_asked_for(tmp_path: Path, certificates: Certificates) -> None:
    need("openssl")
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "a.cert").symlink_to(certificates.client_certificate)
    run(
        "openssl",
        "pkey",
        "-aes256",
        "-passout",
        "pass:s3cret",
        "-in",
        certificates.client_key,
        "-out",
        folder / "a.key",
    )
    error = error_of(get, "https://127.0.0.1:1/", http=http_of(Access(cert_dir=str(folder))))
    assert "a.cert" in error.message


def test_folders_and_files_of_certificates_that_are_not_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    for access in (Access(cert_dir=missing), Access(ca_file=missing)):
        error = error_of(get, "https://127.0.0.1:1/", http=http_of(access))
        assert missing in error.message


# --- proxies


class Proxy(Raw):
    """A proxy that leads everything to one server, and asks for a password where one is given."""

    def __init__(self, to: str, authorization: str | None = None) -> None:
        super().__init__(self._serve)
        self._to = to
        self._authorization = authorization
        self.heads: list[str] = []

    def _serve(self, connection: socket.socket) -> None:
        data = read_head(connection)
        head = data.decode("latin-1")
        self.heads.append(head)
        if self._authorization is not None and f"Proxy-Authorization: {self._authorization}" not in head:
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        host, _, port = self._to.partition(":")
        with socket.create_connection((host, int(port))) as other:
            if head.startswith("CONNECT "):
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            else:
                other.sendall(_without_host(data))
            pump(connection, other)


def _without_host(data: bytes) -> bytes:
    """Turn the absolute URL of a request to a proxy into a path, and end the connection after it."""
    line, _, rest = data.partition(b"\r\n")
    method, url, version = line.split(b" ")
    path = b"/" + url.split(b"/", 3)[3]
    return b" ".join((method, path, version)) + b"\r\nConnection: close\r\n" + rest


def pump(one: socket.socket, other: socket.socket) -> None:
    import select

    while True:
        for ready in select.select([one, other], [], [], 5)[0]:
            data = ready.recv(65536)
            if not data:
                return
            (other if ready is one else one).sendall(data)


AUTHORIZATION = "Basic YW5uOnMzY3JldC9A"  # ann:s3cret/@


def test_http_by_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with Echo() as server, Proxy(server.address, AUTHORIZATION) as proxy:
        monkeypatch.setenv("http_proxy", f"http://ann:s3cret%2F%40@{proxy.address}")
        assert get("http://registry.example:5000/v2/x?y=z", headers=SECRET) == b"hello"
        assert proxy.heads[0].startswith("GET http://registry.example:5000/v2/x?y=z HTTP/1.1\r\n")
        assert "Host: registry.example:5000\r\n" in proxy.heads[0]
        assert server.requests[0].path == "/v2/x"
        assert get(server.url) == b"hello"  # this machine is not asked for by a proxy
        monkeypatch.setenv("no_proxy", "example")
        with pytest.raises(RemoteError):
            get("http://registry.example:5000/")
        assert len(proxy.heads) == 1


def test_tls_by_a_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = make_certificates(tmp_path / "made", names="DNS:registry.example")
    with Standin(tls=made) as server, Proxy(server.address, AUTHORIZATION) as proxy:
        monkeypatch.setenv("https_proxy", f"ann:s3cret%2F%40@{proxy.address}")
        http = http_of(Access(ca_file=made.authority))
        assert get("https://registry.example/v2/", http=http, headers=SECRET) == b"{}"
        assert proxy.heads[0].startswith("CONNECT registry.example:443 ")
        assert "s3cret" not in proxy.heads[0]
        assert "Proxy-Authorization" not in server.requests[0].headers


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of Python before 3.11.4, which leaves it to gc
def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy("127.0.0.1:1", AUTHORIZATION) as proxy:
        monkeypatch.setenv("https_proxy", f"http://ann:s3cret-wrong@{proxy.address}")
        monkeypatch.setenv("http_proxy", f"http://ann:s3cret-wrong@{proxy.address}")
        error = error_of(get, "https://registry.example/")
        assert not isinstance(error, BrokenError)
        assert "407" in error.message
        response = http_of().exchange(Request("GET", "http://registry.example/"))
        response.close()
        assert response.status == 407
    gc.collect()


@pytest.mark.parametrize(
    "proxy",
    ["socks5://ann:s3cret@127.0.0.1:1", "http://ann:s3cret@127.0.0.1:port", "http://[s3cret", "http://ann:s3c/s3cret@h:1",
     "https://ann:s3cret@h", "http://", "http://ann:s3cret@127.0.0.1:99999"],
)  # fmt: skip
def test_proxies_that_are_none(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("all_proxy", proxy)
    for url in ("http://registry.example/", "https://registry.example/"):
        error = error_of(get, url)
        assert "registry.example" in error.message
        assert "_proxy=" in (error.hint or "")


def test_a_proxy_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://ann:s3cret@127.0.0.1:1")
    assert isinstance(error_of(get, "https://registry.example/"), BrokenError)
