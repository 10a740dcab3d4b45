"""An output folder of Buildroot (`O=`) as a root filesystem.

In: the folder, however it was built: only `.config`, `target/`, the two tables that `make rootfs-common` writes and the
list of the packages' files are looked at. Out: the tree that Buildroot's own `images/rootfs.tar` has, and notes of what
could not be replayed.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from assembler.base.dotconfig import parse_config
from assembler.base.errors import SourceError
from assembler.base.paths import from_bytes
from assembler.plan.passes.buildroot import MARKER
from assembler.sources.buildroot.devices import apply_device_table, parse_device_table
from assembler.sources.buildroot.draft import Draft
from assembler.sources.buildroot.stale import check_stale, word_newer
from assembler.sources.buildroot.users import apply_users_table, parse_users_table
from assembler.sources.directory import DirectoryOptions, read_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from assembler.base.progress import Progress
    from assembler.tree import Tree

_TABLES: Final = "build/buildroot-fs"
_USERS: Final = f"{_TABLES}/full_users_table.txt"
_DEVICES: Final = f"{_TABLES}/full_devices_table.txt"
_OWN_LINES: Final = re.compile(r"#!|set -e$|chown -h -R |find |\(cd |touch |\S+/makedevs -d ")
_REMOVAL: Final = re.compile(r"rm -r?f?r? (?P<paths>\S+(?: \S+)*)")
_DEFAULT_METHOD: Final = "sha-256"


def is_output(folder: str) -> bool:
    """Say whether a folder is an output folder of Buildroot: one with a configuration and a target."""
    return os.path.isfile(os.path.join(folder, ".config")) and os.path.isdir(os.path.join(folder, "target"))


def output_of(folder: str) -> str | None:
    """Return the output folder that a user means: the folder itself, or the one whose `target` it is; else None."""
    folder = os.path.abspath(folder)
    if is_output(folder):
        return folder
    above, name = os.path.split(folder)
    marked = os.path.isfile(folder + MARKER)
    return above if name == "target" and marked and is_output(above) else None


def read_output(
    output: str, progress: Progress, note: Callable[[str], None], unreadable: Callable[[str], None]
) -> Tree:
    """Read an output folder as fs/common.mk makes a root of it.

    Args:
        output: the folder.
        progress: told of what is read.
        note: told, in one line, of what is left out or could not be replayed.
        unreadable: told of a directory that this user may not list.

    Raises:
        SourceError: the folder is no output, its tables are not there yet, a table is wrong, or packages that are not
            in the configuration have files in the target.
        RecipeError: the configuration cannot be read.
    """
    config = read_configuration(output)
    users, devices = _table(output, _USERS), _table(output, _DEVICES)
    target = read_directory(os.path.join(output, "target"), DirectoryOptions(note, unreadable), progress)
    check_stale(output, config, target)
    draft = Draft(target)
    draft.remove(MARKER)
    method = config.get("BR2_TARGET_GENERIC_PASSWD_METHOD", _DEFAULT_METHOD)
    apply_users_table(draft, parse_users_table(users, _USERS), method, _USERS)
    apply_device_table(draft, parse_device_table(devices, _DEVICES), _DEVICES)
    for line in (*word_newer(output), *_not_replayed(output, config, draft)):
        note(line)
    draft.empty("/run")
    draft.empty("/tmp")  # noqa: S108  (in the root)
    return draft.tree()


def read_configuration(output: str) -> dict[str, str]:
    """Read an output folder's `.config`.

    Raises:
        SourceError: there is none.
        RecipeError: it cannot be understood.
    """
    if not is_output(output):
        raise SourceError(
            f"{output}: not an output folder of Buildroot: it has no .config and target/",
            hint="the folder that O= named, or output/ in Buildroot's own tree",
        )
    path = os.path.join(output, ".config")
    with open(path, "rb") as file:
        return parse_config(from_bytes(file.read()), path)


def _table(output: str, name: str) -> str:
    path = os.path.join(output, name)
    try:
        with open(path, "rb") as file:
            return from_bytes(file.read())
    except FileNotFoundError as error:
        raise SourceError(
            f"{path}: not there: the output is half built",
            hint=f"make -C {output} rootfs-common writes Buildroot's user and device tables",
        ) from error


def _not_replayed(output: str, config: Mapping[str, str], draft: Draft) -> Iterator[str]:
    """Replay what hooks remove, and word all else that Buildroot would have run under fakeroot."""
    for script in config.get("BR2_ROOTFS_POST_FAKEROOT_SCRIPT", "").split():
        yield f"{script}: Buildroot runs it under fakeroot (BR2_ROOTFS_POST_FAKEROOT_SCRIPT); what it does is not done"
    if config.get("BR2_PACKAGE_REFPOLICY") == "y":
        yield "SELinux labels are not set (BR2_PACKAGE_REFPOLICY): setfiles is not run"
    done: set[str] = set()
    for line in _hooks(output):
        removal = _REMOVAL.fullmatch(line)
        paths = removal["paths"].split() if removal else []
        if paths and all("/target/" in path and not re.search(r"[*?\[$`]", path) for path in paths):
            for path in paths:
                draft.remove(path.rpartition("/target/")[2])
        elif line not in done:
            done.add(line)
            yield f"a hook that Buildroot runs under fakeroot was not run: {line}"


def _hooks(output: str) -> Iterator[str]:
    """Yield the lines that hooks added to the fakeroot script of some filesystem image, where one was made."""
    folder = os.path.join(output, _TABLES)
    for kind in sorted(os.listdir(folder)):
        path = os.path.join(folder, kind, "fakeroot")
        if os.path.isfile(path):
            with open(path, "rb") as file:
                lines = from_bytes(file.read()).splitlines()
            for line in lines:
                if line.strip() and not _OWN_LINES.match(line.strip()) and "fakeroot script" not in line:
                    yield line.strip()
