"""Uploading blobs (distribution-spec v1.1, "Pushing blobs"): sessions, chunks, single POST, mounts."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base import digest as digests
from tests.remote.messages import Answer, HangUp
from tests.remote.routes import Refusal
from tests.remote.stored import Repository, Upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.remote.messages import Request
    from tests.remote.routes import Route
    from tests.remote.serving import Exchange

_CONTENT_RANGE: Final = re.compile(r"(?:bytes )?([0-9]+)-([0-9]+)(?:/.*)?")


class Options(Struct, frozen=True, kw_only=True):
    """How a registry is, where the spec leaves it a choice.

    Attributes:
        referrers: whether it has the referrers API and answers `OCI-Subject`.
        lenient: manifests are taken though what they name is not there (or they are no JSON).
        deletes: whether manifests, tags and blobs can be deleted; else 405.
        mounts: whether blobs are mounted; else a session begins.
        single_post: whether `POST ?digest=` takes the blob; else a session begins.
        ranges: whether blobs are served in part.
        keeps_partial: whether an upload keeps what came of a request whose client left.
        relative: whether a Location is a path only.
        chunk_min: `OCI-Chunk-Min-Length`, in bytes.
        page: the most tags or referrers in one answer; None for all.
        manifest_limit: the longest manifest taken, in bytes.
    """

    referrers: bool = True
    lenient: bool = False
    deletes: bool = True
    mounts: bool = True
    single_post: bool = True
    ranges: bool = True
    keeps_partial: bool = True
    relative: bool = False
    chunk_min: int | None = None
    page: int | None = None
    manifest_limit: int = 4 << 20


class Uploads:
    """The endpoints under `/v2/NAME/blobs/uploads/`."""

    def __init__(
        self, options: Options, repositories: dict[str, Repository], may_mount: Callable[[Request, str], bool]
    ) -> None:
        self._options = options
        self._repositories = repositories
        self._may_mount = may_mount

    def begin(self, exchange: Exchange, route: Route) -> Answer:
        """POST: mount, take the whole blob, or begin a session."""
        query = exchange.request.query
        repository = self._repositories.setdefault(route.name, Repository())
        if "mount" in query and self._mount(exchange, repository):
            return self._stored(exchange, route, query["mount"])
        upload = Upload()
        if "digest" in query and self._options.single_post:
            digest = _wanted_digest(exchange)
            self._append(exchange, upload)
            return self._finish(exchange, route, upload, digest)
        repository.uploads[upload.id] = upload
        minimum = self._options.chunk_min
        answer = self._progress(202, exchange, route, upload)
        return answer.with_headers({"OCI-Chunk-Min-Length": str(minimum)}) if minimum else answer

    def status(self, exchange: Exchange, route: Route) -> Answer:
        """GET: how much there is."""
        return self._progress(204, exchange, route, self._upload(exchange, route))

    def chunk(self, exchange: Exchange, route: Route) -> Answer:
        """PATCH: take a chunk, or a stream without `Content-Range`."""
        upload = self._upload(exchange, route)
        with upload.lock:
            self._check_chunk(exchange, route, upload)
            size = self._append(exchange, upload)
            upload.short |= size < (self._options.chunk_min or 0)
            return self._progress(202, exchange, route, upload)

    def close(self, exchange: Exchange, route: Route) -> Answer:
        """PUT: take the last chunk if there is one, and store the blob."""
        upload = self._upload(exchange, route)
        digest = _wanted_digest(exchange)
        with upload.lock:
            self._check_chunk(exchange, route, upload)
            self._append(exchange, upload)
            if self._repositories[route.name].uploads.pop(upload.id, None) is None:
                raise Refusal(404, "BLOB_UPLOAD_UNKNOWN", "closed by another request meanwhile")
            return self._finish(exchange, route, upload, digest)

    def cancel(self, exchange: Exchange, route: Route) -> Answer:
        """DELETE: give the session up."""
        self._repositories[route.name].uploads.pop(self._upload(exchange, route).id, None)
        return Answer(204)

    def _mount(self, exchange: Exchange, repository: Repository) -> bool:
        digest, source = exchange.request.query["mount"], exchange.request.query.get("from", "")
        found = self._repositories.get(source)
        if not self._options.mounts or not found or digest not in found.blobs:
            return False
        if not self._may_mount(exchange.request, source):
            return False
        repository.blobs[digest] = found.blobs[digest]
        return True

    def _upload(self, exchange: Exchange, route: Route) -> Upload:
        """Find the session; its Location's query belongs to it ("MAY contain critical query parameters")."""
        repository = self._repositories.get(route.name)
        upload = repository.uploads.get(route.reference) if repository else None
        if upload is None:
            raise Refusal(404, "BLOB_UPLOAD_UNKNOWN")
        if exchange.request.query.get("_state") not in upload.states:
            raise Refusal(400, "BLOB_UPLOAD_INVALID", "the query of the Location is missing")
        return upload

    def _check_chunk(self, exchange: Exchange, route: Route, upload: Upload) -> None:
        """Hold a chunk to its place: "Chunks MUST be uploaded in order"."""
        request = exchange.request
        if upload.short and request.declared_size != 0:
            raise Refusal(400, "BLOB_UPLOAD_INVALID", "a chunk before this was below OCI-Chunk-Min-Length")
        if "Content-Range" not in request.headers:
            return
        match = _CONTENT_RANGE.fullmatch(request.headers["Content-Range"])
        if match is None:
            raise Refusal(400, "BLOB_UPLOAD_INVALID", "malformed Content-Range")
        first, last = int(match[1]), int(match[2])
        if first != len(upload.data):
            where = self._progress(416, exchange, route, upload)
            raise Refusal(416, "BLOB_UPLOAD_INVALID", "out of order", dict(where.headers))
        if request.declared_size not in {None, last - first + 1}:
            raise Refusal(400, "SIZE_INVALID", "Content-Range and Content-Length differ")

    def _append(self, exchange: Exchange, upload: Upload) -> int:
        before = len(upload.data)
        try:
            for data in exchange.body.chunks():
                upload.data += data
        except HangUp:
            if not self._options.keeps_partial:
                del upload.data[before:]
            raise
        return len(upload.data) - before

    def _finish(self, exchange: Exchange, route: Route, upload: Upload, digest: digests.Digest) -> Answer:
        data = bytes(upload.data)
        hasher = hashlib.new(digests.algorithm(digest), data)
        if hasher.hexdigest() != digests.encoded(digest):
            raise Refusal(400, "DIGEST_INVALID")
        self._repositories[route.name].blobs[digest] = data
        return self._stored(exchange, route, digest)

    def _stored(self, exchange: Exchange, route: Route, digest: str) -> Answer:
        location = self.location(exchange, f"/v2/{route.name}/blobs/{digest}")
        return Answer(201, (("Location", location), ("Docker-Content-Digest", digest)))

    def _progress(self, status: int, exchange: Exchange, route: Route, upload: Upload) -> Answer:
        path = f"/v2/{route.name}/blobs/uploads/{upload.id}?_state={upload.new_state()}"
        headers = {
            "Location": self.location(exchange, path),
            "Range": f"0-{max(0, len(upload.data) - 1)}",  # 0-0 of an empty upload too, as docker's registry has it
            "Docker-Upload-UUID": upload.id,
        }
        return Answer(status, tuple(headers.items()))

    def location(self, exchange: Exchange, path: str) -> str:
        """Return a path as this registry writes it into a Location."""
        return path if self._options.relative else exchange.base + path


def _wanted_digest(exchange: Exchange) -> digests.Digest:
    digest = exchange.request.query.get("digest", "")
    if not digests.is_valid(digest):
        raise Refusal(400, "DIGEST_INVALID", f"not a digest: {digest!r}")
    return digests.Digest(digest)
