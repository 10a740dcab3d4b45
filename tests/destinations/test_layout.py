"""Layouts: made, added to, shared, and left alone when something fails."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import multiprocessing
import os
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from assembler.base.content import Bytes
from assembler.base.digest import sha256
from assembler.base.errors import DestinationError, SourceError
from assembler.destinations import Written, layout, put
from assembler.oci.reference import parse
from assembler.oci.shipment import Shipment
from tests.destinations.failures import FAILURES, failing, files_below, interrupt_at
from tests.destinations.images import make_image
from tests.tools import need, run

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.oci.image import Image


def write(image: Image, path: Path, tag: str | None = None) -> Written:
    return put(Shipment.of(image), tuple, parse(f"oci:{path}" + (f":{tag}" if tag else "")), "app", "1.0")


def index_of(layout: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((layout / "index.json").read_bytes())
    return document


def tags_of(layout: Path) -> list[str]:
    return [each["annotations"]["org.opencontainers.image.ref.name"] for each in index_of(layout)["manifests"]]


def test_a_new_layout(tmp_path: Path) -> None:
    image = make_image(tmp_path)
    assert write(image, tmp_path / "new") == Written(f"oci:{tmp_path}/new:1.0")
    assert json.loads((tmp_path / "new/oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert index_of(tmp_path / "new") == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": image.digest,
                "size": len(image.manifest_bytes),
                "annotations": {
                    "io.containerd.image.name": "docker.io/library/app:1.0",
                    "org.opencontainers.image.ref.name": "1.0",
                },
                "platform": {"architecture": "amd64", "os": "linux"},
            }
        ],
    }
    blobs = sorted((tmp_path / "new/blobs/sha256").iterdir())
    assert len(blobs) == 3
    assert [hashlib.sha256(blob.read_bytes()).hexdigest() for blob in blobs] == [blob.name for blob in blobs]
    assert len(files_below(tmp_path / "new")) == 7


def test_the_same_image_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(make_image(tmp_path), tmp_path / name)
    assert files_below(tmp_path / "a") == files_below(tmp_path / "b")
    assert (tmp_path / "a/index.json").read_bytes() == (tmp_path / "b/index.json").read_bytes()


def test_a_tag_is_replaced_where_it_stood_and_others_stay(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    for text, tag in (("x", "1"), ("y", "2"), ("z", "1")):
        image = make_image(tmp_path, f"/x file 0644 0:0 {text}")
        write(image, layout, tag)
    assert tags_of(layout) == ["1", "2"]
    assert index_of(layout)["manifests"][0]["digest"] == image.digest


def test_what_others_wrote_survives(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    write(make_image(tmp_path), layout, "1")
    foreign = {
        "mediaType": "application/x.foreign",
        "digest": "sha256:" + "0" * 64,
        "size": 12345678901234567890,
        "urls": ["https://example.org"],
        "annotations": {"a": "b"},
        "x": None,
    }
    theirs = index_of(layout)
    theirs |= {"artifactType": "application/x", "annotations": {"k": "v"}, "unknown": {"b": [1, 2], "a": True}}
    theirs["manifests"].append(foreign)
    theirs["manifests"].append({key: value for key, value in foreign.items() if key != "annotations"})
    (layout / "index.json").write_text(json.dumps(theirs))
    write(make_image(tmp_path), layout, "2")
    ours = index_of(layout)
    assert {**ours, "manifests": ours["manifests"][:-1]} == theirs
    assert tags_of_last(ours) == "2"


def tags_of_last(index: dict[str, Any]) -> str:
    tag: str = index["manifests"][-1]["annotations"]["org.opencontainers.image.ref.name"]
    return tag


def test_a_blob_that_is_there_is_not_written_again_and_a_torn_one_is(tmp_path: Path) -> None:
    image, layout = make_image(tmp_path), tmp_path / "layout"
    write(image, layout)
    config_digest, layer_digest = sha256(image.config_bytes), image.layers[0].descriptor.digest
    config, layer = (layout / "blobs/sha256" / digest[7:] for digest in (config_digest, layer_digest))
    before = config.stat()
    layer.write_bytes(b"torn")
    write(make_image(tmp_path), layout, "2")
    assert (config.stat().st_ino, config.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert layer.stat().st_size == image.layers[0].descriptor.size


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("app", "docker.io/library/app:1"),
        ("team/app", "docker.io/team/app:1"),
        ("docker.io/app", "docker.io/library/app:1"),
        ("index.docker.io/team/app", "docker.io/team/app:1"),
        ("localhost/app", "localhost/app:1"),
        ("host:5000/app", "host:5000/app:1"),
        ("example.org/a/b", "example.org/a/b:1"),
    ],
)
def test_names_are_written_whole(tmp_path: Path, name: str, full: str) -> None:
    put(Shipment.of(make_image(tmp_path)), tuple, parse(f"oci:{tmp_path}/l"), name, "1")
    annotations = index_of(tmp_path / "l")["manifests"][0]["annotations"]
    assert annotations == {"io.containerd.image.name": full, "org.opencontainers.image.ref.name": "1"}


def test_an_upper_case_path_is_written_with_a_note(tmp_path: Path) -> None:
    written = write(make_image(tmp_path), tmp_path / "Layout")
    assert "podman" in written.notes[0]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("other", "x", "not an image layout"),
        ("oci-layout", "{", "oci-layout: "),
        ("oci-layout", "[]", "oci-layout: "),
        ("oci-layout", '{"imageLayoutVersion":"2.0.0"}', "imageLayoutVersion"),
        ("index.json", '{"schemaVersion":1}', "not an image index"),
        ("index.json", '{"schemaVersion":2,"mediaType":"x"}', "not an image index"),
        ("index.json", '{"schemaVersion":2,"manifests":{}}', "not a list"),
        ("index.json", '{"schemaVersion":2,"manifests":[1]}', "not a list"),
        ("index.json", "\xff", "index.json: "),
    ],
)
def test_what_is_not_a_layout_is_refused_and_left_alone(tmp_path: Path, file: str, text: str, message: str) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    if file == "index.json":
        (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (layout / file).write_text(text, encoding="latin-1")
    before = files_below(layout)
    with pytest.raises(DestinationError, match=message):
        write(make_image(tmp_path), layout)
    assert files_below(layout) == before


def test_a_layout_whose_index_was_never_written_is_finished(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    write(make_image(tmp_path), layout)
    assert tags_of(layout) == ["1.0"]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("before", ["nothing", "empty", "layout"])
def test_a_failure_leaves_what_was_there(tmp_path: Path, error: BaseException, before: str) -> None:
    layout = tmp_path / "layout"
    if before == "empty":
        layout.mkdir()
    if before == "layout":
        write(make_image(tmp_path, "/other file"), layout)
    seen = files_below(tmp_path)
    with pytest.raises(DestinationError if isinstance(error, OSError) else type(error)):
        write(failing(make_image(tmp_path), error), layout, "2")
    assert files_below(tmp_path) == seen


@pytest.mark.parametrize("call", range(40))
def test_an_interruption_at_any_system_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """All of the image is there, or nothing at all."""
    image = make_image(tmp_path)
    counter = interrupt_at(monkeypatch, call)
    try:
        write(image, tmp_path / "layout")
    except KeyboardInterrupt:
        pass
    finally:
        monkeypatch.undo()
    found = files_below(tmp_path)
    assert found == [] or len(found) == 8, counter
    if found:
        assert tags_of(tmp_path / "layout") == ["1.0"]


def test_threads_add_to_one_layout(tmp_path: Path) -> None:
    images = {f"t{number}": make_image(tmp_path, f"/x file 0644 0:0 {number}") for number in range(8)}
    threads = [threading.Thread(target=write, args=(images[tag], tmp_path / "l", tag)) for tag in images]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(tags_of(tmp_path / "l")) == sorted(images)
    assert len(list((tmp_path / "l/blobs/sha256").iterdir())) == 3 * len(images)


def add(folder: Path, tag: str, fails: bool) -> None:
    image = make_image(folder, f"/x file 0644 0:0 {tag}")
    with contextlib.suppress(SourceError):
        write(failing(image, SourceError("gone")) if fails else image, folder / "l", tag)


def test_processes_add_to_one_layout_while_others_fail(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    tags = [f"t{number}" for number in range(12)]
    processes = [context.Process(target=add, args=(tmp_path, tag, number % 3 == 0)) for number, tag in enumerate(tags)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(tags)
    assert sorted(tags_of(tmp_path / "l")) == sorted(tag for number, tag in enumerate(tags) if number % 3)
    assert {path.name for path in (tmp_path / "l").iterdir()} == {"blobs", "index.json", "oci-layout"}


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_skopeo_and_umoci_read_it(tmp_path: Path, compression: Any) -> None:
    need("skopeo", "umoci")
    image = make_image(tmp_path, compression=compression, layers=2)
    write(image, tmp_path / "l", "1")
    digest = run("skopeo", "inspect", "--format", "{{.Digest}}", f"oci:{tmp_path}/l:1").strip()
    assert digest == image.digest
    run("skopeo", "copy", f"oci:{tmp_path}/l:1", f"oci:{tmp_path}/copy:1")
    assert run("umoci", "list", "--layout", tmp_path / "l").split() == ["1"]


def test_a_layout_of_skopeo_is_added_to(tmp_path: Path) -> None:
    need("skopeo")
    write(make_image(tmp_path), tmp_path / "ours", "1")
    run("skopeo", "copy", f"oci:{tmp_path}/ours:1", f"oci:{tmp_path}/theirs:1")
    write(make_image(tmp_path, "/x file"), tmp_path / "theirs", "2")
    for tag in ("1", "2"):
        run("skopeo", "inspect", f"oci:{tmp_path}/theirs:{tag}")


def test_contents_held_in_memory(tmp_path: Path) -> None:
    image = make_image(tmp_path)
    layer = msgspec.structs.replace(image.layers[0], blob=Bytes(b"".join(image.layers[0].blob.chunks())))
    write(msgspec.structs.replace(image, layers=(layer,)), tmp_path / "l")
    assert len(files_below(tmp_path / "l")) == 7


def test_a_layout_that_another_process_begins_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    begun = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(begun, fcntl.LOCK_EX)
    failures: list[DestinationError] = []

    def check() -> None:
        try:
            layout.check(str(tmp_path))
        except DestinationError as error:
            failures.append(error)

    look = threading.Thread(target=check)
    look.start()
    look.join(0.2)
    assert look.is_alive(), "whether it will be a layout is not known yet"
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    os.close(begun)
    look.join(20)
    assert not look.is_alive()
    assert failures == []


@pytest.mark.parametrize("name", ["blobs", "index.json", ".hidden"])
def test_what_looks_like_a_part_of_a_layout_makes_none(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / name).write_text("somebody's own")
    with pytest.raises(DestinationError, match="not an image layout, and not empty"):
        layout.check(str(folder))
    with pytest.raises(DestinationError, match="not an image layout, and not empty"):
        write(make_image(tmp_path), folder)
    assert (folder / name).read_text() == "somebody's own"
