"""What times depend on, and bytes that compressors make: this machine, and the versions of what works on it."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from typing import Final

from assembler import __version__
from assembler.base.units import format_size

_CPUINFO: Final = "/proc/cpuinfo"
_DEVICE_TREE: Final = "/proc/device-tree/model"
_MODEL: Final = re.compile(r"^(?:model name|cpu model|cpu|uarch|Hardware|Processor)\s*:\s*(.+)$", re.MULTILINE)
"""Where architectures name their processors: x86 and others, mips, powerpc, riscv, arm."""


def machine_facts() -> dict[str, str]:
    """Return facts of this machine: `cpu`, `cores`, `memory`, `kernel`, `python`, `brasm`, `deflate`, `zstd`.

    `cores` are the processors that this process may use; `deflate` is the package that has libdeflate, which makes
    gzip's bytes; `zstd` is the library itself. What cannot be found out is `unknown`.
    """
    import zstandard

    return {
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": format_size(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "brasm": __version__,
        "deflate": _version_of("deflate"),
        "zstd": ".".join(map(str, zstandard.ZSTD_VERSION)),
    }


def cpu_model(cpuinfo: str) -> str | None:
    """Return the model that the text of /proc/cpuinfo names; None where it names none, as on 64-bit ARM."""
    found = _MODEL.search(cpuinfo)
    return None if found is None else " ".join(found[1].split())


def _cpu() -> str:
    model = cpu_model(_text(_CPUINFO)) or _text(_DEVICE_TREE).strip("\0\n")
    return model or platform.machine() or "unknown"


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
