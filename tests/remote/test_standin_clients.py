"""Real clients take the stand-in for a registry: skopeo and podman copy, inspect and pull."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from assembler.oci.types import INDEX, MANIFEST
from tests.remote import actions
from tests.remote.certificates import make_certificates
from tests.remote.standin import Cdn, Request, Standin, TokenAuth
from tests.tools import attempt, need, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLAIN = ("--dest-tls-verify=false", "--src-tls-verify=false")


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of one layer, which holds one file."""
    need("skopeo")
    layer, path = io.BytesIO(), tmp_path_factory.mktemp("image") / "layout"
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("motd"))
    with Standin() as registry:
        registry.repository("app").add_image("1", layers=(layer.getvalue(),))
        run("skopeo", "copy", *PLAIN, "--preserve-digests", f"docker://{registry.address}/app:1", f"oci:{path}:t")
    return path


def digest_of(layout: Path) -> str:
    return str(json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])


def push(layout: Path, registry: Standin, *options: str, to: str = "team/app:1") -> None:
    run("skopeo", "copy", "--preserve-digests", *options, f"oci:{layout}:t", f"docker://{registry.address}/{to}")


def calm(registry: Standin) -> bool:
    """Whether nothing dangles and nothing came too early."""
    return registry.dangling() == registry.premature == []


def test_push_inspect_and_pull(layout: Path, tmp_path: Path, podman: Callable[..., str]) -> None:
    with Standin() as registry:
        push(layout, registry, *PLAIN)
        repository = registry.repositories["team/app"]
        assert repository.tags == {"1": digest_of(layout)}
        assert (len(repository.blobs), repository.uploads, calm(registry)) == (2, {}, True)
        assert repository.manifests[digest_of(layout)].media_type == MANIFEST
        name = f"docker://{registry.address}/team/app:1"
        shown = json.loads(run("skopeo", "inspect", "--tls-verify=false", name))
        assert (shown["Digest"], shown["RepoTags"], shown["Architecture"]) == (digest_of(layout), ["1"], "amd64")
        run("skopeo", "copy", *PLAIN, "--preserve-digests", name, f"oci:{tmp_path}/pulled:t")
        assert digest_of(tmp_path / "pulled") == digest_of(layout)
        podman("pull", "--quiet", "--tls-verify=false", f"{registry.address}/team/app:1")
        run("skopeo", "delete", "--tls-verify=false", name)
        assert (repository.manifests, repository.tags) == ({}, {})


def test_an_index_whole(tmp_path: Path) -> None:
    need("skopeo")
    with Standin() as registry:
        base = registry.repository("base")
        images = [base.add_image(layers=(b"shared", layer)) for layer in (b"one", b"two")]
        platforms = [{"os": "linux", "architecture": architecture} for architecture in ("amd64", "arm64")]
        index = base.add_index("1", manifests=[{**i, "platform": p} for i, p in zip(images, platforms, strict=True)])
        there, here = f"docker://{registry.address}/team/app:1", f"oci:{tmp_path}/layout:t"
        run("skopeo", "copy", "--all", "--preserve-digests", *PLAIN, f"docker://{registry.address}/base:1", here)
        run("skopeo", "copy", "--all", "--preserve-digests", *PLAIN, here, there)
        assert registry.repositories["team/app"].blobs == base.blobs
        assert registry.repositories["team/app"].manifests == base.manifests
        assert registry.repositories["team/app"].manifests[index["digest"]].media_type == INDEX
        assert calm(registry)


def test_mounts(layout: Path) -> None:
    """Skopeo finds out by itself where a blob may be mounted from, within one copy."""
    with Standin() as registry:
        push(layout, registry, *PLAIN)
        name = f"docker://{registry.address}"
        run("skopeo", "copy", "--preserve-digests", *PLAIN, f"{name}/team/app:1", f"{name}/team/other:1")
        assert registry.repositories["team/other"].blobs == registry.repositories["team/app"].blobs
        assert calm(registry)


def credentials(tmp_path: Path, registry: Standin, **entry: str) -> str:
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": {registry.address: entry}}))
    return f"--authfile={path}"


@pytest.mark.parametrize("kind", ["basic", "token", "token on the same port", "token that expires", "identity token"])
def test_credentials(layout: Path, tmp_path: Path, kind: str) -> None:
    users = {"ann": "secret"}
    bearer = TokenAuth(
        users=users, own_port=kind != "token on the same port", uses=3 if kind == "token that expires" else None
    )
    auth = None if kind == "basic" else bearer
    with Standin(basic=users if auth is None else None, token_auth=auth) as registry:
        entry = {"auth": base64.b64encode(b"ann:secret").decode()}
        if kind == "identity token":
            entry = {"auth": base64.b64encode(b"ann:").decode(), "identitytoken": registry.tokens.identity_token("ann")}
        refused = attempt("skopeo", "copy", *PLAIN, f"oci:{layout}:t", f"docker://{registry.address}/team/app:1")
        assert (refused.returncode != 0, registry.repositories) == (True, {})
        push(layout, registry, *PLAIN, credentials(tmp_path, registry, **entry))
        assert registry.repositories["team/app"].tags == {"1": digest_of(layout)}
        assert calm(registry)
        if kind == "token that expires":
            assert len(registry.tokens.issued) > 2
        if kind == "identity token":
            assert "POST" in {request.method for request in registry.token_requests}


def test_tls(layout: Path, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "tls")
    with Standin(tls=certificates, token_auth=TokenAuth(users={"ann": "secret"})) as registry:
        login = ("--dest-creds=ann:secret", f"--dest-cert-dir={certificates.cert_dir}")
        push(layout, registry, *login)
        assert calm(registry)
        refused = attempt("skopeo", "inspect", "--creds=ann:secret", f"docker://{registry.address}/team/app:1")
        assert (refused.returncode != 0, "x509" in refused.stderr) == (True, True)
    with Standin(tls=certificates, demand_client_certificate=True) as registry:
        push(layout, registry, f"--dest-cert-dir={certificates.client_dir}")
        assert calm(registry)


def test_blobs_from_elsewhere(layout: Path, tmp_path: Path) -> None:
    """A client follows redirects without the registry's credentials."""
    with Standin(basic={"ann": "secret"}) as registry, Cdn(registry, "127.0.0.2") as cdn:
        push(layout, registry, *PLAIN, "--dest-creds=ann:secret")
        registry.misbehave(match=blob_pulls, action=actions.to_cdn(cdn), times=None)
        name = f"docker://{registry.address}/team/app:1"
        run("skopeo", "copy", *PLAIN, "--preserve-digests", "--src-creds=ann:secret", name, f"oci:{tmp_path}/pulled:t")
        assert {request.status for request in cdn.requests} == {200}
        assert [request.headers.get("Authorization") for request in cdn.requests] == [None, None]


def test_a_client_notices_other_bytes(layout: Path, tmp_path: Path) -> None:
    with Standin() as registry:
        push(layout, registry, *PLAIN)
        rule = registry.misbehave(match=blob_pulls, action=actions.other_bytes(), times=None)
        name = f"docker://{registry.address}/team/app:1"
        refused = attempt("skopeo", "copy", *PLAIN, name, f"oci:{tmp_path}/pulled:t")
        assert (refused.returncode != 0, rule.hits > 0) == (True, True)


def blob_pulls(request: Request) -> bool:
    return request.method == "GET" and "/blobs/" in request.path
