"""Running images: unpacked to a temporary folder, in whichever OCI runtime the machine has.

image ─▶ Tree ─▶ folder ─▶ container ─▶ exit code
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base.errors import DestinationError
from assembler.base.paths import show
from assembler.destinations import directory
from assembler.runtime.box import Box
from assembler.runtime.choose import choose
from assembler.runtime.container import held_signals
from assembler.runtime.foreground import run_in_foreground
from assembler.runtime.job import Unpacked, new_job
from assembler.runtime.process import Overrides, process_of
from assembler.runtime.setting import check_process, signal_number
from assembler.sources.image import OpenedImage, flatten, open_image
from assembler.tree import Device, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.base.progress import Progress
    from assembler.oci.reference import Reference
    from assembler.remote.access import Access


class Wish(Struct, frozen=True):
    """How an image is to be run.

    Attributes:
        overrides: what is different from its config.
        box: its limits.
        runtime: a name or path; None for whichever works.
        seconds: that it may take; None for any time.
        terminal: whether it has this process's terminal.
        keep: whether the folder is left behind.
        tell: said one line of what the user should know.
    """

    overrides: Overrides
    box: Box
    runtime: str | None
    seconds: float | None
    terminal: bool
    keep: bool
    tell: Callable[[str], None]


def run(reference: Reference, platform: str | None, wish: Wish, progress: Progress, access: Access) -> int:
    """Run an image with this process's standard streams; return its program's exit code.

    Raises:
        SourceError, ImageError: the image cannot be read.
        RootError: it starts nothing, or does not know its user.
        NotStarted: it has not the program.
        ProgramError: no runtime works, or it failed.
    """
    opened = open_image(reference, platform=platform, access=access)
    tree = flatten(opened, progress)
    process = process_of(opened.config.config, tree, wish.overrides)
    runtime = choose(wish.runtime, process.user)
    with unpacked(opened, tree, keep=wish.keep, tell=wish.tell) as image:
        check_process(process, image, wish.box)
        stop_signal = signal_number(image.config.stop_signal if image.config is not None else None)
        runtime.prepare(image)
        try:
            job = new_job(image, process, wish.box, terminal=wish.terminal)
            for note in runtime.notes(job):
                wish.tell(f"note: {note}")
            return run_in_foreground(runtime, job, wish.seconds, stop_signal)
        finally:
            with held_signals():
                runtime.release(image)


@contextlib.contextmanager
def unpacked(opened: OpenedImage, tree: Tree, *, keep: bool, tell: Callable[[str], None]) -> Iterator[Unpacked]:
    """Give an image's root filesystem in a temporary folder, which is removed afterwards unless it is to be kept.

    Device nodes are left out: containers have a /dev of their own, and those of the machine are not theirs.

    Raises:
        SourceError: a file cannot be read.
        DestinationError: there is no room in TMPDIR.
    """
    folder: str | None = None
    try:
        with held_signals():  # no signal falls between a folder and its name
            folder = _temporary_folder()
        root = os.path.join(folder, "rootfs")
        directory.write(tuple(entry for entry in tree if not isinstance(entry, Device)), root, None)
        name = f"brasm-{secrets.token_hex(6)}"
        yield Unpacked(folder, root, tree, opened.config.config, opened.platform, f"{name}:run", _saver(opened))
    finally:
        with held_signals():
            if keep and folder is not None:
                tell(f"kept: {folder}")
            elif folder is not None:
                remove(folder)


def _temporary_folder() -> str:
    try:
        return tempfile.mkdtemp(prefix="brasm-run-")
    except OSError as error:
        raise DestinationError(
            f"{show(tempfile.gettempdir())}: cannot be written: {error.strerror}", hint="set TMPDIR to another folder"
        ) from error


def remove(folder: str) -> None:
    """Remove a folder with all below it, also folders that their own modes would protect."""
    if os.geteuid() != 0:
        for path, names, _ in os.walk(folder):
            for each in names:
                below = os.path.join(path, each)
                if not os.path.islink(below):
                    os.chmod(below, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _saver(opened: OpenedImage) -> Callable[[str, str], None]:
    """Return what writes the image, bytes as they are, to an archive that docker loads."""

    def save(path: str, name: str) -> None:
        from assembler.destinations import archive  # only docker wants it
        from assembler.oci.reference import Reference
        from assembler.oci.shipment import Shipment
        from assembler.oci.types import MANIFEST, Descriptor

        manifest = opened.manifest
        kind = manifest.media_type or MANIFEST
        root = Descriptor(kind, opened.digest, len(opened.manifest_bytes), platform=opened.platform)
        known = {one.digest: one for one in (*opened.layers, manifest.config) if one is not None}
        blobs = tuple((one, opened.blob(one.digest)) for one in known.values())
        repository, _, tag = name.partition(":")
        shipment = Shipment(root, ((root, opened.manifest_bytes),), blobs)
        archive.write(shipment, Reference("archive", path), repository, tag)

    return save
