"""Image layouts: a folder of blobs and an index, made new or added to.

In: a shipment. Out: the folder with it under its tag; what else is there stays, and so does what others wrote
into `index.json` that brasm does not know. The folder itself is locked (flock(2) on its descriptor), so that two
that add to it at once both succeed; the index is replaced last, so that a reader sees all of an image or nothing.
Source: image-spec v1.1 image-layout.md, image-index.md.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Any, Final

import msgspec

from assembler.base.content import Bytes, Content, Span, Tapped
from assembler.base.errors import DestinationError
from assembler.base.files import (
    atomic_file,
    copy_content,
    destination_errors,
    remove_unfinished,
    sync_folder,
    take_over,
    write_all,
)
from assembler.base.paths import show
from assembler.base.threads import each
from assembler.destinations.archive import OCI_LAYOUT, blob_path, folders
from assembler.destinations.written import Written, named
from assembler.oci.types import INDEX, REF_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

    from assembler.base.digest import Digest
    from assembler.oci.shipment import Shipment
    from assembler.oci.types import Descriptor

_NOT_A_LAYOUT: Final = "name a new or empty folder, or one that holds an image layout"
_PARALLEL: Final = 4
"""Blobs that are written at a time: one is hashed while another comes over the network or goes to the disk."""

_NEW_INDEX: Final = b'{"schemaVersion":2,"mediaType":"%b","manifests":[]}' % INDEX.encode()


def write(shipment: Shipment, path: str, name: str | None, tag: str | None) -> Written:
    """Add an image or index to a layout, in place of the one that has its tag; without a tag, once.

    Raises:
        SourceError, ImageError: a blob cannot be read, or is damaged.
        DestinationError: the folder holds something else, or cannot be written.
    """
    with destination_errors(path), _locked(path):
        _check(path)
        index = _read_index(path)
        _put_descriptor(index, msgspec.to_builtins(named(shipment.root, name, tag)))
        new = msgspec.json.encode(index)
        with _undone_unless_committed(path, new) as created:
            _fill(shipment, path, created)
            with atomic_file(os.path.join(path, "index.json")) as descriptor:
                copy_content(Bytes(new), descriptor)
    note = f"{path}: podman reads {path.lower()!r} in its place: it wants oci: paths in lower case"
    return Written(f"oci:{path}" + (f":{tag}" if tag is not None else ""), (note,) if path != path.lower() else ())


def check(path: str) -> None:
    """Make sure that a folder is an image layout or empty, or not there yet.

    What seems to be something else may be a layout that another process begins: whoever does holds the lock, and is
    waited for.

    Raises:
        DestinationError: it is something else.
    """
    try:
        _check(path)
    except DestinationError:
        if not os.path.isdir(path):
            raise
        with destination_errors(path), _locked(path):
            _check(path)


def _check(path: str) -> None:
    with destination_errors(path):
        if not os.path.lexists(path):
            return
        if not os.path.isdir(path):
            raise DestinationError(f"{show(path)}: not a folder", hint=_NOT_A_LAYOUT)
        marker = os.path.join(path, "oci-layout")
        if os.path.exists(marker):
            _check_version(marker)
        elif os.listdir(path):
            raise DestinationError(f"{show(path)}: not an image layout, and not empty", hint=_NOT_A_LAYOUT)


def _check_version(marker: str) -> None:
    document = _read_json(marker)
    version = document.get("imageLayoutVersion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise DestinationError(f"{show(marker)}: imageLayoutVersion is {version!r}: brasm writes 1.0.0")


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Hold the folder alone; it is made where it is missing, and gone again on failure if nothing came into it."""
    missing = not os.path.exists(path)
    try:
        descriptor = _lock(path)
        try:
            yield
        finally:
            os.close(descriptor)
    except BaseException:
        if missing:
            with contextlib.suppress(OSError):
                os.rmdir(path)
        raise


def _lock(path: str) -> int:
    """Return a locked descriptor; who waited looks again whether the folder is still the one of that name."""
    while True:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_still(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_still(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _undone_unless_committed(path: str, index: bytes) -> Iterator[list[str]]:
    """Give a list of paths about to be made; on failure they go again, unless the index that needs them is there."""
    created: list[str] = []
    try:
        yield created
    except BaseException:
        if _read(os.path.join(path, "index.json")) != index:
            for one in reversed(created):
                remove_unfinished(one)  # a thread that waits for a registry cannot be made to do it
                with contextlib.suppress(OSError):
                    (os.rmdir if os.path.isdir(one) else os.unlink)(one)
        raise


def _fill(shipment: Shipment, path: str, created: list[str]) -> None:
    """Write all but the index. The marker first: whatever ends the process, the folder is a layout."""
    marker = os.path.join(path, "oci-layout")
    if not os.path.exists(marker):
        created.append(marker)
        with atomic_file(marker) as descriptor:
            write_all(descriptor, OCI_LAYOUT)
    for folder in folders(one.digest for one, _ in (*shipment.documents, *shipment.blobs)):
        at = os.path.join(path, folder)
        if not os.path.isdir(at):
            created.append(at)
            os.mkdir(at)
    documents = [(descriptor, Bytes(data)) for descriptor, data in shipment.documents]

    def write_blob(blob: tuple[Descriptor, Content], given_up: Event) -> None:
        def tap(_: int) -> None:
            if given_up.is_set():
                raise DestinationError("another blob could not be written")  # ends this thread, and no more

        _write_blob(path, blob[0].digest, Tapped(blob[1], tap), created)

    each((*shipment.blobs, *documents), write_blob, _PARALLEL)
    for folder in folders(descriptor.digest for descriptor, _ in (*shipment.documents, *shipment.blobs)):
        sync_folder(os.path.join(path, folder))


def _write_blob(path: str, digest: Digest, content: Tapped, created: list[str]) -> None:
    """Write a blob unless it is there in its right size: its name is its digest, and it was written whole."""
    at = os.path.join(path, blob_path(digest))
    with contextlib.suppress(FileNotFoundError):
        if os.stat(at).st_size == content.size:
            return
    if not os.path.lexists(at):
        created.append(at)
    if take_over(content.content, at, sync=False):
        return
    with atomic_file(at, sync=False) as descriptor:
        copy_content(content.content if isinstance(content.content, Span) else content, descriptor)


def _put_descriptor(index: dict[str, Any], descriptor: dict[str, Any]) -> None:
    """Put a descriptor where the one of the same tag stood, or without a tag the same one, else at the end."""
    tag, manifests = _tag(descriptor), index["manifests"]
    places = [
        place
        for place, each in enumerate(manifests)
        if _tag(each) == tag and (tag is not None or each.get("digest") == descriptor["digest"])
    ]
    for place in reversed(places[1:]):
        del manifests[place]
    manifests[slice(places[0], places[0] + 1) if places else slice(len(manifests), None)] = [descriptor]


def _tag(descriptor: dict[str, Any]) -> str | None:
    return (descriptor.get("annotations") or {}).get(REF_NAME)


def _read_index(path: str) -> dict[str, Any]:
    """Return the index as it stands, every field of it; a new one where there is none."""
    at = os.path.join(path, "index.json")
    if not os.path.lexists(at):
        new: dict[str, Any] = msgspec.json.decode(_NEW_INDEX)
        return new
    index = _read_json(at)
    kind, manifests = index.setdefault("mediaType", INDEX), index.get("manifests")
    if index.get("schemaVersion") != 2 or kind != INDEX:
        raise DestinationError(f"{show(at)}: not an image index: its mediaType is {kind!r}")
    if manifests is None:
        index["manifests"] = manifests = []
    if not isinstance(manifests, list) or not all(_is_descriptor(each) for each in manifests):
        raise DestinationError(f"{show(at)}: manifests: not a list of descriptors")
    return index


def _is_descriptor(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("annotations"), dict | None)


def _read_json(path: str) -> dict[str, Any]:
    with open(path, "rb") as file:
        data = file.read()
    try:
        document: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DestinationError(f"{show(path)}: {error}", hint="the layout is damaged: write to a new folder") from error
    return document


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None
