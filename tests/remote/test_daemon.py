"""Daemons: what they are, what they load and save, and what is said where they do not.

The real ones are Debian's docker and podman's service; what other engines answer is played by a small server.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from assembler.base import digest as digests
from assembler.base.content import Bytes
from assembler.base.errors import BrasmError, DestinationError, ImageError, RemoteError, SourceError, UsageError
from assembler.base.progress import Silent
from assembler.destinations import check_outputs, put
from assembler.destinations.archive import tar_chunks, universal_members
from assembler.destinations.daemon import takes_zstd
from assembler.oci.reference import parse
from assembler.oci.shipment import Shipment
from assembler.oci.types import INDEX, LAYER_ZSTD, Descriptor, Index, Platform, encode
from assembler.remote.access import Access
from assembler.remote.daemon import Daemon, Facts, LoadAnswer, connect
from assembler.sources.blobs import Checked
from assembler.sources.image import open_image
from assembler.sources.shipment import open_shipment
from tests.destinations.images import make_image
from tests.tools import environment, need_root, pack, run
from tests.trees import make_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from assembler.oci.image import Compression, Image
    from assembler.tree import Entry

    Runner = Callable[..., str]


pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
"""Where there is nothing to connect to, the SDK leaves its sockets to the garbage collector."""


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Leave no such sockets to other tests."""
    yield
    gc.collect()


@pytest.fixture(params=["docker_host", "podman_host"])
def host(request: pytest.FixtureRequest) -> str:
    """Each of the daemons in turn."""
    address: str = request.getfixturevalue(request.param)
    return address


@pytest.fixture
def daemon(host: str) -> Iterator[Daemon]:
    with connect(Access(daemon=host)) as connection:
        yield connection


def chunks(path: Path, size: int = 1000) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(size):
            yield data


def packed(folder: Path, compression: str, *outputs: str) -> str:
    """Pack a root of its own layers, so that no daemon knows them from another test, and return the config's digest."""
    root = folder / "root"
    root.mkdir()
    make_folder(f"/etc/mark file 0644 0:0 {folder.name}{compression}", root)
    given = [argument for output in outputs for argument in ("-o", output)]
    settings = ("--set", "image.platform=linux/amd64", "--set", f"layers.compression={compression}")
    pack("--source", root, "--mode", "all", *settings, *given, cwd=folder)
    return str(open_image(parse(outputs[0]), folder=str(folder)).manifest.config.digest)  # type: ignore[union-attr]


# --- what a daemon is


def test_what_docker_is(docker_host: str) -> None:
    with connect(Access(daemon=docker_host)) as daemon:
        facts = daemon.facts
    version = json.loads(run("docker", f"--host={docker_host}", "version", "--format", "{{json .Server}}"))
    assert facts == Facts("docker", version["Version"], version["ApiVersion"], containerd_store=False)
    assert facts.takes_zstd == (int(facts.version.split(".")[0]) >= 23)
    assert not facts.takes_index
    assert not facts.keeps_digest


def test_what_podman_is(podman_host: str) -> None:
    with connect(Access(daemon=podman_host)) as daemon:
        facts = daemon.facts
    assert facts.engine == "podman"
    assert run("podman", "--version").split()[-1] == facts.version
    assert facts.takes_zstd
    assert not facts.takes_index
    assert facts.keeps_digest


@pytest.mark.parametrize(
    ("api", "podman", "status", "zstd", "index"),
    [
        ("1.41", False, None, False, False),
        ("1.42", False, None, True, False),
        ("1.45", False, [["Backing Filesystem", "extfs"]], True, False),
        ("1.45", False, [["driver-type", "io.containerd.snapshotter.v1"]], True, True),
        ("1.41", True, None, True, False),
    ],
)
def test_what_others_are(tmp_path: Path, api: str, podman: bool, status: Any, zstd: bool, index: bool) -> None:
    answers = {"/_ping": ping(api, podman=podman), "/info": {"DriverStatus": status}}
    with played(tmp_path, answers) as address, connect(Access(daemon=address)) as daemon:
        assert (daemon.facts.takes_zstd, daemon.facts.takes_index) == (zstd, index)
        assert daemon.facts == Facts("podman" if podman else "docker", "27.1", api, containerd_store=index)


# --- loading and saving


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_a_universal_archive_there_and_back(tmp_path: Path, daemon: Daemon, compression: str) -> None:
    config = packed(tmp_path, compression, "x.tar")
    name = f"brasm/universal-{compression}:1"
    told = Told()
    with tarfile.open(tmp_path / "x.tar") as archive:
        assert "manifest.json" in archive.getnames()
    renamed(tmp_path / "x.tar", name)
    answer = daemon.load(chunks(tmp_path / "x.tar"), told)
    assert [each.removeprefix("docker.io/") for each in answer.names] == [name]
    assert told.amount == (tmp_path / "x.tar").stat().st_size
    assert daemon.identity(name) == daemon.identity(config) == config
    assert any(each.endswith(name) for each in daemon.names())
    saved = b"".join(daemon.save(name))
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        data = archive.extractfile(json.load(manifest)[0]["Config"])
        assert data is not None
        assert digests.sha256(data.read()) == config


class Told(Silent):
    amount = 0

    def advance(self, amount: int) -> None:
        self.amount += amount


def renamed(path: Path, name: str) -> None:
    """Give the image in an archive another name; brasm's own is the recipe's."""
    members: list[tuple[tarfile.TarInfo, bytes]] = []
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member)
            members.append((member, file.read() if file else b""))
    repository, _, tag = name.rpartition(":")
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for member, data in members:
            document: Any = json.loads(data) if member.name in {"manifest.json", "index.json"} else None
            if member.name == "manifest.json":
                document[0]["RepoTags"] = [name]
            elif member.name == "index.json":
                document["manifests"][0]["annotations"] = {
                    "io.containerd.image.name": f"docker.io/{repository}:{tag}",
                    "org.opencontainers.image.ref.name": tag,
                }
            content = data if document is None else json.dumps(document).encode()
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_an_archive_is_never_whole_in_memory(tmp_path: Path, docker_host: str) -> None:
    """What is sent is made while it is sent: no piece is asked for long before it goes."""
    code = (
        "import resource, sys\n"
        "from assembler.remote.daemon import connect; from assembler.remote.access import Access\n"
        "from assembler.base.errors import RemoteError\n"
        "with connect(Access(daemon=sys.argv[1])) as daemon:\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    try: daemon.load(bytes(1 << 20) for _ in range(300))\n"
        "    except RemoteError as error: print(error.message)\n"
        "    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, docker_host], capture_output=True, text=True, check=True, env=environment()
    )
    assert int(done.stderr) < 100


def test_a_broken_archive(tmp_path: Path, daemon: Daemon) -> None:
    packed(tmp_path, "gzip", "x.tar")
    data = (tmp_path / "x.tar").read_bytes()
    before = daemon.names()
    for broken in (data[: len(data) // 2], b"", b"no tar at all", os.urandom(100_000)):
        with pytest.raises(RemoteError, match=r"^unix:///.*: load: .") as caught:
            daemon.load(iter([broken]))
        assert "\n" not in caught.value.message
    assert daemon.names() == before


def test_what_fails_while_it_is_made_is_not_loaded(tmp_path: Path, daemon: Daemon) -> None:
    packed(tmp_path, "gzip", "x.tar")

    def failing() -> Iterator[bytes]:
        yield (tmp_path / "x.tar").read_bytes()[:5000]
        raise ImageError("blob sha256:1 is damaged")

    before = daemon.names()
    with pytest.raises(ImageError, match=r"^blob sha256:1 is damaged$"):
        daemon.load(failing())
    assert daemon.names() == before


def test_an_image_that_is_not_there(tmp_path: Path, daemon: Daemon) -> None:
    packed(tmp_path, "gzip", "x.tar")
    renamed(tmp_path / "x.tar", "brasm/near:1")
    daemon.load(chunks(tmp_path / "x.tar"))
    for ask in (daemon.identity, daemon.save):
        with pytest.raises(SourceError, match=r"there is no image 'brasm/nearr:1'") as caught:
            ask("brasm/nearr:1")
        assert caught.value.hint is not None
        assert "brasm/near:1" in caught.value.hint
    with pytest.raises(SourceError, match="there is no image"):
        daemon.identity("sha256:" + "0" * 64)


# --- as a destination and a source


def there(host: str, name: str) -> str:
    with connect(Access(daemon=host)) as daemon:
        return daemon.identity(name)


def config_of(image: Image) -> str:
    return str(digests.sha256(image.config_bytes))


def nothing() -> Sequence[Entry]:
    raise AssertionError("nobody asked for entries")


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_a_shipment_there_and_back(tmp_path: Path, host: str, compression: Compression) -> None:
    image = make_image(tmp_path, f"/etc/there file 0644 0:0 {compression}", compression, layers=2)
    access, told = Access(daemon=host), Told()
    reference = parse(f"docker-daemon:brasm/there-{compression}")
    check_outputs((reference,), compression, access)
    written = put(Shipment.of(image), nothing, reference, None, "2", access, told)
    assert written.reference == f"docker-daemon:brasm/there-{compression}:2"
    assert told.amount > sum(layer.descriptor.size for layer in image.layers[:1])
    back = open_shipment(parse(written.reference), access)
    assert (back.name, back.tag) == (f"brasm/there-{compression}", "2")
    _, manifest = back.shipment.only_image("a test")
    assert manifest.config is not None
    assert manifest.config.digest == config_of(image) == there(host, written.reference.removeprefix("docker-daemon:"))
    assert back.shipment.config(manifest).rootfs.diff_ids == tuple(layer.diff_id for layer in image.layers)
    for _, content in back.shipment.blobs:
        assert sum(map(len, content.chunks())) == content.size
    by_id = open_shipment(parse(f"docker-daemon:{config_of(image)}"), access)
    assert by_id.tag is None or by_id.tag == "2"
    assert by_id.shipment.only_image("a test")[1].config == manifest.config


def test_podman_keeps_the_digest(tmp_path: Path, podman_host: str) -> None:
    access = Access(daemon=podman_host)
    for compression in ("gzip", "zstd"):
        image = make_image(tmp_path, f"/etc/kept file 0644 0:0 {compression}", compression)
        reference = parse(f"docker-daemon:brasm/kept-{compression}:1")
        check_outputs((reference,), compression, access)
        assert put(Shipment.of(image), nothing, reference, None, "", access).notes == ()
        with connect(access) as daemon:
            inspected = daemon._client.inspect_image(f"brasm/kept-{compression}:1")
        assert [each.rpartition("@")[2] for each in inspected["RepoDigests"]] == [image.digest]
        back = open_shipment(reference, access)
        assert back.shipment.only_image("a test")[1].config.digest == config_of(image)  # type: ignore[union-attr]


def test_docker_says_what_it_does_not_keep(tmp_path: Path, docker_host: str) -> None:
    image = make_image(tmp_path, "/etc/id file 0644 0:0 x")
    reference = parse("docker-daemon:brasm/id:1")
    written = put(Shipment.of(image), nothing, reference, None, "", Access(daemon=docker_host))
    assert len(written.notes) == 1
    assert config_of(image) in written.notes[0]


def test_zstd_for_a_docker_that_cannot_read_it(tmp_path: Path, docker_host: str) -> None:
    access = Access(daemon=docker_host)
    if takes_zstd(access):
        pytest.skip("this docker reads zstd")
    image = make_image(tmp_path, "/etc/zstd file 0644 0:0 x", "zstd")
    with pytest.raises(DestinationError, match=rf"takes no layers of type '{LAYER_ZSTD}'".replace("+", r"\+")):
        put(Shipment.of(image), nothing, parse("docker-daemon:brasm/zstd:1"), None, "", access)


def index_of(*images: Image) -> Shipment:
    parts = [Shipment.of(image) for image in images]
    data = encode(Index(2, INDEX, manifests=tuple(part.root for part in parts)))
    top = Descriptor(INDEX, digests.sha256(data), len(data))
    documents = tuple(pair for part in parts for pair in part.documents)
    blobs = {pair[0].digest: pair for part in parts for pair in part.blobs}
    return Shipment(top, (*documents, (top, data)), tuple(blobs.values()))


def test_several_images_under_one_name(tmp_path: Path, host: str) -> None:
    one = make_image(tmp_path, "/etc/several file 0644 0:0 x")
    other = replace(one, config=replace(one.config, architecture="arm64"))
    reference = parse("docker-daemon:brasm/several:1")
    with pytest.raises(UsageError, match="holds one image") as caught:
        put(index_of(one, other), nothing, reference, None, "", Access(daemon=host))
    assert "linux/amd64, linux/arm64" in caught.value.message
    with connect(Access(daemon=host)) as daemon:
        assert not any("several" in name for name in daemon.names())
    # An index of one image is that image.
    put(index_of(one), nothing, reference, None, "", Access(daemon=host))
    assert there(host, "brasm/several:1") == config_of(one)


def test_a_damaged_blob_is_named_and_nothing_is_loaded(tmp_path: Path, host: str) -> None:
    image = make_image(tmp_path, "/etc/damaged file 0644 0:0 x")
    shipment = Shipment.of(image)
    layer, content = shipment.blobs[0]
    damaged = Checked(Bytes(bytes(content.size)), layer)
    broken = replace(shipment, blobs=((layer, damaged), *shipment.blobs[1:]))
    with pytest.raises(ImageError, match=layer.digest):
        put(broken, nothing, parse("docker-daemon:brasm/damaged:1"), None, "", Access(daemon=host))
    with connect(Access(daemon=host)) as daemon:
        assert not any("damaged" in name for name in daemon.names())


def test_sources_that_are_not_there(host: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no image 'brasm/absent:latest'"):
        open_shipment(parse("docker-daemon:brasm/absent"), Access(daemon=host))
    with pytest.raises(SourceError, match="No such file or directory"):
        open_shipment(parse("docker-daemon:brasm/absent"), Access(daemon=f"unix://{tmp_path}/absent"))
    with pytest.raises(RemoteError, match="No such file or directory"):
        check_outputs((parse("docker-daemon:brasm/absent"),), None, Access(daemon=f"unix://{tmp_path}/absent"))


# --- reaching one


def test_nothing_listens(tmp_path: Path) -> None:
    stale = tmp_path / "stale"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stale))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for address, problem in (
        (f"unix://{tmp_path}/absent", "connect: No such file or directory"),
        (f"{tmp_path}/absent", "connect: No such file or directory"),
        (f"unix://{stale}", "connect: Connection refused"),
        (f"tcp://127.0.0.1:{port}", "connect: Connection refused"),
    ):
        with pytest.raises(RemoteError) as caught, connect(Access(daemon=address)):
            pass
        assert caught.value.message == f"{'unix://' if address.startswith('/') else ''}{address}: {problem}"
        assert caught.value.hint is not None
        assert "DOCKER_HOST" in caught.value.hint


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("tcp://127.0.0.1", "port is required"),
        ("tcp://127.0.0.1:x", "Port could not be cast"),
        ("foo://x", "Invalid bind address protocol"),
        ("ssh://host", "not spoken to over SSH"),
        ("\n", "Invalid"),
    ],
)
def test_addresses_that_are_none(address: str, problem: str) -> None:
    with pytest.raises(RemoteError, match=problem), connect(Access(daemon=address)):
        pass


def test_a_socket_that_may_not_be_used(tmp_path: Path) -> None:
    need_root()
    code = (
        "import os, sys\n"
        "from assembler.remote.daemon import connect; from assembler.remote.access import Access\n"
        "from assembler.base.errors import RemoteError; import docker, requests\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n"
        "    with connect(Access(daemon=sys.argv[1])): pass\n"
        "except RemoteError as error: print(error.message); print(error.hint)"
    )
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o660)
        done = subprocess.run(
            [sys.executable, "-c", code, f"unix://{path}"],
            capture_output=True,
            text=True,
            check=True,
            env=environment(HOME=str(tmp_path)),
        )
    assert done.stdout.splitlines() == [
        f"unix://{path}: connect: Permission denied",
        "be root, or in the socket's group: usermod -aG docker USER",
    ]


def test_which_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assembler.remote.daemon._DOCKER", f"{tmp_path}/docker.sock")
    monkeypatch.setattr("assembler.remote.daemon._PODMAN", f"{tmp_path}/podman.sock")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    (tmp_path / "run/podman").mkdir(parents=True)
    with (
        pytest.raises(RemoteError, match=r"no docker or podman daemon: there is none of .*docker\.sock"),
        connect(Access()),
    ):
        pass
    paths = ("podman.sock", "run/podman/podman.sock", "run/docker.sock", "docker.sock", "named.sock")
    for number, path in enumerate(paths):
        answers = {"/_ping": ping(f"1.{30 + number}"), "/info": {}}
        server = Played(str(tmp_path / path), answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/named.sock" if path == "named.sock" else "")
        with connect(Access()) as daemon:
            assert daemon.address == f"unix://{tmp_path}/{path}"
            assert daemon.facts.api_version == f"1.{30 + number}"
        server.shutdown()
        server.server_close()
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(RemoteError, match=r"^unix:///absent: "), connect(Access(daemon="unix:///absent")):
        pass


def test_certificates_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    with (
        pytest.raises(RemoteError, match=r"^tcp://127\.0\.0\.1:1: connect: .*certificate"),
        connect(Access(daemon="tcp://127.0.0.1:1")),
    ):
        pass


def test_a_malformed_configuration_of_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, docker_host: str) -> None:
    """The SDK reads it, credentials and all, before it speaks to anyone."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for text in ('{"auths": {"quay.io": {"auth": "s3cret"}}}', '{"auths": {"quay.io": "s3cret"}}', "{"):
        (tmp_path / "config.json").write_text(text)
        with contextlib.suppress(RemoteError), connect(Access(daemon=docker_host)) as daemon:
            daemon.names()


def test_the_sdk_is_imported_only_when_it_is_spoken_to() -> None:
    code = "import sys; import assembler.remote.daemon, assembler.destinations.daemon; print('docker' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout == "False\n"


# --- answers that no daemon gives


class Played(ThreadingMixIn, UnixStreamServer):
    """A daemon that answers what it was told: a value as JSON, bytes as they are; by path without the version."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: str, answers: dict[str, Any]) -> None:
        super().__init__(path, Player)
        self.answers = answers

    def handle_error(self, *_: Any) -> None:
        """The client went."""


class Player(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Played

    def do_GET(self) -> None:
        path = "/" + self.path.partition("?")[0].lstrip("/")
        known = next((key for key in self.server.answers if path.endswith(key)), None)
        answer = self.server.answers.get(known or "", {"message": f"no such thing: {path}"})
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        if isinstance(answer, bytes) and answer.startswith(b"HTTP/"):
            self.wfile.write(answer)
            self.close_connection = True
            return
        self.send_response(404 if known is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self) -> None:
        if b"early" not in self.server.answers.get("/load", b""):
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        self.do_GET()

    def address_string(self) -> str:
        return "client"

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


@contextmanager
def played(folder: Path, answers: dict[str, Any]) -> Iterator[str]:
    path = str(folder / "played.sock")
    with Played(path, answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            os.unlink(path)


def ping(api: str, *, podman: bool = False) -> bytes:
    """What a daemon answers first."""
    engine = b"Libpod-API-Version: 27.1\r\nServer: Libpod" if podman else b"Server: Docker"
    return b"HTTP/1.1 200 OK\r\nApi-Version: %b\r\n%b/27.1 (linux)\r\nContent-Length: 2\r\n\r\nOK" % (
        api.encode(),
        engine,
    )


FINE: dict[str, Any] = {"/_ping": ping("1.41"), "/info": {}}


def stream(*lines: dict[str, Any] | bytes, status: int = 200) -> bytes:
    """An answer in chunks, as daemons stream them."""
    body = b""
    for line in lines:
        data = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
        body += b"%x\r\n%b\r\n" % (len(data), data)
    return b"HTTP/1.1 %d Answer\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (status, body)


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"/_ping": b"OK"},
        {"/_ping": ping("")},
        {"/_ping": ping("seven")},
        {"/_ping": ping("1.10")},
        {"/_ping": ping("1.41"), "/info": b"{"},
        {"/_ping": ping("1.41"), "/info": []},
        {"/_ping": ping("1.41"), "/info": {"DriverStatus": 7}},
        {"/_ping": b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"},
        {"/_ping": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"},
        {"/_ping": b"HTTP/9 nonsense\r\n\r\n"},
        {"/_ping": b""},
    ],
)
def test_what_is_no_daemon(tmp_path: Path, answers: dict[str, Any]) -> None:
    with (
        played(tmp_path, answers) as address,
        pytest.raises(RemoteError, match=r"^unix:///.*: (connect|info): .") as caught,
        connect(Access(daemon=address)),
    ):
        pass
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ((b'{"stream":"Loaded image: a:1\\n"}\n',), LoadAnswer(("a:1",), ())),
        (({"stream": "Loaded image: a:1\n"}, {"stream": "Loaded image: b:1\n"}), LoadAnswer(("a:1", "b:1"), ())),
        (({"stream": "Loaded image ID: sha256:12\n"},), LoadAnswer((), ("sha256:12",))),
        (
            ({"stream": "Loaded image: docker.io/a:1,docker.io/b:1"},),
            LoadAnswer(("docker.io/a:1", "docker.io/b:1"), ()),
        ),
        (
            ({"stream": "The image a:1 already exists, renaming the old one\n"}, {"stream": "Loaded image: a:1\n"}),
            LoadAnswer(("a:1",), ()),
        ),
        (
            ({"status": "Loading layer", "progressDetail": {}}, {"stream": "Loaded image: a:1"}),
            LoadAnswer(("a:1",), ()),
        ),
        ((b'{"stream":"Loaded im', b'age: a:1\\n"}'), LoadAnswer(("a:1",), ())),
    ],
)
def test_answers_of_a_load(tmp_path: Path, answer: tuple[Any, ...], wanted: LoadAnswer) -> None:
    with played(tmp_path, {**FINE, "/load": stream(*answer)}) as address, connect(Access(daemon=address)) as daemon:
        assert daemon.load(iter([b"x" * 1000])) == wanted


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (stream({"errorDetail": {"message": "no room\nleft"}, "error": "no room\nleft"}), "load: no room left"),
        (stream({"stream": "Loaded image: a:1"}, {"error": "bad"}), "load: bad"),
        (stream({"cause": "c", "message": "it failed", "response": 500}, status=500), "load: it failed"),
        (b'HTTP/1.1 500 No\r\nContent-Length: 20\r\n\r\n{"message": "bad x"}', "load: bad x"),
        (b"HTTP/1.1 502 No\r\nContent-Length: 9\r\n\r\n<html>bad", "load: <html>bad"),
        (stream(), "load: it does not say that it loaded an image"),
        (stream({"stream": "hello"}), "load: it does not say that it loaded an image"),
        (stream(b"no JSON"), "load: "),
        (stream(b"[1]"), "load: it answers what is no JSON object"),
        (stream({"stream": "Loaded image: a:1"})[:-30], "load: "),
        (b"HTTP/1.1 200 OK\r\n", "load: "),
        (stream({"error": "early: no room"}), "load: early: no room"),
    ],
)
def test_loads_that_fail(tmp_path: Path, answer: bytes, problem: str) -> None:
    data = (bytes(1 << 18) for _ in range(20))
    with (
        played(tmp_path, {**FINE, "/load": answer}) as address,
        connect(Access(daemon=address)) as daemon,
        pytest.raises(RemoteError) as caught,
    ):
        daemon.load(data)
    assert caught.value.message.startswith(f"{address}: {problem}")
    assert "\n" not in caught.value.message


def test_saves_that_break_off(tmp_path: Path) -> None:
    broken = stream(bytes(5000))[:3000]
    answers = {**FINE, "/images/a:1/json": {"Id": "12"}, "/images/a:1/get": broken}
    with played(tmp_path, answers) as address, connect(Access(daemon=address)) as daemon:
        assert daemon.identity("a:1") == "sha256:12"
        with pytest.raises(RemoteError, match="save: "):
            b"".join(daemon.save("a:1"))
        with pytest.raises(SourceError, match="save: "):
            open_shipment(parse("docker-daemon:a:1"), Access(daemon=address))


def test_another_image_has_the_name(tmp_path: Path) -> None:
    image = make_image(tmp_path)
    answers = {**FINE, "/images/a:1/json": {"Id": "sha256:12"}, "/load": stream({"stream": "Loaded image: a:1\n"})}
    with played(tmp_path, answers) as address, pytest.raises(DestinationError, match="a:1 is sha256:12 there, not"):
        put(Shipment.of(image), nothing, parse("docker-daemon:a:1"), None, "", Access(daemon=address))


def test_an_index_goes_to_containerds_store_as_it_is(tmp_path: Path) -> None:
    """Debian's docker has no such store; 26.1 was tried by hand."""
    one = make_image(tmp_path)
    shipment = index_of(one, replace(one, config=replace(one.config, architecture="arm64")))
    answers = {
        "/_ping": ping("1.45"),
        "/info": {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]},
        "/images/a:1/json": {"Id": shipment.root.digest},
        "/load": stream({"stream": "Loaded image: a:1\n"}),
    }
    with played(tmp_path, answers) as address:
        assert put(shipment, nothing, parse("docker-daemon:a:1"), None, "", Access(daemon=address)).notes == ()
    data = b"".join(tar_chunks(universal_members(shipment, "a", "1", "a:1")[0]))
    (tmp_path / "x.tar").write_bytes(data)
    back = open_shipment(parse(f"oci-archive:{tmp_path}/x.tar:1"), Access(), every=True)
    assert back.shipment.root.digest == shipment.root.digest
    assert [str(each.platform) for each, _ in back.shipment.images()] == ["linux/amd64", "linux/arm64"]
    assert Platform("amd64", "linux") == back.shipment.images()[0][0].platform
    with tarfile.open(tmp_path / "x.tar") as archive:
        assert "manifest.json" not in archive.getnames()


def test_errors_are_of_the_tree() -> None:
    assert issubclass(RemoteError, BrasmError)
