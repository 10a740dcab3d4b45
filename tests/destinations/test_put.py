"""What is refused before any work; full disks."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from assembler.base.errors import BrasmError, DestinationError, UsageError
from assembler.destinations import check_outputs, put
from assembler.oci.reference import parse
from assembler.oci.shipment import Shipment
from tests.destinations.failures import files_below
from tests.destinations.images import make_image
from tests.tools import need, need_root
from tests.trees import make_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("empty", "full", "layout"):
        (tmp_path / folder).mkdir()
    (tmp_path / "full/file").touch()
    (tmp_path / "layout/oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "outputs",
    [
        (),
        ("x.tar",),
        ("full/file",),
        ("x.tar", "y.tar", "oci:layout:1", "oci:layout:2", "oci:new", "dir:new2", "dir:empty"),
        ("oci:layout", "oci:empty", "oci-archive:full/new.tar", "docker-archive:x"),
    ],
)
def test_what_can_be_written(places: Path, outputs: tuple[str, ...]) -> None:
    before = files_below(places)
    check_outputs([parse(text) for text in outputs], "gzip")
    assert files_below(places) == before


@pytest.mark.parametrize(
    ("outputs", "compression", "kind", "message"),
    [
        (("docker-archive:x.tar",), "zstd", UsageError, "a docker-archive cannot hold zstd"),
        (("x.tar", "./x.tar"), "gzip", UsageError, "written to the same place"),
        (("x.tar", "oci-archive:x.tar"), "gzip", UsageError, "written to the same place"),
        (("oci:new", "dir:new/"), "gzip", UsageError, "written to the same place"),
        (("oci:new:1", "oci:new:2", "oci:new:1"), "gzip", UsageError, "written to the same place"),
        (("nowhere/x.tar",), "gzip", DestinationError, "there is no folder .*nowhere"),
        (("oci:nowhere/x",), "gzip", DestinationError, "there is no folder"),
        (("dir:nowhere/x",), "gzip", DestinationError, "there is no folder"),
        (("full/file/x.tar",), "gzip", DestinationError, "there is no folder"),
        (("full",), "gzip", DestinationError, "full: is a folder"),
        (("pipe",), "gzip", DestinationError, "pipe: is not a regular file"),
        (("/dev/null",), "gzip", DestinationError, "/dev/null: is not a regular file"),
        (("oci:full",), "gzip", DestinationError, "full: not an image layout"),
        (("oci:full/file",), "gzip", DestinationError, "full/file: not a folder"),
        (("dir:full",), "gzip", DestinationError, "full: is there"),
        (("dir:layout",), "gzip", DestinationError, "layout: is there"),
    ],
)
def test_what_is_refused(places: Path, outputs: Any, compression: Any, kind: type[BrasmError], message: str) -> None:
    before = files_below(places)
    with pytest.raises(kind, match=message):
        check_outputs([parse(text) for text in outputs], compression)
    assert files_below(places) == before


def test_a_folder_that_may_not_be_written(places: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (places / "empty").chmod(0o555)
    with pytest.raises(DestinationError, match="may not be written"):
        check_outputs([parse("empty/x.tar")], "gzip")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    need_root()
    need("mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("no tmpfs may be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(
    "text", ["{}/x.tar", "oci-archive:{}/x.tar", "docker-archive:{}/x.tar", "oci:{}/l", "dir:{}/r"]
)
def test_a_full_disk(small_disk: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "spool").mkdir()
    lines = f"/noise file 0644 0:0 {'x' * 400_000}"
    image = make_image(tmp_path / "spool", lines, "none")
    with pytest.raises(DestinationError, match=r"cannot be written: .*No space left") as caught:
        put(Shipment.of(image), lambda: tuple(make_tree(lines)), parse(text.format(small_disk)), "app", "1")
    assert caught.value.hint is not None
    assert files_below(small_disk) == []
