"""An output folder as a user has it: which folder is meant, what is replayed, what is reported."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from assembler.base.errors import RecipeError, SourceError
from assembler.base.progress import Silent
from assembler.plan.passes.buildroot import MARKER
from assembler.sources.buildroot import output_of, read_output
from assembler.sources.open import open_root, source_table

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.tree import Tree

_SCRIPT = """#!/bin/sh
set -e
chown -h -R 0:0 {0}/build/buildroot-fs/tar/target
{0}/host/bin/makedevs -d {0}/build/buildroot-fs/full_devices_table.txt {0}/build/buildroot-fs/tar/target
   \trm -rf {0}/build/buildroot-fs/tar/target/usr/lib/udev/hwdb.d/ {0}/build/buildroot-fs/tar/target/etc/udev/hwdb.d/
   \tsystemctl --root={0}/build/buildroot-fs/tar/target preset-all
find {0}/build/buildroot-fs/tar/target/run/ -mindepth 1 -prune -print0 | xargs -0r rm -rf --
"""


@pytest.fixture
def output(tmp_path: Path) -> Path:
    root = tmp_path / "output"
    for folder in ("target/etc", "target/run/lock", "target/tmp", "target/usr/lib/udev/hwdb.d", "build/buildroot-fs"):
        (root / folder).mkdir(parents=True)
    (root / ".config").write_text("BR2_x86_64=y\n# BR2_PACKAGE_REFPOLICY is not set\n")
    (root / f"target{MARKER}").write_text("no")
    (root / "target/etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "target/tmp/left").write_text("x")
    (root / "target/usr/lib/udev/hwdb.d/x.hwdb").write_text("x")
    (root / "build/buildroot-fs/full_users_table.txt").write_text("\n")
    (root / "build/buildroot-fs/full_devices_table.txt").write_text("/tmp d 1777 0 0 - - - - -\n")
    return root


def tree_of(output: Path, notes: list[str]) -> Tree:
    return read_output(str(output), Silent(), notes.append, notes.append)


def test_what_fs_common_mk_does(output: Path) -> None:
    notes: list[str] = []
    tree = tree_of(output, notes)
    assert MARKER not in tree
    assert not tree.children("/run")
    assert not tree.children("/tmp")
    assert tree["/tmp"].mode == 0o1777
    assert tree["/etc/passwd"].uid == 0
    assert "/usr/lib/udev/hwdb.d/x.hwdb" in tree
    assert notes == []


def test_removals_by_hooks_are_replayed_and_all_else_is_reported(output: Path) -> None:
    (output / "build/buildroot-fs/tar").mkdir()
    (output / "build/buildroot-fs/tar/fakeroot").write_text(_SCRIPT.format(output))
    (output / ".config").write_text('BR2_ROOTFS_POST_FAKEROOT_SCRIPT="board/a.sh b.sh"\nBR2_PACKAGE_REFPOLICY=y\n')
    notes: list[str] = []
    tree = tree_of(output, notes)
    assert "/usr/lib/udev" in tree
    assert "/usr/lib/udev/hwdb.d" not in tree
    assert [note.partition(":")[0] for note in notes[:2]] == ["board/a.sh", "b.sh"]
    assert "SELinux" in notes[2]
    assert notes[3].startswith("a hook that Buildroot runs under fakeroot was not run: systemctl")
    assert len(notes) == 4


def test_the_folder_or_its_target_is_meant(output: Path) -> None:
    assert output_of(str(output)) == output_of(str(output / "target")) == str(output)
    assert source_table(str(output)) == source_table(str(output / "target")) == {"buildroot": str(output)}
    (output / f"target{MARKER}").unlink()
    assert output_of(str(output / "target")) is None
    assert source_table(str(output / "target")) == {"directory": str(output / "target")}


def test_a_root_that_is_named_is_looked_at_as_it_is(output: Path) -> None:
    assert MARKER in open_root(str(output / "target"), lazy=False, progress=Silent()).tree


def test_tables_that_are_not_there_yet(output: Path) -> None:
    os.unlink(output / "build/buildroot-fs/full_users_table.txt")
    with pytest.raises(SourceError, match="half built") as error:
        tree_of(output, [])
    assert "rootfs-common" in (error.value.hint or "")


def test_a_folder_that_is_no_output(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not an output folder of Buildroot"):
        tree_of(tmp_path, [])


def test_a_configuration_that_is_none(output: Path) -> None:
    (output / ".config").write_text("BR2_x86_64=y\nwhat is this\n")
    with pytest.raises(RecipeError, match=r"\.config:2: not a line of a defconfig"):
        tree_of(output, [])
