"""Attaching files to an image, such as an SBOM or a signature, and finding what is attached.

files ─▶ Shipment, whose root is an artifact with a subject ─▶ where the image is
image ─▶ Found ─▶ descriptors of what refers to it
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from assembler.base import digest as digests
from assembler.base.content import Bytes, Content, FileContent
from assembler.base.digest import Digest
from assembler.base.errors import SourceError, UsageError
from assembler.base.files import atomic_file, copy_content
from assembler.oci.shipment import Shipment
from assembler.oci.types import EMPTY, EMPTY_DATA, MANIFEST, MANIFEST_TYPES, Descriptor, Manifest, decode, encode
from assembler.sources.blobs import Checked
from assembler.sources.find import find
from assembler.sources.index import choose_image
from assembler.sources.platforms import parse_platform
from assembler.sources.referrers import referrers_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.base.progress import Progress
    from assembler.oci.reference import Reference
    from assembler.remote.access import Access
    from assembler.sources.blobs import Found

TITLE: Final = "org.opencontainers.image.title"
OCTETS: Final = "application/octet-stream"


class Attachment(Struct, frozen=True):
    """What is to be attached.

    Attributes:
        artifact_type: what it is, as a media type.
        files: paths with their media types.
        annotations: of its manifest.
    """

    artifact_type: str
    files: tuple[tuple[str, str], ...]
    annotations: dict[str, str] = {}


class Attached(Struct, frozen=True):
    """An artifact that was attached: its digest, that of its subject, and where it is."""

    digest: Digest
    subject: Digest
    output: str


def attach(
    image: Reference, attachment: Attachment, platform: str | None, access: Access, progress: Progress
) -> Attached:
    """Attach files to an image, or to an index.

    Args:
        image: what they are about.
        attachment: the files.
        platform: whose image of an index they are about; None for the index itself.
        access: the way to registries.
        progress: told of what is sent.

    Raises:
        BrasmError: any of the tree; nothing half-written is left.
    """
    if image.transport not in {"docker", "oci"}:
        raise UsageError(f"{image}: nothing can be attached there", hint="docker://HOST/NAME:TAG or oci:DIR:TAG")
    subject = _subject(find(image, ".", access), platform)
    shipment = artifact(attachment, subject)
    if image.transport == "docker":
        from assembler.destinations import registry

        place = replace(image, tag=None, digest=shipment.root.digest)
        output = registry.write(shipment, place, "", access, progress).reference
    else:
        from assembler.destinations import layout

        output = layout.write(shipment, image.path, None, None).reference
    return Attached(shipment.root.digest, subject.digest, output)


def artifact(attachment: Attachment, subject: Descriptor) -> Shipment:
    """Return an artifact (image-spec v1.1, manifest.md, "Guidelines for Artifact Usage").

    Raises:
        SourceError: a file cannot be read.
    """
    pairs = [_file(path, media_type) for path, media_type in attachment.files]
    config = Descriptor(EMPTY, digests.sha256(EMPTY_DATA), len(EMPTY_DATA))
    manifest = Manifest(
        schema_version=2,
        media_type=MANIFEST,
        artifact_type=attachment.artifact_type,
        config=config,
        layers=tuple(descriptor for descriptor, _ in pairs),
        subject=Descriptor(subject.media_type, subject.digest, subject.size),
        annotations=dict(sorted(attachment.annotations.items())) or None,
    )
    data = encode(manifest)
    root = Descriptor(MANIFEST, digests.sha256(data), len(data), artifact_type=attachment.artifact_type)
    blobs = {descriptor.digest: (descriptor, content) for descriptor, content in (*pairs, (config, Bytes(EMPTY_DATA)))}
    return Shipment(root, ((root, data),), tuple(blobs.values()))


def find_referrers(
    image: Reference, artifact_type: str | None, platform: str | None, access: Access
) -> tuple[Digest, list[Descriptor]]:
    """Return the digest of an image or index, and what refers to it.

    Raises:
        SourceError, ImageError: it is not there, or cannot be read.
        UsageError: nothing can be attached to it where it lies.
    """
    found = find(image, ".", access)
    subject = _subject(found, platform)
    return subject.digest, referrers_of(found, subject.digest, artifact_type)


def save(image: Reference, referrers: Sequence[Descriptor], folder: str, access: Access) -> list[str]:
    """Write the files of artifacts to a folder, by their titles; return their paths.

    Raises:
        SourceError, ImageError: one cannot be read, or is damaged.
        DestinationError: it cannot be written.
    """
    found, written = find(image, ".", access), []
    for referrer in referrers:
        if referrer.media_type not in MANIFEST_TYPES:
            continue  # an index of artifacts has no files of its own
        manifest = decode(found.blobs.manifest(referrer), Manifest, f"manifest {referrer.digest}")
        for layer in manifest.layers:
            path = os.path.join(folder, _name(layer.annotations or {}, layer.digest))
            with atomic_file(path) as descriptor:
                copy_content(Checked(found.blobs.blob(layer), layer), descriptor)
            written.append(path)
    return written


def _subject(found: Found, platform: str | None) -> Descriptor:
    if platform is None and len({root.digest for root in found.roots}) == 1:
        return found.roots[0]
    return choose_image(found, None if platform is None else parse_platform(platform)).descriptor


def _file(path: str, media_type: str) -> tuple[Descriptor, Content]:
    name = os.path.basename(os.path.abspath(path))
    try:
        status = os.stat(path)
        content = FileContent.of(os.fsencode(os.path.realpath(path)), status)
        digest = digests.of_chunks(content.chunks())
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    return Descriptor(media_type, digest, content.size, annotations={TITLE: name}), content


def _name(annotations: Mapping[str, str], digest: Digest) -> str:
    """Return a file's name: its title, if that is one and stays in the folder."""
    title = annotations.get(TITLE, "")
    return title if title and title not in {".", ".."} and not {"/", "\0"} & set(title) else digest.replace(":", "-")
