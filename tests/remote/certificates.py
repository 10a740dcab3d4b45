"""Certificates for tests: an authority of our own, a server's and a client's certificate, made by openssl."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from tests.tools import need, run

if TYPE_CHECKING:
    from pathlib import Path

_NAMES: Final = "IP:127.0.0.1,IP:127.0.0.2,DNS:localhost"
_SETTINGS: Final = """\
[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
extendedKeyUsage = serverAuth
[client]
basicConstraints = critical, CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
extendedKeyUsage = clientAuth
"""


class Certificates(Struct, frozen=True):
    """Where they lie, all PEM.

    `cert_dir` is a folder as docker's `certs.d/HOST` with the authority only, `client_dir` with the client's pair too.
    """

    authority: str
    certificate: str
    key: str
    client_certificate: str
    client_key: str
    cert_dir: str
    client_dir: str


def make_certificates(folder: Path, names: str = _NAMES, days: int = 2) -> Certificates:
    """Make an authority and what it signs; a server's certificate of other `names`, or of -1 days, is a bad one."""
    need("openssl")
    for part in ("own", "authority", "client"):
        (folder / part).mkdir(parents=True)
    settings = folder / "openssl.cnf"
    settings.write_text(_SETTINGS.format(names=names))
    _make(settings, folder / "own/ca", "authority")
    _make(settings, folder / "own/server", "server", days)
    _make(settings, folder / "own/client", "client")
    authority = (folder / "own/ca.crt").read_bytes()
    (folder / "authority/ca.crt").write_bytes(authority)
    (folder / "client/ca.crt").write_bytes(authority)
    (folder / "client/client.cert").write_bytes((folder / "own/client.crt").read_bytes())
    (folder / "client/client.key").write_bytes((folder / "own/client.key").read_bytes())
    return Certificates(
        authority=str(folder / "own/ca.crt"),
        certificate=str(folder / "own/server.crt"),
        key=str(folder / "own/server.key"),
        client_certificate=str(folder / "own/client.crt"),
        client_key=str(folder / "own/client.key"),
        cert_dir=str(folder / "authority"),
        client_dir=str(folder / "client"),
    )


def _make(settings: Path, pair: Path, kind: str, days: int = 2) -> None:
    ca = pair.parent / "ca"
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{pair}.key")
    named = ("openssl", "req", "-config", settings, "-subj", f"/CN=stand-in {kind}", *new)
    if kind == "authority":
        run(*named, "-x509", "-extensions", kind, "-days", str(days), "-out", f"{pair}.crt")
        return
    run(*named, "-out", f"{pair}.csr")
    run(
        *("openssl", "x509", "-req", "-in", f"{pair}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key"),
        *("-extfile", settings, "-extensions", kind, "-days", str(days), "-out", f"{pair}.crt"),
    )


def server_context(certificates: Certificates, *, demand_client: bool = False) -> ssl.SSLContext:
    """Return what a server of these certificates wraps its sockets in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    if demand_client:
        context.load_verify_locations(certificates.authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
