"""The options of verbs that run images: in which runtime, and in what limits."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click
from msgspec import Struct
from msgspec.structs import replace

from assembler.base.errors import UsageError
from assembler.base.units import parse_size
from assembler.runtime.box import Box, parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")


class Limits(Struct, frozen=True):
    """What the command line says of how an image runs; a recipe's `[run]` says the rest."""

    runtime: str | None = None
    network: str | None = None
    memory: str | None = None
    timeout: str | None = None
    cap_add: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    writable: bool = False

    @property
    def seconds(self) -> float | None:
        """How long a program may take.

        Raises:
            UsageError: that is no time.
        """
        return None if self.timeout is None else parse_duration(self.timeout)

    def change(self, box: Box) -> Box:
        """Lay the command line over limits.

        Raises:
            UsageError: a size, capability or path is none.
        """
        names = tuple(map(_capability, self.cap_add))
        return replace(
            box,
            network=cast("Any", self.network) or box.network,
            memory=box.memory if self.memory is None else _size(self.memory),
            capabilities=tuple(dict.fromkeys((*box.capabilities, *names))),
            tmpfs=tuple(dict.fromkeys((*box.tmpfs, *map(_absolute, self.tmpfs)))),
            read_only=box.read_only and not self.writable,
        )


def limit_options(function: Function) -> Function:
    """Add the options; the verb gets them as `limits`."""

    @functools.wraps(function)
    def verb(**values: Any) -> object:
        limits = Limits(**{name: values.pop(name) for name in Limits.__struct_fields__})
        return function(limits=limits, **values)

    for option in reversed(_OPTIONS):
        verb = option(verb)
    return cast("Function", verb)


_OPTIONS: Final = (
    click.option(
        "--runtime", metavar="NAME|PATH", help="crun, runc, podman or docker. Default: the first that works here."
    ),
    click.option("--network", type=click.Choice(["none", "host"]), help="none (default): its own loopback alone."),
    click.option("--memory", metavar="SIZE", help="The most memory that it may use: 64MB. Default: no limit."),
    click.option("--timeout", metavar="TIME", help="How long a program may take: 30s, 1m30s."),
    click.option("--cap-add", metavar="CAPABILITY", multiple=True, help="A capability; by default it has none."),
    click.option("--tmpfs", metavar="PATH", multiple=True, help="A folder that may be written to, as volumes may."),
    click.option("--writable", is_flag=True, help="The whole root may be written to, and is forgotten."),
)


def _size(text: str) -> int:
    try:
        size = parse_size(text)
    except ValueError as error:
        raise UsageError(f"--memory: {error}") from error
    if size <= 0:
        raise UsageError(f"--memory {text}: nothing runs without memory")
    return size


def _capability(text: str) -> str:
    from assembler.recipe.check import is_capability

    name = text.upper()
    name = name if name.startswith("CAP_") else f"CAP_{name}"
    if not is_capability(name):
        raise UsageError(f"--cap-add {text}: no capability", hint="such as CAP_NET_BIND_SERVICE")
    return name


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise UsageError(f"--tmpfs {path}: not an absolute path")
    return path
