"""Misbehaviours of registries, to be given to `Server.misbehave`; each function returns an action."""

from __future__ import annotations

import time
from email.message import Message
from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from assembler.base.digest import sha256
from tests.remote.messages import PIECE, Answer, HangUp
from tests.remote.routes import error, find
from tests.remote.serving import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.remote.serving import Action, Server
    from tests.remote.stored import Repository, Upload


# Other answers than the right one


def status(code: int, error_code: str = "UNKNOWN", **headers: str) -> Action:
    """Answer with an error and change nothing; `Retry_After` among the headers is `Retry-After`."""
    return lambda _: error(code, error_code, "", {name.replace("_", "-"): value for name, value in headers.items()})


def too_many(retry_after: int = 1, *, as_date: bool = False) -> Action:
    """Answer 429 with `Retry-After`, in seconds or as an HTTP date."""

    def act(_: Exchange) -> Answer:
        when = formatdate(time.time() + retry_after, usegmt=True) if as_date else str(retry_after)
        return error(429, "TOOMANYREQUESTS", "", {"Retry-After": when})

    return act


def unauthorized(challenge: str | None = None) -> Action:
    """Answer 401, by default with the challenge that is right when no credentials come at all."""

    def act(exchange: Exchange) -> Answer:
        bare = msgspec.structs.replace(exchange.request, headers=Message())
        right = exchange.server.refusal(Exchange(exchange.server, bare, exchange.body))
        found = challenge or (right and right.header("WWW-Authenticate")) or 'Basic realm="stand-in"'
        return error(401, "UNAUTHORIZED", "", {"WWW-Authenticate": found})

    return act


def denied() -> Action:
    """Answer 403 DENIED."""
    return status(403, "DENIED")


def unsupported() -> Action:
    """Answer 405 UNSUPPORTED."""
    return status(405, "UNSUPPORTED")


def early(code: int, error_code: str = "UNKNOWN") -> Action:
    """Answer with an error before the request's body was read, and end the connection."""
    return lambda _: msgspec.structs.replace(error(code, error_code), early=True)


def close_after(*, reset: bool = False) -> Action:
    """Answer, and close the connection without having said so: the client finds out by its next request."""

    def change(answer: Answer) -> Answer:
        def pieces() -> Iterator[bytes]:
            yield answer.body
            raise HangUp(reset=reset)

        return msgspec.structs.replace(answer, pieces=pieces)

    return changed(change)


def redirect(to: str | Callable[[Exchange], str], code: int = 307) -> Action:
    """Answer with a redirect."""
    return lambda exchange: Answer(code, (("Location", to if isinstance(to, str) else to(exchange)),))


def to_itself(code: int = 307) -> Action:
    """Answer with a redirect to the same URL: a loop."""
    return redirect(lambda exchange: exchange.base + exchange.request.target, code)


def to_cdn(cdn: Server, code: int = 307) -> Action:
    """Redirect to a `Cdn` for the same blob, by a URL that is signed, as such are."""
    return redirect(lambda exchange: f"{cdn.url}{exchange.request.path}?X-Signature=abc%2Fdef", code)


# Connections that end, or do not


def hang_up(*, reset: bool = False) -> Action:
    """Close or reset the connection instead of an answer, with nothing done."""

    def act(_: Exchange) -> Answer:
        raise HangUp(reset=reset)

    return act


def lose_answer(*, reset: bool = False) -> Action:
    """Do what was asked, and close the connection instead of an answer."""

    def act(exchange: Exchange) -> Answer:
        exchange.serve()
        raise HangUp(reset=reset)

    return act


def half_answer(share: float = 0.5, *, reset: bool = False) -> Action:
    """Close the connection after a share of the body."""

    def act(exchange: Exchange) -> Answer:
        answer = exchange.serve()

        def pieces() -> Iterator[bytes]:
            yield answer.body[: int(len(answer.body) * share)]
            raise HangUp(reset=reset)

        return msgspec.structs.replace(answer, pieces=pieces)

    return act


def half_request(*, kept: bool = True, size: int | None = None, reset: bool = True) -> Action:
    """Read half of a PATCH or PUT (or so many bytes), keep or drop them, and close the connection."""

    def act(exchange: Exchange) -> Answer:
        declared = exchange.request.declared_size
        most = size if size is not None else PIECE if declared is None else declared // 2
        data = b"".join(exchange.body.chunks(most))
        upload = upload_of(exchange)
        if kept and upload:
            with upload.lock:
                upload.data += data
        raise HangUp(reset=reset)

    return act


def stall() -> Action:
    """Never answer: the client has to give up, or the test ends."""

    def act(exchange: Exchange) -> Answer:
        exchange.wait()
        raise HangUp

    return act


def stall_in_body(share: float = 0.5) -> Action:
    """Send a share of the body, and then nothing more."""

    def act(exchange: Exchange) -> Answer:
        answer = exchange.serve()

        def pieces() -> Iterator[bytes]:
            yield answer.body[: int(len(answer.body) * share)]
            exchange.wait()

        return msgspec.structs.replace(answer, pieces=pieces)

    return act


def trickle(piece: int = 1, pause: float = 0.001) -> Action:
    """Send the body piece by piece, with a pause after each, in seconds."""

    def act(exchange: Exchange) -> Answer:
        answer = exchange.serve()

        def pieces() -> Iterator[bytes]:
            for start in range(0, len(answer.body), piece):
                yield answer.body[start : start + piece]
                exchange.wait(pause)

        return msgspec.structs.replace(answer, pieces=pieces)

    return act


# Right answers, changed


def changed(change: Callable[[Answer], Answer]) -> Action:
    """Serve, and change the answer."""
    return lambda exchange: change(exchange.serve())


def without_header(*names: str) -> Action:
    """Serve without some headers: `Location`, `Docker-Content-Digest`, `Docker-Distribution-Api-Version`, …"""
    return changed(lambda answer: answer.without(*names))


def with_header(name: str, value: str) -> Action:
    """Serve with another header: a `Warning`, a `Content-Type`, …"""
    return changed(lambda answer: answer.with_headers({name: value}))


def with_body(body: bytes, content_type: str | None = None) -> Action:
    """Serve with another body, and another media type where one is given."""
    headers = {"Content-Type": content_type} if content_type else {}
    return changed(lambda answer: msgspec.structs.replace(answer, body=body).with_headers(headers))


def not_json() -> Action:
    """Serve a page in place of JSON, as portals and proxies do."""
    return with_body(b"<html><body>Please log in</body></html>", "text/html")


def null_tags() -> Action:
    """Serve a list of tags that is `null`, as some registries do for none."""
    return with_body(b'{"name": "app", "tags": null}')


def huge(size: int) -> Action:
    """Serve a JSON document of that many bytes."""
    return changed(lambda answer: msgspec.structs.replace(answer, body=b'{"a":"' + b"x" * (size - 8) + b'"}'))


def endless() -> Action:
    """Serve a body that never ends, in chunks and without a length."""

    def act(exchange: Exchange) -> Answer:
        def pieces() -> Iterator[bytes]:
            while not exchange.server.stopping.is_set():
                yield bytes(PIECE)

        return msgspec.structs.replace(exchange.serve().without("Content-Length"), pieces=pieces, framing="chunked")

    return act


def without_length(*, chunked: bool = True) -> Action:
    """Serve without `Content-Length`: in chunks, or with the connection's end as the body's."""
    framing = "chunked" if chunked else "close"
    return changed(lambda answer: msgspec.structs.replace(answer, framing=framing))


def http_1_0() -> Action:
    """Serve by HTTP/1.0, and close the connection."""
    return changed(lambda answer: msgspec.structs.replace(answer, version="HTTP/1.0"))


def other_bytes() -> Action:
    """Serve a body of the same length with other bytes, under the right `Docker-Content-Digest`."""

    def change(answer: Answer) -> Answer:
        return msgspec.structs.replace(answer, body=bytes(byte ^ 1 for byte in answer.body))

    return changed(change)


def other_length(by: int) -> Action:
    """Serve a body that is shorter (below zero) or longer than it should be, with its true length."""

    def change(answer: Answer) -> Answer:
        body = answer.body[:by] if by < 0 else answer.body + bytes(by)
        return msgspec.structs.replace(answer, body=body)

    return changed(change)


def other_digest_header() -> Action:
    """Serve under a `Docker-Content-Digest` that is not the body's."""
    return with_header("Docker-Content-Digest", sha256(b"something else"))


def relative_location() -> Action:
    """Serve with a Location that is a path only."""

    def change(answer: Answer) -> Answer:
        parts = urlsplit(answer.header("Location") or "")
        return answer.with_headers({"Location": f"{parts.path}?{parts.query}" if parts.query else parts.path})

    return changed(change)


def location_on(server: Server) -> Action:
    """Serve with a Location on another server, a `Cdn` that takes uploads."""

    def change(answer: Answer) -> Answer:
        parts = urlsplit(answer.header("Location") or "")
        query = f"?{parts.query}" if parts.query else ""
        return answer.with_headers({"Location": f"{server.url}{parts.path}{query}"})

    return changed(change)


# Upload sessions


def lose_session() -> Action:
    """Forget the upload session, and serve: 404 BLOB_UPLOAD_UNKNOWN."""

    def act(exchange: Exchange) -> Answer:
        route = find(exchange.request.path)
        if route and route.kind == "upload":
            _repositories(exchange)[route.name].uploads.pop(route.reference, None)
        return exchange.serve()

    return act


def forget_bytes(count: int) -> Action:
    """Take what comes, then lose the last so many bytes of it, and say so in `Range`."""

    def act(exchange: Exchange) -> Answer:
        answer = exchange.serve()
        upload = upload_of(exchange)
        if upload is None:
            return answer
        with upload.lock:
            del upload.data[max(0, len(upload.data) - count) :]
            return answer.with_headers({"Range": f"0-{max(0, len(upload.data) - 1)}"})

    return act


def understate(count: int) -> Action:
    """Report an offset smaller by so many bytes than what is there."""

    def act(exchange: Exchange) -> Answer:
        answer = exchange.serve()
        upload = upload_of(exchange)
        size = len(upload.data) if upload else 0
        return answer.with_headers({"Range": f"0-{max(0, size - count - 1)}"})

    return act


def _repositories(exchange: Exchange) -> dict[str, Repository]:
    held: dict[str, Repository] = vars(exchange.server)["repositories"]  # a registry's, or those that a Cdn lends
    return held


def upload_of(exchange: Exchange) -> Upload | None:
    """Return the upload session that a request is about."""
    route = find(exchange.request.path)
    if route is None or route.kind != "upload":
        return None
    repository = _repositories(exchange).get(route.name)
    return repository.uploads.get(route.reference) if repository else None
