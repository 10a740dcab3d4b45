"""Pushing a blob: found there, mounted from another repository, or sent, and gone on with where it broke off.

In: a descriptor and its content. Out: how the blob came to be there. Source: distribution-spec v1.1, "Pushing blobs",
"Mounting a blob from another repository". What is small goes in one PUT; what is large in chunks by PATCH, after
each of which the place to go on is remembered, for this process or the next one.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlencode

from assembler.base.errors import ImageError, RemoteError, SourceError
from assembler.base.paths import show
from assembler.remote.connection import joined
from assembler.remote.http import BrokenError, Response
from assembler.remote.known import Note, Session, noted
from assembler.remote.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assembler.base.content import Content
    from assembler.oci.types import Descriptor
    from assembler.remote.registry import Repository

Outcome = Literal["exists", "mounted", "uploaded"]

CHUNK: Final = 64 << 20
"""Bytes of a PATCH; a blob that is no larger goes in one PUT."""

_GAIN: Final = 64
"""A part of a chunk: who takes less than that, however often, makes no progress."""
_MOST_MOUNTS: Final = 2
_RANGE: Final = re.compile(r"(?:bytes[= ])?0-([0-9]{1,18})")
_LENGTH: Final = re.compile(r"[0-9]{1,12}")
_AGAIN: Final = frozenset({404, 408, 416, 429, 500, 502, 503, 504})
_OCTETS: Final = {"Content-Type": "application/octet-stream"}


class _AgainError(BrokenError):
    """The registry answered that it could not, or that it knows of no such upload; it may go on all the same."""

    def __init__(self, error: RemoteError, response: Response) -> None:
        super().__init__(error.message, status=error.status, hint=error.hint)
        self.response = response


def push_blob(
    repository: Repository,
    descriptor: Descriptor,
    content: Content,
    *,
    mountable: Sequence[str] = (),
    sent: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Have a blob in a repository.

    Args:
        repository: where to.
        descriptor: of the blob.
        content: its bytes; read only if they must be sent.
        mountable: repositories of the same registry that have it.
        sent: told of bytes as they go; of less than nothing where they must be sent again.

    Raises:
        RemoteError: the registry refuses, or the connection breaks again and again.
        ImageError, SourceError: the content cannot be read, or is not what its descriptor says.
    """

    def waiting() -> None:
        repository.client.settings.told(f"{repository}: blob {descriptor.digest}: another process is sending it")

    with noted(repository.client.host, descriptor.digest, waiting=waiting) as note:
        outcome = _push(repository, descriptor, Runs(content, descriptor), mountable, note, sent)
        note.has(repository.name)
    return outcome


def try_push(repository: Repository) -> None:
    """Make sure that blobs may be pushed, by beginning an upload and ending it at once.

    Raises:
        RemoteError: the registry cannot be reached, or refuses.
    """
    scopes = repository.scopes("pull,push")
    response = repository.client.call("POST", repository.path("blobs/uploads/"), scopes)
    if response.status != 202:
        raise repository.failure(response, "push")
    response.close()
    location = response.headers.get("Location")
    if location is None:
        return
    with contextlib.suppress(RemoteError):  # some demand the right to delete; what stays ends by itself one day
        location = joined(response.request.url, location)
        repository.client.call("DELETE", location, scopes, again=False).close()


def _push(
    repository: Repository,
    descriptor: Descriptor,
    content: Runs,
    mountable: Sequence[str],
    note: Note,
    sent: Callable[[int], None],
) -> Outcome:
    size = repository.blob_size(descriptor.digest, "pull,push")
    if size is not None:
        if size not in {-1, descriptor.size}:
            raise RemoteError(f"{repository}: blob {descriptor.digest} has {size} bytes there, not {descriptor.size}")
        sent(descriptor.size)
        return "exists"
    upload = _Upload(repository, descriptor, content, note, sent)
    names = [name for name in dict.fromkeys((*mountable, *note.facts.repositories)) if name != repository.name]
    for name in names[:_MOST_MOUNTS]:
        if upload.mount(name):
            sent(descriptor.size)
            return "mounted"
        note.has_not(name)
    upload.run()
    return "uploaded"


class _Upload:
    """One upload: where it goes on, and how much of it was taken."""

    def __init__(
        self,
        repository: Repository,
        descriptor: Descriptor,
        content: Runs,
        note: Note,
        sent: Callable[[int], None],
    ) -> None:
        self._repository = repository
        self._descriptor = descriptor
        self._content = content
        self._note = note
        self._sent = sent
        self._told = 0
        self._location: str | None = None
        self._offset = 0
        self._chunk = CHUNK
        self._whole = True  # whether all bytes since byte 0 went in this process, and none was lost on the way
        self._what = f"{repository}: blob {descriptor.digest}"

    def mount(self, name: str) -> bool:
        """Say whether the blob could be mounted from another repository; if not, an upload may have begun instead."""
        query = urlencode({"mount": self._descriptor.digest, "from": name}, safe=":/")
        scopes = self._repository.scopes("pull,push", name)
        try:
            response = self._repository.client.call("POST", self._repository.path(f"blobs/uploads/?{query}"), scopes)
        except RemoteError as error:
            if error.status is None:
                raise
            return False  # it may not be read there, for one
        if response.status == 202:
            self._begun(response)
            return False
        response.close()
        return response.status == 201

    def run(self) -> None:
        """Send what is missing, until the registry has all of it.

        Bounded: who loses bytes again and again, or takes next to none, wears patience out like one who is not there.
        """
        self._resume()
        try:
            self._persist()
        except BrokenError as error:
            message = error.message if self._descriptor.digest in error.message else f"{self._what}: {error.message}"
            raise RemoteError(message, status=error.status, hint=error.hint) from error
        except ImageError:
            self._forget()  # what is there of it is damaged
            raise
        self._count(self._descriptor.size - self._told)

    def _persist(self) -> None:
        client, failures, best = self._repository.client, 0, self._offset
        while True:
            try:
                self._go_on()
            except BrokenError as error:
                gained, best = self._offset - best, max(best, self._offset)
                failures = 0 if gained >= max(1, self._chunk // _GAIN) else failures + 1
                if failures >= client.settings.retry.attempts:
                    raise
                client.pause(failures, error.response if isinstance(error, _AgainError) else None, error.message)
                if self._find_out():
                    return
            else:
                return

    def _resume(self) -> None:
        """Go on with what an earlier process began, if the registry still has it; nothing depends on that."""
        session = self._note.facts.sessions.get(self._repository.name)
        if session is None:
            return
        begun = self._location
        try:
            self._continue(joined(f"{self._repository.client.origin}/", session.location))
        except RemoteError:
            self._forget()
        if self._location is None:
            self._location, self._whole = begun, True

    def _continue(self, location: str) -> None:
        self._location = location
        self._find_out()

    def _go_on(self) -> None:
        """Send all that is missing and have it committed."""
        if self._location is None:
            self._begin()
        size = self._descriptor.size
        while size - self._offset > self._chunk:
            self._patch(self._chunk)
        self._commit()

    def _begin(self) -> None:
        response = self._ask("POST", self._repository.path("blobs/uploads/"))
        if response.status != 202:
            raise self._repository.failure(response, "begin an upload")
        self._begun(response)

    def _begun(self, response: Response) -> None:
        response.close()
        self._offset, self._whole = 0, True
        self._moved(response)
        if self._location is None:
            raise RemoteError(f"{self._what}: the registry does not say where to send it: no Location")
        least = response.headers.get("OCI-Chunk-Min-Length", "")
        if _LENGTH.fullmatch(least):
            self._chunk = max(CHUNK, int(least))

    def _patch(self, length: int) -> None:
        """Send a chunk, and remember where the next one goes."""
        first, last = self._offset, self._offset + length - 1
        response = self._send("PATCH", self._location or "", first, length, {"Content-Range": f"{first}-{last}"})
        if response.status not in {202, 204}:
            raise self._failure(response)
        response.close()
        self._moved(response)
        taken = _taken(response)
        self._offset = last + 1 if taken is None else min(taken, last + 1)
        self._note.under_way(self._repository.name, Session(self._location or "", self._offset))
        if self._offset <= last:
            error = RemoteError(f"{self._what}: of bytes {first} to {last} the registry has only {self._offset} now")
            raise _AgainError(error, response)
        self._count(self._offset - self._told)

    def _commit(self) -> None:
        """Send the last bytes with the digest that all must have together."""
        first, length = self._offset, self._descriptor.size - self._offset
        headers = {"Content-Range": f"{first}-{first + length - 1}"} if first and length else {}
        location = self._location or ""
        location += ("&" if "?" in location else "?") + urlencode({"digest": self._descriptor.digest}, safe=":")
        response = self._send("PUT", location, first, length, headers)
        if response.status == 400:
            self._content.check()
        if response.status not in {201, 204}:
            self._forget()
            raise self._failure(response)
        response.close()
        said, digest = response.headers.get("Docker-Content-Digest"), self._descriptor.digest
        if said is not None and said != digest and said.partition(":")[0] == digest.partition(":")[0]:
            raise RemoteError(f"{self._what}: the registry took it for {show(said[:80])}")

    def _send(self, method: str, url: str, first: int, length: int, headers: dict[str, str]) -> Response:
        """Send a run of bytes.

        Raises:
            BrokenError: whether they were taken is to be found out.
        """
        scopes, body = self._repository.scopes("pull,push"), self._content.part(first, length)
        headers = {**_OCTETS, **headers}
        try:
            response = self._repository.client.call(
                method, url, scopes, again=False, headers=headers, body=body, sent=self._count
            )
        except SourceError as error:
            if self._descriptor.digest in error.message:
                raise
            message = f"blob {self._descriptor.digest}: {error.message}"
            raise SourceError(message, hint=error.hint, context=error.context) from error
        lost = response.status == 400 and not self._whole  # it may be what is there already that is wrong
        if lost:
            self._forget()
        if lost or response.status in _AGAIN:
            raise _AgainError(self._failure(response), response)
        return response

    def _failure(self, response: Response) -> RemoteError:
        return self._repository.failure(response, f"blob {self._descriptor.digest}")

    def _find_out(self) -> bool:
        """Ask how much was taken; where the registry knows nothing of it, start anew. Say whether the blob is there."""
        if self._location is not None:
            self._whole = False
            response = self._ask("GET", self._location)
            response.close()
            taken = _taken(response)
            if response.status in {200, 202, 204} and taken is not None and taken <= self._descriptor.size:
                self._moved(response)
                self._offset = taken
            else:
                self._forget()
        self._count(self._offset - self._told)
        if self._location is not None:
            return False
        response = self._ask("HEAD", self._repository.path(f"blobs/{self._descriptor.digest}"))
        response.close()
        return response.status == 200

    def _ask(self, method: str, path: str) -> Response:
        """Make a request without a body.

        Raises:
            RemoteError: no answer could be had, however often it was tried.
        """
        try:
            return self._repository.client.call(method, path, self._repository.scopes("pull,push"))
        except BrokenError as error:
            raise RemoteError(f"{self._what}: {error.message}", hint=error.hint) from error

    def _moved(self, response: Response) -> None:
        """Take note of where the upload goes on: never without TLS where there was TLS."""
        location = response.headers.get("Location")
        if location is not None:
            self._location = joined(response.request.url, location)

    def _forget(self) -> None:
        self._location, self._offset = None, 0
        self._note.under_way(self._repository.name, None)

    def _count(self, amount: int) -> None:
        self._told += amount
        self._sent(amount)


def _taken(response: Response) -> int | None:
    """Return the number of bytes that an upload has; None where it is not said.

    `0-0` is said both of one byte and of none: it counts as not said.
    """
    match = _RANGE.fullmatch(response.headers.get("Range", ""))
    return int(match[1]) + 1 if match is not None and match[1] != "0" else None
