"""`/etc/ld.so.cache` as glibc ≥ 2.32 writes it (`sysdeps/generic/dl-cache.h`, magic `glibc-ld.so.cache1.1`)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CACHE: Final = "/etc/ld.so.cache"

_MAGIC: Final = b"glibc-ld.so.cache1.1"
_OLD_MAGIC: Final = b"ld.so-1.7.0\0"
_HEADER: Final = 48
_ENTRY: Final = {"<": Struct("<iIIIQ"), ">": Struct(">iIIIQ")}
_COUNT: Final = {"<": Struct("<I"), ">": Struct(">I")}
_BIG_ENDIAN: Final = 3
_ORDER_AT: Final = 28
_HWCAP_EXTENSION: Final = 1 << 62


def read_cache(data: bytes) -> Mapping[str, tuple[tuple[str, bool], ...]]:
    """Return, for each library name, its paths in order, and whether each is for some processors only.

    Entries of other architectures are in it: whoever opens a path sees that. A cache that is damaged or of another
    form has no entries, as for the loader.
    """
    start = max(data.find(_MAGIC), 0) if data.startswith(_OLD_MAGIC) else 0
    data = data[start:]
    if not data.startswith(_MAGIC) or len(data) < _HEADER:
        return {}
    order = ">" if data[_ORDER_AT] & 3 == _BIG_ENDIAN else "<"
    (count,) = _COUNT[order].unpack_from(data, len(_MAGIC))
    found: dict[str, list[tuple[str, bool]]] = {}
    for index in range(min(count, (len(data) - _HEADER) // 24)):
        _, key, value, _, hwcap = _ENTRY[order].unpack_from(data, _HEADER + 24 * index)
        special = bool(hwcap & _HWCAP_EXTENSION)
        found.setdefault(_text(data, key), []).append((_text(data, value), special))
    return {name: tuple(paths) for name, paths in found.items()}


def _text(data: bytes, offset: int) -> str:
    return data[offset : max(data.find(b"\0", offset), offset)].decode("utf-8", "surrogateescape")
