"""Between brasm, skopeo, podman and docker by way of a registry: what one pushes the others pull, digest for digest."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.acceptance.users import Somebody
from tests.sources.archives import Blobs, descriptor, image, index, layout, tagged, tar
from tests.tools import need, pack, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.registries import Registry

    Registries = Callable[[str], Registry]
    Runner = Callable[..., str]

COMPRESSIONS: Final = ("gzip", "zstd", "none")
INDEX: Final = "application/vnd.oci.image.index.v1+json"
V2S2: Final = "application/vnd.docker.distribution.manifest.v2+json"
FROM: Final = "--src-tls-verify=false"
TO: Final = "--dest-tls-verify=false"


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory, static: Path) -> Path:
    """A layout with an image that says hello, for each compression under its name."""
    need("skopeo")
    folder = tmp_path_factory.mktemp("echo")
    for compression in COMPRESSIONS:
        how = ("--set", f"layers.compression={compression}")
        pack("-s", static, "-e", "/bin/echo hello", *how, "-o", f"oci:layout:{compression}", cwd=folder)
    return folder / "layout"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout with an index of three platforms under `all`."""
    blobs: Blobs = {}
    found = []
    for name in ("amd64", "arm64", "s390x"):
        own = image(blobs, [tar("etc dir\netc/shared file x"), tar(f"{name} file")], architecture=name)
        found.append({**own, "platform": {"os": "linux", "architecture": name}})
    top = descriptor(blobs, index(*found), INDEX)
    return layout(tmp_path_factory.mktemp("three") / "layout", blobs, tagged(top, "all"))


@pytest.fixture
def ann(tmp_path: Path) -> Somebody:
    return Somebody(tmp_path)


@pytest.fixture
def there(registries: Registries, request: pytest.FixtureRequest) -> str:
    """A repository for this test, without its transport."""
    return f"{registries('plain').address}/{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"


def raw(reference: str) -> str:
    """Return the bytes of a manifest as skopeo reads them."""
    plain = ("--tls-verify=false",) if reference.startswith("docker://") else ()
    return run("skopeo", "inspect", "--raw", *plain, reference)


def sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def blobs_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "blobs/sha256").iterdir()}


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_skopeo_and_podman_pull_what_is_pushed(
    compression: str, echo: Path, there: str, ann: Somebody, podman: Runner
) -> None:
    original = raw(f"oci:{echo}:{compression}")
    pushed = ann.json("copy", f"oci:{echo}:{compression}", f"docker://{there}:1")
    assert pushed["digest"] == sha256(original)
    assert raw(f"docker://{there}:1") == raw(f"docker://{there}@{sha256(original)}") == original
    run("skopeo", "copy", FROM, "--preserve-digests", f"docker://{there}:1", f"oci:{ann.home}/theirs:1")
    theirs = blobs_of(ann.home / "theirs")
    assert len(theirs) == 3
    assert theirs.items() <= blobs_of(echo).items()
    podman("pull", "--quiet", "--tls-verify=false", f"{there}:1")
    assert podman("image", "inspect", "--format", "{{.Digest}}", f"{there}:1").strip() == sha256(original)
    limits = ("--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000")
    assert podman("run", "--rm", *limits, f"{there}:1") == "hello\n"


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_what_skopeo_pushes_is_pulled(compression: str, echo: Path, there: str, ann: Somebody) -> None:
    run("skopeo", "copy", TO, "--preserve-digests", f"oci:{echo}:{compression}", f"docker://{there}:1")
    original = raw(f"oci:{echo}:{compression}")
    pulled = ann.json("copy", f"docker://{there}:1", "oci:back")
    assert pulled["digest"] == pulled["source_digest"] == sha256(original)
    assert raw(f"oci:{ann.home}/back:1") == original
    assert blobs_of(ann.home / "back").items() <= blobs_of(echo).items()


@pytest.mark.parametrize(
    ("options", "media_type", "layer"),
    [
        (("--format=v2s2",), V2S2, "application/vnd.docker.image.rootfs.diff.tar.gzip"),
        (
            ("--format=oci",),
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.oci.image.layer.v1.tar+gzip",
        ),
        (
            ("--format=oci", "--compression-format=zstd"),
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.oci.image.layer.v1.tar+zstd",
        ),
    ],
)
def test_what_podman_pushes_is_pulled(
    options: tuple[str, ...], media_type: str, layer: str, there: str, ann: Somebody, podman: Runner
) -> None:
    """The layer is like no other: podman would push one that it knows in the form in which it was pushed before."""
    blobs: Blobs = {}
    content = uuid.uuid4().hex
    layout(ann.home / "layout", blobs, tagged(image(blobs, [tar(f"one file {content}")], compress=False), "1"))
    name = podman("pull", "--quiet", f"oci:{ann.home}/layout:1").strip()
    podman("push", "--quiet", "--tls-verify=false", *options, name, f"docker://{there}:1")
    original = raw(f"docker://{there}:1")
    document = json.loads(original)
    assert (document["mediaType"], [one["mediaType"] for one in document["layers"]]) == (media_type, [layer])
    assert_it_is_pulled(there, ann, original)
    ann.brasm("copy", "-q", f"docker://{there}:1", "dir:root")
    assert (ann.home / "root/one").read_text() == content


def assert_it_is_pulled(there: str, ann: Somebody, original: str) -> None:
    """Hold a copy, and a copy of that, to the bytes that are there; skopeo reads one that was made OCI's."""
    pulled = ann.json("copy", f"docker://{there}:1", "oci:back")
    assert pulled["digest"] == pulled["source_digest"] == sha256(original)
    assert pulled["media_type"] == json.loads(original)["mediaType"]
    assert blobs_of(ann.home / "back")[sha256(original).removeprefix("sha256:")] == original.encode()
    assert ann.json("copy", "oci:back:1", f"docker://{there}:2")["digest"] == sha256(original)
    assert raw(f"docker://{there}:2") == original
    assert any("--format oci" in line for line in pulled["notes"]) == (pulled["media_type"] == V2S2)
    converted = ann.json("copy", "--format", "oci", f"docker://{there}:1", "oci:oci")
    assert sha256(raw(f"oci:{ann.home}/oci:1")) == converted["digest"]
    assert converted["media_type"] == "application/vnd.oci.image.manifest.v1+json"


def test_an_index_there_and_back(three: Path, there: str, ann: Somebody) -> None:
    need("skopeo")
    original = raw(f"oci:{three}:all")
    pushed = ann.json("copy", "--all", f"oci:{three}:all", f"docker://{there}:ours")
    assert (pushed["digest"], pushed["media_type"]) == (sha256(original), INDEX)
    assert raw(f"docker://{there}:ours") == original
    everything = ("copy", "--all", "--preserve-digests")
    run("skopeo", *everything, FROM, f"docker://{there}:ours", f"oci:{ann.home}/theirs:all")
    assert blobs_of(ann.home / "theirs") == blobs_of(three)
    run("skopeo", *everything, TO, f"oci:{three}:all", f"docker://{there}-2:theirs")
    assert ann.json("copy", "--all", f"docker://{there}-2:theirs", "oci:back")["digest"] == sha256(original)
    assert blobs_of(ann.home / "back") == blobs_of(three)
    chosen = ann.json("copy", "--platform", "linux/s390x", f"docker://{there}-2:theirs", "oci:one")
    theirs = ("--override-arch=s390x", "copy", FROM, "--preserve-digests")
    run("skopeo", *theirs, f"docker://{there}:ours", f"oci:{ann.home}/their-one:1")
    assert chosen["digest"] == sha256(raw(f"oci:{ann.home}/their-one:1"))


def test_an_index_that_brasm_makes(three: Path, there: str, ann: Somebody, podman: Runner) -> None:
    need("skopeo")
    for name in ("amd64", "arm64"):
        ann.brasm("copy", "-q", "--platform", f"linux/{name}", f"oci:{three}:all", f"docker://{there}:{name}")
    made = ann.json("index", "create", f"docker://{there}:all", f"docker://{there}:amd64", f"docker://{there}:arm64")
    shown = raw(f"docker://{there}:all")
    assert made["digest"] == sha256(shown)
    assert [one["platform"]["architecture"] for one in json.loads(shown)["manifests"]] == ["amd64", "arm64"]
    for name in ("amd64", "arm64"):
        podman("pull", "--quiet", "--tls-verify=false", f"--arch={name}", f"{there}:all")
        assert podman("image", "inspect", "--format", "{{.Architecture}}", f"{there}:all").strip() == name
    run("skopeo", "copy", "--all", "--preserve-digests", FROM, f"docker://{there}:all", f"oci:{ann.home}/theirs:all")


def test_docker_pulls_what_is_pushed(echo: Path, there: str, ann: Somebody, docker: Runner) -> None:
    for compression in ("gzip", "none"):  # docker 20.10 reads no zstd
        digest = ann.json("copy", f"oci:{echo}:{compression}", f"docker://{there}:{compression}")["digest"]
        docker("pull", "--quiet", f"{there}:{compression}")
        shown: Any = json.loads(docker("image", "inspect", f"{there}:{compression}"))[0]
        assert f"{there}@{digest}" in shown["RepoDigests"]
        assert shown["Id"] == json.loads(raw(f"oci:{echo}:{compression}"))["config"]["digest"]
        assert docker("run", "--rm", "--network=none", f"{there}:{compression}") == "hello\n"


def test_what_docker_pushes_is_pulled(echo: Path, there: str, ann: Somebody, docker: Runner) -> None:
    ann.brasm("copy", "-q", f"oci:{echo}:gzip", f"docker-archive:x.tar:{there}:1")
    docker("load", "--quiet", "--input", str(ann.home / "x.tar"))
    docker("push", "--quiet", f"{there}:1")
    original = raw(f"docker://{there}:1")
    assert json.loads(original)["mediaType"] == V2S2
    assert_it_is_pulled(there, ann, original)
    docker("rmi", f"{there}:1")
    docker("pull", "--quiet", f"{there}@{sha256(original)}")
    assert docker("run", "--rm", "--network=none", f"{there}@{sha256(original)}") == "hello\n"
