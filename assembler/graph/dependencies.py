"""What each of some files needs, as `ldd` would say: all libraries in load order, and what is missing.

In: a tree, paths of ELF files. Out: `Dependencies`, a value for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base.errors import RootError
from assembler.base.paths import show
from assembler.elf.types import DlopenNote, ElfFile
from assembler.graph.facts import Broken, Facts
from assembler.graph.hazards import Limits, file_hazards
from assembler.graph.loaders import Loaders
from assembler.graph.scripts import parse_shebang
from assembler.graph.symbols import Binder, MissingSymbol, MissingVersion, missing_versions
from assembler.graph.types import Edge, Unresolved
from assembler.tree import Directory, Found, Regular, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Library(Struct, frozen=True):
    """A library of a program.

    Attributes:
        name: as it was asked for first.
        path: where it stands; None where it is not found.
        found: how it was found first, or the places that were tried.
        needed_by: who asked for it first.
    """

    name: str
    path: str | None
    found: str
    needed_by: str


class Dependencies(Struct, frozen=True):
    """What a file needs.

    Attributes:
        path: of the file, all symlinks followed.
        interp: PT_INTERP; None for libraries and static programs.
        static: whether no loader has anything to do for it.
        libraries: the whole closure in load order, what is missing at its place.
        missing_symbols: what relocations refer to and nothing defines; None where it was not looked for.
        missing_versions: what is asked of libraries that do not define it.
        hazards: (path, message): what works and deserves a look, of all objects.
        dlopens: what the objects say that they open at run time: (path, note).
        needs: every need of every object, met or not, in the order in which they were followed.
    """

    path: str
    interp: str | None
    static: bool
    libraries: tuple[Library, ...] = ()
    missing_symbols: tuple[MissingSymbol, ...] | None = None
    missing_versions: tuple[MissingVersion, ...] = ()
    hazards: tuple[tuple[str, str], ...] = ()
    dlopens: tuple[tuple[str, DlopenNote], ...] = ()
    needs: tuple[Edge | Unresolved, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is missing."""
        found = all(library.path is not None for library in self.libraries)
        return found and not self.missing_symbols and not self.missing_versions


class Resolver:
    """Resolves files of a tree, one after the other; what it learns it keeps."""

    def __init__(self, tree: Tree, facts: Facts, env: Mapping[str, str], workdir: str = "/") -> None:
        self._tree = tree
        self._facts = facts
        self._env = env
        self._workdir = workdir
        self._loaders = Loaders(tree, facts)
        self._binder = Binder(facts)
        self._own: dict[str, tuple[tuple[str, str], ...]] = {}

    def resolve(self, path: str, *, symbols: bool) -> Dependencies:
        """Return what a file needs.

        Raises:
            RootError: it is not there, or is no ELF file that can be read.
        """
        at = self._tree.walk(path)
        if not isinstance(at, Found):
            raise RootError(f"{show(path)}: {at.reason}")
        elf = self._facts.elf(at.path)
        if isinstance(elf, Broken):
            raise RootError(elf.message)
        if elf is None:
            raise self._not_elf(at.path)
        loader = self._loaders.of(elf)
        if not elf.dynamic or (elf.interp is None and elf.is_program) or loader is None:
            return self._without_loader(at.path, elf)
        load = loader.load(at.path, elf, self._env, self._workdir)
        return Dependencies(
            at.path,
            elf.interp,
            static=False,
            libraries=tuple(_libraries(at.path, load.needs)),
            missing_symbols=self._binder.missing_symbols(load, loader.symbols) if symbols else None,
            missing_versions=missing_versions(load, loader.symbols),
            hazards=(*load.hazards, *(one for obj in load.objects for one in self._hazards(obj.path, obj.elf))),
            dlopens=tuple((obj.path, note) for obj in load.objects for note in obj.elf.dlopens),
            needs=load.needs,
        )

    def can_load(self, elf: ElfFile) -> bool:
        """Say whether the root has a loader for a file."""
        return self._loaders.of(elf) is not None

    def _without_loader(self, path: str, elf: ElfFile) -> Dependencies:
        """Return what is known of a static file, or of one whose loader the root does not have."""
        needs: list[Edge | Unresolved] = []
        if elf.interp is not None:
            needs.append(Unresolved(path, "interp", elf.interp, (elf.interp,)))
        needs += [Unresolved(path, "needed", name, ("no loader for it in the root",)) for name in elf.needed]
        libraries = tuple(_libraries(path, needs))
        return Dependencies(
            path, elf.interp, not needs, libraries, hazards=self._hazards(path, elf), needs=tuple(needs)
        )

    def _not_elf(self, path: str) -> RootError:
        if isinstance(self._tree[path], Directory):
            return RootError(f"{show(path)}: a directory")
        shebang = parse_shebang(self._facts.head(path))
        hint = f"it is a script: brasm deps {shebang.by_env or shebang.interpreter}" if shebang else None
        return RootError(f"{show(path)}: not an ELF file", hint=hint)

    def _hazards(self, path: str, elf: ElfFile) -> tuple[tuple[str, str], ...]:
        if path not in self._own:
            self._own[path] = tuple((path, message) for message in file_hazards(path, elf, self._tree, Limits()))
        return self._own[path]


def elf_files(tree: Tree, facts: Facts, below: str = "/") -> Iterator[str]:
    """Yield the paths of all ELF programs and libraries below a path, dynamic or static."""
    entries = tree.below(below)
    facts.expect(entries)
    for entry in entries:
        if isinstance(entry, Regular):
            elf = facts.elf(entry.path)
            if isinstance(elf, ElfFile) and elf.type in {"ET_EXEC", "ET_DYN"}:
                yield entry.path


def _libraries(program: str, needs: Iterable[Edge | Unresolved]) -> Iterator[Library]:
    """Yield each library once; the loader after all others where nothing but PT_INTERP names it."""
    seen: set[str] = {program}
    last: list[Library] = []
    for need in needs:
        if isinstance(need, Unresolved):
            if need.name not in seen:
                seen.add(need.name)
                yield Library(need.name, None, "; ".join(need.tried), need.source)
        elif need.kind == "interp":
            last.append(Library(need.name, need.target, need.found, need.source))
        elif need.target not in seen:
            seen.add(need.target)
            yield Library(need.name, need.target, need.found, need.source)
    yield from (library for library in last if library.path not in seen)
