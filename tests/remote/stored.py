"""What a registry holds, in memory and open to the tests: repositories, their blobs, manifests, tags and uploads."""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from assembler.base import digest as digests
from assembler.oci.types import CONFIG, INDEX, LAYER, MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Document = dict[str, Any]
"""A manifest's or an index's JSON, as its sender wrote it."""

_FOREIGN: Final = ("nondistributable", "foreign")
"""Layers of such media types are not pushed (image-spec, layer.md)."""


class StoredManifest(Struct, frozen=True):
    """A manifest or an index: its bytes, and the media type under which it was pushed."""

    media_type: str
    data: bytes

    @property
    def document(self) -> Document:
        """Its JSON; empty where it is none (a lenient registry takes anything)."""
        try:
            read = json.loads(self.data)
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}


class Upload:
    """An upload session. `states` are those that Locations bore; `short` is set once a chunk was below the minimum."""

    def __init__(self) -> None:
        self.id = str(uuid.uuid4())
        self.data = bytearray()
        self.states: set[str] = set()
        self.short = False
        self.lock = threading.Lock()

    def new_state(self) -> str:
        """Return a state for the next Location."""
        state = f"{len(self.states)}.{len(self.data)}"
        self.states.add(state)
        return state


class Repository:
    """One repository. All four are keyed by what a URL names: digest, digest, tag, session."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, StoredManifest] = {}
        self.tags: dict[str, str] = {}
        self.uploads: dict[str, Upload] = {}

    def add_blob(self, data: bytes) -> Document:
        """Store a blob and return its descriptor, without a media type."""
        digest = digests.sha256(data)
        self.blobs[digest] = data
        return {"digest": str(digest), "size": len(data)}

    def add_manifest(self, document: Document, *tags: str) -> Document:
        """Store a manifest or an index under tags, and return its descriptor."""
        data = json.dumps(document).encode()
        digest = digests.sha256(data)
        self.manifests[digest] = StoredManifest(document["mediaType"], data)
        self.tags.update(dict.fromkeys(tags, str(digest)))
        return {"mediaType": document["mediaType"], "digest": str(digest), "size": len(data)}

    def add_image(self, *tags: str, layers: Sequence[bytes] = (b"layer",), **fields: Any) -> Document:
        """Store an image of these layers (not tars: their bytes as they are), and return its manifest's descriptor.

        `fields` are set in the manifest, in place of its own: `subject`, `artifactType`, `annotations`, …
        """
        diff_ids = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
        config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, **self.add_blob(json.dumps(config).encode())},
            "layers": [{"mediaType": LAYER, **self.add_blob(layer)} for layer in layers],
        }
        return self.add_manifest({**document, **fields}, *tags)

    def add_index(self, *tags: str, manifests: Sequence[Document], **fields: Any) -> Document:
        """Store an index of these descriptors, and return its own."""
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests)}
        return self.add_manifest({**document, **fields}, *tags)

    def problems(self, document: Document) -> Iterator[tuple[str, str]]:
        """Yield what a manifest or an index names and is not there as it says: its digest, and what is wrong."""
        for descriptor in [document.get("config"), *(document.get("layers") or ())]:
            if descriptor and not any(word in descriptor.get("mediaType", "") for word in _FOREIGN):
                yield from _problem("blob", descriptor, self.blobs)
        stored = {digest: manifest.data for digest, manifest in self.manifests.items()}
        for descriptor in document.get("manifests") or ():
            yield from _problem("manifest", descriptor, stored)

    def dangling(self) -> Iterator[str]:
        """Yield each tag and manifest that points to what is not there; a subject may be absent (distribution-spec)."""
        for tag, digest in self.tags.items():
            if digest not in self.manifests:
                yield f"tag {tag}: no manifest {digest}"
        for digest, manifest in self.manifests.items():
            for _, problem in self.problems(manifest.document):
                yield f"manifest {digest}: {problem}"

    def referrers(self, subject: str) -> list[Document]:
        """Return the descriptors of what refers to a manifest (distribution-spec, "Listing Referrers")."""
        return [
            _referrer(digest, manifest)
            for digest, manifest in sorted(self.manifests.items())
            if (manifest.document.get("subject") or {}).get("digest") == subject
        ]


def _problem(kind: str, descriptor: Document, stored: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    digest = descriptor.get("digest", "")
    if digest not in stored:
        yield digest, f"no {kind} {digest}"
    elif len(stored[digest]) != descriptor.get("size"):
        yield digest, f"{kind} {digest} has {len(stored[digest])} bytes, not {descriptor['size']}"


def _referrer(digest: str, manifest: StoredManifest) -> Document:
    document = manifest.document
    artifact_type = document.get("artifactType") or (document.get("config") or {}).get("mediaType")
    more = {"artifactType": artifact_type, "annotations": document.get("annotations")}
    described = {"mediaType": manifest.media_type, "digest": digest, "size": len(manifest.data)}
    return {**described, **{key: value for key, value in more.items() if value}}
