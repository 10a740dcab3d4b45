"""Connections to hosts, kept open for the next request: TLS with own authorities, proxies, HTTP/1.1 by `http.client`.

In: an origin (scheme, host, port). Out: a connection that belongs to one request at a time. Sources: RFC 9112;
docker's `/etc/docker/certs.d` (docs, "Verify repository client with certificates"), which podman reads as well.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import select
import threading
import weakref
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from assembler.base.errors import RemoteError
from assembler.base.paths import show

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from assembler.remote.access import Access

_PORTS: Final = {"http": 80, "https": 443}
_CERTS: Final = ("/etc/containers/certs.d", "/etc/docker/certs.d")
_HOST: Final = re.compile(r"[A-Za-z0-9._%:-]+")
_LOOPBACK: Final = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1|\[::1\]")


class Origin(NamedTuple):
    """Who is spoken to; credentials for one are never sent to another (RFC 6454)."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{name}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    @property
    def authority(self) -> str:
        """`HOST[:PORT]`, as in a reference."""
        return str(self).partition("://")[2]


def origin_of(url: str) -> Origin:
    """Return the origin of a URL.

    Raises:
        RemoteError: it is no HTTP URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # brackets, or a port that is none
        raise RemoteError("the host or port of a server's address is malformed") from None
    if parts.scheme not in _PORTS or _HOST.fullmatch(host) is None:
        raise RemoteError(f"{parts.scheme[:16]}://{show(host[:64])}: not the address of an HTTP server")
    return Origin(parts.scheme, host, port or _PORTS[parts.scheme])


def joined(url: str, location: str) -> str:
    """Return the URL that the answer to a request leads to.

    Args:
        url: of the request.
        location: of the answer, absolute or not.

    Raises:
        RemoteError: it leads from TLS to plain HTTP, or to no HTTP server.
    """
    old = origin_of(url)
    try:
        target = urljoin(url, location)
        new = origin_of(target)
    except (ValueError, RemoteError):
        raise RemoteError(f"{old}: it leads to what is no HTTP server's address") from None
    if (old.scheme, new.scheme) == ("https", "http"):
        raise RemoteError(f"{old}: it leads to {new}, which is not encrypted")
    return target


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine's own."""
    return _LOOPBACK.fullmatch(host) is not None


class Link(NamedTuple):
    """A connection.

    Attributes:
        http: the connection.
        prefix: what stands before the path in a request: a proxy for plain HTTP wants the whole URL.
        headers: what the proxy wants besides.
        used: whether it served a request before, so that the other side may have closed it meanwhile.
    """

    http: http.client.HTTPConnection
    prefix: str
    headers: Mapping[str, str]
    used: bool


class Connections:
    """Connections that wait for their next request; used by several threads."""

    def __init__(self, access: Access, timeout: float) -> None:
        """`timeout` is how long, in seconds, nothing may come."""
        self._access = access
        self._timeout = timeout
        self._idle: dict[Origin, list[Link]] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        # Not by __del__: when an error's traceback holds all of this, sockets may be finalized first.
        weakref.finalize(self, _close_all, self._idle).atexit = False

    def take(self, origin: Origin, *, fresh: bool = False) -> Link:
        """Return a connection, which is opened with the first request; one that was closed meanwhile is none.

        Args:
            origin: where to.
            fresh: whether it must be a new one; those that wait are closed.

        Raises:
            RemoteError: a certificate file cannot be read, or the environment names a proxy that is none.
        """
        with self._lock:
            idle = self._idle.setdefault(origin, [])
            while idle:
                link = idle.pop()
                if not fresh and not _is_readable(link.http):
                    return link
                link.http.close()
        return self._open(origin)

    def give(self, origin: Origin, link: Link) -> None:
        """Take a connection back whose answer was read to its end."""
        with self._lock:
            self._idle.setdefault(origin, []).append(link._replace(used=True))

    def _open(self, origin: Origin) -> Link:
        proxy = _proxy(origin)
        if proxy is None:
            return Link(self._connection(origin, origin.host, origin.port), "", {}, used=False)
        host, port = proxy.hostname or "", proxy.port or _PORTS["http"]
        if origin.scheme == "http":
            plain = http.client.HTTPConnection(host, port, timeout=self._timeout)
            return Link(plain, str(origin), _proxy_headers(proxy), used=False)
        tunnelled = self._connection(origin, host, port)
        tunnelled.set_tunnel(origin.host, origin.port, _proxy_headers(proxy))
        return Link(tunnelled, "", {}, used=False)

    def _connection(self, origin: Origin, host: str, port: int) -> http.client.HTTPConnection:
        if origin.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        with self._lock:
            context = self._contexts.get(origin.authority)
            if context is None:
                context = self._contexts[origin.authority] = tls_context(origin, self._access)
        return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=context)


def _close_all(idle: dict[Origin, list[Link]]) -> None:
    for link in (link for links in idle.values() for link in links):
        link.http.close()


def _is_readable(connection: http.client.HTTPConnection) -> bool:
    """Say whether the other side has closed a connection, or said what nobody asked for."""
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def tls_context(origin: Origin, access: Access) -> ssl.SSLContext:
    """Return what a host's certificate is checked by, and who we say we are.

    Raises:
        RemoteError: a certificate or key cannot be read.
    """
    import ssl

    context = ssl.create_default_context()
    if not access.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.ca_file is not None:
        with _certificate_errors(access.ca_file):
            context.load_verify_locations(access.ca_file)
    for folder in cert_folders(origin, access):
        with _certificate_errors(folder):
            names = sorted(os.listdir(folder))
        for path in (os.path.join(folder, name) for name in names):
            if path.endswith(".crt"):
                with _certificate_errors(path):
                    context.load_verify_locations(path)
            elif path.endswith(".cert"):
                key = path.removesuffix(".cert") + ".key"
                with _certificate_errors(path if os.path.exists(key) else key):
                    context.load_cert_chain(path, key, password="")  # a key with a password is none for us
    return context


@contextlib.contextmanager
def _certificate_errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # ssl.SSLError is one
        raise RemoteError(
            f"{show(path)}: cannot be used as a certificate: {error.strerror or error}",
            hint="NAME.crt is an authority, NAME.cert and NAME.key are a client's certificate and key, all in PEM",
        ) from error


def cert_folders(origin: Origin, access: Access) -> list[str]:
    """Return the folders that have certificates for a host: the one that was named, else docker's and podman's.

    Raises:
        RemoteError: the one that was named is not there.
    """
    if access.cert_dir is not None:
        if not os.path.isdir(access.cert_dir):
            raise RemoteError(
                f"{show(access.cert_dir)}: no such folder", hint="--cert-dir names a folder with *.crt files"
            )
        return [access.cert_dir]
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    tops = (os.path.join(config, "containers/certs.d"), *_CERTS)
    names = dict.fromkeys((origin.authority, f"{origin.host}:{origin.port}"))
    folders = [os.path.join(top, name) for top in tops for name in names]
    return [folder for folder in folders if os.path.isdir(folder)]


def _proxy(origin: Origin) -> SplitResult | None:
    """Return the proxy that the environment names for a host (`https_proxy`, `no_proxy` and so on).

    Raises:
        RemoteError: it is none that is spoken to by HTTP.
    """
    if is_loopback(origin.host) or not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

    proxies: dict[str, str] = getproxies_environment()
    url = proxies.get(origin.scheme) or proxies.get("all")
    if not url or proxy_bypass_environment(origin.authority, proxies):
        return None
    hint = f"{origin.scheme}_proxy=http://HOST:PORT"  # the value itself may have a password
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        usable = parts.scheme == "http" and _HOST.fullmatch(parts.hostname or "") and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise RemoteError(f"{origin}: the address of its proxy in the environment is no HTTP proxy's", hint=hint)
    return parts


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    from base64 import b64encode

    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + b64encode(pair.encode()).decode()}
