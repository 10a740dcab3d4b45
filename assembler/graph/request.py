"""What a graph is asked for: where to start, and the environment that programs will have."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Request(Struct, frozen=True):
    """Where a graph starts.

    Attributes:
        programs: (recipe's key, name) of programs that must run: an absolute path, or a name that `PATH` finds.
        kept: (recipe's key, path) of entries that stay whatever they are; programs among them bring what they need.
        user: the image's user, if it is named: names need /etc/passwd and /etc/group.
        env: the image's environment; PATH, LD_LIBRARY_PATH and LD_PRELOAD count.
    """

    programs: tuple[tuple[str, str], ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    env: Mapping[str, str] = {}

    @property
    def path(self) -> tuple[str, ...]:
        """The directories of PATH; those that runtimes set where the image sets none."""
        return tuple(filter(None, self.env.get("PATH", DEFAULT_PATH).split(":")))


DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
