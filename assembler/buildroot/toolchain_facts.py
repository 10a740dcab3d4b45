"""What a toolchain or an architecture gives, and packages can only ask for: which symbols these are, and what to say.

They follow from the toolchain's fragment and options, from the machine that builds, or from the architecture; no line
of a recipe's defconfig sets them. Words are those of Buildroot's own comments ("needs a toolchain w/ C++, wchar").
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.recipe.find import share_folder

if TYPE_CHECKING:
    from assembler.buildroot.kconfig_tree import Kconf, Symbol

_FOLDERS: Final = (
    "arch/",
    "toolchain/",
    *(f"package/{name}/" for name in ("glibc", "linux-headers", "musl", "uclibc")),
    *(f"package/{name}/Config.in.host" for name in ("binutils", "gcc")),  # beside them are programs of the image
)
_LIBRARIES: Final = frozenset({"BR2_STATIC_LIBS", "BR2_SHARED_LIBS", "BR2_SHARED_STATIC_LIBS"})
_VERSION: Final = re.compile(r"BR2_(?P<what>TOOLCHAIN_HEADERS|TOOLCHAIN_GCC|HOST_GCC)_AT_LEAST_(?P<version>\d+(_\d+)?)")
_OPTION: Final = re.compile(r"headers-(?P<version>\d+\.\d+)\.config")
_OWN: Final = re.compile(r"BR2_TOOLCHAIN_HAS_(?P<what>FORTRAN|OPENMP|DLANG|GRAPHITE)|BR2_GCC_ENABLE_(?P<gcc>\w+)")

_WORDS: Final = {
    "BR2_INSTALL_LIBSTDCPP": "C++",
    "BR2_USE_WCHAR": "wchar",
    "BR2_ENABLE_LOCALE": "locale",
    "BR2_USE_MMU": "MMU",
    "BR2_STATIC_LIBS": "static only",
    "BR2_SHARED_LIBS": "shared only",
    "BR2_SHARED_STATIC_LIBS": "static and shared",
    "BR2_TOOLCHAIN_HAS_THREADS": "threads",
    "BR2_TOOLCHAIN_HAS_THREADS_NPTL": "NPTL",
    "BR2_TOOLCHAIN_HAS_SSP": "stack protector",
    "BR2_TOOLCHAIN_HAS_FORTRAN": "Fortran",
    "BR2_TOOLCHAIN_HAS_OPENMP": "OpenMP",
    "BR2_TOOLCHAIN_HAS_NATIVE_RPC": "RPC",
    "BR2_TOOLCHAIN_USES_GLIBC": "glibc",
    "BR2_TOOLCHAIN_USES_MUSL": "musl",
    "BR2_TOOLCHAIN_USES_UCLIBC": "uClibc-ng",
}
_NAMES: Final = {"TOOLCHAIN_HEADERS": "headers", "TOOLCHAIN_GCC": "gcc", "HOST_GCC": "host gcc"}
_LIBC_HAS: Final = frozenset(
    {
        "BR2_USE_WCHAR",
        "BR2_ENABLE_LOCALE",
        "BR2_TOOLCHAIN_HAS_THREADS",
        "BR2_TOOLCHAIN_HAS_THREADS_DEBUG",
        "BR2_TOOLCHAIN_HAS_THREADS_NPTL",
    }
)


class Advice(Struct, frozen=True):
    """What gives a fact.

    Attributes:
        text: what to say, on one line.
        option: the option of `toolchain/options` that gives it, where there is one.
    """

    text: str
    option: str | None = None


def is_fact(symbol: Symbol) -> bool:
    """Say whether a symbol follows from the toolchain, the machine or the architecture."""
    name: str = symbol.name
    if name in _LIBRARIES or name.startswith("BR2_HOST_GCC_AT_LEAST_"):
        return True
    return bool(symbol.nodes) and all(node.filename.startswith(_FOLDERS) for node in symbol.nodes)


def is_architecture(symbol: Symbol) -> bool:
    """Say whether a symbol is a fact of the architecture alone."""
    return bool(symbol.nodes) and all(node.filename.startswith("arch/") for node in symbol.nodes)


def words(term: str) -> str:
    """Return what people call a fact, or the symbol itself: `BR2_INSTALL_LIBSTDCPP` is C++.

    Args:
        term: a symbol, or `!` and a symbol.
    """
    negated, name = term.startswith("!"), term.removeprefix("!")
    if term == "!BR2_STATIC_LIBS":
        return "shared libraries"
    match = _VERSION.fullmatch(name)
    found = f"{_NAMES[match['what']]} ≥ {_dotted(match['version'])}" if match else _WORDS.get(name, name)
    return f"not {found}" if negated and found != name else term if negated else found


def advice(kconf: Kconf, name: str, *, wanted: bool) -> Advice:
    """Return what to do for a fact that is not as a package wants it."""
    match = _VERSION.fullmatch(name)
    if match is not None and wanted:
        return _newer(match["what"], match["version"])
    if name in {"BR2_INSTALL_LIBSTDCPP", "BR2_TOOLCHAIN_BUILDROOT_CXX"}:
        return Advice("the toolchain option cxx sets it", "cxx")
    if name == "BR2_SHARED_STATIC_LIBS":
        return Advice("the toolchain option static sets it", "static")
    if name == "BR2_STATIC_LIBS" and not wanted:
        return Advice("take it out; the toolchain option static has libraries of both kinds")
    if name.startswith("BR2_TOOLCHAIN_USES_"):
        libc = _WORDS.get(name, name)
        return Advice(f"a toolchain of {libc} has it" if wanted else f"a toolchain of another libc than {libc}")
    if name in _LIBC_HAS and wanted:
        return Advice("a toolchain of glibc or musl has it")
    if (own := _OWN.fullmatch(name)) and wanted:
        symbol = f"BR2_TOOLCHAIN_BUILDROOT_{own['what']}" if own["what"] else name
        return Advice(f"{symbol}=y in the defconfig sets it, with buildroot.internal_toolchain = true")
    symbol = kconf.syms.get(name)
    if symbol is not None and is_architecture(symbol):
        return Advice(f"the architecture {architecture(kconf)} decides")
    return Advice("the toolchain decides")


def architecture(kconf: Kconf) -> str:
    """Return the architecture of the configuration, as Buildroot calls it."""
    symbol = kconf.syms.get("BR2_ARCH")
    return str(symbol.str_value) if symbol is not None and symbol.str_value else "chosen"


def _newer(what: str, version: str) -> Advice:
    dotted = _dotted(version)
    if what == "HOST_GCC":
        return Advice(f"this machine's gcc must be {dotted} or newer")
    if what == "TOOLCHAIN_GCC":
        return Advice(f"a toolchain with gcc {dotted} or newer")
    fitting = [option for option in _header_options() if _numbers(option) >= _numbers(dotted)]
    if not fitting:
        return Advice(f"a toolchain with the headers of Linux {dotted} or newer, of which brasm has no option")
    return Advice(f"the toolchain option headers-{fitting[0]} sets it", f"headers-{fitting[0]}")


def _header_options() -> list[str]:
    """Return the versions of headers that are options, the oldest first."""
    folder = os.path.join(share_folder("toolchain"), "options")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted((match["version"] for match in map(_OPTION.fullmatch, names) if match), key=_numbers)


def _dotted(version: str) -> str:
    return version.replace("_", ".")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
