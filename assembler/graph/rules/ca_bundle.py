"""CA certificates: what TLS clients trust by default, where the library that they use looks for it.

OpenSSL's defaults are OPENSSLDIR/cert.pem and the hashed folder OPENSSLDIR/certs; GnuTLS and curl hold the path of a
bundle. Servers that trust nobody do not ask for the defaults, and bring nothing. Sources: OpenSSL
`crypto/x509/x509_def.c`; GnuTLS `lib/system/certs.c`; curl `configure` (--with-ca-bundle).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from assembler.base.paths import join
from assembler.graph.rules.common import Rule, Scene, all_in, callers_of, opened, user_of
from assembler.graph.rules.openssl import folders_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Edge

_DEFAULTS: Final = frozenset(
    {
        "SSL_CTX_set_default_verify_dir",
        "SSL_CTX_set_default_verify_file",
        "SSL_CTX_set_default_verify_paths",
        "X509_STORE_set_default_paths",
    }
)
_BY_NAME: Final = frozenset(
    {
        "SSL_CTX_load_verify_file",
        "SSL_CTX_load_verify_locations",
        "X509_STORE_load_file",
        "X509_STORE_load_locations",
    }
)
_SYSTEM: Final = frozenset({"gnutls_certificate_set_x509_system_trust", "gnutls_x509_trust_list_add_system_trust"})
_OPENSSL: Final = ("libssl.so.3", "libcrypto.so.3", "libssl.so.1.1", "libcrypto.so.1.1")
_GNUTLS: Final = "libgnutls.so.30"
_BUNDLE: Final = re.compile(r"/.*(?:ca-certificates|ca-bundle|cert|cacert|tls-ca-bundle)\.(?:crt|pem)")


def find(scene: Scene) -> Iterator[Edge]:
    """Keep the bundles and folders that the loaded objects would trust."""
    crypto = user_of(scene, "libcrypto.so.3", "libcrypto.so.1.1")
    if crypto is not None:
        for caller in callers_of(scene, _DEFAULTS, but=_OPENSSL):
            yield from _openssl(scene, caller.path, folders_of(scene, crypto).get("OPENSSLDIR", "/etc/ssl"))
        for caller in callers_of(scene, _BY_NAME, but=_OPENSSL):
            yield from _named(scene, caller.path, caller.path)
    gnutls = user_of(scene, _GNUTLS)
    if gnutls is not None:
        for caller in callers_of(scene, _SYSTEM, but=(_GNUTLS,)):
            yield from _named(scene, caller.path, gnutls.path)


def _openssl(scene: Scene, by: str, folder: str) -> Iterator[Edge]:
    file = scene.env.get("SSL_CERT_FILE") or join(folder, "cert.pem")
    found = list(opened(scene, by, file, "OpenSSL trusts it by default"))
    yield from found
    if not found:
        certificates = scene.env.get("SSL_CERT_DIR") or join(folder, "certs")
        yield from opened(scene, by, certificates, "OpenSSL trusts what is in it by default")
        yield from all_in(scene, by, certificates, "OpenSSL trusts it by default")


def _named(scene: Scene, by: str, holder: str) -> Iterator[Edge]:
    for path in scene.facts.strings(holder).paths:
        if _BUNDLE.fullmatch(path):
            yield from opened(scene, by, path, f"{holder} holds its path")


RULE = Rule("ca_bundle", "recommended", "CA certificates, for who trusts OpenSSL's, GnuTLS's or curl's defaults", find)
