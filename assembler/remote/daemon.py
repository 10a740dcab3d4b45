"""A daemon that holds images, docker or podman (whose API is docker's too), spoken to by docker's SDK.

In: its address, or none. Out: `Daemon`, which takes and gives archives as streams, and `Facts` of what it takes. The
SDK is imported only when there is a daemon to speak to. Source: Docker Engine API, v1.41 and later. Tried: docker 20.10
and 26.1 (both image stores), podman 4.3.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from msgspec import Struct

from assembler.base.content import CHUNK
from assembler.base.errors import RemoteError, SourceError
from assembler.base.paths import show
from assembler.base.progress import Silent
from assembler.remote.sdk import HINT, client, line, told, understood

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.base.progress import Progress
    from assembler.remote.access import Access

_WORK: Final = 3600
"""Seconds of silence while it unpacks an archive or makes one: it says nothing until it is done."""

_PIECE: Final = 1 << 18
"""Bytes that are sent at least at a time, but for the last."""

_DOCKER: Final = "/var/run/docker.sock"
_PODMAN: Final = "/run/podman/podman.sock"
_ZSTD_API: Final = (1, 42)
"""Of docker 23, the first that reads zstd."""

_CONTAINERD_STORE: Final = ["driver-type", "io.containerd.snapshotter.v1"]


class Facts(Struct, frozen=True):
    """What a daemon is.

    Attributes:
        engine: whose.
        version: such as `20.10.24+dfsg1`.
        api_version: of docker's API, such as `1.41`.
        containerd_store: whether docker keeps images in containerd: manifests and indexes with their digests.
    """

    engine: Literal["docker", "podman"]
    version: str
    api_version: str
    containerd_store: bool

    @property
    def takes_layout(self) -> bool:
        """Whether it loads an image layout (`index.json`); docker's own store reads `manifest.json` only."""
        return self.engine == "podman" or self.containerd_store

    @property
    def takes_zstd(self) -> bool:
        """Whether it loads zstd layers; podman does from a layout, not from a docker-archive."""
        return self.engine == "podman" or self.containerd_store or _numbers(self.api_version) >= _ZSTD_API

    @property
    def takes_index(self) -> bool:
        """Whether it keeps an index with the images of all platforms; podman takes its own platform's out of one."""
        return self.containerd_store

    @property
    def keeps_digest(self) -> bool:
        """Whether a manifest that it loaded has its digest still; docker's own store keeps none."""
        return self.takes_layout


class LoadAnswer(Struct, frozen=True):
    """What a daemon says that it loaded: names with their tags, and IDs of images without a name."""

    names: tuple[str, ...]
    ids: tuple[str, ...]


class Daemon:
    """A connection to a daemon. `address` is what errors call it."""

    def __init__(self, client: Any, address: str, facts: Facts) -> None:
        self._client = client
        self.address = address
        self.facts = facts

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def load(self, chunks: Iterator[bytes], progress: Progress | None = None) -> LoadAnswer:
        """Let the daemon load an archive that is made while it is sent.

        Args:
            chunks: the archive's bytes; what they raise ends the sending, and then the daemon loads nothing.
            progress: told of the bytes that were sent.

        Raises:
            RemoteError: the daemon refuses it, in its own words, or is gone.
        """
        names: list[str] = []
        ids: list[str] = []
        with told(self.address, "load"):
            for answer in self._client.load_image(_gathered(chunks, progress or Silent()), quiet=True):
                self._check(answer)
                label, _, rest = str(answer.get("stream", "")).strip().partition(": ")
                if label.startswith("Loaded image ID"):
                    ids.append(rest)
                elif label.startswith("Loaded image"):
                    names += [name.strip() for name in rest.split(",")]
        if not names and not ids:
            raise RemoteError(f"{self.address}: load: it does not say that it loaded an image")
        return LoadAnswer(tuple(names), tuple(ids))

    def save(self, name: str) -> Iterator[bytes]:
        """Return an image as `docker save` writes it, made while it is read.

        Args:
            name: with its tag, or an image's ID.

        Raises:
            SourceError: there is no such image.
            RemoteError: the daemon cannot write it or is gone; while it is read too.
        """
        self.identity(name)
        return self._saved(name)

    def identity(self, name: str) -> str:
        """Return the ID of an image: `sha256:HEX`, of its config, or of its manifest or index in containerd's store.

        Raises:
            SourceError: there is no such image.
            RemoteError: the daemon is gone.
        """
        from docker.errors import NotFound

        with told(self.address, "inspect"), understood(self.address, "inspect"):
            try:
                found = str(self._client.inspect_image(name)["Id"])
            except NotFound:
                raise self._unknown(name) from None
        return found if ":" in found else f"sha256:{found}"

    def names(self) -> tuple[str, ...]:
        """Return the names of all images, with their tags.

        Raises:
            RemoteError: the daemon is gone.
        """
        with told(self.address, "list"), understood(self.address, "list"):
            listed = [name for image in self._client.images() for name in image.get("RepoTags") or ()]
        return tuple(sorted(name for name in listed if name != "<none>:<none>"))

    def _saved(self, name: str) -> Iterator[bytes]:
        from docker.errors import APIError

        with told(self.address, "save"):
            stream = self._client.get_image(name)
            try:
                first = next(stream, b"")
            except APIError:
                if self.facts.engine != "podman":
                    raise
                stream, first = self._saved_as_layout(name), b""
            if first:
                yield first
            yield from stream

    def _saved_as_layout(self, name: str) -> Iterator[bytes]:
        """Yield what podman cannot save in docker's form, such as zstd layers, by podman's own API."""
        from docker.errors import create_api_error_from_http_exception
        from requests import HTTPError

        url = f"{self._client.base_url}/v4.0.0/libpod/images/{quote(name, safe='/:')}/get"
        options = {"params": {"format": "oci-archive"}, "stream": True, "timeout": _WORK}
        with self._client.get(url, **options) as response:
            try:
                response.raise_for_status()
            except HTTPError as error:
                create_api_error_from_http_exception(error)
            yield from response.iter_content(CHUNK)

    def _unknown(self, name: str) -> SourceError:
        import difflib

        known = self.names()
        near = difflib.get_close_matches(name, known, n=5) or known[:5]
        more = ", …" if len(known) > len(near) else ""
        hint = f"there are: {', '.join(near)}{more}" if near else "it has no images with a name"
        return SourceError(f"{self.address}: there is no image {show(name)!r}", hint=hint)

    def _check(self, answer: Any) -> None:
        """Refuse what is an error: docker's line in the stream, or podman's answer."""
        if not isinstance(answer, dict):
            raise RemoteError(f"{self.address}: load: it answers what is no JSON object")
        message = answer.get("error") or (answer.get("message") if "stream" not in answer else None)
        if message:
            raise RemoteError(f"{self.address}: load: {line(str(message))}")


@contextlib.contextmanager
def connect(access: Access) -> Iterator[Daemon]:
    """Give a connection to the daemon that is named by `access`, else by `DOCKER_HOST`, else whose socket is there.

    Docker's socket comes first, then that of docker without root, then podman's. TCP is spoken with TLS where
    `DOCKER_TLS_VERIFY` or `DOCKER_CERT_PATH` is set, as docker's command does.

    Raises:
        RemoteError: nothing listens, it may not be spoken to, or it is too old.
    """
    address = access.daemon or os.environ.get("DOCKER_HOST") or _default_address()
    if address.startswith("/"):
        address = f"unix://{address}"
    if address.startswith("ssh:"):
        hint = "forward its socket: ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST"
        raise RemoteError(f"{show(address)}: not spoken to over SSH", hint=hint)
    opened, headers = client(address)
    try:
        with told(address, "info"), understood(address, "info"):
            facts = _facts(opened, headers)
        opened.timeout = _WORK
        yield Daemon(opened, address, facts)
    finally:
        opened.close()


def _default_address() -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    own = [f"{runtime}/docker.sock"] if runtime else []
    podman = [f"{runtime}/podman/podman.sock"] if runtime else []
    known = [_DOCKER, *own, *podman, _PODMAN]
    for path in known:
        if os.path.exists(path):
            return f"unix://{path}"
    raise RemoteError(f"no docker or podman daemon: there is none of {', '.join(known)}", hint=HINT)


def _facts(client: Any, headers: Mapping[str, str]) -> Facts:
    """Read what a ping answered: `Server: Docker/20.10.24 (linux)`, of podman `Libpod/4.3.1 (linux)`."""
    podman = "Libpod-API-Version" in headers
    containerd = not podman and _CONTAINERD_STORE in (client.info().get("DriverStatus") or ())
    version = headers.get("Server", "").partition("/")[2].partition(" ")[0]
    return Facts("podman" if podman else "docker", version, headers["Api-Version"], containerd)


def _gathered(chunks: Iterator[bytes], progress: Progress) -> Iterator[bytes]:
    """Join what is small: each piece is a packet of its own."""
    waiting: list[bytes] = []
    size = 0
    for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        if size >= _PIECE:
            yield b"".join(waiting)
            progress.advance(size)
            waiting, size = [], 0
    if size:
        yield b"".join(waiting)
        progress.advance(size)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
