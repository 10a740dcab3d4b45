"""What acceptance tests share: reading a layout without brasm's own code, unpacking, running, comparing roots."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.tools import attempt, need, run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence


def blob(layout: Path, digest: str) -> Path:
    """Return the path of a blob in a layout."""
    return layout / "blobs" / digest.replace(":", "/")


def manifest(layout: Path, tag: str) -> dict[str, Any]:
    """Return the manifest of a tag."""
    index = json.loads((layout / "index.json").read_bytes())
    found = [one for one in index["manifests"] if one["annotations"]["org.opencontainers.image.ref.name"] == tag]
    assert len(found) == 1, f"{tag} stands {len(found)} times in {index}"
    value: dict[str, Any] = json.loads(blob(layout, found[0]["digest"]).read_bytes())
    return value


def config(layout: Path, tag: str) -> dict[str, Any]:
    """Return the config of a tag."""
    value: dict[str, Any] = json.loads(blob(layout, manifest(layout, tag)["config"]["digest"]).read_bytes())
    return value


def layer(layout: Path, tag: str) -> Path:
    """Return the path of the only layer of a tag."""
    (only,) = manifest(layout, tag)["layers"]
    return blob(layout, only["digest"])


def members(path: Path) -> int:
    """Count the members of a gzip file (RFC 1952, 2.2)."""
    data, count = path.read_bytes(), 0
    while data:
        reader = zlib.decompressobj(wbits=31)
        reader.decompress(data)
        assert reader.eof
        data, count = reader.unused_data, count + 1
    return count


def extract(path: Path, folder: Path) -> Path:
    """Extract a gzipped layer by GNU tar, as root with all that a tar can hold."""
    need("tar")
    folder.mkdir()
    tarball = folder.with_suffix(".tar")
    with gzip.open(path) as packed, tarball.open("wb") as plain:
        while data := packed.read(1 << 20):
            plain.write(data)
    how = ("--xattrs", "--xattrs-include=*", "--numeric-owner", "--same-owner", "--preserve-permissions")
    run("tar", "--extract", *how, "--file", tarball, "--directory", folder)
    tarball.unlink()
    return folder


class Fact(NamedTuple):
    """All that an image says of an entry; `links` is the first name of the file."""

    kind: int
    mode: int
    uid: int
    gid: int
    mtime: int
    device: tuple[int, int]
    target: bytes
    links: bytes
    xattrs: tuple[tuple[str, bytes], ...]
    content: str


def facts(root: str | os.PathLike[str]) -> dict[bytes, Fact]:
    """Return what stands at each path of a folder, read with nothing but the standard library."""
    top = os.fsencode(root)
    paths = [top]
    for folder, directories, files in os.walk(top):
        paths += [os.path.join(folder, name) for name in (*directories, *files)]
    first: dict[tuple[int, int], bytes] = {}
    found = {}
    for path in sorted(paths):
        status = os.lstat(path)
        name = path[len(top) :] or b"/"
        if not stat.S_ISSOCK(status.st_mode):
            found[name] = _fact(path, status, first.setdefault((status.st_dev, status.st_ino), name))
    return found


def _fact(path: bytes, status: os.stat_result, links: bytes) -> Fact:
    kind = stat.S_IFMT(status.st_mode)
    node = stat.S_ISCHR(kind) or stat.S_ISBLK(kind)
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return Fact(
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        int(status.st_mtime // 1),
        (os.major(status.st_rdev), os.minor(status.st_rdev)) if node else (0, 0),
        os.readlink(path) if stat.S_ISLNK(kind) else b"",
        links,
        tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in names),
        hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest() if stat.S_ISREG(kind) else "",
    )


def differences(expected: dict[bytes, Fact], actual: dict[bytes, Fact]) -> list[str]:
    """Return a line for each path that differs."""
    return [
        f"{path!r}: {expected.get(path)} became {actual.get(path)}"
        for path in sorted(expected.keys() | actual.keys())
        if expected.get(path) != actual.get(path)
    ]


class Bundle:
    """An image that umoci unpacked, to run programs in by runc."""

    def __init__(self, layout: Path, tag: str, folder: Path) -> None:
        need("umoci", "runc")
        self._folder = folder
        self.root = folder / "rootfs"
        run("umoci", "unpack", "--image", f"{layout}:{tag}", folder)
        self._config = json.loads((folder / "config.json").read_bytes())

    def run(self, command: Sequence[str] | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program in it; none means what the image starts."""
        process = self._config["process"]
        changed = {**process, "terminal": False, "args": list(command) if command is not None else process["args"]}
        changed.pop("rlimits", None)
        (self._folder / "config.json").write_text(json.dumps({**self._config, "process": changed}))
        name = f"brasm-{os.getpid()}-{self._folder.name}"
        return attempt("runc", "--root", self._folder / "state", "run", "--bundle", self._folder, name, stdin=stdin)


@contextmanager
def mounted(command: Sequence[str], folder: Path) -> Iterator[Path]:
    """Have a FUSE filesystem on a new folder meanwhile."""
    folder.mkdir()
    run(*command, folder)
    try:
        yield folder
    finally:
        run("fusermount", "-u", folder)
