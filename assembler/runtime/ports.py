"""Which ports are listened on in a process's network namespace: looked up, never connected to.

In: /proc/PID/net/{tcp,tcp6,udp,udp6}. Out: yes or no. Source: Linux Documentation/networking/proc_net_tcp.rst; the
states of `include/net/tcp_states.h`, which UDP shares (a socket that is bound and not connected is in TCP_CLOSE).
"""

from __future__ import annotations

from typing import Final

_STATES: Final = {"tcp": "0A", "udp": "07"}


def parse_port(text: str) -> tuple[int, str]:
    """Read `8080`, `8080/tcp` or `53/udp`."""
    number, _, protocol = text.partition("/")
    return int(number), protocol or "tcp"


def has_listener(table: str, port: int, protocol: str) -> bool:
    """Look for a port in the text of one table, at whatever address."""
    rows = (line.split() for line in table.splitlines()[1:])
    wanted = f"{port:04X}"
    return any(len(row) > 3 and row[1].rpartition(":")[2] == wanted and row[3] == _STATES[protocol] for row in rows)


def is_listened_on(port: str, pid: int | str) -> bool:
    """Look for a port in the namespace of a process (`self` for this one); a process that is gone listens on none."""
    number, protocol = parse_port(port)
    for family in ("", "6"):
        try:
            with open(f"/proc/{pid}/net/{protocol}{family}", encoding="ascii") as file:
                if has_listener(file.read(), number, protocol):
                    return True
        except OSError:  # it ended, or the kernel has no IPv6
            continue
    return False
