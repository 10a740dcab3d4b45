"""The kernel's tables of sockets."""

from __future__ import annotations

import socket

import pytest

from assembler.runtime.ports import has_listener, is_listened_on, parse_port

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = (
    HEAD
    + "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 1 1 0 100 0 0 10 0\n"
    + "   1: 0100007F:D431 0100007F:0050 01 00000000:00000000 00:00000000 00000000   101        0 2 1 0 100 0 0 10 0\n"
)
TCP6 = HEAD + (
    "   0: 00000000000000000000000000000000:0035 00000000000000000000000000000000:0000 0A 00000000:00000000 "
    "00:00000000 00000000     0        0 3 1 0 100 0 0 10 0\n"
)
UDP = HEAD + "  10: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4 2 0 0\n"


@pytest.mark.parametrize(
    ("table", "port", "protocol", "expected"),
    [
        (TCP, 8080, "tcp", True),
        (TCP, 0xD431, "tcp", False),
        (TCP, 80, "tcp", False),
        (TCP, 0x1F9, "tcp", False),
        (TCP6, 53, "tcp", True),
        (UDP, 53, "udp", True),
        (UDP, 53, "tcp", False),
        (HEAD, 53, "tcp", False),
        ("", 53, "tcp", False),
    ],
)
def test_tables(table: str, port: int, protocol: str, expected: bool) -> None:
    assert has_listener(table, port, protocol) is expected


def test_texts() -> None:
    assert [parse_port(text) for text in ("80", "80/tcp", "53/udp")] == [(80, "tcp"), (80, "tcp"), (53, "udp")]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_this_process(protocol: str) -> None:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(type=kind) as server:
        server.bind(("127.0.0.1", 0))
        port = f"{server.getsockname()[1]}/{protocol}"
        if protocol == "tcp":
            assert not is_listened_on(port, "self")
            server.listen()
        assert is_listened_on(port, "self")
    assert not is_listened_on(port, "self")
    assert not is_listened_on(port, 0)
