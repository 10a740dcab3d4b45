"""What the recipe adds to a root filesystem: `[[files]]` and the overlay.

In: a tree and a recipe. Out: the tree with the additions laid over it, before the graph is built: what they bring may
be programs that need libraries. An overlay goes through the root's directory symlinks (`lib/x` lands in `/usr/lib/x`
where `/lib` is a link), its entries are root's, and of their modes only the owner's x bit counts (0755 or 0644): the
rest is the umask of whoever checked the recipe out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.content import Bytes, FileContent
from assembler.base.errors import RecipeError
from assembler.base.paths import from_bytes, join, name, normalize, parent, show
from assembler.tree import Directory, Entry, Found, Regular, Symlink, Tree, replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.base.content import Content
    from assembler.recipe import FileSpec
    from assembler.recipe.types import LoadedRecipe

_MODES: Final = {"file": 0o644, "directory": 0o755, "symlink": 0o777}


class Additions(Struct, frozen=True):
    """A tree with what the recipe adds, and by path the key that adds it: `files[0]`, `overlay`."""

    tree: Tree
    keys: Mapping[str, str]


def with_additions(tree: Tree, loaded: LoadedRecipe) -> Additions:
    """Lay a recipe's files and overlay over a tree.

    Raises:
        RecipeError: a file beside the recipe is not there, two additions are for one path, or one would put a file
            where the root has a directory, or the reverse.
    """
    entries: dict[str, Entry] = {}
    keys: dict[str, str] = {}
    for key, entry in (*_overlay(loaded), *_files(loaded)):
        placed = _placed(tree, entry, key)
        if placed.path in keys and not (isinstance(placed, Directory) and isinstance(entries[placed.path], Directory)):
            raise RecipeError(f"{key}: {show(placed.path)} is added by {keys[placed.path]} already", key=key)
        entries[placed.path] = placed
        keys[placed.path] = key
    added = tree.with_entries(entries.values()) if entries else tree
    return _with_cache(Additions(added, keys)) if loaded.recipe.ldconfig else Additions(added, keys)


def _with_cache(additions: Additions) -> Additions:
    """Add the cache of the dynamic loader: for now of all libraries, so that what it finds is found."""
    from assembler.plan.ldconfig import cache_entry

    entry = cache_entry(additions.tree, lambda _: True)
    if entry.path in additions.keys:
        key = additions.keys[entry.path]
        raise RecipeError(f"ldconfig: {entry.path} is added by {key} already", key="ldconfig", hint="drop one of them")
    return Additions(additions.tree.with_entries([entry]), {**additions.keys, entry.path: "ldconfig"})


def _placed(tree: Tree, entry: Entry, key: str) -> Entry:
    """Move an entry to where the root's own directory symlinks lead, and see that it fits what is there."""
    above = tree.walk(parent(entry.path))
    path = entry.path
    if isinstance(above, Found):
        if not isinstance(above.entry, Directory):
            raise RecipeError(f"{key}: {show(entry.path)}: {show(above.path)} is not a directory in the root", key=key)
        path = join(above.path, name(entry.path))
    there = tree.get(path)
    if isinstance(entry, Directory) and isinstance(there, Symlink):
        target = tree.walk(path)
        if isinstance(target, Found) and isinstance(target.entry, Directory):
            path, there = target.path, target.entry
    if there is not None and isinstance(there, Directory) != isinstance(entry, Directory):
        kinds = ("a directory", "none") if isinstance(there, Directory) else ("no directory", "one")
        raise RecipeError(f"{key}: {show(path)} is {kinds[0]} in the root, and {kinds[1]} in the recipe", key=key)
    return replace(entry, path=path)


def _files(loaded: LoadedRecipe) -> Iterator[tuple[str, Entry]]:
    for number, spec in enumerate(loaded.recipe.files):
        key = f"files[{number}]"
        yield key, _file(spec, loaded.folder, key)


def _file(spec: FileSpec, folder: str, key: str) -> Entry:
    uid, _, gid = spec.owner.partition(":")
    mode = int(spec.mode, 8) if spec.mode else _MODES[spec.type]
    common = (normalize(spec.path), mode, int(uid), int(gid or uid), 0, (), 0)
    if spec.type == "directory":
        return Directory(*common)
    if spec.type == "symlink":
        return Symlink(*common, spec.target or "")
    return Regular(*common, _content(spec, folder, key))


def _content(spec: FileSpec, folder: str, key: str) -> Content:
    if spec.content is not None:
        return Bytes(spec.content.encode())
    path = os.path.join(folder, spec.source or "")
    try:
        status = os.stat(path)
    except OSError as error:
        raise RecipeError(f"{key}.source: {path}: {error.strerror}", key=f"{key}.source") from error
    if not stat.S_ISREG(status.st_mode):
        raise RecipeError(f"{key}.source: {path}: not a file", key=f"{key}.source", hint="for a folder: overlay")
    return FileContent.of(os.fsencode(os.path.realpath(path)), status)


def _overlay(loaded: LoadedRecipe) -> Iterator[tuple[str, Entry]]:
    if loaded.recipe.overlay is None:
        return
    folder = os.path.join(loaded.folder, loaded.recipe.overlay)
    if not os.path.isdir(folder):
        raise RecipeError(f"overlay: {folder}: not a folder", key="overlay")
    yield from _overlay_folder(os.fsencode(os.path.realpath(folder)), "/")


def _overlay_folder(folder: bytes, path: str) -> Iterator[tuple[str, Entry]]:
    for raw in sorted(os.listdir(folder)):
        inner, at = folder + b"/" + raw, join(path, from_bytes(raw))
        status = os.lstat(inner)
        mtime = status.st_mtime_ns // 1_000_000_000
        if stat.S_ISDIR(status.st_mode):
            yield "overlay", Directory(at, 0o755, 0, 0, mtime, (), 0)
            yield from _overlay_folder(inner, at)
        elif stat.S_ISLNK(status.st_mode):
            yield "overlay", Symlink(at, 0o777, 0, 0, mtime, (), 0, from_bytes(os.readlink(inner)))
        elif stat.S_ISREG(status.st_mode):
            mode = 0o755 if status.st_mode & 0o100 else 0o644
            yield "overlay", Regular(at, mode, 0, 0, mtime, (), 0, FileContent.of(inner, status))
        else:
            raise RecipeError(f"overlay: {show(at)}: neither a file, a directory nor a symlink", key="overlay")
