"""Which packages Buildroot builds for which symbol of a configuration.

In: the packages of a configuration with their dependencies, its symbols, what was asked for. Out: `Needs`: the closure
of each symbol that somebody turned on, over the dependencies that `make show-info` has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from assembler.buildroot.facts import Package, symbol_of

if TYPE_CHECKING:
    from collections.abc import Iterable

Origin = Literal["defconfig", "default", "configuration"]
"""Who turned a package on: the defconfig; a default, or what another one selects for run time alone; who knows."""

ALWAYS: Final = ("skeleton", "toolchain")
"""What Buildroot builds for every image, with what these need."""

_PACKAGE: Final = "BR2_PACKAGE_"


class Configured(Struct, frozen=True):
    """A configuration that was built.

    Attributes:
        packages: of it, by name.
        symbols: its `.config`.
        asked: symbols that a defconfig turns on; None where no defconfig is known.
        seconds: that packages took to build; empty where that is not known.
    """

    packages: Mapping[str, Package]
    symbols: Mapping[str, str]
    asked: tuple[str, ...] | None = None
    seconds: Mapping[str, float] = {}


class Needs:
    """What each symbol that somebody turned on makes Buildroot build.

    Attributes:
        roots: packages that somebody turned on, each with all that it needs, itself among it.
        origins: who turned them on.
        always: packages that are built for every image.
        options: symbols of packages that were asked for and stand for no package of their own.
    """

    def __init__(self, configured: Configured) -> None:
        self._packages = configured.packages
        self._on = {symbol for symbol, value in configured.symbols.items() if value == "y"}
        names = {symbol: key for key in sorted(self._packages) for symbol in symbols_of(key)}
        asked = configured.asked or ()
        self.options = [one for one in asked if one.startswith(_PACKAGE) and one not in names]
        self.always = self._closure(ALWAYS)
        self.origins: dict[str, Origin] = {names[one]: "defconfig" for one in asked if one in names}
        other: Origin = "configuration" if configured.asked is None else "default"
        self.origins |= dict.fromkeys(self._turned_on_otherwise(), other)
        self.roots = {key: self._closure([key]) for key in self.origins}
        self._counts = Counter(key for needed in self.roots.values() for key in needed)

    def symbol(self, key: str) -> str:
        """Return the symbol that has a package in the configuration."""
        names = symbols_of(key)
        return next((one for one in names if one in self._on), names[0])

    def gone_without(self, root: str) -> frozenset[str]:
        """Return the packages that nothing needs any more when a root is off."""
        return frozenset(key for key in self.roots[root] if self._counts[key] == 1 and key not in self.always)

    def needing(self, key: str) -> tuple[str, ...]:
        """Return the symbols of roots that need a package, but for its own."""
        found = (self.symbol(root) for root, needed in self.roots.items() if key in needed and key != root)
        return tuple(sorted(found))

    def is_for_image(self, key: str) -> bool:
        """Say whether a package is for the image, not for the machine that builds."""
        return self._packages[key].type == "target"

    def _closure(self, keys: Iterable[str]) -> frozenset[str]:
        """Return packages with all that is built before them, for the image or on the machine."""
        found: set[str] = set()
        waiting = list(keys)
        while waiting:
            key = waiting.pop()
            if key in self._packages and key not in found:
                found.add(key)
                waiting += self._packages[key].dependencies
        return frozenset(found)

    def _turned_on_otherwise(self) -> list[str]:
        """Return the packages for the image that need no other reason to be there: nothing that is there needs them.

        A virtual package is nobody's wish: the one that provides it is.
        """
        covered = self._closure(self.origins) | self.always
        rest = [key for key in sorted(self._packages) if key not in covered and self._is_real(key)]
        below = {one for key in rest for one in self._closure(self._packages[key].dependencies)}
        return [key for key in rest if key not in below]

    def _is_real(self, key: str) -> bool:
        return self.is_for_image(key) and not self._packages[key].virtual


def symbols_of(name: str) -> tuple[str, ...]:
    """Return the symbols by which a configuration may have a package (KCONFIG_VAR of package/pkg-generic.mk).

    Those are its own, then the one of a virtual package, a boot loader, a toolchain, the kernel.
    """
    own = symbol_of(name)
    short = own.removeprefix(_PACKAGE)
    kernel = ("BR2_LINUX_KERNEL",) if name == "linux" else ()
    return (own, f"{_PACKAGE}HAS_{short}", f"BR2_TARGET_{short}", f"BR2_{short}", *kernel)
