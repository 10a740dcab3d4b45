"""Asking a server by hand: a plain HTTP client for the stand-in's own tests."""

from __future__ import annotations

import http.client
import json
from contextlib import contextmanager
from email.message import Message
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from assembler.base.digest import sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.remote.serving import Server


class Got(Struct, frozen=True):
    """An answer as it came."""

    status: int
    headers: Message
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The first error's code."""
        return str(self.document["errors"][0]["code"])

    @property
    def location(self) -> str:
        """The Location as a path with its query."""
        parts = urlsplit(self.headers["Location"])
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    @property
    def next_page(self) -> str | None:
        link = self.headers.get("Link")
        return link[link.index("<") + 1 : link.index(">")] if link else None


@contextmanager
def connection(server: Server, timeout: float = 10) -> Iterator[http.client.HTTPConnection]:
    host, _, port = server.address.partition(":")
    open_ = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        yield open_
    finally:
        open_.close()


def converse(
    open_: http.client.HTTPConnection,
    method: str,
    target: str,
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Got:
    """Ask on a connection that stays open."""
    chunked = body is not None and not isinstance(body, bytes)
    open_.request(method, target, body, headers or {}, encode_chunked=chunked)
    with open_.getresponse() as response:
        return Got(response.status, response.headers, response.read())


def ask(
    server: Server,
    method: str,
    target: str,
    body: bytes | Iterable[bytes] | None = None,
    timeout: float = 10,
    **headers: str,
) -> Got:
    """Ask on a connection of its own; `Content_Range` among the headers is `Content-Range`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with connection(server, timeout) as open_:
        return converse(open_, method, target, body, named)


def begin(server: Server, name: str = "app") -> str:
    """Begin an upload and return its location."""
    got = ask(server, "POST", f"/v2/{name}/blobs/uploads/")
    assert got.status == 202
    return got.location


def push(server: Server, data: bytes, name: str = "app") -> str:
    """Push a blob by POST and PUT, and return its digest."""
    digest = str(sha256(data))
    got = ask(server, "PUT", f"{begin(server, name)}&digest={digest}", data)
    assert got.status == 201
    return digest


def put_manifest(server: Server, document: Mapping[str, Any], reference: str, name: str = "app", **headers: str) -> Got:
    """Push a manifest under the media type that it says."""
    data = json.dumps(document).encode()
    fields = {"Content_Type": document.get("mediaType", "application/json"), **headers}
    return ask(server, "PUT", f"/v2/{name}/manifests/{reference}", data, **fields)
