"""Images and containers of text, for tests that run nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.oci.types import ContainerConfig, Platform
from assembler.runtime.box import Box
from assembler.runtime.job import Job, Unpacked
from assembler.runtime.process import Process
from assembler.runtime.users import User
from tests.trees import make_tree

if TYPE_CHECKING:
    from pathlib import Path

TREE = r"""
/bin/sh file 0755 0:0 x
/etc/passwd file 0644 0:0 root:x:0:0::/root:/bin/sh\nweb:x:101:102:Web:/srv:/bin/false\nbroken\nx:y:z:0:::\n
/etc/group file 0644 0:0 root:x:0:\nweb:x:102:\nlog:x:7:a,web\ntty:x:5:web\n
/var/cache dir 0750 101:102
/srv/data link ../var/cache
"""


def image(config: ContainerConfig | None = None, tree: str = TREE, folder: str = "/f") -> Unpacked:
    def save(path: str, name: str) -> None:
        raise AssertionError(f"{path} {name}: nobody asked for an archive")

    root = f"{folder}/rootfs"
    return Unpacked(folder, root, make_tree(tree), config, Platform("amd64", "linux"), "brasm-x:run", save)


def job(box: Box = Box(), user: User = User(), config: ContainerConfig | None = None, **more: bool) -> Job:  # noqa: B008
    process = Process(("/bin/sh", "-c", "true"), ("PATH=/bin", "A=b c"), "/srv", user)
    return Job(image(config), "brasm-1", "/f/brasm-1", process, box, **more)


def folder_job(tmp_path: Path, box: Box = Box(), user: User = User()) -> Job:  # noqa: B008
    """A container with a folder that is there."""
    process = Process(("/bin/sh",), ("PATH=/bin",), "/", user)
    return Job(image(folder=str(tmp_path)), "brasm-1", str(tmp_path), process, box)
