"""Parcels: how the tars of trials travel to other machines, each distinct content once.

Trials pack much the same files under other headers. So a parcel is an OCI artifact (image-spec v1.1, manifest.md,
"Guidelines for Artifact Usage") with the contents apart from the scripts that make tars of them:

    layer 1   a tar, zstd: every content that no earlier parcel of the run carries; a member's name is its sha256
    others    for each tar a script, JSON lines, zstd: base64 of bytes of the tar, or [digest, size] of a content

In: `Tar`s, and a share: an image layout or a repository of a registry. Out, on the other side, each held to its
digest: the contents, and the pieces of a tar. A parcel has no tag; it is asked for by its digest.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from assembler.base import digest as digests
from assembler.base.content import Bytes, SharedFile, Span
from assembler.base.decompress import DecompressError, decompress
from assembler.base.digest import Digest
from assembler.base.errors import DestinationError, ImageError, UsageError
from assembler.base.paths import show
from assembler.layers.group import LayerSpec
from assembler.layers.render import RenderOptions, compress, render
from assembler.oci.reference import Reference
from assembler.oci.shipment import Shipment
from assembler.oci.types import EMPTY, EMPTY_DATA, LAYER_ZSTD, MANIFEST, Descriptor, Manifest, decode, encode
from assembler.remote.access import Access
from assembler.sources.blobs import Blobs, Checked
from assembler.tree import Regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from assembler.base.content import Content
    from assembler.base.progress import Progress
    from assembler.layers.tars import Tar

ARTIFACT: Final = "application/vnd.brasm.trials.v1"
SCRIPT: Final = "application/vnd.brasm.trials.script.v1.jsonl+zstd"
DIFF_ID: Final = "io.brasm.trials.diff_id"
"""The annotation of a script that says which tar it makes."""

_LEVEL: Final = 3
_MOST: Final = 1 << 24
"""Bytes of a line of a script: headers of one member, extended attributes included."""


class Share(Struct, frozen=True):
    """Where parcels lie: a place that the parent and all workers reach, and the way to it."""

    place: Reference
    access: Access


class Part(Struct, frozen=True, array_like=True):
    """A piece of a tar that is the content of a file."""

    digest: Digest
    size: int


Piece = bytes | Part
_PIECE: Final = msgspec.json.Decoder(Piece)


def check_share(place: Reference) -> Reference:
    """Return a place as workers know it: with an absolute path.

    Raises:
        UsageError: parcels cannot lie there.
        DestinationError: nothing can be written there.
    """
    if place.transport not in {"oci", "docker"}:
        raise UsageError(f"{place}: nothing can be shared there", hint="oci:FOLDER or docker://HOST/NAME")
    if place.tag is not None or place.digest is not None:
        raise UsageError(f"{place}: what is shared has no tag", hint="name the folder or repository alone")
    return replace(place, path=os.path.abspath(place.path)) if place.transport == "oci" else place


class Sender:
    """The parent's side of a share: sends what has not been sent, and knows which parcels a tar needs."""

    def __init__(self, share: Share, progress: Progress) -> None:
        """Begin with nothing sent; `progress` is told of bytes that are compressed and pushed.

        Raises:
            UsageError: parcels cannot lie there.
            DestinationError: nothing can be written there.
        """
        from assembler.destinations.put import check_outputs

        check_outputs((share.place,), access=share.access)
        self._share = share
        self._progress = progress
        self._digests: dict[Content, Digest] = {}
        self._carried: dict[Digest, Descriptor] = {}
        self._needs: dict[Digest, tuple[Descriptor, ...]] = {}

    def send(self, tars: Iterable[Tar]) -> Descriptor | None:
        """Send one parcel with all tars that were not sent before; return which, or None if there is none to send.

        Raises:
            SourceError: a file cannot be read, or changed since it was first seen.
            DestinationError: the share cannot be written.
        """
        new = {tar.diff_id: tar for tar in tars if tar.diff_id not in self._needs}
        if not new:
            return None
        fresh: dict[Digest, Content] = {}
        used: dict[Digest, set[Digest]] = {diff_id: set() for diff_id in new}
        scripts = [self._script(tar, fresh, used[diff_id]) for diff_id, tar in sorted(new.items())]
        shipment = _artifact(([self._contents(fresh)] if fresh else []) + scripts)
        self._put(shipment)
        parcel = Descriptor(MANIFEST, shipment.root.digest, shipment.root.size)
        self._carried.update(dict.fromkeys(fresh, parcel))
        for diff_id, parts in used.items():
            others = {self._carried[part].digest: self._carried[part] for part in sorted(parts)}
            others.pop(parcel.digest, None)
            self._needs[diff_id] = (parcel, *others.values())
        return parcel

    def needs(self, diff_id: Digest) -> tuple[Descriptor, ...]:
        """Return the parcels that a tar is made of: first that of its script, then others of its contents."""
        return self._needs[diff_id]

    def _script(self, tar: Tar, fresh: dict[Digest, Content], used: set[Digest]) -> tuple[Descriptor, Content]:
        """Write the script of a tar; note which contents it uses, and which of them were not carried yet."""

        def lines() -> Iterator[bytes]:
            for piece in tar.pieces():
                if isinstance(piece, bytes):
                    yield msgspec.json.encode(piece) + b"\n"
                elif piece.size:
                    digest = self._digest(piece)
                    used.add(digest)
                    if digest not in self._carried:
                        fresh.setdefault(digest, piece)
                    yield msgspec.json.encode(Part(digest, piece.size)) + b"\n"

        folder = _folder(self._share)
        try:
            blob = SharedFile.temporary(folder)
            stored = compress(lines(), "zstd", _LEVEL, blob, self._progress)
        except OSError as error:
            raise DestinationError(f"{show(folder)}: cannot be written: {error.strerror}") from error
        descriptor = Descriptor(SCRIPT, stored.digest, stored.size, annotations={DIFF_ID: tar.diff_id})
        return descriptor, Span(blob, 0, stored.size)

    def _digest(self, content: Content) -> Digest:
        """Return the digest of a content, which is read for it once, however many tars have it."""
        digest = self._digests.get(content)
        if digest is None:
            digest = self._digests[content] = digests.of_chunks(content.chunks())
        return digest

    def _contents(self, fresh: Mapping[Digest, Content]) -> tuple[Descriptor, Content]:
        entries = tuple(
            Regular(f"/{digests.encoded(digest)}", 0o644, 0, 0, 0, (), 0, content)
            for digest, content in sorted(fresh.items())
        )
        self._progress.start("contents", sum(entry.content.size for entry in entries), unit="B")
        layer = render(
            LayerSpec("contents", entries), RenderOptions("zstd", _LEVEL, 0, _folder(self._share)), self._progress
        )
        return layer.descriptor, layer.blob

    def _put(self, shipment: Shipment) -> None:
        place = self._share.place
        if place.transport == "docker":
            from assembler.destinations import registry

            by_digest = replace(place, digest=shipment.root.digest)
            registry.write(shipment, by_digest, "", self._share.access, self._progress)
        else:
            from assembler.destinations import layout

            layout.write(shipment, place.path, None, None)


def _folder(share: Share) -> str:
    """Return where temporary files lie, best where they will be in the end."""
    if share.place.transport == "docker":
        import tempfile

        return tempfile.gettempdir()
    path = share.place.path
    return path if os.path.isdir(path) else os.path.dirname(path)


def _artifact(layers: Sequence[tuple[Descriptor, Content]]) -> Shipment:
    config = Descriptor(EMPTY, digests.sha256(EMPTY_DATA), len(EMPTY_DATA))
    manifest = Manifest(2, MANIFEST, ARTIFACT, config, tuple(descriptor for descriptor, _ in layers))
    data = encode(manifest)
    root = Descriptor(MANIFEST, digests.sha256(data), len(data), artifact_type=ARTIFACT)
    blobs = {descriptor.digest: (descriptor, content) for descriptor, content in (*layers, (config, Bytes(EMPTY_DATA)))}
    return Shipment(root, ((root, data),), tuple(blobs.values()))


class Parcel(Struct, frozen=True):
    """A parcel that was found in a share.

    Attributes:
        digest: of its manifest.
        manifest: the manifest.
        blobs: the place that holds it.
    """

    digest: Digest
    manifest: Manifest
    blobs: Blobs

    def contents(self) -> Iterator[bytes]:
        """Yield the tar of the contents that it carries; nothing where it carries none.

        Raises:
            SourceError, ImageError: it cannot be read, or is damaged; what is known only then, after the last piece.
        """
        for layer in self.manifest.layers:
            if layer.media_type == LAYER_ZSTD:
                yield from self._plain(layer)

    def pieces(self, diff_id: Digest) -> Iterator[Piece]:
        """Yield the pieces of a tar.

        Raises:
            SourceError, ImageError: there is no script for it, or it cannot be read, or is damaged.
        """
        for layer in self.manifest.layers:
            if layer.media_type == SCRIPT and (layer.annotations or {}).get(DIFF_ID) == diff_id:
                return self._pieces(layer)
        raise ImageError(f"{self.blobs.name}: parcel {self.digest} has no script for the tar {diff_id}")

    def _pieces(self, layer: Descriptor) -> Iterator[Piece]:
        for line in self._lines(layer):
            try:
                yield _PIECE.decode(line)
            except msgspec.MsgspecError as error:
                raise ImageError(f"{self.blobs.name}: script {layer.digest}: {error}") from error

    def _lines(self, layer: Descriptor) -> Iterator[bytes]:
        rest = b""
        for chunk in self._plain(layer):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            if len(rest) > _MOST:
                raise ImageError(f"{self.blobs.name}: script {layer.digest}: a line of more than {_MOST} bytes")
        if rest:
            raise ImageError(f"{self.blobs.name}: script {layer.digest}: it ends in the middle of a line")

    def _plain(self, layer: Descriptor) -> Iterator[bytes]:
        content = Checked(self.blobs.blob(layer), layer)
        try:
            yield from decompress(content.chunks(), "zstd")
        except DecompressError as error:
            content.check()  # a wrong digest says more than what comes of it
            raise ImageError(f"{self.blobs.name}: blob {layer.digest}: {error}") from error


def open_parcel(share: Share, parcel: Descriptor) -> Parcel:
    """Find a parcel by its digest.

    Raises:
        SourceError: the share is not there, or cannot be read.
        ImageError: the parcel is not there, is damaged, or is something else.
    """
    blobs = _blobs(share, parcel)
    manifest = decode(blobs.manifest(parcel), Manifest, f"manifest {parcel.digest}")
    if manifest.artifact_type != ARTIFACT:
        raise ImageError(f"{blobs.name}: {parcel.digest} is no parcel, but {manifest.artifact_type or 'an image'}")
    return Parcel(parcel.digest, manifest, blobs)


def _blobs(share: Share, parcel: Descriptor) -> Blobs:
    if share.place.transport == "docker":
        from assembler.sources.registry import open_registry

        return open_registry(replace(share.place, digest=parcel.digest), share.access).blobs
    from assembler.sources.layout import LayoutBlobs
    from assembler.sources.store import open_store

    return LayoutBlobs(open_store(share.place.path, folder=True))
