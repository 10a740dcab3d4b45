"""The endpoints of distribution-spec v1.1 on repositories in memory; who may ask is not their affair."""

from __future__ import annotations

import hashlib
import re
import threading
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from assembler.base import digest as digests
from assembler.oci.types import INDEX
from tests.remote.messages import Answer
from tests.remote.routes import NAME, TAG, VERSION_HEADER, Refusal, document, error, find
from tests.remote.stored import Repository, StoredManifest
from tests.remote.uploads import Options, Uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.remote.messages import Request
    from tests.remote.routes import Kind, Route
    from tests.remote.serving import Exchange

    Endpoint = Callable[[Exchange, Route], Answer]

_RANGE: Final = re.compile(r"bytes=([0-9]*)-([0-9]*)")


class Endpoints:
    """Answers requests; `premature` lists the manifests that came before what they name."""

    def __init__(
        self, options: Options, repositories: dict[str, Repository], may_mount: Callable[[Request, str], bool]
    ) -> None:
        self._options = options
        self._repositories = repositories
        self._uploads = Uploads(options, repositories, may_mount)
        self._lock = threading.Lock()
        self.premature: list[str] = []
        self._table: Mapping[tuple[Kind, str], Endpoint] = {
            ("base", "GET"): lambda _exchange, _route: document(200, {}),
            ("uploads", "POST"): self._uploads.begin,
            ("upload", "GET"): self._uploads.status,
            ("upload", "PATCH"): self._uploads.chunk,
            ("upload", "PUT"): self._uploads.close,
            ("upload", "DELETE"): self._uploads.cancel,
            ("blob", "GET"): self._blob,
            ("blob", "DELETE"): self._delete_blob,
            ("manifest", "GET"): self._manifest,
            ("manifest", "PUT"): self._put_manifest,
            ("manifest", "DELETE"): self._delete_manifest,
            ("tags", "GET"): self._tags,
            ("referrers", "GET"): self._referrers,
        }

    def respond(self, exchange: Exchange) -> Answer:
        """Answer a request as the spec says."""
        try:
            answer = self._respond(exchange)
        except Refusal as refusal:
            answer = refusal.answer
        return answer.with_headers(dict([VERSION_HEADER]))

    def _respond(self, exchange: Exchange) -> Answer:
        route = find(exchange.request.path)
        if route is None:
            return Answer(404, body=b"404 page not found\n")
        if route.name and not NAME.fullmatch(route.name):
            raise Refusal(400, "NAME_INVALID")
        method = exchange.request.method
        endpoint = self._table.get((route.kind, "GET" if method == "HEAD" else method))
        if endpoint is None:
            raise Refusal(405, "UNSUPPORTED")
        return endpoint(exchange, route)

    def _blob(self, exchange: Exchange, route: Route) -> Answer:
        data = self._known(route).blobs.get(route.reference)
        if data is None:
            raise Refusal(404, "BLOB_UNKNOWN", f"no blob {route.reference}")
        headers = {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": route.reference,
            "ETag": f'"{route.reference}"',
        }
        if not self._options.ranges:
            return Answer(200, tuple(headers.items()), data)
        headers["Accept-Ranges"] = "bytes"
        return _part(exchange.request, Answer(200, tuple(headers.items()), data))

    def _delete_blob(self, exchange: Exchange, route: Route) -> Answer:
        del exchange
        self._check_deletes()
        if self._known(route).blobs.pop(route.reference, None) is None:
            raise Refusal(404, "BLOB_UNKNOWN")
        return Answer(202)

    def _manifest(self, exchange: Exchange, route: Route) -> Answer:
        with self._lock:
            digest, manifest = self._stored(route)
        accepted = ",".join(exchange.request.headers.get_all("Accept", []))
        if not _accepts(accepted, manifest.media_type):
            raise Refusal(404, "MANIFEST_UNKNOWN", f"{manifest.media_type} found, which is not accepted")
        headers = {
            "Content-Type": manifest.media_type,
            "Docker-Content-Digest": digest,
            "ETag": f'"{digest}"',
        }
        return Answer(200, tuple(headers.items()), manifest.data)

    def _put_manifest(self, exchange: Exchange, route: Route) -> Answer:
        limit = self._options.manifest_limit
        data = b"".join(exchange.body.chunks(limit + 1))
        if len(data) > limit:
            raise Refusal(413, "SIZE_INVALID", f"a manifest has at most {limit} bytes")
        media_type = exchange.request.headers.get("Content-Type", "").partition(";")[0].strip()
        manifest = StoredManifest(media_type, data)
        repository = self._repositories.setdefault(route.name, Repository())
        with self._lock:
            digest = _digest_of(route.reference, data)
            self._check_condition(exchange, repository, route)
            self._check_manifest(repository, route, manifest)
            repository.manifests[digest] = manifest
            if not digests.is_valid(route.reference):
                repository.tags[route.reference] = digest
        headers = {
            "Location": self._uploads.location(exchange, f"/v2/{route.name}/manifests/{digest}"),
            "Docker-Content-Digest": digest,
        }
        if self._options.referrers and (subject := manifest.document.get("subject")):
            headers["OCI-Subject"] = subject["digest"]
        return Answer(201, tuple(headers.items()))

    def _check_condition(self, exchange: Exchange, repository: Repository, route: Route) -> None:
        """Honour `If-Match` and `If-None-Match: *` (RFC 9110, 13.1), which guard a referrers tag from other writers."""
        tag = repository.tags.get(route.reference)
        wanted, unwanted = (exchange.request.headers.get(name) for name in ("If-Match", "If-None-Match"))
        if (wanted and wanted != f'"{tag}"') or (unwanted == "*" and tag):
            raise Refusal(412, "DENIED", "the tag has changed")

    def _check_manifest(self, repository: Repository, route: Route, manifest: StoredManifest) -> None:
        said = manifest.document.get("mediaType")
        if not self._options.lenient and (not manifest.document or said not in {None, manifest.media_type}):
            raise Refusal(400, "MANIFEST_INVALID", f"mediaType {said}, Content-Type {manifest.media_type}")
        problems = list(repository.problems(manifest.document))
        if problems:
            self.premature.append(f"{route.name}:{route.reference}: {problems[0][1]}")
        if problems and not self._options.lenient:
            raise Refusal(400, "MANIFEST_BLOB_UNKNOWN", problems[0][1])

    def _delete_manifest(self, exchange: Exchange, route: Route) -> Answer:
        del exchange
        self._check_deletes()
        with self._lock:
            digest, _ = self._stored(route)
            repository = self._repositories[route.name]
            if not digests.is_valid(route.reference):
                del repository.tags[route.reference]
                return Answer(202)
            del repository.manifests[digest]
            for tag in [tag for tag, tagged in repository.tags.items() if tagged == digest]:
                del repository.tags[tag]
        return Answer(202)

    def _tags(self, exchange: Exchange, route: Route) -> Answer:
        query = exchange.request.query
        tags = sorted(self._known(route).tags, key=_lexical)
        if "last" in query:
            tags = [tag for tag in tags if _lexical(tag) > _lexical(query["last"])]
        asked = int(query["n"]) if query.get("n", "").isdecimal() else len(tags)
        shown = tags[: min(asked, self._options.page or asked)]
        answer = document(200, {"name": route.name, "tags": shown})
        if not shown or len(shown) == len(tags):
            return answer
        more = {"last": shown[-1], **({"n": query["n"]} if "n" in query else {})}
        return answer.with_headers(_next_page(exchange, more))

    def _referrers(self, exchange: Exchange, route: Route) -> Answer:
        if not self._options.referrers:
            return Answer(404, body=b"404 page not found\n")
        if not digests.is_valid(route.reference):
            raise Refusal(400, "DIGEST_INVALID")
        query = exchange.request.query
        with self._lock:
            found = self._repositories.get(route.name, Repository()).referrers(route.reference)
        if wanted := query.get("artifactType"):
            found = [one for one in found if one.get("artifactType") == wanted]
        first = int(query.get("from", 0))
        shown = found[first : first + (self._options.page or len(found))]
        answer = document(200, {"schemaVersion": 2, "mediaType": INDEX, "manifests": shown}, {"Content-Type": INDEX})
        if wanted:
            answer = answer.with_headers({"OCI-Filters-Applied": "artifactType"})
        if first + len(shown) == len(found):
            return answer
        return answer.with_headers(_next_page(exchange, {**query, "from": str(first + len(shown))}))

    def _known(self, route: Route) -> Repository:
        if route.name not in self._repositories:
            raise Refusal(404, "NAME_UNKNOWN", f"no repository {route.name}")
        return self._repositories[route.name]

    def _stored(self, route: Route) -> tuple[str, StoredManifest]:
        repository = self._known(route)
        digest = repository.tags.get(route.reference, route.reference)
        if digest not in repository.manifests:
            raise Refusal(404, "MANIFEST_UNKNOWN", f"no manifest {route.reference}")
        return digest, repository.manifests[digest]

    def _check_deletes(self) -> None:
        if not self._options.deletes:
            raise Refusal(405, "UNSUPPORTED")


def _lexical(tag: str) -> tuple[str, str]:
    """Order as the spec does: "case-insensitive alphanumeric"."""
    return tag.lower(), tag


def _next_page(exchange: Exchange, query: Mapping[str, str]) -> dict[str, str]:
    return {"Link": f'<{exchange.request.path}?{urlencode(query)}>; rel="next"'}


def _accepts(accepted: str, media_type: str) -> bool:
    ranges = {part.partition(";")[0].strip() for part in accepted.split(",")} - {""}
    return not ranges or bool(ranges & {"*/*", media_type.partition("/")[0] + "/*", media_type})


def _digest_of(reference: str, data: bytes) -> str:
    """Return the digest under which a manifest is stored: that of its URL, or its own where the URL has a tag."""
    if not digests.is_valid(reference):
        if not TAG.fullmatch(reference):
            raise Refusal(400, "MANIFEST_INVALID", f"neither a tag nor a digest: {reference!r}")
        return digests.sha256(data)
    digest = digests.Digest(reference)
    if hashlib.new(digests.algorithm(digest), data).hexdigest() != digests.encoded(digest):
        raise Refusal(400, "DIGEST_INVALID")
    return digest


def _part(request: Request, whole: Answer) -> Answer:
    """Answer with the range that was asked for (RFC 9110, 14); what is malformed is ignored, as it says."""
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    fresh = request.headers.get("If-Range", whole.header("ETag")) == whole.header("ETag")
    if match is None or not (match[1] or match[2]) or not fresh or request.method == "HEAD":
        return whole
    size = len(whole.body)
    first = int(match[1]) if match[1] else max(0, size - int(match[2]))
    last = min(int(match[2]), size - 1) if match[1] and match[2] else size - 1
    if first >= size or last < first:
        return error(416, "RANGE_INVALID", "", {"Content-Range": f"bytes */{size}"})
    place = {"Content-Range": f"bytes {first}-{last}/{size}"}
    return Answer(206, whole.headers, whole.body[first : last + 1]).with_headers(place)
