"""`brasm copy` from every place to every other: what arrives is what skopeo finds there, byte for byte."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from assembler.destinations import put
from assembler.oci.reference import parse
from assembler.oci.shipment import Shipment
from tests.acceptance.refusals import refused
from tests.destinations.images import make_image
from tests.sources.archives import Blobs, descriptor, image, index, layout, tagged, tar
from tests.tools import BRASM, attempt, need, need_root, pack, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from assembler.oci.image import Compression

INDEX = "application/vnd.oci.image.index.v1+json"
COMPRESSIONS: tuple[Compression, ...] = ("gzip", "zstd", "none")
SOURCES = ("oci:{}/layout:1", "oci-archive:{}/x.oci.tar:1", "docker-archive:{}/x.docker.tar:app:1", "{}/x.tar")
DESTINATIONS = ("oci:y:1", "oci-archive:y.tar:1", "docker-archive:y.tar:app:1", "y.tar", "dir:y")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each compression with an image of two layers in each form."""
    folder = tmp_path_factory.mktemp("images")
    for compression in COMPRESSIONS:
        at = folder / compression
        at.mkdir()
        shipment = Shipment.of(made(at, compression))
        for form in SOURCES:
            if (compression, form[:14]) != ("zstd", "docker-archive"):
                put(shipment, tuple, parse(form.format(at)), "app", "1")
    return folder


def made(folder: Path, compression: Compression) -> Any:
    return make_image(folder, compression=compression, layers=2)


def copy(*arguments: str | os.PathLike[str], cwd: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*BRASM, "copy", "--json", *arguments, cwd=cwd))
    return found


def raw(reference: str, cwd: Path) -> str:
    need("skopeo")
    return run("skopeo", "inspect", "--raw", reference, cwd=cwd)


def sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def diff_ids(reference: str, cwd: Path) -> list[str]:
    need("skopeo")
    found: list[str] = json.loads(run("skopeo", "inspect", "--config", reference, cwd=cwd))["rootfs"]["diff_ids"]
    return found


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_pair(images: Path, tmp_path: Path, compression: str, source: str) -> None:
    need("skopeo")
    if compression == "zstd" and source.startswith("docker-archive"):
        pytest.skip("a docker-archive holds no zstd")
    there = source.format(images / compression)
    original = raw(f"oci:{images}/{compression}/layout:1", tmp_path)
    for number, form in enumerate(DESTINATIONS):
        out = tmp_path / str(number)
        out.mkdir()
        copied = copy(there, form, cwd=out)
        assert os.listdir(out) == [form.partition(":")[2].partition(":")[0] or form]
        kept = not (form.startswith("docker-archive") and compression == "zstd")
        assert (copied["digest"] == sha256(original) == copied["source_digest"]) is kept
        if form.startswith("dir:"):
            assert (out / "y/etc/motd").read_text() == "hello"
            continue
        assert bool(copied["notes"]) == (compression == "zstd" and form in {"y.tar", "docker-archive:y.tar:app:1"})
        again = {"y.tar": "oci-archive:y.tar"}.get(form, form)
        if form.startswith("docker-archive"):
            assert diff_ids(again, out) == diff_ids(f"oci:{images}/{compression}/layout:1", out)
            assert copy(form, "oci:z", cwd=out)["digest"] == copied["digest"], "reading it back gives what was said"
        else:
            assert raw(again, out) == original
        run(*BRASM, "copy", "-q", form, "oci:whole", cwd=out)
        if form != "docker-archive:y.tar:app:1":
            assert violations(f"oci:{out}/whole") == violations(f"oci:{images}/{compression}/layout:1")


def violations(reference: str) -> list[Any]:
    """Return what `brasm verify` finds: no damage, and of the root what the test's image lacks."""
    done = attempt(*BRASM, "verify", "--json", reference)
    found: list[Any] = json.loads(done.stdout)["violations"]
    assert {one["rule"] for one in found} == {"shebang"}
    return found


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_copy_is_what_pack_writes(images: Path, tmp_path: Path, compression: str) -> None:
    """Same image, same name: the same file, wherever it came from."""
    for source in SOURCES:
        if (compression, source[:14]) == ("zstd", "docker-archive"):
            continue
        for form, there in (
            ("y.tar", "x.tar"),
            ("oci-archive:y.tar", "x.oci.tar"),
            ("docker-archive:y.tar", "x.docker.tar"),
        ):
            if not (images / compression / there).exists():
                continue
            copy(source.format(images / compression), form, cwd=tmp_path)
            assert (tmp_path / "y.tar").read_bytes() == (images / compression / there).read_bytes()


# Indexes


def parts(blobs: Blobs) -> list[dict[str, Any]]:
    """Images of three platforms as buildkit lists them with an attestation each."""
    found = []
    for more in ({"architecture": "amd64"}, {"architecture": "arm", "variant": "v7"}, {"architecture": "riscv64"}):
        layers = [tar("etc dir\netc/shared file x"), tar(f"{more['architecture']} file")]
        described = image(blobs, layers, architecture=more["architecture"], platform={"os": "linux", **more})
        about = {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": described["digest"],
        }
        unknown = {"os": "unknown", "architecture": "unknown"}
        found += [described, image(blobs, [more["architecture"].encode()], platform=unknown, annotations=about)]
    return found


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A folder with `layout`, that has an index of three images under `all`."""
    blobs: Blobs = {}
    layout(tmp_path / "layout", blobs, tagged(descriptor(blobs, index(*parts(blobs)), INDEX), "all"))
    return tmp_path


def blobs_below(folder: Path) -> set[str]:
    return {path.name for path in (folder / "blobs/sha256").iterdir()}


def test_a_whole_index_as_skopeo_copies_it(several: Path) -> None:
    need("skopeo")
    original = raw("oci:layout:all", several)
    run("skopeo", "copy", "--all", "--preserve-digests", "oci:layout:all", "oci:theirs:all", cwd=several)
    for number, form in enumerate(("oci:ours:all", "oci-archive:ours.tar:all", "ours2.tar")):
        copied = copy("--all", "oci:layout:all", form, cwd=several)
        assert copied["digest"] == copied["source_digest"] == sha256(original)
        assert copied["media_type"] == INDEX
        there = {"ours2.tar": "oci-archive:ours2.tar"}.get(form, form)
        assert raw(there, several) == original
        run("skopeo", "copy", "--all", "--preserve-digests", there, f"oci:again{number}:all", cwd=several)
        assert blobs_below(several / f"again{number}") == blobs_below(several / "theirs")
    assert blobs_below(several / "ours") == blobs_below(several / "theirs")
    assert copy("--all", "ours2.tar", "oci:back", cwd=several)["output"] == "oci:back:all"
    assert blobs_below(several / "back") == blobs_below(several / "theirs")


@pytest.mark.parametrize("form", ["oci:y", "oci-archive:y.tar", "docker-archive:y.tar:app", "y.tar", "dir:y"])
def test_one_platform_keeps_its_digest(several: Path, form: str) -> None:
    need("skopeo")
    entry = json.loads(run("skopeo", "inspect", "--raw", "oci:layout:all", cwd=several))["manifests"][2]
    copied = copy("--platform", "linux/arm/v7", "oci:layout:all", form, cwd=several)
    assert copied["digest"] == entry["digest"] or form.startswith("docker-archive")
    assert copied["notes"][0] == "linux/arm/v7 of 3 platforms was copied: --all copies the index"
    if form == "dir:y":
        assert sorted(os.listdir(several / "y")) == ["arm", "etc"]
    elif form != "y.tar":
        again = run("skopeo", "inspect", "--config", {"oci:y": "oci:y:all"}.get(form, form + ":all"), cwd=several)
        assert json.loads(again)["architecture"] == "arm"


@pytest.mark.parametrize("form", ["docker-archive:y.tar:app", "dir:y"])
def test_all_of_an_index_does_not_go_where_one_image_goes(several: Path, form: str) -> None:
    message = refused(several, 2, "copy", "--all", "oci:layout:all", form)
    assert "holds one image, and sha256:" in message
    assert "has 3: linux/amd64, linux/arm/v7, linux/riscv64" in message


def test_a_universal_archive_of_an_index_says_that_docker_cannot_load_it(several: Path) -> None:
    done = attempt(*BRASM, "copy", "--all", "oci:layout:all", "y.tar", cwd=several)
    assert "note: y.tar: 3 images, so no manifest.json: docker cannot load it" in done.stderr
    assert done.stdout.startswith("sha256:")


# A registry


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_to_a_registry_and_back(images: Path, tmp_path: Path, registry: str, compression: str) -> None:
    need("skopeo")
    remote = f"docker://{registry}/copy/{compression}"
    original = raw(f"oci:{images}/{compression}/layout:1", tmp_path)
    assert copy(f"{images}/{compression}/x.tar", remote, cwd=tmp_path)["output"] == f"{remote}:1"
    assert run("skopeo", "inspect", "--raw", "--tls-verify=false", f"{remote}:1") == original
    copied = copy(f"{remote}@{sha256(original)}", "oci:back:2", cwd=tmp_path)
    assert copied["digest"] == copied["source_digest"] == sha256(original)
    assert raw("oci:back:2", tmp_path) == original
    assert copy(f"{remote}:1", "docker-archive:y.tar", cwd=tmp_path)["output"].endswith(
        f"y.tar:{registry}/copy/{compression}:1"
    )
    assert copy(f"{remote}:1", f"docker://{registry}/other:{compression}", cwd=tmp_path)["digest"] == sha256(original)
    assert "is the source itself" in refused(tmp_path, 2, "copy", f"{remote}:1", remote)


def test_an_index_to_a_registry_and_back(several: Path, registry: str) -> None:
    need("skopeo")
    original = raw("oci:layout:all", several)
    copied = copy("--all", "oci:layout:all", f"docker://{registry}/copy/index", cwd=several)
    assert copied["digest"] == sha256(original)
    assert run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry}/copy/index:all") == original
    copy("--all", f"docker://{registry}/copy/index:all", "oci:back", cwd=several)
    assert raw("oci:back:all", several) == original
    one = copy("--platform", "linux/riscv64", f"docker://{registry}/copy/index:all", "oci:one", cwd=several)
    assert one["digest"] == json.loads(original)["manifests"][4]["digest"]


# Refusals


@pytest.mark.parametrize("destination", ["oci:y", "oci-archive:y.tar", "docker-archive:y.tar", "y.tar", "dir:y"])
def test_a_damaged_blob_is_named_and_nothing_is_left(images: Path, tmp_path: Path, destination: str) -> None:
    shutil.copytree(images / "gzip/layout", tmp_path / "layout")
    manifest = json.loads(raw("oci:layout:1", tmp_path))
    for digest in (
        manifest["layers"][0]["digest"],
        manifest["config"]["digest"],
        sha256(raw("oci:layout:1", tmp_path)),
    ):
        path = tmp_path / "layout/blobs" / digest.replace(":", "/")
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        message = refused(tmp_path, 4, "copy", "oci:layout:1", destination)
        assert f"blob {digest} has the digest sha256:" in message
        path.unlink()
        assert f"layout: blob {digest} is missing" in refused(tmp_path, 4, "copy", "oci:layout:1", destination)
        path.write_bytes(data)


@pytest.mark.parametrize(
    ("code", "arguments", "message"),
    [
        (4, ("oci:layout:2", "oci:y"), "layout: there is no tag '2'"),
        (4, ("oci:layout", "y.tar", "--platform", "linux/s390x"), "no image for linux/s390x"),
        (2, ("oci:layout", "y.tar", "--platform", "s390x"), "is not a platform"),
        (2, ("oci:layout", "y.tar", "--all", "--platform", "linux/amd64"), "--all or --platform, not both"),
        (4, ("oci:nowhere", "y.tar"), "nowhere: no such folder"),
        (4, ("file", "y.tar"), "file: "),
        (2, ("dir:layout", "y.tar"), "an unpacked root filesystem, not an image"),
        (2, ("oci:layout", "foo:y"), "unknown transport 'foo'"),
        (2, ("oci:layout", "docker-daemon:sha256:" + "0" * 64), "an image is given a name there"),
        (5, ("oci:layout", "nowhere/y.tar"), "there is no folder"),
        (5, ("oci:layout", "oci:full"), "full: not an image layout, and not empty"),
        (5, ("oci:layout", "dir:full"), "full: is there and not an empty folder"),
        (5, ("oci:layout", "oci-archive:full"), "full: is a folder"),
        (2, ("oci:layout", "oci:layout"), "oci:layout: is the source itself"),
        (2, ("oci:layout:1", "oci:./layout/:1"), "is the source itself"),
        (2, ("oci:layout", "layout/index.json"), "layout/index.json: is in the folder of the source"),
        (2, ("oci:layout", "dir:layout/root"), "is in the folder of the source"),
        (2, ("x.tar", "oci-archive:x.tar"), "is the source itself"),
        (2, ("x.tar", "link.tar"), "is the source itself"),
        (2, ("x.tar", "hard.tar"), "is the source itself"),
    ],
)
def test_what_is_refused(images: Path, tmp_path: Path, code: int, arguments: tuple[str, ...], message: str) -> None:
    shutil.copytree(images / "gzip/layout", tmp_path / "layout")
    shutil.copy(images / "gzip/x.tar", tmp_path / "x.tar")
    (tmp_path / "link.tar").symlink_to("x.tar")
    os.link(tmp_path / "x.tar", tmp_path / "hard.tar")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    (tmp_path / "file").write_text("no archive")
    before = {path: path.read_bytes() for path in (tmp_path / "x.tar", tmp_path / "layout/index.json")}
    assert message in refused(tmp_path, code, "copy", *arguments)
    assert {path: path.read_bytes() for path in before} == before


def test_another_tag_of_the_same_layout(images: Path, tmp_path: Path) -> None:
    shutil.copytree(images / "gzip/layout", tmp_path / "layout")
    before = blobs_below(tmp_path / "layout")
    copy("oci:layout:1", "oci:layout:2", cwd=tmp_path)
    assert raw("oci:layout:2", tmp_path) == raw("oci:layout:1", tmp_path)
    assert blobs_below(tmp_path / "layout") == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    need_root()
    need("mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("no tmpfs may be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(
    "destination", ["{}/y.tar", "oci-archive:{}/y.tar", "docker-archive:{}/y.tar", "oci:{}/y", "dir:{}/y"]
)
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_full_disk(small_disk: Path, tmp_path: Path, compression: Compression, destination: str) -> None:
    lines = "/noise file 0644 0:0 " + "x" * 300_000
    if compression == "zstd" and not destination.startswith("d"):
        lines = "\n".join(
            f"/{n} file 0644 0:0 {hashlib.sha512(bytes([n % 256, n // 256])).hexdigest()}" for n in range(4000)
        )
    put(Shipment.of(make_image(tmp_path, lines, compression)), tuple, parse(f"oci:{tmp_path}/source:1"), "app", "1")
    done = attempt(*BRASM, "copy", f"oci:{tmp_path}/source", destination.format(small_disk))
    assert done.returncode == 5, done.stderr
    assert "No space left on device" in done.stderr
    assert os.listdir(small_disk) == []


def test_it_imports_little(images: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from assembler.cli.app import brasm\n"
        f"brasm(['copy', '-q', 'oci:{images}/gzip/layout', '{tmp_path}/y.tar'], standalone_mode=False)\n"
        "print(*sys.modules)"
    )
    loaded = set(run(sys.executable, "-c", code).split())
    for package in ("recipe", "graph", "plan", "elf", "buildroot", "runtime", "pipeline.make", "remote.client"):
        assert f"assembler.{package}" not in loaded
    assert (
        loaded & {"lief", "docker", "requests", "rich", "elftools", "zstandard", "deflate", "jsonschema", "ssl"}
        == set()
    )


def test_packing_to_a_registry_is_packing_to_a_layout_and_copying(static: Path, tmp_path: Path, registry: str) -> None:
    need("skopeo")
    remote = f"docker://{registry}/packed/echo"
    digest = pack("-s", static, "-e", "/bin/echo hello", "-o", remote, "-o", "oci:layout:1", cwd=tmp_path)
    assert raw("oci:layout:1", tmp_path) == run("skopeo", "inspect", "--raw", "--tls-verify=false", f"{remote}:latest")
    assert digest == sha256(raw("oci:layout:1", tmp_path)) == copy(remote, "oci:back", cwd=tmp_path)["digest"]
    found = [json.loads(attempt(*BRASM, "inspect", "--json", one, cwd=tmp_path).stdout) for one in (remote, "oci:back")]
    assert found[0] == found[1]
    assert run(*BRASM, "verify", remote).startswith(f"{digest}: sound and closed")


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_to_a_daemon_and_back(
    images: Path, tmp_path: Path, docker: Any, docker_host: str, compression: Compression
) -> None:
    need("skopeo")
    there = f"oci:{images}/{compression}/layout:1"
    daemon = ("--daemon", docker_host)
    copied = copy(*daemon, there, f"docker-daemon:copied-{compression}", cwd=tmp_path)
    assert copied["output"] == f"docker-daemon:copied-{compression}:1"
    config = json.loads(raw(there, tmp_path))["config"]["digest"]
    assert docker("image", "inspect", "--format", "{{.Id}}", f"copied-{compression}:1").strip() == config
    back = copy(*daemon, f"docker-daemon:copied-{compression}:1", "oci:back", cwd=tmp_path)
    assert back["output"] == "oci:back:1"
    assert diff_ids("oci:back:1", tmp_path) == diff_ids(there, tmp_path)
    by_id = copy(*daemon, f"docker-daemon:{config}", "docker-archive:y.tar", cwd=tmp_path)
    assert by_id["digest"] == back["digest"]
    assert "is the source itself" in refused(
        tmp_path, 2, "copy", *daemon, f"docker-daemon:copied-{compression}:1", f"docker-daemon:copied-{compression}"
    )
