"""A toolchain built once: Buildroot's `make sdk`, kept in the store under the digest of what it depends on.

In: a tree, a toolchain's name. Out: `Toolchain`. What it depends on: Buildroot's identity, the composed fragment, the
architecture of this machine.
"""

from __future__ import annotations

import glob
import os
import shutil
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from assembler.base.cache_folder import cache_folder
from assembler.base.digest import encoded, sha256
from assembler.base.errors import ProgramError
from assembler.buildroot.checkout import Checkout
from assembler.buildroot.compose import ToolchainName, compose_sdk
from assembler.buildroot.job import Job, read_config, run_job
from assembler.buildroot.store import SHORT, Toolchain, add_toolchain, find_toolchain, unpack_sdk
from assembler.buildroot.watch import time_spent

if TYPE_CHECKING:
    from assembler.base.progress import Progress

_LIBCS: Final = ("glibc", "musl", "uclibc")
_EXTERNAL: Final = "BR2_TOOLCHAIN_EXTERNAL"
_SAME: Final = {
    "BR2_INSTALL_LIBSTDCPP": "CXX",
    "BR2_TOOLCHAIN_HAS_FORTRAN": "FORTRAN",
    "BR2_TOOLCHAIN_HAS_OPENMP": "OPENMP",
    "BR2_TOOLCHAIN_HAS_DLANG": "DLANG",
    "BR2_TOOLCHAIN_HAS_SSP": "HAS_SSP",
    "BR2_TOOLCHAIN_HAS_NATIVE_RPC": "INET_RPC",
}
_SAME_UCLIBC: Final = {
    "BR2_USE_WCHAR": "WCHAR",
    "BR2_ENABLE_LOCALE": "LOCALE",
    "BR2_TOOLCHAIN_HAS_THREADS": "HAS_THREADS",
    "BR2_TOOLCHAIN_HAS_THREADS_DEBUG": "HAS_THREADS_DEBUG",
    "BR2_TOOLCHAIN_HAS_THREADS_NPTL": "HAS_THREADS_NPTL",
}
"""What a toolchain has, and the end of the symbol that says so of an external one (toolchain-external-custom)."""


class SdkRequest(Struct, frozen=True):
    """A toolchain that is wanted.

    Attributes:
        checkout: Buildroot's tree.
        name: fragment and options.
        machine: symbols of this machine; see `job.MACHINE_SYMBOLS`.
    """

    checkout: Checkout
    name: ToolchainName
    machine: Mapping[str, str] = {}

    @property
    def digest(self) -> str:
        """What the toolchain depends on, as hexadecimal digits."""
        asked = list(compose_sdk(self.name).symbols.items())
        return encoded(sha256(msgspec.json.encode([1, self.checkout.identity, asked, os.uname().machine])))

    @property
    def output(self) -> str:
        """The output folder that it is built in."""
        return os.path.join(cache_folder(), "builds", f"toolchain-{self.name}-{self.digest[:SHORT]}")


def get_toolchain(request: SdkRequest, progress: Progress, *, keep: bool = False) -> Toolchain:
    """Return a toolchain from the store; build it where it is not there.

    Args:
        request: which.
        progress: told how far a build is.
        keep: whether the output folder stays after a build.

    Raises:
        BrasmError: as `run_job` does, or the store cannot be written.
    """
    return find_toolchain(str(request.name), request.digest) or _build(request, progress, keep=keep)


def _build(request: SdkRequest, progress: Progress, *, keep: bool) -> Toolchain:
    began = time.monotonic()
    job = Job(
        request.checkout,
        compose_sdk(request.name),
        request.output,
        "sdk",
        machine=request.machine,
    )
    run_job(job, f"toolchain {request.name}", progress)
    progress.start("keep the SDK")
    seconds = time_spent(job.output, time.monotonic() - began)
    facts = _facts(request, read_config(os.path.join(job.output, ".config")), seconds)
    archive = _archive(job.output)
    made = add_toolchain(facts, lambda folder: unpack_sdk(archive, folder))
    if not keep:
        shutil.rmtree(job.output)
    return made


def _archive(output: str) -> str:
    found = glob.glob(os.path.join(glob.escape(output), "images", "*_sdk-buildroot.tar.gz"))
    if len(found) != 1:
        raise ProgramError(f"{output}/images: make sdk left {len(found)} tarballs of an SDK, not 1")
    return found[0]


def _facts(request: SdkRequest, config: Mapping[str, str], seconds: float) -> Toolchain:
    libc = next((one for one in _LIBCS if config.get(f"BR2_TOOLCHAIN_USES_{one.upper()}") == "y"), "")
    gcc, headers = config["BR2_TOOLCHAIN_GCC_AT_LEAST"], config["BR2_TOOLCHAIN_HEADERS_AT_LEAST"]
    triplet = _tuple(request.output)
    return Toolchain(
        name=str(request.name),
        digest=request.digest,
        release=request.checkout.version,
        identity=request.checkout.identity,
        host=os.uname().machine,
        tuple=triplet,
        libc=libc,
        gcc=gcc,
        headers=headers,
        symbols=external_symbols(config, libc, triplet),
        seconds=round(seconds, 1),
        size=0,
    )


def _tuple(output: str) -> str:
    """Return what the compiler's name begins with, as Buildroot's own archive of it does."""
    return os.path.basename(_archive(output)).removesuffix("_sdk-buildroot.tar.gz")


def external_symbols(config: Mapping[str, str], libc: str, triplet: str) -> dict[str, str]:
    """Return the symbols that describe a toolchain as an external one, all but its path.

    Args:
        config: with which Buildroot made it.
        libc: `glibc`, `musl` or `uclibc`.
        triplet: what its programs' names begin with.
    """
    same = {**_SAME, **(_SAME_UCLIBC if libc == "uclibc" else {})}
    series = {"GCC": config["BR2_TOOLCHAIN_GCC_AT_LEAST"], "HEADERS": config["BR2_TOOLCHAIN_HEADERS_AT_LEAST"]}
    found = {
        _EXTERNAL: "y",
        f"{_EXTERNAL}_CUSTOM": "y",
        f"{_EXTERNAL}_PREINSTALLED": "y",
        f"{_EXTERNAL}_CUSTOM_PREFIX": triplet,
        **{f"{_EXTERNAL}_{what}_{number.replace('.', '_')}": "y" for what, number in series.items()},
        f"{_EXTERNAL}_CUSTOM_{libc.upper()}": "y",
    }
    for symbol, end in same.items():
        if not (libc == "musl" and end == "INET_RPC"):
            found[f"{_EXTERNAL}_{end}"] = "y" if config.get(symbol) == "y" else "n"
    return found


def external_toolchain(one: Toolchain) -> dict[str, str]:
    """Return the symbols by which Buildroot uses a toolchain of the store."""
    return {**one.symbols, f"{_EXTERNAL}_PATH": one.sdk}
