"""A repository of a registry, by the distribution-spec v1.1: an endpoint a method.

In: names and digests. Out: what the registry has. Blobs are pushed by `remote.upload`, in several requests.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from assembler.base import digest as digests
from assembler.base.content import Bytes
from assembler.base.errors import ImageError, RemoteError
from assembler.base.paths import show
from assembler.oci.types import INDEX_TYPES, MANIFEST_TYPES, MAX_DOCUMENT, Descriptor, Index, Manifest, decode
from assembler.remote.client import Client, Settings
from assembler.remote.connection import joined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.base.digest import Digest
    from assembler.remote.access import Access
    from assembler.remote.authorize import Scopes
    from assembler.remote.credentials import Credentials
    from assembler.remote.http import Response

Document = TypeVar("Document", bound=Struct)

_ACCEPT: Final = {"Accept": ", ".join(sorted(INDEX_TYPES | MANIFEST_TYPES, reverse=True))}
_NEXT: Final = re.compile(r'<([^<>]*)>\s*;[^,<]*\brel="?next"?')
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_MOST_PAGES: Final = 10_000
_MOST_LIST: Final = 1 << 28
"""Bytes of all pages of a list together."""
_OK: Final = 200
_NOT_FOUND: Final = 404


class _Tags(Struct, frozen=True):
    tags: tuple[str, ...] | None = None


class Repository:
    """A repository; used by several threads.

    Attributes:
        client: of its registry.
        name: such as `library/alpine`.
    """

    def __init__(self, client: Client, name: str) -> None:
        self.client = client
        self.name = name

    def __str__(self) -> str:
        return f"docker://{self.client.host}/{self.name}"

    def scopes(self, actions: str, mounted: str | None = None) -> Scopes:
        """Return what a request needs: `pull`, `pull,push`, `delete`; and to pull from another repository."""
        needed = {f"repository:{self.name}:{actions}"}
        return frozenset(needed if mounted is None else {*needed, f"repository:{mounted}:pull"})

    def path(self, rest: str) -> str:
        """Return the path of an endpoint."""
        return f"/v2/{self.name}/{rest}"

    def failure(self, response: Response, what: str) -> RemoteError:
        """Return the error of an answer that is not the one hoped for."""
        return self.client.failure(response, f"{self}: {what}")

    def blob_size(self, digest: Digest, actions: str = "pull") -> int | None:
        """Return the size of a blob in bytes, -1 where the registry does not say; None where it is not there.

        Raises:
            RemoteError: the registry does not say.
        """
        response = self.client.call("HEAD", self.path(f"blobs/{digest}"), self.scopes(actions))
        response.close()
        if response.status == _NOT_FOUND:
            return None
        size = response.headers.get("Content-Length", "")
        if response.status != _OK:
            raise self.failure(response, f"blob {digest}")
        return int(size) if _NUMBER.fullmatch(size) else -1

    def open_blob(self, digest: Digest, offset: int = 0) -> Response:
        """Return a blob's bytes from an offset on; status 200 means from its start, whatever was asked.

        Raises:
            RemoteError: it is not there.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        response = self.client.call("GET", self.path(f"blobs/{digest}"), self.scopes("pull"), headers=headers)
        if response.status not in {_OK, 206}:
            raise self.failure(response, f"blob {digest}")
        return response

    def find_manifest(self, reference: str, actions: str = "pull") -> tuple[Descriptor, bytes] | None:
        """Return a manifest or index and its descriptor; None where there is no such tag or digest.

        Raises:
            RemoteError: the registry does not say.
            ImageError: what came is not what was asked for: another digest, no known media type.
        """
        path = self.path(f"manifests/{reference}")
        response = self.client.call("GET", path, self.scopes(actions), headers=_ACCEPT, limit=MAX_DOCUMENT)
        if response.status == _NOT_FOUND:
            response.close()
            return None
        if response.status != _OK:
            raise self.failure(response, f"manifest {reference}")
        data = response.read(MAX_DOCUMENT)
        digest = self._check_digest(reference, data, response.headers.get("Docker-Content-Digest"))
        return Descriptor(_media_type(response, data, f"{self}: manifest {reference}"), digest, len(data)), data

    def manifest(self, reference: str) -> tuple[Descriptor, bytes]:
        """Return a manifest or index that must be there.

        Raises:
            ImageError: it is not.
            RemoteError: the registry does not say.
        """
        found = self.find_manifest(reference)
        if found is None:
            what = "manifest" if digests.is_valid(reference) else "tag"
            raise ImageError(f"{self}: there is no {what} {reference!r}", hint=f"brasm tags {self} lists what there is")
        return found

    def put_manifest(self, reference: str, media_type: str, data: bytes) -> str | None:
        """Put a manifest or index under a tag or its digest; return the subject that the registry took note of.

        Raises:
            RemoteError: it is refused, or taken for another.
        """
        headers = {"Content-Type": media_type}
        response = self.client.call(
            "PUT", self.path(f"manifests/{reference}"), self.scopes("pull,push"), headers=headers, body=Bytes(data)
        )
        if response.status not in {201, 202, _OK}:
            raise self.failure(response, f"manifest {reference}")
        response.close()
        said, digest = response.headers.get("Docker-Content-Digest"), digests.sha256(data)
        if said is not None and said.startswith("sha256:") and said != digest:
            taken = f"and the registry took it for {show(said[:80])}"
            raise RemoteError(f"{self}: manifest {reference} was sent as {digest}, {taken}")
        return response.headers.get("OCI-Subject")

    def delete_manifest(self, reference: str) -> None:
        """Delete a manifest by its digest with all its tags, or where the registry can, a tag alone.

        Raises:
            RemoteError: it is refused, or not there.
        """
        self._delete(f"manifests/{reference}", f"delete manifest {reference}")

    def tags(self) -> list[str]:
        """Return all tags, in the registry's order (lexical, the spec says).

        Raises:
            RemoteError: there is no such repository.
        """
        pages = self.pages(self.path("tags/list"), "tags", _Tags)
        return [tag for page, _ in pages for tag in page.tags or ()]

    def pages(self, path: str, what: str, kind: type[Document]) -> Iterator[tuple[Document, Response]]:
        """Yield the pages of a list (`Link`, RFC 8288), each with its answer.

        Raises:
            RemoteError: one cannot be had, or there is no end to them.
        """
        seen: set[str] = set()
        left = _MOST_LIST
        while path not in seen:  # some name the last page as the one after it
            seen.add(path)
            response = self.client.call("GET", path, self.scopes("pull"), limit=MAX_DOCUMENT)
            if response.status != _OK:
                raise self.failure(response, what)
            data = response.read(MAX_DOCUMENT)
            left -= len(data)
            if left < 0 or len(seen) > _MOST_PAGES:
                raise RemoteError(f"{self}: {what}: the registry's list does not end")
            try:
                page = msgspec.json.decode(data, type=kind)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise RemoteError(f"{self}: {what}: the registry's answer cannot be read: {error}") from error
            yield page, response
            following = _NEXT.search(", ".join(response.headers.get_all("Link", [])))
            if following is None:
                return
            path = _path_of(joined(response.request.url, following[1]))

    def _delete(self, rest: str, what: str) -> None:
        response = self.client.call("DELETE", self.path(rest), self.scopes("delete"))
        if response.status in {400, 405}:
            error = self.failure(response, what)
            raise RemoteError(error.message, status=error.status, hint="this registry is set up not to delete")
        gone = response.status == _NOT_FOUND and response.attempt  # an earlier attempt's answer was lost
        if response.status not in {202, 204, _OK} and not gone:
            raise self.failure(response, what)
        response.close()

    def _check_digest(self, reference: str, data: bytes, said: str | None) -> Digest:
        """Return the digest of a manifest: as asked for, else by sha256, which the registry must not contradict."""
        wanted = reference if digests.is_valid(reference) else said if said and digests.is_valid(said) else None
        algorithm = wanted.partition(":")[0] if wanted else "sha256"
        digest = digests.of_chunks([data], algorithm)
        if wanted is not None and digest != wanted:
            raise ImageError(f"{self}: manifest {reference} has the digest {digest}, not {wanted}: it is damaged")
        return digest


def open_repository(host: str, name: str, access: Access, settings: Settings | None = None) -> Repository:
    """Reach a repository; nothing is asked of it yet, unless TLS or not must be found out.

    Raises:
        RemoteError: the host's name cannot be one.
    """
    return Repository(Client(host, settings or Settings(access), name), name)


def check_login(host: str, credentials: Credentials, access: Access) -> None:
    """See whether a registry takes credentials.

    Raises:
        RemoteError: it does not, or cannot be reached.
    """
    client = Client(host, Settings(access), credentials=credentials)
    response = client.call("GET", "/v2/")
    if response.status != _OK:
        hint = "is this a registry?" if response.status == _NOT_FOUND else None
        raise client.failure(response, f"docker://{host}: login", hint)
    response.close()


def _path_of(url: str) -> str:
    """Return path and query of a URL: the next page is of the same registry, whatever host it names."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _media_type(response: Response, data: bytes, what: str) -> str:
    """Return what a manifest is: by the header, else by its own word (some send text/plain)."""
    known = INDEX_TYPES | MANIFEST_TYPES
    header = response.headers.get("Content-Type", "").partition(";")[0].strip()
    kind = header if header in known else decode(data, Manifest, what).media_type
    if kind not in known:
        if decode(data, Index, what).manifests:
            return next(iter(sorted(INDEX_TYPES, reverse=True)))
        old = "docker's first schema" if "prettyjws" in header or "v1+json" in header else f"{kind or header!r}"
        raise ImageError(f"{what}: unknown media type: {old}", hint="push it again with a tool of this decade")
    return kind
