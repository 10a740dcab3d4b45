"""A threaded HTTP server on loopback for tests: it records what it is asked, and misbehaves where it is told to.

A `Server` answers each `Request` by its `respond`; a `Rule` of `misbehave` stands before that for requests that match.
One connection is one thread, connections are kept alive (RFC 9112), and nothing outlives `stop`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from typing import TYPE_CHECKING, Final

import msgspec

from tests.remote.messages import Answer, Body, HangUp, Request, read_request, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader
    from types import TracebackType
    from typing import Self

    Action = Callable[["Exchange"], Answer]
    """Answers a request in place of the server; `exchange.serve()` is the right answer, `HangUp` is none."""

RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER without lingering: close(2) sends RST."""


class Exchange:
    """One request and what is known while it is answered."""

    def __init__(self, server: Server, request: Request, body: Body) -> None:
        self.server = server
        self.request = request
        self.body = body

    @property
    def base(self) -> str:
        """The server's URL, as the client called it."""
        return f"{self.server.scheme}://{self.request.headers.get('Host', self.server.address)}"

    def serve(self) -> Answer:
        """Return the right answer."""
        return self.server.respond(self)

    def wait(self, seconds: float | None = None) -> None:
        """Wait, at the longest until the server is stopped, which ends the connection."""
        if self.server.stopping.wait(seconds):
            raise HangUp


class Rule:
    """A misbehaviour for requests that match: not the first `after` of them, but the next `times` (None: all)."""

    def __init__(self, match: Callable[[Request], bool], action: Action, times: int | None, after: int) -> None:
        self._match = match
        self.action = action
        self._times = times
        self._after = after
        self.hits = 0

    def takes(self, request: Request) -> bool:
        """Say whether this request gets it; asked once for each request."""
        if (self._times is not None and self.hits >= self._times) or not self._match(request):
            return False
        if self._after:
            self._after -= 1
            return False
        self.hits += 1
        return True


class Server:
    """A server on a loopback address, from `start` to `stop`; `respond` is what it is for."""

    def __init__(self, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> None:
        self._host = host
        self._port = 0
        self._context = context
        self._lock = threading.RLock()  # what a rule matches may look at `requests`
        self._log: list[Request] = []
        self._rules: list[Rule] = []
        self._live: dict[threading.Thread, socket.socket] = {}
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self.stopping = threading.Event()

    def respond(self, exchange: Exchange) -> Answer:
        """Answer a request."""
        raise NotImplementedError

    def refusal(self, exchange: Exchange) -> Answer | None:
        """Return what a request is refused with for its credentials; None where it is not."""
        del exchange
        return None

    @property
    def address(self) -> str:
        """`HOST:PORT`."""
        return f"{self._host}:{self._port}"

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "https" if self._context else "http"

    @property
    def url(self) -> str:
        """`http://HOST:PORT`."""
        return f"{self.scheme}://{self.address}"

    @property
    def requests(self) -> list[Request]:
        """All requests so far, in the order in which they came."""
        with self._lock:
            return list(self._log)

    def forget_requests(self) -> None:
        """Begin the list of requests anew."""
        with self._lock:
            self._log.clear()

    def misbehave(
        self,
        *,
        action: Action,
        match: Callable[[Request], bool] = lambda _: True,
        times: int | None = 1,
        after: int = 0,
    ) -> Rule:
        """Answer requests that match by an action; the first rule that takes a request decides."""
        rule = Rule(match, action, times, after)
        with self._lock:
            self._rules.append(rule)
        return rule

    def behave(self) -> None:
        """Drop all misbehaviours."""
        with self._lock:
            self._rules.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, on the port of the last time if there was one."""
        self.stopping.clear()
        self._listener = socket.create_server((self._host, self._port), backlog=64)
        self._port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """End all connections and their threads."""
        self.stopping.set()
        if self._listener is not None and self._acceptor is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            self._acceptor.join()
            self._listener.close()
        with self._lock:
            live = list(self._live.items())
        for _, connection in live:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # TLS's own would wait for the peer
        for thread, _ in live:
            thread.join(20)
            assert not thread.is_alive(), f"{self.address}: a connection does not end"

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Refuse connections for a while (ECONNREFUSED) and end those that are; what was stored stays."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context:
                    connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            except OSError:
                if self.stopping.is_set():
                    return
                continue
            thread = threading.Thread(target=self._converse, args=(connection,), daemon=True)
            with self._lock:
                self._live[thread] = connection
            thread.start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as reader:
                if isinstance(connection, ssl.SSLSocket):
                    connection.do_handshake()
                while self._exchange(connection, reader):
                    """The next request of this connection."""
        except (HangUp, OSError):
            """It was ended from here; or the client left, or did not take the certificate, which is its own affair."""
        finally:
            with self._lock:
                self._live.pop(threading.current_thread(), None)

    def _exchange(self, connection: socket.socket, reader: BufferedReader) -> bool:
        """Answer one request, and say whether another one may come."""
        try:
            found = read_request(reader)
        except ValueError:
            reader.read1()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            return False
        if found is None:
            return False
        request, keep = found
        body = Body(reader, request, lambda: connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n"))
        try:
            answer = self._answer(request, body)
            for piece in wire(answer, request.method):
                connection.sendall(piece)
            if answer.early:
                socket.socket.shutdown(connection, socket.SHUT_WR)
                for _ in body.chunks():
                    """What is unread when the connection is closed resets it, which can cost the client the answer."""
        except HangUp as end:
            if end.reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            raise
        return keep and not answer.last and not body.awaits_go_ahead

    def _answer(self, request: Request, body: Body) -> Answer:
        """Find the answer and have it on record before it goes out, so that a client never knows more than the test."""
        exchange = Exchange(self, request, body)
        with self._lock:
            place = len(self._log)
            self._log.append(request)
            rule = next((rule for rule in self._rules if rule.takes(request)), None)
        status = None
        try:
            answer = rule.action(exchange) if rule else exchange.serve()
            if not body.awaits_go_ahead and not answer.early:
                for _ in body.chunks():
                    """A client may send all of its body before it reads."""
            status = answer.status
        finally:
            self._note(place, request, body.received, status)
        return answer

    def _note(self, place: int, request: Request, received: int, status: int | None) -> None:
        with self._lock:
            if place < len(self._log) and self._log[place] is request:
                self._log[place] = msgspec.structs.replace(request, body_size=received, status=status)
