"""What goes to a worker of a cluster and back: JSON, so that neither side takes the other's Python for granted.

An `Order` names a task and all that is needed to do it. No credentials are in it: workers have their own.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from assembler.base.digest import Digest
from assembler.base.errors import UsageError
from assembler.experiments.trials.work import Answer, Task
from assembler.oci.reference import Reference
from assembler.oci.types import Descriptor

Value = TypeVar("Value", bound=Struct)


class Order(Struct, frozen=True):
    """What a worker is to do.

    Attributes:
        version: of brasm; a worker of another one refuses.
        run: what tells this run from all others, hexadecimal.
        place: the share.
        parcels: what the task's tar is made of: that of its script first.
        plain_http: of `Access`.
        verify: of `Access`.
        forgotten: tars that no task names any more.
        task: what is to be done; None to fetch the parcels only.
    """

    version: str
    run: str
    place: Reference
    parcels: tuple[Descriptor, ...]
    plain_http: bool = False
    verify: bool = True
    forgotten: tuple[Digest, ...] = ()
    task: Task | None = None


class Head(Struct, frozen=True):
    """What of an order every version can read."""

    version: str
    run: str


class Reply(Struct, frozen=True):
    """What came of an order.

    Attributes:
        answer: of the task; None where there was none, or it was not even begun.
        unready: why it was not begun: what is wrong with the worker's machine, and not with the task.
        hint: what to do about that.
        refused: why this worker takes no orders at all.
    """

    answer: Answer | None = None
    unready: str | None = None
    hint: str | None = None
    refused: str | None = None


_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def write(value: Struct) -> bytes:
    """Write an order or reply, as one line without its end.

    Raises:
        UsageError: a path in it is not UTF-8.
    """
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError as error:
        raise UsageError(f"{error.object!r}: a path that is not UTF-8 cannot be told to other machines") from error


def read(line: bytes, kind: type[Value]) -> Value:
    """Read an order or reply; it was written by the same version, so that it is of its form."""
    return msgspec.json.decode(line, type=kind)
