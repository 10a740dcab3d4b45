"""A job: configuring Buildroot and running its make, so that it can be interrupted and go on.

In: a tree, what is asked of kconfig, where to. Out: the output folder, with packages' facts in `.brasm/show-info.json`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.dotconfig import config_text, parse_config
from assembler.base.errors import BrasmError, RecipeError
from assembler.base.files import atomic_file, destination_errors, write_all
from assembler.base.paths import from_bytes
from assembler.buildroot.checkout import Checkout, download_folder
from assembler.buildroot.compose import Composition
from assembler.buildroot.facts import Package, parse_show_info
from assembler.buildroot.host import check_host, check_output
from assembler.buildroot.make import NOTES, Make, query, run_make
from assembler.buildroot.watch import Watch, remember_times, remembered_times

if TYPE_CHECKING:
    from assembler.base.progress import Progress
    from assembler.buildroot.kconfig import Complaint

DEFCONFIG: Final = "defconfig"
SHOW_INFO: Final = "show-info.json"
_DOWNLOADS: Final = "BR2_DL_DIR"
MACHINE_SYMBOLS: Final = frozenset(
    {
        _DOWNLOADS,
        "BR2_PRIMARY_SITE",
        "BR2_PRIMARY_SITE_ONLY",
        "BR2_BACKUP_SITE",
        "BR2_CCACHE_DIR",
        "BR2_CCACHE_INITIAL_SETUP",
        "BR2_JLEVEL",
        "BR2_GNU_MIRROR",
        "BR2_KERNEL_MIRROR",
        "BR2_LUAROCKS_MIRROR",
        "BR2_CPAN_MIRROR",
        "BR2_WGET",
        "BR2_CURL",
        "BR2_GIT",
    }
)
"""Symbols that say how this machine builds, not what: they are no part of what a build is known by."""


class Job(Struct, frozen=True):
    """What Buildroot is to do.

    Attributes:
        checkout: its tree.
        composition: what is asked of kconfig.
        output: the output folder.
        target: of make: `rootfs-common` or `sdk`.
        externals: external trees.
        machine: symbols of `MACHINE_SYMBOLS`.
        jobs: that make runs at once over packages, where each has a folder of its own; else 1.
    """

    checkout: Checkout
    composition: Composition
    output: str
    target: str
    externals: tuple[str, ...] = ()
    machine: Mapping[str, str] = {}
    jobs: int = 1

    @property
    def make(self) -> Make:
        """How make is called for it."""
        own = {} if _DOWNLOADS in {**os.environ, **self.machine} else download_folder(self.checkout)
        return Make(self.checkout.path, self.output, self.externals, own)


def run_job(job: Job, task: str, progress: Progress) -> Mapping[str, Package]:
    """Do a job, or go on with one that was interrupted; return its packages.

    Args:
        job: what to do.
        task: what the listener calls it.
        progress: told how far it is.

    Raises:
        UsageError: the environment, the folder's name or root is refused.
        ProgramError: a program is missing, or make failed.
        RecipeError: kconfig does not take what is asked.
        BrasmError: another call builds there.
    """
    check_output(job.output)
    check_host(job.make.variables(), job.composition.symbols)
    with destination_errors(job.output):
        os.makedirs(os.path.join(job.output, NOTES), exist_ok=True)
    with locked(job.output):
        progress.start("configure")
        configure(job)
        packages = package_facts(job)
        watch = Watch(job.output, packages, remembered_times(), progress)
        watch.begin(task)
        _discard_half_patched(job.output)
        parallel = (f"-j{job.jobs}",) if job.jobs > 1 else ()
        try:
            run_make(job.make, (*parallel, job.target), watch.feed)
        finally:
            remember_times(job.output)
        return packages


@contextlib.contextmanager
def locked(output: str) -> Iterator[None]:
    """Keep other calls out of an output folder.

    Raises:
        BrasmError: one is in there.
    """
    with open(os.path.join(output, NOTES, "lock"), "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BrasmError(f"{output}: another brasm builds there", hint="wait for it, or end it") from error
        yield


def configure(job: Job, *, afresh: bool = False) -> None:
    """Make `.config` of what is asked, unless it was made of the same before and need not be `afresh`.

    Raises:
        RecipeError: a symbol is unknown, or was dropped or changed by kconfig.
        ProgramError: make failed.
    """
    asked = job.composition.with_symbols(job.machine, "--config")
    text = config_text(asked.symbols).encode("utf-8", "surrogateescape")
    defconfig, dotconfig = os.path.join(job.output, NOTES, DEFCONFIG), os.path.join(job.output, ".config")
    if not afresh and os.path.isfile(dotconfig) and _same(defconfig, text):
        return
    _write(defconfig, text)
    try:
        run_make(job.make, ("defconfig", f"BR2_DEFCONFIG={defconfig}"))
        check_taken(job, asked, read_config(dotconfig))
    except BaseException:
        os.unlink(defconfig)  # the next call is to check it again
        raise


def check_taken(job: Job, asked: Composition, got: Mapping[str, str]) -> None:
    """Hold what kconfig made of a defconfig to what was asked.

    Raises:
        RecipeError: they differ; the first symbol in the message, and all of them before it.
    """
    from assembler.buildroot.kconfig import complaints

    found = complaints(job.checkout.path, job.externals, asked.symbols, got)
    if not found:
        return
    lines = tuple(_worded(one, asked) for one in found)
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    raise RecipeError(f"{lines[0]}{more}", key="source.buildroot", context=lines if more else ())


def read_config(path: str) -> dict[str, str]:
    """Read a `.config`."""
    with open(path, "rb") as file:
        return parse_config(from_bytes(file.read()), path)


def package_facts(job: Job) -> Mapping[str, Package]:
    """Return the packages of the configuration; make is asked once for each configuration."""
    path = os.path.join(job.output, NOTES, SHOW_INFO)
    dotconfig = os.path.join(job.output, ".config")
    if not os.path.isfile(path) or os.stat(path).st_mtime_ns < os.stat(dotconfig).st_mtime_ns:
        _write(path, query(job.make, "show-info").encode("utf-8", "surrogateescape"))
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return parse_show_info(file.read(), path)


def _worded(one: Complaint, asked: Composition) -> str:
    return f"{asked.origins.get(one.symbol, 'defconfig')}: {one.symbol}={one.asked}: {one.reason}"


def _discard_half_patched(output: str) -> None:
    """Remove sources whose patches were applied in part: they would be applied to what has them already."""
    build = os.path.join(output, "build")
    for name in os.listdir(build) if os.path.isdir(build) else ():
        folder = os.path.join(build, name)
        extracted = os.path.exists(os.path.join(folder, ".stamp_extracted"))
        begun = os.path.exists(os.path.join(folder, ".applied_patches_list"))
        if extracted and begun and not os.path.exists(os.path.join(folder, ".stamp_patched")):
            shutil.rmtree(folder)


def _same(path: str, data: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read() == data
    except FileNotFoundError:
        return False


def _write(path: str, data: bytes) -> None:
    with atomic_file(path) as descriptor:
        write_all(descriptor, data)
