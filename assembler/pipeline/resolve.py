"""`ldd` for any root: what ELF files of a folder, tarball or image need, and where it is found.

root ─▶ Tree ─▶ Dependencies
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from assembler.base.errors import RootError
from assembler.base.paths import normalize, show
from assembler.graph.dependencies import Dependencies, Resolver, elf_files
from assembler.graph.facts import Facts
from assembler.sources.open import open_root
from assembler.tree import Directory, Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.base.progress import Progress
    from assembler.tree import Tree


def dependencies(
    root: str,
    paths: Sequence[str],
    env: Mapping[str, str],
    progress: Progress,
    *,
    symbols: bool,
) -> tuple[Dependencies, ...]:
    """Resolve files of a root; a directory stands for all ELF files below it.

    Args:
        root: a folder, a tarball or an image.
        paths: inside of the root; none for the whole root. For a folder, paths that begin with the folder's own are
            understood too, since shells complete them.
        env: the environment that programs will have, laid over an image's own.
        progress: told of what is read.
        symbols: whether references to symbols are checked too.

    Raises:
        RootError: a path is not there, or is no ELF file.
        SourceError: the root cannot be read.
    """
    source = open_root(root, lazy=bool(paths), progress=progress)
    config = source.config.config if source.config is not None else None
    own = dict(item.partition("=")[::2] for item in (config.env if config is not None else None) or ())
    workdir = (config.working_dir if config is not None else None) or "/"
    with Facts(source.tree, remember=True) as facts:
        resolver = Resolver(source.tree, facts, {**own, **env}, workdir)
        files = list(_files(source.tree, facts, source.folder, paths))
        progress.start("resolve", len(files), unit="files")
        found: list[Dependencies] = []
        for path in files:
            found.append(resolver.resolve(path, symbols=symbols))
            progress.advance(1)
        return tuple(found)


def _files(tree: Tree, facts: Facts, folder: str | None, paths: Sequence[str]) -> Iterator[str]:
    if not paths:
        yield from elf_files(tree, facts)
    for path in paths:
        at = tree.walk(_inside(tree, folder, path))
        if not isinstance(at, Found):
            raise RootError(f"{show(path)}: {show(at.path)}: {at.reason}")
        if isinstance(at.entry, Directory):
            yield from elf_files(tree, facts, at.path)
        else:
            yield at.path


def _inside(tree: Tree, folder: str | None, path: str) -> str:
    """Return a path inside of the root for what a user wrote."""
    if folder is None:
        return normalize(path)
    if os.path.realpath(folder) == "/" or not isinstance(tree.walk(path), Found):
        full = os.path.abspath(path)
        outer = os.path.abspath(folder).rstrip("/")
        if full.startswith(outer + "/"):
            return full[len(outer) :]
    return normalize(path)
