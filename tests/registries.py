"""Docker's registry on loopback as tests want it, and a relay before a server, which counts bytes and cuts them off."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.tools import Service, need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    from tests.remote.certificates import Certificates

USER: Final = "ann"
PASSWORD: Final = "s3cret-of-ann"
_HTPASSWD: Final = "ann:$2b$04$abcdefghijklmnopqrstuu0gRmIdbXkIHeZPW49JyWcENUlDSYkre\n"
"""The two by bcrypt, the only form that docker's registry takes; crypt(3) made it."""

_LINE: Final = re.compile(
    r'127\.0\.0\.1 - \S* \[[^]]*\] "(?P<method>[A-Z]+) (?P<target>\S+) HTTP/1\.1" (?P<status>\d+)'
)
_PIECE: Final = 1 << 20


class Asked(NamedTuple):
    """A line of a registry's access log."""

    method: str
    path: str
    query: dict[str, str]
    status: int


class Registry(NamedTuple):
    """A registry: where it is, what its clients need, and what it wrote."""

    address: str
    certificates: Certificates | None
    demands_password: bool
    log: Path

    def asked(self) -> list[Asked]:
        """Return what it was asked so far and has answered."""
        lines = map(_LINE.match, self.log.read_text("utf-8", "replace").splitlines())
        found = ((line["method"], urlsplit(line["target"]), int(line["status"])) for line in lines if line)
        return [Asked(method, url.path, dict(parse_qsl(url.query)), status) for method, url, status in found]

    def taken(self) -> list[str]:
        """Return the digests of the blobs that it took, one for each time that one was sent."""
        return [one.query["digest"] for one in self.asked() if (one.method, one.status) == ("PUT", 201) and one.query]


@contextmanager
def serve_registry(
    folder: Path, *, deletes: bool = True, tls: Certificates | None = None, password: bool = False
) -> Iterator[Registry]:
    """Have docker's registry serve a folder.

    Args:
        folder: of its storage, its log and its configuration; made where it is missing.
        deletes: whether it is set up to delete.
        tls: its certificates, if it is to speak TLS.
        password: whether it wants to know that `USER` asks.
    """
    need("docker-registry")
    folder.mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (folder / "htpasswd").write_text(_HTPASSWD)
    pair = {"tls": {"certificate": tls.certificate, "key": tls.key}} if tls else {}
    htpasswd = {"auth": {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}} if password else {}
    storage = {"filesystem": {"rootdirectory": str(folder / "blobs")}, "delete": {"enabled": deletes}}
    config = {"version": 0.1, "log": {"level": "error"}, "storage": storage, "http": {"addr": address, **pair}}
    (folder / "config.yml").write_text(json.dumps({**config, **htpasswd}))
    registry = Registry(address, tls, password, folder / "log")
    service = Service(["docker-registry", "serve", str(folder / "config.yml")], str(registry.log))
    try:
        service.wait(lambda: _answers(registry))
        yield registry
    finally:
        service.stop()


def _answers(registry: Registry) -> bool:
    tls = registry.certificates
    context = ssl.create_default_context(cafile=tls.authority) if tls else None
    url = f"{'https' if tls else 'http'}://{registry.address}/v2/"
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as response:
            return bool(response.status == 200)
    except urllib.error.HTTPError as error:
        error.close()
        return registry.demands_password and error.code == 401
    except OSError:
        return False


class Relay:
    """A port on loopback that leads to another one: it counts bytes, and can swallow all after so many.

    Attributes:
        address: `HOST:PORT`.
        sent: bytes from clients to the server since `count`.
        received: the other way.
        cut: set when bytes are swallowed.
    """

    def __init__(self, server: str, host: str = "127.0.0.1") -> None:
        name, _, port = server.rpartition(":")
        self._server = (name, int(port))
        self._lock = threading.Lock()
        self._live: set[threading.Thread] = set()
        self._sockets: set[socket.socket] = set()
        self.count()
        self._listener = socket.create_server((host, 0), backlog=64)
        self.address = f"{host}:{self._listener.getsockname()[1]}"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def count(self, *, sent: int | None = None, received: int | None = None) -> None:
        """Count from nothing, and swallow what comes after so many bytes of a direction; None for no end."""
        self.sent = self.received = 0
        self._most = {"sent": sent, "received": received}
        self.cut = threading.Event()

    def idle(self) -> bool:
        """Whether no connection is left."""
        with self._lock:
            return not self._live

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            live, sockets = list(self._live), list(self._sockets)
        for each in sockets:
            _shut(each, socket.SHUT_RDWR)
        for thread in live:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._join, args=(client,), daemon=True)
            with self._lock:
                self._live.add(thread)
            thread.start()

    def _join(self, client: socket.socket) -> None:
        """Carry bytes both ways until both sides are done."""
        try:
            with client, socket.create_connection(self._server) as server:
                with self._lock:
                    self._sockets |= {client, server}
                back = threading.Thread(target=self._carry, args=(server, client, "received"), daemon=True)
                back.start()
                self._carry(client, server, "sent")
                back.join()
                with self._lock:
                    self._sockets -= {client, server}
        finally:
            with self._lock:
                self._live.discard(threading.current_thread())

    def _carry(self, one: socket.socket, other: socket.socket, direction: str) -> None:
        buffer = bytearray(_PIECE)
        with contextlib.suppress(OSError), memoryview(buffer) as view:
            while count := one.recv_into(view):
                other.sendall(view[: self._let(count, direction)])
        _shut(other, socket.SHUT_WR if direction == "sent" and not self.cut.is_set() else socket.SHUT_RDWR)

    def _let(self, count: int, direction: str) -> int:
        """Count bytes, and say how many of them may go on."""
        with self._lock:
            total, most = getattr(self, direction), self._most[direction]
            allowed = 0 if self.cut.is_set() else count if most is None else min(count, most - total)
            setattr(self, direction, total + allowed)
            if allowed < count:
                self.cut.set()
            return allowed


def _shut(each: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(how)
