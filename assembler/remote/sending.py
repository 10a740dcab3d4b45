"""Sending the body of a request, as long as the other side has not answered yet.

In: a connected socket, and what is sent. Without TLS the kernel takes it straight from the file. Source: RFC 9112, 9.5
(a client that is answered before its request is whole stops sending).
"""

from __future__ import annotations

import errno
import os
import select
import socket
from typing import TYPE_CHECKING, Final, Protocol

from assembler.base.content import Span
from assembler.base.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STEP: Final = 8 << 20
"""Bytes that the kernel is given at a time, of which it takes what there is room for."""
_PIECE: Final = 1 << 16
"""Bytes that TLS is given at a time, which takes all of them."""
_NO_SENDFILE: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EIO})


class _Chunks(Protocol):
    def chunks(self) -> Iterator[bytes]: ...


def send_body(sock: socket.socket, body: _Chunks, sent: Callable[[int], None]) -> bool:
    """Send all of a body, and say whether all of it went before the other side answered or hung up.

    Args:
        sock: connected, with a timeout.
        body: what is sent; of a `Span` without TLS no byte passes through this process.
        sent: told of bytes as they go.

    Raises:
        SourceError: the body cannot be read.
        OSError: the connection broke, or takes nothing for too long.
    """
    if isinstance(body, Span) and type(sock) is socket.socket:
        return _send_span(sock, body, sent)
    return _send_chunks(sock, _read(body), sent)


def _send_span(sock: socket.socket, span: Span, sent: Callable[[int], None]) -> bool:
    position, end = span.offset, span.offset + span.size
    while position < end:
        if not _may_send(sock):
            return False
        try:
            count = os.sendfile(sock.fileno(), span.file.fileno(), position, min(_STEP, end - position))
        except BlockingIOError:
            continue
        except OSError as error:
            if error.errno not in _NO_SENDFILE:
                raise
            return _send_chunks(sock, _read(Span(span.file, position, end - position)), sent)
        if not count:
            raise SourceError(f"{span.file.name}: truncated: the file ends before byte {end}")
        position += count
        sent(count)
    return True


def _send_chunks(sock: socket.socket, chunks: Iterator[bytes], sent: Callable[[int], None]) -> bool:
    piece = _PIECE if type(sock) is not socket.socket else _STEP
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            if not _may_send(sock):
                return False
            count = sock.send(view[:piece])
            view = view[count:]
            sent(count)
    return True


def _read(body: _Chunks) -> Iterator[bytes]:
    """Yield the chunks of a body; that they cannot be read is not the connection's fault."""
    try:
        yield from body.chunks()
    except OSError as error:
        raise SourceError(f"what is sent cannot be read: {error.strerror or error}") from error


def _may_send(sock: socket.socket) -> bool:
    """Wait until bytes can go; say no where there is an answer already, or the connection is closed.

    With TLS nothing can be seen of that before it is read.

    Raises:
        TimeoutError: the other side takes nothing.
    """
    if type(sock) is not socket.socket:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLOUT)
    timeout = sock.gettimeout()
    events = poll.poll(None if timeout is None else timeout * 1000)
    if not events:
        raise TimeoutError
    return not events[0][1] & ~select.POLLOUT or _is_interim(sock)


def _is_interim(sock: socket.socket) -> bool:
    """Say whether what came is no answer yet, but a 1xx that tells to go on (RFC 9110, 15.2)."""
    head = sock.recv(10, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    return head.startswith(b"HTTP/1.") and head[8:10] == b" 1"
