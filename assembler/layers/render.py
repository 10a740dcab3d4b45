"""Rendering: a layer spec becomes a deterministic tar, compressed on the way, in bounded memory.

In: entries sorted bytewise. Out: `oci.Layer` with its blob in an unnamed temporary file. The tar is what
`oci-writing.md` asks for: parents before children, hard link targets before their links, numeric owners, whole
seconds clamped to the epoch given, PAX headers only where ustar cannot hold a value. Sources: image-spec v1.1
layer.md; POSIX.1-2017 pax, "ustar Interchange Format".
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.content import SharedFile, Span
from assembler.base.digest import Digest
from assembler.base.errors import DestinationError
from assembler.base.paths import show, to_bytes
from assembler.layers.blocks import Blocks
from assembler.layers.compress import compressor, describe
from assembler.oci import tar
from assembler.oci.image import LAYER_TYPES, Compression, Layer
from assembler.oci.types import Descriptor
from assembler.tree import Device, Directory, Entry, Fifo, Regular, Symlink

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.base.content import Content
    from assembler.base.progress import Progress
    from assembler.layers.group import LayerSpec

_END: Final = bytes(1024)
_RECORD: Final = 512


class RenderOptions(Struct, frozen=True):
    """How layers are written.

    Attributes:
        compression: format of the blob.
        level: of that format; None for its default.
        epoch: latest modification time, in seconds; later ones become this.
        folder: where the temporary file of the blob lies, best where the image will go.
    """

    compression: Compression
    level: int | None
    epoch: int
    folder: str


def render(spec: LayerSpec, options: RenderOptions, progress: Progress) -> Layer:
    """Write one layer.

    Raises:
        SourceError: a file cannot be read, or changed since the tree was read.
        DestinationError: there is no room for the blob.
    """
    try:
        return _render(spec, options, SharedFile.temporary(options.folder), progress)
    except OSError as error:
        raise DestinationError(f"{options.folder}: the layer cannot be written there: {error.strerror}") from error


def _render(spec: LayerSpec, options: RenderOptions, blob: SharedFile, progress: Progress) -> Layer:
    kind, level = options.compression, options.level
    stored = compress(pieces(spec.entries, options.epoch), kind, level, blob, progress)
    return Layer(
        descriptor=Descriptor(LAYER_TYPES[kind], stored.digest, stored.size),
        diff_id=stored.diff_id,
        uncompressed_size=stored.uncompressed_size,
        entries=len(spec.entries),
        created_by=made_by(spec, kind, level),
        blob=Span(blob, 0, stored.size),
    )


def made_by(spec: LayerSpec, kind: Compression, level: int | None) -> str:
    """Return what an image's history says of a layer."""
    return f"brasm {spec.title}: {describe(kind, level)}"


class Stored(Struct, frozen=True):
    """A tar that was compressed: digest and bytes as stored, and of the tar itself."""

    digest: Digest
    size: int
    diff_id: Digest
    uncompressed_size: int


def compress(
    tar_pieces: Iterable[bytes | Content],
    kind: Compression,
    level: int | None,
    blob: SharedFile,
    progress: Progress,
    workers: int | None = None,
) -> Stored:
    """Compress a tar into a file; the bytes do not depend on `workers`, the number of threads (None: one a processor).

    Raises:
        SourceError: a content cannot be read, or changed since it was first seen.
        OSError: there is no room for the blob.
    """
    stored = _Sink(blob)
    squeeze = compressor(kind, level, stored.write, workers)
    try:
        blocks = Blocks(squeeze, progress)
        for piece in tar_pieces:
            blocks.put(piece)
        blocks.finish()
        squeeze.finish()
    finally:
        squeeze.close()
    return Stored(stored.digest, stored.size, blocks.digest, blocks.size)


class _Sink:
    """Counts and digests what is written."""

    def __init__(self, file: SharedFile) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    @property
    def digest(self) -> Digest:
        return Digest("sha256:" + self._hash.hexdigest())


def tar_stream(entries: Iterable[Entry], epoch: int) -> Iterator[bytes]:
    """Yield the tar of entries in pieces. The root directory is left out where it says nothing: root's, 0755."""
    for piece in pieces(entries, epoch):
        if isinstance(piece, bytes):
            yield piece
        else:
            yield from piece.chunks()


def pieces(entries: Iterable[Entry], epoch: int) -> Iterator[bytes | Content]:
    """Yield the tar of entries: headers and padding as bytes, and contents as such."""
    first: dict[int, str] = {}
    for entry in entries:
        if entry.path == "/" and (entry.mode, entry.uid, entry.gid, entry.xattrs) == (0o755, 0, 0, ()):
            continue
        target = first.setdefault(entry.inode, entry.path) if entry.inode else entry.path
        if target != entry.path and not isinstance(entry, Directory):
            yield _header(entry, epoch, b"1", linkname=to_bytes(target[1:]))
        else:
            yield from _member(entry, epoch)
    yield _END


def _member(entry: Entry, epoch: int) -> Iterator[bytes | Content]:
    match entry:
        case Regular(content=content):
            yield _header(entry, epoch, b"0", size=content.size)
            yield content
            if rest := content.size % _RECORD:
                yield bytes(_RECORD - rest)
        case Directory():
            yield _header(entry, epoch, b"5")
        case Symlink(target=target):
            yield _header(entry, epoch, b"2", linkname=to_bytes(target))
        case Device(kind=kind, major=major, minor=minor):
            yield _header(entry, epoch, b"3" if kind == "c" else b"4", major=major, minor=minor)
        case Fifo():
            yield _header(entry, epoch, b"6")
        case _:
            raise TypeError(f"{show(entry.path)}: {type(entry).__name__} has no tar type")


def _header(
    entry: Entry, epoch: int, kind: bytes, *, size: int = 0, linkname: bytes = b"", major: int = 0, minor: int = 0
) -> bytes:
    name = to_bytes(entry.path[1:])
    return tar.header(
        (name or b".") + b"/" if kind == b"5" else name,
        size=size,
        mode=entry.mode,
        uid=entry.uid,
        gid=entry.gid,
        mtime=min(entry.mtime, epoch),
        type=kind,
        linkname=linkname,
        major=major,
        minor=minor,
        xattrs=() if kind == b"1" else entry.xattrs,
    )
