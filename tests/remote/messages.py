"""HTTP messages for tests (RFC 9110, 9112): a request, its body while it arrives, and the answer as it goes out."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from email.utils import formatdate
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from io import BufferedReader

PIECE: Final = 1 << 16
TLS_HANDSHAKE: Final = b"\x16"
"""The first byte of a client that takes this for a server of HTTPS (RFC 8446, 5.1)."""
_BODYLESS: Final = frozenset({204, 304})


class HangUp(Exception):
    """Ends the connection in the middle of whatever is going on; with `reset` the peer sees ECONNRESET."""

    def __init__(self, *, reset: bool = False) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


class Request(Struct, frozen=True):
    """What was asked.

    Attributes:
        path: the path with its escapes resolved, without the query.
        target: the path with the query, as it was sent.
        body_size: bytes of the body that were received (0 while a rule is matched: nothing was read yet).
        status: what was answered; None where nothing was.
    """

    method: str
    path: str
    headers: Message
    body_size: int = 0
    status: int | None = None
    query: Mapping[str, str] = msgspec.field(default_factory=dict)
    target: str = ""

    @property
    def declared_size(self) -> int | None:
        """The body's size as `Content-Length` gives it; None for a chunked one."""
        if "Transfer-Encoding" in self.headers:
            return None
        return int(self.headers.get("Content-Length") or 0)


class Answer(Struct, frozen=True):
    """What goes back.

    Attributes:
        body: all of the body; not sent in answer to HEAD, but its length is.
        pieces: gives what is sent in place of the body, which still decides over `Content-Length`.
        framing: how the body's end is told: by `Content-Length`, by chunks, or by closing the connection.
        version: the protocol's; the connection is closed after an answer of HTTP/1.0.
        early: goes out before the request's body was read, and the connection ends after it.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    pieces: Callable[[], Iterator[bytes]] | None = None
    framing: Literal["length", "chunked", "close"] = "length"
    version: str = "HTTP/1.1"
    early: bool = False

    @property
    def last(self) -> bool:
        """Whether the connection ends after it."""
        return self.early or self.framing == "close" or self.version != "HTTP/1.1"

    def header(self, name: str) -> str | None:
        """Return a header's value, None where it is not there."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def without(self, *names: str) -> Answer:
        """Leave headers out."""
        gone = {name.lower() for name in names}
        return msgspec.structs.replace(self, headers=tuple(h for h in self.headers if h[0].lower() not in gone))

    def with_headers(self, headers: Mapping[str, str]) -> Answer:
        """Set headers, in place of those of the same name."""
        return msgspec.structs.replace(self, headers=(*self.without(*headers).headers, *headers.items()))


class Body:
    """A request's body while it arrives. A client that leaves before its end is a `HangUp`."""

    def __init__(self, reader: BufferedReader, request: Request, go_ahead: Callable[[], object]) -> None:
        self._reader = reader
        self._chunked = request.declared_size is None
        self._left = request.declared_size or 0
        self._ended = not self._chunked and not self._left
        self._go_ahead = go_ahead
        self.awaits_go_ahead = "100-continue" in request.headers.get("Expect", "").lower()
        self.received = 0

    def read(self, most: int = PIECE) -> bytes:
        """Return some bytes, at most that many; none at the body's end."""
        if self.awaits_go_ahead:
            self.awaits_go_ahead = False
            self._go_ahead()
        if self._chunked and not self._left and not self._ended:
            self._next_chunk()
        if self._ended or not most:
            return b""
        data = self._reader.read1(min(most, self._left))
        if not data:
            raise HangUp
        self.received += len(data)
        self._left -= len(data)
        if self._chunked and not self._left:
            self._line()
        self._ended = not self._chunked and not self._left
        return data

    def chunks(self, most: int | None = None) -> Iterator[bytes]:
        """Yield the rest as it comes, or the next so many bytes of it."""
        while data := self.read(PIECE if most is None else min(PIECE, most)):
            yield data
            most = None if most is None else most - len(data)

    def _next_chunk(self) -> None:
        self._left = int(self._line().partition(b";")[0], 16)
        if not self._left:
            self._ended = True
            while self._line():
                """Trailers say nothing here."""

    def _line(self) -> bytes:
        line = self._reader.readline(PIECE)
        if not line.endswith(b"\n"):
            raise HangUp
        return line.strip()


def read_request(reader: BufferedReader) -> tuple[Request, bool] | None:
    """Read a request up to its body, and say whether the client keeps the connection; None at the connection's end.

    Raises:
        ValueError: it is no HTTP.
    """
    if reader.peek(1)[:1] == TLS_HANDSHAKE:
        raise ValueError("TLS")  # its first message need not have a line's end: nobody waits for one
    line = reader.readline(PIECE)
    if not line:
        return None
    method, target, version = line.decode("latin-1").split()
    headers: Message = http.client.parse_headers(reader)
    parts = urlsplit(target)
    keep = version == "HTTP/1.1" and "close" not in headers.get("Connection", "").lower()
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Request(method, unquote(parts.path), headers, query=query, target=target), keep


def wire(answer: Answer, method: str) -> Iterator[bytes]:
    """Yield an answer's bytes: the head with the body in one where nothing is special, else piece by piece."""
    head = _head(answer)
    if method == "HEAD" or answer.status in _BODYLESS:
        yield head
        return
    if answer.pieces is None and answer.framing != "chunked":
        yield head + answer.body
        return
    yield head
    for piece in answer.pieces() if answer.pieces else iter((answer.body,)):
        if answer.framing != "chunked":
            yield piece
        elif piece:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    if answer.framing == "chunked":
        yield b"0\r\n\r\n"


def _head(answer: Answer) -> bytes:
    fields = [("Date", formatdate(usegmt=True)), *answer.headers]
    if answer.framing == "chunked":
        fields.append(("Transfer-Encoding", "chunked"))
    elif answer.framing == "length" and answer.status not in _BODYLESS and answer.header("Content-Length") is None:
        fields.append(("Content-Length", str(len(answer.body))))
    if answer.last:
        fields.append(("Connection", "close"))
    reason = http.client.responses.get(answer.status, "Unknown")
    lines = [f"{answer.version} {answer.status} {reason}", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1")
