"""What tests of `brasm run` and `brasm test` share: an image with a shell, and brasm with each runtime."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.acceptance.images import config, manifest
from tests.tools import BRASM, attempt, need, need_root, pack, run
from tests.trees import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pytest

RUNTIMES = ("crun", "runc", "podman", "docker")

_UNIFIED = "/sys/fs/cgroup/unified"
WITHOUT_HYBRID = ("unshare", "--mount", "sh", "-c", f'! mountpoint -q {_UNIFIED} || umount {_UNIFIED}; exec "$@"', "-")
"""What has crun work on a machine with hybrid cgroups: a command of its own mount namespace."""

LINES = r"""
/etc/passwd file 0644 0:0 root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/srv:/bin/sh\n
/etc/group file 0644 0:0 root:x:0:\nweb:x:1000:\nlog:x:7:web\n
/srv/data dir 0700 1000:1000
/srv/data/first file 0600 1000:1000 begun
/var/spool dir 0755 1000:1000
/bin dir
"""


def with_config(layout: Path, tag: str, **changes: object) -> None:
    """Change the config of an image in a layout by hand, in ways that brasm would not pack."""
    changed = {**config(layout, tag), "config": {**config(layout, tag)["config"], **changes}}
    described = _add(layout, changed)
    index = json.loads((layout / "index.json").read_bytes())
    for one in index["manifests"]:
        if one["annotations"]["org.opencontainers.image.ref.name"] == tag:
            one.update(
                _add(layout, {**manifest(layout, tag), "config": {**manifest(layout, tag)["config"], **described}})
            )
    (layout / "index.json").write_text(json.dumps(index))


def _add(layout: Path, document: dict[str, Any]) -> dict[str, Any]:
    data = json.dumps(document).encode()
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


class Brasm(NamedTuple):
    """brasm with one runtime; `folder` is its TMPDIR, where nothing is to be left."""

    runtime: str
    under: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path

    def __call__(
        self, verb: str, *arguments: str | os.PathLike[str], stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb, and see that nothing is left of it."""
        command = (*self.command, verb, "--runtime", self.runtime, *arguments)
        done = attempt(*command, stdin=stdin, env={**self.env, **(env or {})})
        assert left_behind(self.folder) == [], done.stderr
        return done

    @property
    def command(self) -> tuple[str, ...]:
        """The command before the verb."""
        return (*self.under, *BRASM)


def end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """End brasm where a test failed in the middle, as somebody does who does not like to wait: by two signals."""
    for _ in range(2):
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
    process.wait(60)


def left_behind(folder: Path) -> list[str]:
    """Return what is left of containers: folders, cgroups, mounts."""
    found = sorted(str(path) for path in folder.iterdir())
    empty = set(_empty_cgroups())
    deadline = time.monotonic() + 10  # those of other tests that run now come and go
    while empty and time.monotonic() < deadline:
        time.sleep(0.05)
        empty &= set(_empty_cgroups())
    found += sorted(empty)
    with open("/proc/self/mounts", encoding="utf-8") as file:
        return found + [line for line in file if str(folder) in line]


def _empty_cgroups() -> Iterator[str]:
    """Yield the cgroups of containers that no process is in."""
    for top, names, _ in os.walk("/sys/fs/cgroup"):
        for name in names:
            path = os.path.join(top, name)
            if name.startswith("brasm-"):
                with contextlib.suppress(OSError), open(f"{path}/cgroup.procs", encoding="ascii") as file:
                    if not file.read():
                        yield path


def brasm_with(runtime: str, request: pytest.FixtureRequest, folder: Path) -> Brasm:
    """Return brasm with a runtime, or skip where that is missing."""
    need(runtime)
    need_root()
    folder.mkdir(exist_ok=True)
    env = {"TMPDIR": str(folder)}
    if runtime == "docker":
        env["DOCKER_HOST"] = request.getfixturevalue("docker_host")
    if runtime == "crun":
        need("unshare")
    return Brasm(runtime, WITHOUT_HYBRID if runtime == "crun" else (), env, folder)


def box_root(root: Path) -> Path:
    """Make a root filesystem of busybox with all its applets, a user and a folder for data."""
    need("busybox")
    need_root()
    make_folder(LINES, root)
    busybox = shutil.which("busybox")
    assert busybox is not None
    shutil.copy(busybox, root / "bin/busybox")
    for name in run(busybox, "--list").split():
        if name != "busybox":
            os.symlink("busybox", root / "bin" / name)
    root.chmod(0o755)
    return root


def box_image(root: Path, layout: Path, tag: str = "1", *settings: str) -> str:
    """Pack such a root; return the image's name."""
    image = ('image.cmd=["/bin/sh"]', 'image.env={PATH="/bin"}', 'image.volumes=["/srv/data"]', *settings)
    words = [word for setting in image for word in ("--set", setting)]
    pack("-s", root, "--mode", "all", *words, "-o", f"oci:{layout}:{tag}")
    return f"oci:{layout}:{tag}"
