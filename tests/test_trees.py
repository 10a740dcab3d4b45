"""Trees as text: what a line means, as values and as a real folder."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from assembler.base.content import read
from assembler.tree import Device, Directory, Regular, Symlink
from tests.trees import make_folder, make_tree

if TYPE_CHECKING:
    from pathlib import Path

TEXT = r"""
/usr/bin/sh   file 0755 0:0 #!/bin/true\n
/usr/bin/ash  hard /usr/bin/sh
/bin          link usr/bin
/tmp          dir 1777
/odd\n\xff    file
/data         file some 0644 text
"""


def test_a_line_an_entry() -> None:
    tree = make_tree(TEXT + "/dev/null char 0666 0:5 1,3")
    shell, other = tree["/usr/bin/sh"], tree["/usr/bin/ash"]
    assert isinstance(shell, Regular)
    assert (shell.mode, read(shell.content)) == (0o755, b"#!/bin/true\n")
    assert shell.inode == other.inode != 0
    assert isinstance(tree["/bin"], Symlink)
    assert tree["/tmp"] == Directory("/tmp", 0o1777, 0, 0, 0, (), 0)
    assert tree["/dev/null"] == Device("/dev/null", 0o666, 0, 5, 0, (), 0, "c", 1, 3)
    data = tree["/data"]
    assert isinstance(data, Regular)
    assert read(data.content) == b"some 0644 text"
    assert "/odd\n\udcff" in tree


def test_the_same_as_a_folder(tmp_path: Path) -> None:
    folder = make_folder(TEXT, tmp_path / "root")
    assert os.readlink(folder + "/bin") == "usr/bin"
    assert os.path.samefile(folder + "/bin/sh", folder + "/usr/bin/ash")
    assert stat.S_IMODE(os.stat(folder + "/tmp").st_mode) == 0o1777
    assert b"odd\n\xff" in os.listdir(os.fsencode(folder))
