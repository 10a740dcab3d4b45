"""What Buildroot wants of the machine, asked before minutes are spent (support/dependencies/dependencies.sh).

Buildroot's own script stops at the first thing that it misses; here all of them are named at once.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from assembler.base.errors import ProgramError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PROGRAMS: Final = {
    "which": "debianutils, or which",
    "sed": "sed",
    "/usr/bin/file": "file",
    "make": "make",
    "gcc": "gcc",
    "g++": "g++",
    "as": "binutils",
    "bash": "bash",
    "perl": "perl",
    "tar": "tar",
    "wget": "wget",
    "cpio": "cpio",
    "unzip": "unzip",
    "rsync": "rsync",
    "bc": "bc",
    "cmp": "diffutils",
    "find": "findutils",
    "xargs": "findutils",
    "awk": "gawk",
    "patch": "patch",
    "gzip": "gzip",
    "bzip2": "bzip2",
}
"""Programs, and what distributions call the package of each."""

_PERL: Final = ("Data::Dumper", "English", "ExtUtils::MakeMaker", "Thread::Queue", "FindBin", "IPC::Cmd")
_TAR: Final = (1, 35)
_CONFIGURED_AS_ROOT: Final = {"BR2_PACKAGE_COREUTILS": "coreutils", "BR2_PACKAGE_TAR": "tar"}
"""Packages whose configure refuses root."""

_UNSAFE: Final = "FORCE_UNSAFE_CONFIGURE"


def check_host(environment: Mapping[str, str], symbols: Mapping[str, str]) -> None:
    """See whether Buildroot can build on this machine.

    Args:
        environment: that make will have.
        symbols: of the configuration.

    Raises:
        UsageError: the environment is of a kind that Buildroot refuses, or that root has to allow.
        ProgramError: programs are missing: all of them, each with its package.
    """
    check_environment(environment)
    path = environment.get("PATH", os.defpath)
    missing = {program: package for program, package in _PROGRAMS.items() if not shutil.which(program, path=path)}
    missing |= dict.fromkeys(_missing_modules(path), "perl, or perl-modules") if "perl" not in missing else {}
    if missing:
        shown = ", ".join(f"{program} ({package})" for program, package in missing.items())
        raise ProgramError(f"this machine lacks what Buildroot needs: {shown}", hint=_how_to_install(missing))
    _check_root(environment, symbols, path)


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse what no Buildroot builds with.

    Raises:
        UsageError: `PATH` or `LD_LIBRARY_PATH` leads into the current folder, or has white space.
    """
    for name in ("PATH", "LD_LIBRARY_PATH"):
        value = environment.get(name)
        if value is None:
            continue
        if {"", "."} & set(value.split(":")):
            raise UsageError(
                f"{name} has the current folder in it, and Buildroot refuses that: {value!r}",
                hint="take out '.' and empty elements ('::', or ':' at an end)",
            )
        if name == "PATH" and re.search(r"\s", value):
            raise UsageError(
                f"PATH has white space in it, and Buildroot refuses that: {value!r}",
                hint="PATH=/usr/bin:/bin brasm build …, or take out the folders with a space",
            )


def check_output(output: str) -> None:
    """Refuse an output folder whose name make or configure scripts cannot take.

    Raises:
        UsageError: its path has white space, `@` or `:`.
    """
    if match := re.search(r"[\s@:]", output):
        raise UsageError(
            f"{output}: Buildroot cannot build in a folder with {match[0]!r} in its path",
            hint="set XDG_CACHE_HOME to a folder with a plain name",
        )


def _missing_modules(path: str) -> Iterator[str]:
    """Yield the modules that Buildroot's script asks perl for, and that its installation has not."""
    code = "; ".join(f"eval {{ require {module}; 1 }} or print '{module} '" for module in _PERL)
    perl = shutil.which("perl", path=path) or "perl"
    done = subprocess.run([perl, "-e", code], capture_output=True, text=True, check=False)
    yield from (f"perl's {module}" for module in done.stdout.split())


def _how_to_install(missing: Mapping[str, str]) -> str:
    packages = sorted({package.partition(",")[0] for package in missing.values()})
    return f"on Debian: apt install {' '.join(packages)}"


def _check_root(environment: Mapping[str, str], symbols: Mapping[str, str], path: str) -> None:
    """Explain what configure scripts of GNU programs would say to root an hour later."""
    if os.geteuid() != 0 or _UNSAFE in environment:
        return
    refusing = [name for symbol, name in _CONFIGURED_AS_ROOT.items() if symbols.get(symbol) == "y"]
    if _tar_version(path) < _TAR:
        refusing.insert(0, "host-tar (this machine's tar is older than 1.35)")
    if refusing:
        raise UsageError(
            f"running as root, and the configure script of {' and of '.join(refusing)} refuses that",
            hint=f"build as an ordinary user; or, knowing that packages' scripts then run as root: {_UNSAFE}=1 brasm …",
        )


def _tar_version(path: str) -> tuple[int, ...]:
    """Return the version of GNU tar; (0,) for another tar."""
    tar = shutil.which("tar", path=path) or "tar"
    done = subprocess.run([tar, "--version"], capture_output=True, text=True, check=False)
    match = re.match(r"tar \(GNU tar\) (\d+)\.(\d+)", done.stdout)
    return tuple(map(int, match.groups())) if match else (0,)
