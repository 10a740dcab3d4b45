"""One HTTP exchange: a request goes out, redirects are followed, and the answer comes in, its body as a stream.

No authorization and no repetition here (`remote.client`). What was meant for one host goes to no other: a redirect to
another origin takes neither `Authorization` nor anything else that was secret with it, and none leads from TLS to
plain HTTP. Sources: RFC 9110, 15.4 (redirection); RFC 9112, 9.6 (an answer that comes before the request is whole).
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.errors import RemoteError
from assembler.remote.connection import Connections, Link, Origin, joined, origin_of
from assembler.remote.sending import send_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.remote.access import Access

AGENT: Final = "brasm"
TIMEOUT: Final = 60.0
"""Seconds in which nothing comes, or nothing is taken, before a connection counts as broken."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 5
_PIECE: Final = 1 << 18
"""Bytes of a body that are read at a time; several bodies are read at once."""
_KEPT_BODY: Final = 1 << 16
"""Bytes of a body that nobody wants, which are read so that the connection can be used again."""
_SAFE: Final = frozenset({"GET", "HEAD"})
_URL: Final = "%/:=&?~+!$,;'@()*[]"
"""What stands in a path or query besides letters and digits (RFC 3986, 3.3); all else is escaped."""


class BrokenError(RemoteError):
    """The connection could not be made, or broke: the same request may well succeed when it is made again."""


class NoTlsError(RemoteError):
    """What answers there speaks no TLS."""


class Body(Protocol):
    """What is sent; a `Content` is one."""

    @property
    def size(self) -> int:
        """The number of bytes."""

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes; again from the start when called again."""


class Request(Struct, frozen=True):
    """What is asked.

    Attributes:
        method: of HTTP.
        url: absolute.
        headers: besides those of length and agent.
        body: may be sent again.
        sent: told of its bytes as they go.
        secret: whether the body is for this host alone.
    """

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: Body | None = None
    sent: Callable[[int], None] | None = None
    secret: bool = False

    @property
    def what(self) -> str:
        """How errors call it: without the query, in which registries keep what signs an upload."""
        parts = urlsplit(self.url)
        return f"{self.method} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class Response:
    """An answer. Its body is read once; whoever does not want it calls `close`.

    Attributes:
        request: what was asked, after redirects.
        status: of the answer.
        headers: likewise.
        attempt: how often it was asked in vain before.
    """

    def __init__(self, request: Request, raw: http.client.HTTPResponse, finish: Callable[[bool], None]) -> None:
        """`finish` is told once whether the connection can be used again."""
        self.request = request
        self.status = raw.status
        self.headers = raw.headers
        self.attempt = 0
        self._raw = raw
        self._finish = finish
        self._forgotten = weakref.finalize(self, finish, False)
        self._forgotten.atexit = False
        self._data: bytes | None = None

    def chunks(self, size: int = _PIECE) -> Iterator[bytes]:
        """Yield the body as it comes, in pieces of at most `size` bytes.

        Raises:
            BrokenError: it ended before its end.
        """
        while data := self._read(size):
            yield data
        if self._raw.length:
            self.abandon()
            raise BrokenError(f"{self.request.what}: the answer ended {self._raw.length} bytes before its end")
        self._done(reusable=not self._raw.will_close)

    def read(self, limit: int) -> bytes:
        """Return the whole body, the same when called again.

        Raises:
            RemoteError: it has more bytes than `limit`.
            BrokenError: it ended before its end.
        """
        if self._data is None:
            data = bytearray()
            for chunk in self.chunks(min(_PIECE, limit + 1)):
                data += chunk
                if len(data) > limit:
                    self.abandon()
                    raise RemoteError(f"{self.request.what}: the answer has more than {limit} bytes")
            self._data = bytes(data)
        return self._data

    def close(self) -> None:
        """Be done with it, keeping the connection if what is left of the body is short."""
        if self._forgotten.alive and (self._raw.length or 0) <= _KEPT_BODY:
            with contextlib.suppress(RemoteError):  # nobody wants the body: the connection is closed instead
                self.read(_KEPT_BODY)
        self.abandon()

    def abandon(self) -> None:
        """Close the connection, whatever it was about to say."""
        self._done(reusable=False)

    def _read(self, size: int) -> bytes:
        try:
            return self._raw.read1(size)
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: framing that makes no sense
            self.abandon()
            raise BrokenError(f"{self.request.what}: the answer broke off: {_reason(error)}") from error

    def _done(self, *, reusable: bool) -> None:
        if self._forgotten.detach():
            self._finish(reusable)


class Http:
    """Speaks to hosts; used by several threads."""

    def __init__(self, access: Access, timeout: float = TIMEOUT) -> None:
        self._connections = Connections(access, timeout)

    def exchange(self, request: Request) -> Response:
        """Send a request and return the answer, after redirects.

        Raises:
            BrokenError: no connection, or it broke before there was an answer.
            RemoteError: redirects lead nowhere, or to where nothing secret may go.
        """
        what = request.what
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._once(request)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                return response
            response.close()
            request = redirected(request, response.status, location)
        raise RemoteError(f"{what}: more than {_MOST_REDIRECTS} redirects")

    def _once(self, request: Request) -> Response:
        """Exchange once; that a kept connection is closed at this moment is not held against a server.

        What changes something is not sent twice unseen: whoever sent it knows how to find out whether it arrived.
        """
        origin = origin_of(request.url)
        link = self._connections.take(origin)
        try:
            return self._over(link, origin, request)
        except BrokenError:
            if not link.used or request.method not in _SAFE:
                raise
        return self._over(self._connections.take(origin, fresh=True), origin, request)

    def _over(self, link: Link, origin: Origin, request: Request) -> Response:
        try:
            raw = _send(link, request)
        except (OSError, http.client.HTTPException, ValueError) as error:
            link.http.close()
            raise _failure(request, origin, error) from error
        except BaseException:
            link.http.close()
            raise

        def finish(reusable: bool) -> None:
            raw.close()
            if reusable:
                self._connections.give(origin, link)
            else:
                link.http.close()

        return Response(request, raw, finish)


def redirected(request: Request, status: int, location: str) -> Request:
    """Return what is asked at another place.

    Raises:
        RemoteError: it leads from TLS to plain HTTP, or to no HTTP server.
    """
    url = joined(request.url, location)
    old, new = origin_of(request.url), origin_of(url)
    headers = dict(request.headers)
    if new != old and request.secret:
        raise RemoteError(f"{request.what}: it redirects to {new}, which is not to see credentials")
    if new != old:
        headers = {name: value for name, value in headers.items() if name.lower() not in {"authorization", "cookie"}}
    if status == 303 and request.method != "HEAD":
        return Request("GET", url, headers)
    return replace(request, url=url, headers=headers)


def _send(link: Link, request: Request) -> http.client.HTTPResponse:
    connection, parts = link.http, urlsplit(request.url)
    target = _escaped(parts.path or "/") + (f"?{_escaped(parts.query)}" if parts.query else "")
    connection.putrequest(request.method, link.prefix + target, skip_accept_encoding=True)
    headers = {"User-Agent": AGENT, **link.headers, **request.headers}
    if request.body is not None:
        headers["Content-Length"] = str(request.body.size)
    elif request.method not in _SAFE:
        headers["Content-Length"] = "0"
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    if request.body is None:
        return connection.getresponse()
    return _send_with_body(connection, request.body, request.sent or (lambda _: None))


def _escaped(text: str) -> str:
    """Escape what no URL may have; bytes of a header came as Latin-1."""
    return quote(text, _URL, encoding="latin-1", errors="replace")


def _send_with_body(
    connection: http.client.HTTPConnection, body: Body, sent: Callable[[int], None]
) -> http.client.HTTPResponse:
    """Send a body; who would not read all of it may have answered all the same: 401, 413 and so on."""
    broken: OSError = ConnectionResetError("the connection was closed in the middle of the request")
    try:
        if send_body(connection.sock, body, sent):
            return connection.getresponse()
    except OSError as error:
        broken = error
    try:
        response = connection.getresponse()
    except (OSError, http.client.HTTPException):
        raise broken from None
    if response.status < 300:
        response.close()
        raise broken
    response.will_close = True  # the rest of the body would be taken for the next request
    return response


def _failure(request: Request, origin: Origin, error: Exception) -> RemoteError:
    """Return the error of an exchange that came to no answer: a `BrokenError` where another attempt may help."""
    tls, text = _tls_reason(error), str(error)
    if "certificate verify failed" in tls:
        hint = f"name who signed it with --ca-file, or in /etc/docker/certs.d/{origin.authority}/ca.crt"
        return RemoteError(f"{origin}: its certificate is not trusted: {_reason(error)}", hint=hint)
    if "wrong version number" in tls or "record layer failure" in tls:
        return NoTlsError(f"{origin}: it does not speak TLS", hint="--plain-http speaks HTTP without TLS to it")
    if "alert" in tls and "internal error" not in tls:
        hint = "if it wants a client's certificate: --cert-dir names a folder with NAME.cert and NAME.key"
        return RemoteError(f"{origin}: it refuses to speak TLS with us: {tls}", hint=hint)
    if text.startswith("Tunnel connection failed: 4"):
        hint = "https_proxy=http://USER:PASSWORD@HOST:PORT, or no_proxy=HOST"
        return RemoteError(f"{origin}: the proxy in the environment refuses to lead there: {text[26:29]}", hint=hint)
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME:
        return RemoteError(f"{origin}: there is no host of this name")
    if isinstance(error, (ValueError, http.client.InvalidURL)):  # its text has the whole URL or header
        return RemoteError(f"{request.what}: cannot be asked: a character in its URL or headers is not allowed there")
    return BrokenError(f"{request.what}: {_reason(error)}")


def _reason(error: Exception) -> str:
    """Say what broke, without words of the other side's."""
    verify = getattr(error, "verify_message", None)
    if verify:
        return str(verify)
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection was closed without an answer"
    if isinstance(error, OSError):
        if str(error).startswith("Tunnel"):
            return "the proxy in the environment does not lead there now"
        return _tls_reason(error) or error.strerror or type(error).__name__
    return f"no HTTP answer ({type(error).__name__})"


def _tls_reason(error: Exception) -> str:
    """Return what OpenSSL says; of other errors nothing."""
    return str(getattr(error, "reason", None) or "").lower().replace("_", " ") if hasattr(error, "library") else ""
