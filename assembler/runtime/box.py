"""What is around a process in a container: what it may do, and where it may write.

In: what the recipe's `[run]` or the command line says, and the image. Out: `Box`, `Scratch`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from assembler.base.errors import UsageError
from assembler.base.paths import is_below, normalize
from assembler.base.units import parse_size
from assembler.tree import Directory, Found

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.recipe.types import RunSpec
    from assembler.tree import Tree

Network = Literal["none", "host"]

_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Bind(Struct, frozen=True):
    """A file or folder of this machine, at a path of the container."""

    source: str
    target: str
    read_only: bool = False


class Box(Struct, frozen=True):
    """The limits of a container.

    Attributes:
        network: its own loopback alone, or the machine's.
        memory: bytes that it may use; None for no limit.
        capabilities: all that it has, `CAP_…`.
        tmpfs: folders that may be written to, besides the image's volumes.
        read_only: whether the rest may not.
        binds: what it sees of the machine.
    """

    network: Network = "none"
    memory: int | None = None
    capabilities: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    read_only: bool = True
    binds: tuple[Bind, ...] = ()


class Scratch(Struct, frozen=True):
    """A folder in memory, which begins with what the image has there: owner, mode and files."""

    path: str
    mode: int
    uid: int
    gid: int


def box_of(spec: RunSpec) -> Box:
    """Return what a recipe's `[run]` says."""
    memory = None if spec.memory is None else parse_size(spec.memory)
    return Box(spec.network, memory, spec.capabilities, spec.tmpfs, spec.read_only)


def scratches(tree: Tree, volumes: Iterable[str], box: Box) -> tuple[Scratch, ...]:
    """Return the folders in memory, outer ones first.

    A volume that the image does not have belongs to root, as docker makes it; a tmpfs is anybody's, as /tmp is.
    """
    binds = {normalize(bind.target) for bind in box.binds}
    wanted = {**{normalize(path): 0o755 for path in volumes}, **{normalize(path): 0o1777 for path in box.tmpfs}}
    return tuple(_scratch(tree, path, wanted[path]) for path in sorted(wanted.keys() - binds))


def _scratch(tree: Tree, path: str, mode: int) -> Scratch:
    at = tree.walk(path)
    if isinstance(at, Found) and isinstance(at.entry, Directory):
        return Scratch(path, at.entry.mode, at.entry.uid, at.entry.gid)
    return Scratch(path, mode, 0, 0)


def is_bound(path: str, box: Box) -> bool:
    """Whether what stands at a path is the machine's, or what a program writes."""
    folders = (*(bind.target for bind in box.binds), *box.tmpfs)
    return any(is_below(path, normalize(folder)) for folder in folders)


def parse_bind(text: str) -> Bind:
    """Read `HOST:PATH` or `HOST:PATH:ro`.

    Raises:
        UsageError: it is not of that form.
    """
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not source or not target.startswith("/") or mode not in {"", "ro", "rw"}:
        raise UsageError(f"{text!r} is not of the form HOST:PATH[:ro]", hint="for example ./site:/srv/www:ro")
    return Bind(source, normalize(target), mode == "ro")


def parse_duration(text: str) -> float:
    """Read `1m30s`, `500ms`, or a number of seconds, as seconds.

    Raises:
        UsageError: it is not of that form, or no time at all.
    """
    if re.fullmatch(r"\d+(\.\d+)?", text):
        seconds = float(text)
    else:
        seconds = sum(int(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))
        seconds = seconds if re.fullmatch(r"(\d+(ms|s|m|h))+", text) else 0
    if seconds <= 0:
        raise UsageError(f"{text!r} is not a time", hint="write 30s, 1m30s or 500ms")
    return seconds
