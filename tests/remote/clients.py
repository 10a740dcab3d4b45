"""What tests of the registry client have in common: a client that never waits, contents, shipments."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import Struct

from assembler.base import digest as digests
from assembler.base.content import CHUNK, Bytes, SharedFile, Span
from assembler.base.errors import RemoteError
from assembler.oci.reference import Reference
from assembler.oci.shipment import Shipment
from assembler.oci.types import CONFIG, INDEX, LAYER, MANIFEST, Descriptor, Index, Manifest, encode
from assembler.remote.access import Access
from assembler.remote.client import Retry, Settings
from assembler.remote.http import Http, Request
from assembler.remote.registry import Repository, open_repository
from tests.remote.messages import Answer
from tests.remote.serving import Exchange, Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO, Self

    from assembler.base.content import Content
    from assembler.base.digest import Digest
    from assembler.base.errors import BrasmError

ANYHOW = Access()
SIZES = [0, 1, 65535, 65536, 65537, CHUNK, 3 * CHUNK + 7]


def settings(
    access: Access = ANYHOW, naps: list[float] | None = None, timeout: float = 10, told: list[str] | None = None
) -> Settings:
    """Settings of a client that does not sleep but notes down for how long it would have."""
    sleep = (lambda _: None) if naps is None else naps.append
    return Settings(access, Retry(sleep=sleep), timeout, (lambda _: None) if told is None else told.append)


def repository(server: Server, name: str = "app", **more: Any) -> Repository:
    """A repository of a server; `more` is for `settings`."""
    made = settings(**more)
    return open_repository(server.address, name, made.access, made)


def logged_in(folder: Path, host: str, user: str = "ann", password: str = "s3cret-pass") -> Access:
    """An access with the credentials of one host."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    file = folder / "auth.json"
    file.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return Access(authfile=str(file))


def fine_line(error: BrasmError, *secrets: str) -> str:
    """Return what a user sees of an error, which must be one line without what is nobody's business."""
    shown = f"{error.message} [{error.hint}]"
    assert "\n" not in shown
    assert shown.isprintable()
    assert len(shown) < 800
    for word in ("_state=", "s3cret", "Bearer ", "Basic ", *secrets):
        assert word not in shown, shown
    return shown


def error_of(function: Callable[..., object], *arguments: Any, **named: Any) -> RemoteError:
    """Return the error of a registry that a call ends in."""
    with pytest.raises(RemoteError) as caught:
        function(*arguments, **named)
    fine_line(caught.value)
    return caught.value


def descriptor_of(data: bytes, media_type: str = LAYER) -> Descriptor:
    return Descriptor(media_type, digests.sha256(data), len(data))


def span(data: bytes, before: bytes = b"other bytes") -> Span:
    """A run of bytes in the middle of a file."""
    file = SharedFile.temporary()
    file.write(before + data + b"and more")
    return Span(file, len(before), len(data))


class Stream(Struct, frozen=True):
    """A content that comes as a stream, in pieces, with other bytes or an error in the middle on demand.

    Attributes:
        data: what it is.
        piece: bytes of one piece.
        fails: called with each piece's number before it comes.
    """

    data: bytes
    piece: int = CHUNK
    fails: Callable[[int], None] = lambda _: None

    @property
    def size(self) -> int:
        return len(self.data)

    def open(self) -> BinaryIO:
        raise NotImplementedError

    def chunks(self) -> Iterator[bytes]:
        for number, start in enumerate(range(0, len(self.data), self.piece)):
            self.fails(number)
            yield self.data[start : start + self.piece]


def shipment(
    *layers: bytes,
    content: Callable[[bytes], Content] = Bytes,
    subject: Descriptor | None = None,
    artifact_type: str | None = None,
) -> Shipment:
    """An image of layers that are no tars."""
    diff_ids = [digests.sha256(layer) for layer in layers]
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    blobs: list[tuple[Descriptor, Content]] = [(descriptor_of(layer), content(layer)) for layer in layers]
    blobs.append((descriptor_of(config.encode(), CONFIG), Bytes(config.encode())))
    manifest = Manifest(
        2,
        MANIFEST,
        artifact_type,
        config=blobs[-1][0],
        layers=tuple(descriptor for descriptor, _ in blobs[:-1]),
        subject=subject,
    )
    data = encode(manifest)
    root = Descriptor(MANIFEST, digests.sha256(data), len(data))
    return Shipment(root, ((root, data),), tuple({blob[0].digest: blob for blob in blobs}.values()))


def index_of(*parts: Shipment) -> Shipment:
    """An index of images."""
    data = encode(Index(2, INDEX, manifests=tuple(part.root for part in parts)))
    root = Descriptor(INDEX, digests.sha256(data), len(data))
    blobs = {blob[0].digest: blob for part in parts for blob in part.blobs}
    documents = tuple(document for part in parts for document in part.documents)
    return Shipment(root, (*documents, (root, data)), tuple(blobs.values()))


def reference(server: Server, name: str = "app", tag: str | None = "1", digest: Digest | None = None) -> Reference:
    return Reference("docker", server.address, name, tag, digest)


def methods(server: Server, under: str = "") -> list[str]:
    """The methods of the requests whose path has this in it."""
    return [request.method for request in server.requests if under in request.path]


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that are no repetition of each other."""
    import random

    return random.Random(seed).randbytes(size)


def sent_bytes(server: Server, names: Sequence[str] = ("POST", "PATCH", "PUT"), under: str = "/blobs/") -> int:
    """Bytes of blobs that a server received."""
    return sum(r.body_size for r in server.requests if r.method in names and under in r.path)


class Echo(Server):
    """Answers with the request's body, or `hello`."""

    def respond(self, exchange: Exchange) -> Answer:
        body = b"".join(exchange.body.chunks())
        return Answer(200, (), body or b"hello")


def http_of(access: Access = ANYHOW, timeout: float = 5) -> Http:
    return Http(access, timeout)


def get(url: str, timeout: float = 5, http: Http | None = None, **more: Any) -> bytes:
    return (http or http_of(timeout=timeout)).exchange(Request("GET", url, **more)).read(1 << 20)


def server_connections(server: Server) -> int:
    return len(server._live)


class Raw:
    """A server that says what it is told to, byte for byte: each connection is given to `talk`, then closed."""

    def __init__(self, talk: Callable[[socket.socket], None] | bytes) -> None:
        self._talk = _answering(talk) if isinstance(talk, bytes) else talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._open: socket.socket | None = None
        self.connections = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        if (connection := self._open) is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(5)
            with connection, contextlib.suppress(OSError):  # the client left
                self._open = connection
                self._talk(connection)
            self._open = None


def _answering(answer: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(answer)

    return talk


def read_head(connection: socket.socket) -> bytes:
    """Read a request up to its body, of which nothing may have come."""
    data = b""
    while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
        data += more
    return data
