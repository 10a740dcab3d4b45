"""Building the graph: from the roots to all that they reach.

In: a tree and a request. Out: `Graph`. Programs are loaded as their own loader would, scripts are followed to their
interpreters, symlinks to their targets, rules add what is opened at run time; then the closure is walked breadth
first, so that every chain of evidence is as short as it can be.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import msgspec

from assembler.base.errors import RootError
from assembler.base.paths import parent, show
from assembler.elf.types import ElfFile
from assembler.graph.dlopens import Offer, guessed, noted
from assembler.graph.facts import Broken, Facts
from assembler.graph.hazards import file_hazards
from assembler.graph.loaders import Loaders
from assembler.graph.loaders.base import compatible
from assembler.graph.rules import RULES, Scene
from assembler.graph.scripts import parse_shebang
from assembler.graph.types import Edge, Graph, Unresolved, closure
from assembler.tree import Directory, Found, Regular, Symlink

if TYPE_CHECKING:
    from assembler.elf.machine import Machine
    from assembler.graph.loaders import Load, Loader
    from assembler.graph.request import Request
    from assembler.graph.types import EdgeKind
    from assembler.tree import Tree


_STARTED = {"ET_EXEC", "ET_DYN"}


def build_graph(tree: Tree, request: Request, facts: Facts | None = None) -> Graph:
    """Find all that a request's roots reach; `facts` is what is known of the tree's files already.

    Raises:
        RootError: a program that must run is not there or cannot run, or two are for different machines.
    """
    return _Builder(tree, request, facts or Facts(tree)).build()


class _Builder:
    """Gathers edges. Files are followed once each; programs first, since libraries are theirs to find."""

    def __init__(self, tree: Tree, request: Request, facts: Facts) -> None:
        self._tree = tree
        self._request = request
        self._facts = facts
        self._roots: list[Edge] = []
        self._edges: dict[str, dict[tuple[str, str, str], Edge]] = {}
        self._unresolved: dict[Unresolved, None] = {}
        self._hazards: dict[tuple[str, str], None] = {}
        self._offers: dict[Edge, None] = {}
        self._followed: set[str] = set()
        self._mapped: set[str] = set()
        self._machine: tuple[Machine, str] | None = None
        self._loaders = Loaders(tree, facts)

    def build(self) -> Graph:
        """See `build_graph`."""
        for key, name in self._request.programs:
            self._add_program(key, name)
        self._add_user()
        self._add_kept()
        edges = {source: tuple(found.values()) for source, found in self._edges.items()}
        return Graph(
            roots=tuple(self._roots),
            edges=edges,
            reached=closure(self._roots, edges),
            unresolved=tuple(self._unresolved),
            machine=self._machine and self._machine[0],
            hazards=tuple(self._hazards),
            offers=tuple(self._offers),
        )

    # Roots

    def _add_program(self, key: str, name: str) -> None:
        path, found = self._find_program(name)
        at = self._tree.walk(path)
        if not isinstance(at, Found):
            raise RootError(f"{key}: {show(name)}: {at.reason}", hint=self._nearest(name))
        must_run = not key.startswith("select.roots")
        if must_run:
            self._check_runs(key, name, at)
        self._roots.append(Edge(key, at.path, "config", name, found, at.via))
        self._follow(at.path, key)

    def _find_program(self, name: str) -> tuple[str, str]:
        if "/" in name:
            return name, "absolute name"
        for directory in self._request.path:
            path = f"{directory}/{name}"
            at = self._tree.walk(path)
            if isinstance(at, Found) and isinstance(at.entry, Regular) and at.entry.mode & 0o111:
                return path, f"PATH {directory}"
        raise RootError(f"{show(name)}: not found in PATH ({':'.join(self._request.path)})", hint=self._nearest(name))

    def _check_runs(self, key: str, name: str, at: Found) -> None:
        if not isinstance(at.entry, Regular):
            raise RootError(f"{key}: {show(name)}: not a file, so no program")
        if not at.entry.mode & 0o111:
            raise RootError(f"{key}: {show(name)}: not executable", hint=f"mode {at.entry.mode:04o} has no x bit")
        elf = self._facts.elf(at.path)
        if isinstance(elf, Broken):
            raise RootError(f"{key}: {elf.message}", hint="a program that must run has to be whole")
        if isinstance(elf, ElfFile) and elf.type not in _STARTED:
            raise RootError(f"{key}: {show(name)}: an ELF file of type {elf.type}, which no kernel runs")
        if elf is None and parse_shebang(self._facts.head(at.path)) is None:
            raise RootError(f"{key}: {show(name)}: neither an ELF file nor a script: no kernel would run it")

    def _nearest(self, name: str) -> str | None:
        """Name the program of PATH, or the entry beside it, that is spelled most like a name."""
        directories = [parent(name)] if "/" in name else list(self._request.path)
        names = {child: f"{place}/{child}" for place in directories for child in self._children(place)}
        near = difflib.get_close_matches(name.rpartition("/")[2], names, n=1)
        return f"did you mean {show(names[near[0]])}?" if near else None

    def _children(self, directory: str) -> list[str]:
        at = self._tree.walk(directory)
        return list(self._tree.children(at.path)) if isinstance(at, Found) else []

    def _add_user(self) -> None:
        user, _, group = (self._request.user or "").partition(":")
        if user and not user.isdecimal():
            self._add_config("image.user", "/etc/passwd", "names the user")
        if (user and not user.isdecimal()) or (group and not group.isdecimal()):
            self._add_config("image.user", "/etc/group", "names the group")

    def _add_config(self, key: str, path: str, why: str) -> None:
        at = self._tree.walk(path)
        if isinstance(at, Found):
            self._roots.append(Edge(key, at.path, "config", path, why, at.via))
        else:
            self._unresolved[Unresolved(key, "config", path, (at.reason,))] = None

    def _add_kept(self) -> None:
        """Add what stays whatever it is: programs before libraries, which those may map by their own run paths."""
        for key, path in self._request.kept:
            self._roots.append(Edge(key, path, "config", path, "kept by name"))
        paths = [path for _, path in self._request.kept]
        libraries = [path for path in paths if not self._is_program(path)]
        for path in (*(path for path in paths if self._is_program(path)), *libraries):
            if path not in self._mapped:
                self._follow(path, None)

    def _is_program(self, path: str) -> bool:
        if self._facts.machine(path) is None:
            return True
        elf = self._facts.elf(path)
        return isinstance(elf, ElfFile) and elf.is_program

    # Following

    def _follow(self, path: str, key: str | None) -> None:
        """Find what a file needs; `key` is the recipe's where the file is a program that must run."""
        if path in self._followed:
            return
        self._followed.add(path)
        entry = self._tree[path]
        if isinstance(entry, Symlink):
            self._follow_symlink(path, entry)
        elif isinstance(entry, Regular):
            elf = self._facts.elf(path)
            if isinstance(elf, ElfFile):
                self._follow_elf(path, elf, key)
            elif elf is None:
                self._follow_script(path, entry)

    def _follow_symlink(self, path: str, entry: Symlink) -> None:
        at = self._tree.walk(path)
        if not isinstance(at, Found):
            self._unresolved[Unresolved(path, "symlink", entry.target, (f"{show(at.path)}: {at.reason}",))] = None
            return
        via = tuple(link for link in at.via if link != path)
        self._add(Edge(path, at.path, "symlink", entry.target, "target", via))
        if not isinstance(at.entry, Directory):
            self._follow(at.path, None)

    def _follow_script(self, path: str, entry: Regular) -> None:
        shebang = parse_shebang(self._facts.head(path))
        if shebang is None or not entry.mode & 0o111:
            return
        self._need(path, "shebang", shebang.interpreter, "#! line")
        if shebang.by_env is not None:
            try:
                name, found = self._find_program(shebang.by_env)
            except RootError as error:
                self._unresolved[Unresolved(path, "shebang", shebang.by_env, (error.message,))] = None
                return
            self._need(path, "shebang", name, f"env, {found}")

    def _need(self, path: str, kind: EdgeKind, name: str, found: str) -> None:
        at = self._tree.walk(name)
        if isinstance(at, Found) and isinstance(at.entry, Regular):
            self._add(Edge(path, at.path, kind, name, found, at.via))
            self._follow(at.path, path)
        else:
            reason = "not a file" if isinstance(at, Found) else at.reason
            self._unresolved[Unresolved(path, kind, name, (f"{show(name)}: {reason}",))] = None

    def _follow_elf(self, path: str, elf: ElfFile, key: str | None) -> None:
        if not self._agrees(path, elf, key):
            return
        self._map(path, elf)
        if not elf.dynamic or (elf.interp is None and elf.is_program):
            return
        loader = self._loaders.of(elf)
        if loader is None:
            if elf.interp is not None:
                self._unresolved[Unresolved(path, "interp", elf.interp, (elf.interp,))] = None
            return
        load = loader.load(path, elf, self._request.env, self._request.workdir)
        self._take(load)
        self._open(load, loader)

    def _take(self, load: Load) -> None:
        for edge in load.edges:
            self._add(edge)
        self._unresolved.update(dict.fromkeys(load.unresolved))
        self._hazards.update(dict.fromkeys(load.hazards))
        for one in load.objects:
            self._map(one.path, one.elf)

    def _map(self, path: str, elf: ElfFile) -> None:
        if path not in self._mapped:
            self._mapped.add(path)
            messages = file_hazards(path, elf, self._tree, self._request.limits)
            self._hazards.update(((path, message), None) for message in messages)

    def _open(self, load: Load, loader: Loader) -> None:
        """Add what is opened at run time, as far as the request wants it."""
        request = self._request
        scene = Scene(self._tree, self._facts, load, loader, request.env, request.charsets, request.workdir)
        for rule in RULES:
            if request.wants(rule.name, rule.priority):
                for edge in rule.find(scene):
                    self._add(msgspec.structs.replace(edge, found=f"rule {rule.name}: {edge.found}", rule=rule.name))
                    self._follow(edge.target, None)
        for offer in noted(scene):
            self._take_offer(offer)
        for offer in guessed(scene) if request.guesses else ():
            self._take_offer(offer)

    def _take_offer(self, offer: Offer) -> None:
        need, wanted = offer.need, self._request.keeps(offer.priority)
        if isinstance(need, Edge):
            if wanted:
                self._add(need)
                self._follow(need.target, None)
            elif not self._is_edge(need):
                self._offers[need] = None
        elif offer.priority == "required":
            self._unresolved[need] = None
        elif wanted:
            self._hazards[need.source, f"would open {need.name} ({need.tried[0]}), which the root does not have"] = None

    def _is_edge(self, edge: Edge) -> bool:
        """Say whether the same is needed anyway."""
        return any(target == edge.target for target, _, _ in self._edges.get(edge.source, ()))

    def _agrees(self, path: str, elf: ElfFile, key: str | None) -> bool:
        """Check that a file is for the machine of all others; what is only kept may be data for another."""
        if elf.type == "ET_REL":
            return False
        if self._machine is None:
            self._machine = (elf.machine, path)
        machine, first = self._machine
        if compatible(machine, elf.machine):
            if (elf.machine.variant or "") > (machine.variant or ""):
                self._machine = (elf.machine, path)
            return True
        if key is not None:
            raise RootError(
                f"{show(path)} is for {elf.machine}, but {show(first)} is for {machine}", hint="one image, one machine"
            )
        self._hazards[(path, f"is for {elf.machine}, the image for {machine}: kept as data")] = None
        return False

    def _add(self, edge: Edge) -> None:
        """Note an edge once, with the first evidence: another program may find the same by another way."""
        self._edges.setdefault(edge.source, {}).setdefault((edge.target, edge.kind, edge.name), edge)
