"""Pushes that are large, many, killed, interrupted: nothing is sent twice, no tag lacks a blob, memory stays small."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import signal
import sys
import tarfile
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

import pytest

from tests.acceptance.users import Somebody, interrupt
from tests.registries import Relay, serve_registry
from tests.remote.certificates import make_certificates
from tests.remote.standin import Standin
from tests.sources.archives import Blobs, descriptor, image, layout, tagged, tar
from tests.tools import need, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.registries import Registry

GIB: Final = 1 << 30
MIB: Final = 1 << 20
LAYER: Final = "application/vnd.oci.image.layer.v1.tar"

COPIES: Final = """
import subprocess, sys
from assembler.base.progress import Silent
from assembler.oci.reference import parse
from assembler.pipeline.copy import Way, copy
from assembler.remote.access import Access

for number, pair in enumerate(sys.argv[1:]):
    source, destination = pair.split()
    if number < 4:
        command = [sys.executable, "-m", "assembler", "copy", "-q", source, destination]
        print(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    else:
        done = copy(parse(source), parse(destination), Way(), Access(), Silent())
        print(done.digest)
"""
"""Copies one image after the other, the first ones each by a `brasm` of its own."""

SMALL_CHUNKS: Final = f"""
import assembler.remote.upload
from assembler.cli import main

assembler.remote.upload.CHUNK = {MIB}
main()
"""


@pytest.fixture
def ann(tmp_path: Path) -> Iterator[Somebody]:
    """Somebody whose home is gone at the end: it holds much."""
    (tmp_path / "home").mkdir()
    yield Somebody(tmp_path / "home")
    shutil.rmtree(tmp_path / "home")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Registry]:
    """A registry of this test alone, which leaves nothing."""
    with serve_registry(tmp_path / "registry") as registry:
        yield registry
    shutil.rmtree(tmp_path / "registry")


def large_layout(folder: Path, size: int) -> str:
    """Make a layout of an image, tag 1, whose plain layer holds a file of zeros; return the manifest's digest."""
    info = tarfile.TarInfo("zeros")
    info.size = size
    layer = folder.with_suffix(".tar")
    with layer.open("w+b") as file:
        file.write(info.tobuf())
        file.truncate(512 + size + 1024)
        file.seek(0)
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    blobs: Blobs = {}
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest]}}

    def only(document: dict[str, object]) -> None:
        document["config"] = descriptor(blobs, json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json")
        document["layers"] = [{"mediaType": LAYER, "digest": digest, "size": layer.stat().st_size}]

    own = image(blobs, [], manifest=only)
    layout(folder, blobs, tagged(own, "1"))
    layer.rename(folder / "blobs" / digest.replace(":", "/"))
    return str(own["digest"])


def noisy_layout(folder: Path, size: int, seed: int = 1) -> str:
    """Make a layout of an image, tag 1, whose plain layer is no repetition of itself; return the manifest's digest."""
    blobs: Blobs = {}
    own = image(blobs, [noise(size, seed)], compress=False)
    layout(folder, blobs, tagged(own, "1"))
    return str(own["digest"])


def noise(size: int, seed: int) -> bytes:
    """Return a tar of a file of such bytes."""
    return tar(f"{seed} file {random.Random(seed).randbytes(size // 2).hex()}")


def has_tag(address: str, name: str) -> bool:
    """Whether a registry shows the tag 1 of a repository."""
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://{address}/v2/{name}/manifests/1", headers=accept)):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 404:
            raise
        return False


# Many


def hundred(folder: Path) -> tuple[Blobs, list[str]]:
    """Make a layout of 100 images of 5 MB, tags 0 to 99, which share all layers but a small one; return digests too."""
    blobs: Blobs = {}
    shared = [noise(700_000, number) for number in range(7)]
    images = [image(blobs, [*shared, noise(20_000, 100 + number)], compress=False) for number in range(100)]
    layout(folder, blobs, *(tagged(each, str(number)) for number, each in enumerate(images)))
    return blobs, [str(each["digest"]) for each in images]


def at_once(ann: Somebody, *jobs: Sequence[str]) -> list[list[str]]:
    """Run several processes that each copy images, `SOURCE DESTINATION`, and return the digests that each says."""
    processes = [ann.begin(*job, program=(sys.executable, "-c", COPIES)) for job in jobs]
    try:
        ended = [process.communicate(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * len(jobs), ended
    return [output.split() for output, _ in ended]


def test_a_hundred_images_from_two_processes(ann: Somebody, served: Registry) -> None:
    """Both push the same twenty first, and then forty each; the shared layers are mounted in the other repositories."""
    need("skopeo")
    blobs, digests = hundred(ann.home / "layout")
    documents = set(digests)
    sent_once = blobs.keys() - documents
    with Relay(served.address) as relay:
        places = [f"docker://{relay.address}/many/{number % 4}:{number}" for number in range(100)]
        pushes = [f"oci:layout:{number} {place}" for number, place in enumerate(places)]
        said = at_once(ann, pushes[40:60] + pushes[:40], pushes[40:60] + pushes[60:])
        sent = relay.sent
    assert said == [digests[40:60] + digests[:40], digests[40:60] + digests[60:]]
    assert sorted(served.taken()) == sorted(sent_once)
    assert sent < sum(len(blobs[digest]) for digest in sent_once) * 1.1
    mounts = [one for one in served.asked() if "mount" in one.query and one.status == 201]
    assert len(mounts) == 7 * 3

    places = [f"docker://{served.address}/many/{number % 4}:{number}" for number in range(100)]
    pulls = [f"{place} oci-archive:{number}.tar:{number}" for number, place in enumerate(places)]
    assert at_once(ann, pulls[:50], pulls[50:]) == [digests[:50], digests[50:]]
    for number, digest in enumerate(digests):
        assert held(ann.home / f"{number}.tar", blobs) == {digest, *below(blobs, digest)}
    for number in (0, 41, 99):
        shown = run("skopeo", "inspect", "--raw", "--tls-verify=false", places[number])
        assert shown.encode() == blobs[digests[number]]


def below(blobs: Blobs, digest: str) -> set[str]:
    """Return the blobs that a manifest names."""
    manifest = json.loads(blobs[digest])
    return {each["digest"] for each in (manifest["config"], *manifest["layers"])}


def held(archive: Path, blobs: Blobs) -> set[str]:
    """Return the digests of the blobs in an archive, each of which has the bytes that were pushed."""
    found = set()
    with tarfile.open(archive) as file:
        for member in file:
            if member.isfile() and member.name.startswith("blobs/"):
                data = file.extractfile(member)
                assert data is not None
                digest = member.name.removeprefix("blobs/").replace("/", ":")
                assert data.read() == blobs[digest]
                found.add(digest)
    return found


# Large


def test_a_layer_of_1_gb_killed_twenty_times(ann: Somebody, served: Registry) -> None:
    """Docker's registry gives up an upload that broke off in the middle of a chunk: the last run sends all of it."""
    digest = large_layout(ann.home / "layout", GIB)
    chance = random.Random(20)
    with Relay(served.address) as relay:
        command = ("copy", "oci:layout:1", f"docker://{relay.address}/large/app:1")
        for _ in range(20):
            relay.count(sent=chance.randrange(80 * MIB))
            assert interrupt(ann.begin(*command), relay).code == -signal.SIGKILL
            assert not has_tag(served.address, "large/app")
        relay.count()
        assert ann.measured(*command) < 150 * MIB
        assert relay.sent < GIB + MIB
    assert has_tag(served.address, "large/app")
    assert ann.measured("copy", f"docker://{served.address}/large/app:1", "oci:back") < 150 * MIB
    assert f'"{digest}"' in (ann.home / "back/index.json").read_text()
    sizes = {path.name: path.stat().st_size for path in (ann.home / "layout/blobs/sha256").iterdir()}
    pulled = {path.name: path.stat().st_size for path in (ann.home / "back/blobs/sha256").iterdir()}
    assert pulled.items() <= sizes.items()
    assert len(pulled) == 3


def test_tls_takes_no_more_memory(ann: Somebody, tmp_path: Path) -> None:
    large_layout(ann.home / "layout", 256 * MIB)
    certificates = make_certificates(tmp_path / "certificates")
    trust = ("--ca-file", certificates.authority)
    with serve_registry(tmp_path / "registry", tls=certificates) as registry:
        there = f"docker://{registry.address}/large/app:1"
        assert ann.measured("copy", *trust, "oci:layout:1", there) < 100 * MIB
        assert ann.measured("copy", *trust, there, "oci:back") < 100 * MIB
    shutil.rmtree(tmp_path / "registry")


@pytest.mark.parametrize("keeps_partial", [True, False])
def test_what_was_taken_is_not_sent_again(ann: Somebody, *, keeps_partial: bool) -> None:
    """A registry that keeps what came of a broken chunk gets each byte once, another each chunk that was whole."""
    size = 32 * MIB
    digest = noisy_layout(ann.home / "layout", size)
    chance, sent = random.Random(21), 0
    with Standin(keeps_partial=keeps_partial) as standin, Relay(standin.address) as relay:
        program = (sys.executable, "-c", SMALL_CHUNKS)
        command = ("copy", "oci:layout:1", f"docker://{relay.address}/app:1")
        for most in (200, 500, 800, 1100, *(chance.randrange(3 * MIB) for _ in range(16))):
            relay.count(sent=most)
            assert interrupt(ann.begin(*command, program=program), relay).code == -signal.SIGKILL
            sent += relay.sent
            assert all(repository.tags == {} for repository in standin.repositories.values())
        relay.count()
        output, errors = ann.begin(*command, program=program).communicate(timeout=60)
        sent += relay.sent
        assert output == f"{digest}\n", errors
        assert standin.repositories["app"].tags == {"1": digest}
        assert standin.dangling() == standin.premature == []
    assert sent < size + (MIB if keeps_partial else 20 * MIB)


# Interrupted


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_an_interrupted_push(
    number: signal.Signals, code: int, said: str, registries: Callable[[str], Registry], ann: Somebody
) -> None:
    digest = noisy_layout(ann.home / "layout", 24 * MIB)
    with Relay(registries("plain").address) as relay:
        name = f"interrupted/{said}"
        relay.count(sent=chance_of(number) * MIB)
        ended = interrupt(ann.begin("copy", "oci:layout:1", f"docker://{relay.address}/{name}:1"), relay, number)
        assert (ended.code, ended.output, ended.errors.strip()) == (code, "", f"error: {said}")
        assert not has_tag(registries("plain").address, name)
        relay.count()
        assert ann.brasm("copy", "oci:layout:1", f"docker://{relay.address}/{name}:1") == f"{digest}\n"


def chance_of(number: int) -> int:
    """Return some MiB, other ones for each signal."""
    return 1 + number % 20


@pytest.mark.parametrize("destination", ["oci:new:1", "oci:old:2", "oci-archive:new.tar", "new.tar", "dir:new"])
def test_an_interrupted_pull(destination: str, registries: Callable[[str], Registry], ann: Somebody) -> None:
    noisy_layout(ann.home / "layout", 24 * MIB)
    noisy_layout(ann.home / "old", MIB, seed=2)
    with Relay(registries("plain").address) as relay:
        there = f"docker://{relay.address}/interrupted/pull:1"
        ann.brasm("copy", "-q", "oci:layout:1", there)
        before = {path: path.read_bytes() for path in ann.home.rglob("*") if path.is_file()}
        relay.count(received=8 * MIB)
        process = ann.begin("copy", there, destination)
        ended = interrupt(process, relay, signal.SIGINT, written=8 * MIB - 65536)  # it waits for more then
        assert (ended.code, ended.output, ended.errors.strip()) == (130, "", "error: interrupted")
        assert {path: path.read_bytes() for path in ann.home.rglob("*") if path.is_file()} == before
        assert not (ann.home / "new").exists()
        relay.count()
        ann.brasm("copy", "-q", there, destination)
