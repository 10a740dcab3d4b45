"""The documents of image-spec v1.1, field for field, and their canonical JSON.

Fields stand in the order in which the spec declares them; that is the order in which they are written. Unknown
fields of documents that others wrote are ignored, as the spec asks ("Extensibility").
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from assembler.base.digest import Digest
from assembler.base.errors import ImageError

INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP: Final = LAYER + "+gzip"
LAYER_ZSTD: Final = LAYER + "+zstd"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP: Final = DOCKER_LAYER + ".gzip"

_NONDISTRIBUTABLE: Final = "application/vnd.oci.image.layer.nondistributable.v1.tar"

INDEX_TYPES: Final = frozenset({INDEX, DOCKER_LIST})
MANIFEST_TYPES: Final = frozenset({MANIFEST, DOCKER_MANIFEST})
CONFIG_TYPES: Final = frozenset({CONFIG, DOCKER_CONFIG})
LAYER_FORMATS: Final[Mapping[str, Literal["none", "gzip", "zstd"]]] = {
    LAYER: "none",
    LAYER_GZIP: "gzip",
    LAYER_ZSTD: "zstd",
    DOCKER_LAYER: "none",
    DOCKER_LAYER_GZIP: "gzip",
    _NONDISTRIBUTABLE: "none",
    _NONDISTRIBUTABLE + "+gzip": "gzip",
    _NONDISTRIBUTABLE + "+zstd": "zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": "gzip",
}
"""How the layers of each media type that can be read are compressed."""

EMPTY: Final = "application/vnd.oci.empty.v1+json"
EMPTY_DATA: Final = b"{}"
"""What stands where an artifact has nothing to say (manifest.md, "Guidance for an Empty Descriptor")."""

MAX_DOCUMENT: Final = 1 << 26
"""Bytes of a JSON document that are read; registries take 4 MiB (distribution-spec, "Pushing Manifests")."""

REF_NAME: Final = "org.opencontainers.image.ref.name"
CONTAINERD_NAME: Final = "io.containerd.image.name"

Annotations = dict[str, str]
Document = TypeVar("Document", bound=Struct)


class Platform(Struct, frozen=True, omit_defaults=True, rename={"os_version": "os.version"}):
    """`image-index.md`, property `platform`."""

    architecture: str
    os: str
    os_version: str | None = None
    variant: str | None = None

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


class Descriptor(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """`descriptor.md`. `size` is that of the blob as stored, in bytes."""

    media_type: str
    digest: Digest
    size: int
    annotations: Annotations | None = None
    platform: Platform | None = None
    artifact_type: str | None = None


class Manifest(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """`manifest.md`."""

    schema_version: int
    media_type: str | None = None
    artifact_type: str | None = None
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    annotations: Annotations | None = None


class Index(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """`image-index.md`; also the `index.json` of a layout."""

    schema_version: int
    media_type: str | None = None
    artifact_type: str | None = None
    manifests: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    annotations: Annotations | None = None


class Healthcheck(Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """Docker's extension of the config; times in nanoseconds. OCI runtimes ignore it."""

    test: tuple[str, ...]
    interval: int | None = None
    timeout: int | None = None
    start_period: int | None = None
    retries: int | None = None


class ContainerConfig(Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """`config.md`, property `config`: what a container starts with."""

    user: str | None = None
    exposed_ports: dict[str, dict[str, str]] | None = None
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: dict[str, dict[str, str]] | None = None
    working_dir: str | None = None
    labels: dict[str, str] | None = None
    stop_signal: str | None = None
    healthcheck: Healthcheck | None = None


class RootFS(Struct, frozen=True):
    """`config.md`, property `rootfs`."""

    type: str
    diff_ids: tuple[Digest, ...]


class History(Struct, frozen=True, omit_defaults=True):
    """`config.md`, property `history`."""

    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool = False


class ImageConfig(Struct, frozen=True, omit_defaults=True, rename={"os_version": "os.version"}):
    """`config.md`."""

    architecture: str
    os: str
    created: str | None = None
    author: str | None = None
    os_version: str | None = None
    variant: str | None = None
    config: ContainerConfig | None = None
    rootfs: RootFS = RootFS("layers", ())
    history: tuple[History, ...] = ()


def encode(document: Struct) -> bytes:
    """Write a document canonically: declared field order, sorted maps, no white space, UTF-8."""
    return msgspec.json.encode(document, order="deterministic")


def decode(data: bytes, kind: type[Document], what: str) -> Document:
    """Read a document.

    Args:
        data: its JSON.
        kind: what it must be.
        what: how an error calls it, for example `index.json` or its digest.

    Raises:
        ImageError: it is not JSON or not of that form; the message has the path of the field.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ImageError(f"{what}: {error}") from error
