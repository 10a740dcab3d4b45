"""Root filesystems that cannot be packed, and odd ones that can."""

from __future__ import annotations

import os
import shutil
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.images import differences, extract, facts, layer
from tests.acceptance.refusals import NOBODY, closure, need_an_ordinary_user, refused, whole
from tests.tools import BRASM, need, need_root, pack, run
from tests.trees import make_folder

if TYPE_CHECKING:
    from pathlib import Path


def test_no_such_directory(out: Path) -> None:
    assert "/no/such/place" in refused(out, 4, *whole("/no/such/place"))


def test_neither_a_directory_nor_an_archive(out: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("some text\n")
    assert "text" in refused(out, 4, *whole(tmp_path / "text"))


def test_an_unreadable_file(out: Path, tmp_path: Path) -> None:
    need_an_ordinary_user()
    root = make_folder("/app file 0755\n/etc/secret file 0600 0:0 hidden", tmp_path / "root")
    assert "/etc/secret" in refused(out, 4, *whole(root), under=NOBODY)


def test_an_unreadable_directory(out: Path, tmp_path: Path) -> None:
    need_an_ordinary_user()
    root = make_folder("/app file 0755\n/etc/secret dir 0700 0:0\n/etc/secret/x file", tmp_path / "root")
    assert "/etc/secret" in refused(out, 4, *whole(root), under=NOBODY)


def test_a_file_that_changes_while_it_is_read(out: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    make_folder("/app file 0755\n/log file", root)
    (root / "before").write_bytes(os.urandom(32 << 20))  # what is read between the first look at `log` and its reading
    over = threading.Event()

    def write() -> None:
        with (root / "log").open("ab", buffering=0) as log:
            while not over.is_set():
                log.write(b"a line\n")
                time.sleep(0.001)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        error = refused(out, 4, *whole(root))
    finally:
        over.set()
        writer.join()
    assert "log" in error
    assert "changed while it was read" in error


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("garbage", b"\x7fELF" + bytes(range(256)) * 4),
        ("truncated", b"\x7fELF\x02\x01\x01"),
        ("text", b"no program at all\n"),
        ("empty", b""),
    ],
)
def test_what_is_no_program_is_packed_as_data_and_refused_as_a_root(
    name: str, content: bytes, out: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    make_folder("/app file 0755", root)
    (root / "app").write_bytes(content)
    (root / name).write_bytes(content)
    assert "/app" in refused(out, 4, *closure(root))
    pack("-s", root, "--mode", "all", "--set", "image.platform=linux/amd64", "-o", "x.tar", cwd=out)


def test_a_truncated_program(static: Path, out: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "app").write_bytes((static / "bin/busybox").read_bytes()[:200])
    (root / "app").chmod(0o755)
    assert "/app" in refused(out, 4, *closure(root))


@pytest.mark.parametrize(
    "line",
    ["/app link app", "/app link other", "/app link ../../../../../nowhere", "/app dir", "/app file 0644 text", ""],
    ids=["loop", "dangling", "outside", "directory", "not executable", "missing"],
)
def test_an_entrypoint_that_cannot_start(line: str, out: Path, tmp_path: Path) -> None:
    root = make_folder(["/etc/x file", line], tmp_path / "root")
    assert "/app" in refused(out, 4, *closure(root))


def test_a_link_that_points_outside_stays_inside(static: Path, out: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(static, root, symlinks=True)
    (root / "app").symlink_to("../../../../../../bin/busybox")
    pack("-s", root, "-e", "/app", "-o", "oci:layout:1", cwd=out)
    need_root()
    extracted = facts(extract(layer(out / "layout", "1"), tmp_path / "extracted"))
    assert sorted(extracted) == [b"/", b"/app", b"/bin", b"/bin/busybox"]


ODD = rf"""
/app               file 0755
/line\nfeed        file 0644 0:0 1
/not\xff\xfeutf8   file 0644 0:0 2
/back\\slash       file 0644 0:0 3
/{"n" * 255}       file 0644 0:0 4
/{"d" * 150}/{"e" * 150}/{"f" * 150} file 0644 0:0 5
/\xc3\xa9/link     link not\xff\xfeutf8
/{"l" * 120}       link {"t" * 300}
/=equal            file 0644 0:0 6
/ wh.space         file 0644 0:0 7
/loop              link loop
/up                link ../../../..
""".replace("/ wh.space", r"/\x20wh.space")


def test_odd_names_come_back(out: Path, tmp_path: Path) -> None:
    need("umoci")
    need_root()
    root = make_folder(ODD, tmp_path / "root")
    pack("-s", root, "--mode", "all", "--set", "image.platform=linux/amd64", "-o", "oci:layout:1", cwd=out)
    run("umoci", "unpack", "--image", "layout:1", "bundle", cwd=out)
    assert differences(facts(root), facts(out / "bundle/rootfs")) == []
    run(*BRASM, "plan", "-s", root, "--mode", "all", "--json")
    run(*BRASM, "inspect", "--json", "oci:layout:1", cwd=out)


@pytest.mark.parametrize("name", [".wh.gone", ".wh..wh..opq", "deep/.wh.x"])
def test_a_name_that_would_be_a_whiteout(name: str, out: Path, tmp_path: Path) -> None:
    root = make_folder(f"/app file 0755\n/{name} file", tmp_path / "root")
    assert ".wh." in refused(out, 4, *whole(root))
