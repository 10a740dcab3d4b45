"""From `[source]` to a tree: which reader takes what.

In: the recipe's source and the folder that its relative paths start from. Out: `Source`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct, convert, field

from assembler.base.errors import SourceError, UsageError
from assembler.oci.reference import parse
from assembler.oci.types import ImageConfig
from assembler.remote.access import Access
from assembler.sources.directory import DirectoryOptions, read_directory
from assembler.sources.packages import read_packages
from assembler.tree import Tree

if TYPE_CHECKING:
    from assembler.base.progress import Progress
    from assembler.recipe import SourceSpec

_USUAL: Final = Access()


class Source(Struct, frozen=True):
    """A root filesystem that was opened.

    Attributes:
        tree: what is in it.
        notes: one line for each thing that was left out; of a lazy tree it grows while the tree is looked at.
        unreadable: directories whose contents this user may not see; likewise.
        folder: the machine's folder, where the source is one.
        config: of the image, where the source is one.
        owners: what `packages` returns, once it has been asked for.
    """

    tree: Tree
    notes: list[str]
    unreadable: list[str]
    folder: str | None = None
    config: ImageConfig | None = None
    owners: list[Mapping[str, str]] = field(default_factory=list)

    def packages(self) -> Mapping[str, str]:
        """Return the package that owns each path; see `read_packages`."""
        if not self.owners:
            self.owners.append(read_packages(self.tree, self.folder))
        return self.owners[0]


def open_source(spec: SourceSpec, folder: str, access: Access, *, lazy: bool, progress: Progress) -> Source:
    """Open a source.

    Args:
        spec: which one.
        folder: what relative paths start from.
        access: the way to registries and daemons.
        lazy: whether the whole machine (`/`) is listed only where it is looked at.
        progress: told of what is read.

    Raises:
        SourceError: it cannot be read.
    """
    if spec.directory is not None:
        return _open_directory(spec, os.path.join(folder, spec.directory), lazy=lazy, progress=progress)
    if spec.archive is not None:
        from assembler.sources.tarball import read_tarball

        return Source(read_tarball(os.path.join(folder, spec.archive), progress), [], [])
    if spec.image is not None:
        return _open_image(spec.image, folder, access, progress)
    return _open_buildroot(os.path.join(folder, spec.buildroot or ""), progress)


def open_root(text: str, *, lazy: bool, progress: Progress, access: Access = _USUAL) -> Source:
    """Open what a user names as a root: a folder, a tarball, or an image.

    Args:
        text: as for `--source`.
        lazy: whether a folder is listed only where it is looked at; then what is mounted in it is looked at too.
        progress: told of what is read.
        access: the way to registries and daemons.

    Raises:
        SourceError: it cannot be read.
    """
    if os.path.isdir(text):
        notes: list[str] = []
        unreadable: list[str] = []
        options = DirectoryOptions(notes.append, unreadable.append, lazy=lazy, everything=lazy)
        return Source(read_directory(text, options, progress), notes, unreadable, folder=text)
    if not os.path.lexists(text) and ":" not in text:
        raise SourceError(f"{text}: no such file or directory", hint="a root is a folder, a tarball or an image")
    from assembler.recipe import SourceSpec  # not for folders, which most roots are

    return open_source(convert(source_table(text), SourceSpec), os.getcwd(), access, lazy=lazy, progress=progress)


def _open_directory(spec: SourceSpec, path: str, *, lazy: bool, progress: Progress) -> Source:
    notes: list[str] = []
    unreadable: list[str] = []
    whole_machine = os.path.realpath(path) == "/"
    options = DirectoryOptions(notes.append, unreadable.append, spec.mounts, lazy=lazy and whole_machine)
    return Source(read_directory(path, options, progress), notes, unreadable, folder=path)


def _open_buildroot(path: str, progress: Progress) -> Source:
    from assembler.sources.buildroot import read_output

    notes: list[str] = []
    unreadable: list[str] = []
    tree = read_output(path, progress, notes.append, unreadable.append)
    return Source(tree, notes, unreadable, folder=os.path.join(path, "target"))


def _open_image(text: str, folder: str, access: Access, progress: Progress) -> Source:
    from assembler.sources.image import flatten, open_image

    reference = parse(text)
    if reference.transport == "dir":
        raise UsageError(f"{text}: an unpacked root filesystem is a source.directory")
    opened = open_image(reference, folder=folder, access=access)
    return Source(flatten(opened, progress), [], [], config=opened.config)


def source_table(text: str) -> dict[str, str]:
    """Return the recipe's `[source]` for what a user gives as `--source`: a folder, a tarball, or an image.

    An output folder of Buildroot, or its `target`, is known by what lies in it.
    A tarball whose first member is `oci-layout` is an image, as `brasm pack -o x.tar` writes it.
    """
    if os.path.isdir(text):
        from assembler.sources.buildroot import output_of

        if output := output_of(text):
            return {"buildroot": output}
        return {"directory": os.path.abspath(text)}
    transport, colon, _ = text.partition(":")
    if colon and "/" not in transport and not os.path.exists(text):
        return {"image": text}
    if os.path.isfile(text):
        kind = "image" if _is_image_archive(text) else "archive"
        return {kind: os.path.abspath(text)}
    return {"directory": os.path.abspath(text)}


def _is_image_archive(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(11) == b"oci-layout\0"
