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


_LIST = """busybox,./bin/busybox
taskd,./usr/bin/taskd
taskd,./usr/include/taskd.h
host-x,./etc/x
toolchain-external-old,./etc/nsswitch.conf
"""


def with_packages(output: Path, listing: str, symbols: str) -> None:
    """Give an output a list of packages' files, those that it needs to have, and a configuration."""
    (output / ".config").write_text(symbols)
    (output / "build/packages-file-list.txt").write_text(listing)
    for file in ("bin/busybox", "usr/bin/taskd", "etc/x", "etc/nsswitch.conf"):
        (output / "target" / file).parent.mkdir(parents=True, exist_ok=True)
        (output / "target" / file).touch()


def test_a_package_that_was_taken_out_is_never_packed(output: Path) -> None:
    with_packages(output, _LIST, "BR2_PACKAGE_BUSYBOX=y\n# BR2_PACKAGE_TASKD is not set\n")
    with pytest.raises(SourceError, match="package taskd in target/ and not in the configuration") as caught:
        tree_of(output, [])
    assert caught.value.exit_code == 4
    assert "`make clean all`, or brasm build" in str(caught.value.hint)
    with_packages(output, _LIST, "# nothing is on: a symbol whose dependencies are not met has no line at all\n")
    with pytest.raises(SourceError, match="packages busybox, taskd in target/"):
        tree_of(output, [])


@pytest.mark.parametrize(
    ("listing", "symbols"),
    [
        pytest.param(_LIST, "BR2_PACKAGE_BUSYBOX=y\nBR2_PACKAGE_TASKD=y\n", id="all are configured"),
        pytest.param("linux,./bin/busybox\n", "BR2_LINUX_KERNEL=y\n", id="the kernel"),
        pytest.param("grub2,./bin/busybox\n", "BR2_TARGET_GRUB2=y\n", id="a boot loader"),
        pytest.param("udev,./bin/busybox\n", "BR2_PACKAGE_HAS_UDEV=y\n", id="a virtual package"),
        pytest.param("a-b.c,./bin/busybox\n", "BR2_PACKAGE_A_B_C=y\n", id="a name with other signs"),
        pytest.param("gone,./usr/include/x.h\ngone,./usr/bin\n", "", id="none of its files is left"),
        pytest.param("gone,./bin/busybox\nbusybox,./bin/busybox\n", "BR2_PACKAGE_BUSYBOX=y\n", id="overwritten"),
    ],
)
def test_targets_that_are_of_their_configuration(output: Path, listing: str, symbols: str) -> None:
    with_packages(output, listing, symbols)
    assert "/bin/busybox" in tree_of(output, [])


def test_a_stale_file_behind_a_merged_usr(output: Path) -> None:
    (output / "target/usr/bin").mkdir()
    (output / "target/bin").symlink_to("usr/bin")
    with_packages(output, "gone,./bin/busybox\n", "")
    with pytest.raises(SourceError, match="package gone in target/"):
        tree_of(output, [])


def test_a_configuration_that_was_changed_later_is_reported(output: Path) -> None:
    with_packages(output, "busybox,./bin/busybox\n", "BR2_PACKAGE_BUSYBOX=y\n")
    os.utime(output / ".config", (1000, 1000))
    os.utime(output / "build/packages-file-list.txt", (2000, 2000))
    notes: list[str] = []
    tree_of(output, notes)
    assert notes == []
    os.utime(output / ".config", (3000, 3000))
    tree_of(output, notes)
    assert notes == [
        f"{output}/.config was changed after target/ was finished: target/ may be of another configuration"
    ]


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
