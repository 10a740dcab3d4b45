"""What costs what: bytes by package, and what would go from the image if a symbol of the configuration were off.

In: a plan with the package of each path, the packages of the configuration with their dependencies, what was asked for.
Out: `Cost`. Nothing is built: what Buildroot would still build is the closure over the packages' dependencies from all
other symbols, as `make show-info` has them. What packages select for run time alone is no dependency there, and counts
as asked for.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.buildroot.known import known_license, known_version
from assembler.buildroot.needs import Configured, Needs, Origin
from assembler.graph.types import closure
from assembler.tree import Regular

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from assembler.buildroot.facts import Package
    from assembler.plan.types import Decision, Plan


class Weight(Struct, frozen=True):
    """Regular files, hard links once; sizes in bytes.

    Attributes:
        target_files: in `target/`.
        target_size: of these.
        files: in the image.
        size: of these, after stripping.
    """

    target_files: int = 0
    target_size: int = 0
    files: int = 0
    size: int = 0


class PackageCost(Struct, frozen=True):
    """What a package has.

    Attributes:
        package: its name.
        version: None where it has none, or none is known.
        license: likewise, as Buildroot writes it.
        weight: its files.
    """

    package: str
    version: str | None
    license: str | None
    weight: Weight


class SymbolCost(Struct, frozen=True):
    """What goes from the image if a symbol is off.

    Attributes:
        symbol: that is on.
        package: that it stands for.
        origin: who turned it on.
        packages: which nothing else needs then.
        needed_by: symbols whose packages need this one: it stays as long as they are on.
        files: of these packages, in the image.
        size: of these.
        reached_files: files of other packages that only these reach: they go too, in mode `closure`.
        reached_size: of these.
        target_size: bytes of these packages in `target/`.
        seconds: that their build took, with what only they need of the machine; None where that is not known.
    """

    symbol: str
    package: str
    origin: Origin
    packages: tuple[str, ...] = ()
    needed_by: tuple[str, ...] = ()
    files: int = 0
    size: int = 0
    reached_files: int = 0
    reached_size: int = 0
    target_size: int = 0
    seconds: float | None = None

    @property
    def total(self) -> int:
        """All bytes that go."""
        return self.size + self.reached_size


class SharedCost(Struct, frozen=True):
    """A package in the image that no symbol alone brings.

    Attributes:
        package: its name.
        symbols: that need it; it goes only together with all of them.
        always: whether Buildroot builds it for every image.
        files: in the image.
        size: of these.
    """

    package: str
    symbols: tuple[str, ...]
    always: bool
    files: int
    size: int


class Cost(Struct, frozen=True):
    """What costs what; each list with the dearest first.

    Attributes:
        total: of all files.
        packages: that have files in `target/`.
        unowned: files that no package installed: finalisation, overlays, scripts, the recipe's own.
        symbols: of packages that were asked for, or are on by default.
        shared: packages that several symbols need.
        unneeded: symbols of which nothing is in the image.
        options: symbols that were asked for and stand for no package: what these cost only a build without them tells.
    """

    total: Weight
    packages: tuple[PackageCost, ...]
    unowned: Weight
    symbols: tuple[SymbolCost, ...]
    shared: tuple[SharedCost, ...]
    unneeded: tuple[SymbolCost, ...]
    options: tuple[str, ...]


def cost_of(plan: Plan, configured: Configured, *, closure_only: bool) -> Cost:
    """Work out what costs what.

    Args:
        plan: what comes into the image; with the package of each path.
        configured: what was built.
        closure_only: whether only what the roots reach is in the image (mode `closure`): then what nobody reaches any
            more goes too.
    """
    files = _Files(plan)
    needs = Needs(configured)
    costs = _SymbolCosts(files, needs, configured.seconds, closure_only=closure_only)
    symbols = [costs.of(key) for key in needs.roots]
    packages = [_package_cost(name, files.of(name), configured.packages.get(name)) for name in files.owners]
    return Cost(
        total=files.of_all(),
        packages=tuple(sorted(packages, key=lambda one: (-one.weight.size, -one.weight.target_size, one.package))),
        unowned=files.of(None),
        symbols=tuple(sorted(symbols, key=lambda one: (-one.total, one.symbol))),
        shared=tuple(sorted(_shared(files, needs), key=lambda one: (-one.size, one.package))),
        unneeded=tuple(sorted(_unneeded(symbols, files), key=lambda one: (-one.target_size, one.symbol))),
        options=tuple(sorted(needs.options)),
    )


class _Files:
    """The files of a plan by package: of `target/` and of the image, each hard link with its first path.

    Attributes:
        owners: packages that have files.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._target = _once(plan.decisions.values(), added=False)
        self._image = _once(plan.decisions.values(), added=True)
        self._paths = _by_owner(plan)
        weights = {owner: self._weigh(owner) for owner in self._paths}
        self._weights = {owner: one for owner, one in weights.items() if one.files or one.target_files}
        self.owners = [owner for owner in self._weights if owner is not None]
        self._present = {owner for owner, paths in self._paths.items() if any(map(self._is_in, paths))}

    def of(self, owner: str | None) -> Weight:
        """Return what a package has."""
        return self._weights.get(owner, Weight())

    def of_all(self, owners: Iterable[str | None] | None = None) -> Weight:
        """Return what several packages have; by default all files."""
        found = [self.of(owner) for owner in (self._weights if owners is None else owners)]
        return Weight(
            target_files=sum(one.target_files for one in found),
            target_size=sum(one.target_size for one in found),
            files=sum(one.files for one in found),
            size=sum(one.size for one in found),
        )

    def holds_any(self, owners: Collection[str]) -> bool:
        """Say whether the image has anything of these packages: files, links, devices, but no mere directory."""
        return not self._present.isdisjoint(owners)

    def reached_only_by(self, owners: Collection[str]) -> list[int]:
        """Return the sizes of the files of others that the roots reach only through these packages."""
        graph = self._plan.graph
        gone = {path for owner in owners for path in self._paths.get(owner, ())}
        roots = [edge for edge in graph.roots if edge.target not in gone]
        edges = {
            path: tuple(edge for edge in found if edge.target not in gone)
            for path, found in graph.edges.items()
            if path not in gone
        }
        still = closure(roots, edges)
        return [
            size
            for path, size in self._image.items()
            if path not in still and path not in gone and self._plan.decisions[path].reason == "reached"
        ]

    def _weigh(self, owner: str | None) -> Weight:
        target = [self._target[path] for path in self._paths[owner] if path in self._target]
        image = [self._image[path] for path in self._paths[owner] if path in self._image]
        return Weight(len(target), sum(target), len(image), sum(image))

    def _is_in(self, path: str) -> bool:
        decision = self._plan.decisions[path]
        return decision.result is not None and decision.reason != "directory"


def _by_owner(plan: Plan) -> dict[str | None, list[str]]:
    """Return the paths of each package; what the recipe adds is of none."""
    found: dict[str | None, list[str]] = defaultdict(list)
    for path, decision in plan.decisions.items():
        found[None if decision.reason == "files" else plan.packages.get(path)].append(path)
    return found


def _once(decisions: Iterable[Decision], *, added: bool) -> dict[str, int]:
    """Return the size of each file: of the source, or with what the recipe adds and after stripping of the image."""
    seen: set[int] = set()
    sizes: dict[str, int] = {}
    for decision in decisions:
        entry = decision.result if added else decision.entry
        if not isinstance(entry, Regular) or entry.inode in seen or (decision.reason == "files" and not added):
            continue
        seen |= {entry.inode} - {0}
        sizes[entry.path] = entry.content.size
    return sizes


class _SymbolCosts:
    """What each symbol costs, given all others."""

    def __init__(self, files: _Files, needs: Needs, seconds: Mapping[str, float], *, closure_only: bool) -> None:
        self._files = files
        self._needs = needs
        self._seconds = seconds
        self._closure_only = closure_only

    def of(self, key: str) -> SymbolCost:
        """Return the cost of the symbol of a package."""
        needs, gone = self._needs, self._needs.gone_without(key)
        own, reached = self._files.of_all(gone), self._reached(gone)
        return SymbolCost(
            symbol=needs.symbol(key),
            package=key,
            origin=needs.origins[key],
            packages=tuple(sorted(filter(needs.is_for_image, gone))),
            needed_by=needs.needing(key),
            files=own.files,
            size=own.size,
            reached_files=len(reached),
            reached_size=sum(reached),
            target_size=own.target_size,
            seconds=round(sum(self._seconds.get(one, 0.0) for one in gone), 1) if self._seconds else None,
        )

    def _reached(self, gone: Collection[str]) -> list[int]:
        return self._files.reached_only_by(gone) if self._closure_only and self._files.holds_any(gone) else []


def _shared(files: _Files, needs: Needs) -> Iterator[SharedCost]:
    single = {one for key in needs.roots for one in needs.gone_without(key)}
    for name in files.owners:
        weight = files.of(name)
        symbols = sorted(needs.symbol(root) for root, needed in needs.roots.items() if name in needed)
        if weight.files and name not in single and (symbols or name in needs.always):
            yield SharedCost(name, tuple(symbols), name in needs.always, weight.files, weight.size)


def _unneeded(symbols: Iterable[SymbolCost], files: _Files) -> Iterator[SymbolCost]:
    """Yield symbols that could be off: no other package needs theirs, and nothing of it is in the image."""
    for one in symbols:
        if not one.needed_by and not files.holds_any(one.packages):
            yield one


def _package_cost(name: str, weight: Weight, package: Package | None) -> PackageCost:
    return PackageCost(name, known_version(package), known_license(package), weight)
