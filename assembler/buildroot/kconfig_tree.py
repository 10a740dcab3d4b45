"""Buildroot's Config.in files and those of its external trees, read with kconfiglib: no make, nothing written there.

In: the folder of a tree and those of its external trees. Out: kconfiglib's `Kconfig`, or only the names of all symbols.
kconfiglib has no types, so its objects are `Any` here: `Kconf`, `Symbol`, `Expr`.

Buildroot's kconfig is that of Linux 4.17, before there were macros: `$(TOPDIR)` in a text stays as it stands, and is
for make. So nothing of a tree is run, whatever it says. Sources: kconfiglib's documentation, Buildroot's
support/scripts/br2-external and the environment that its Makefile gives to kconfig.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import platform
import re
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from assembler.base.errors import BrasmError, ProgramError, RecipeError
from assembler.base.program import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Kconf = Any
"""kconfiglib.Kconfig"""
Symbol = Any
"""kconfiglib.Symbol"""
Expr = Any
"""A Symbol, a Choice, or a tuple of an operator and its operands."""

_SCRIPT: Final = "support/scripts/br2-external"
_ITEMS: Final = ("paths", "menus", "toolchains", "jpeg", "openssl", "skeleton", "init", "linux")
_ITEMS_IN_SCRIPT: Final = re.compile(r"^\s*items=\(([\w\s-]*)\)", re.MULTILINE)
_NAME: Final = re.compile(r"^name: +(?P<name>.*?)\s*$", re.MULTILINE)
_DESC: Final = re.compile(r"^desc: +(?P<desc>.*?)\s*$", re.MULTILINE)
_LINE: Final = re.compile(
    rb'^[ \t]*(?:(?:menu)?config[ \t]+(?P<symbol>BR2_\w+)|source[ \t]+"?(?P<path>[^"\n]+?)"?[ \t]*$)', re.MULTILINE
)
_GCC_BOUND: Final = re.compile(r'BR2_HOST_GCC_VERSION = "(?P<version>\d+)"')
_CALLS: Final = 10_000
"""Calls within each other that kconfiglib may need: it walks a symbol's dependencies, and 600 alternatives, in turn."""
_NO_FUNCTIONS: Final = "brasm.has.no.functions"
"""kconfiglib imports a module of functions by this name where there is one."""


class ExternalTree(Struct, frozen=True):
    """A BR2_EXTERNAL tree.

    Attributes:
        path: its folder, absolute.
        name: that its variables bear: `BR2_EXTERNAL_<name>_PATH`.
        description: what its menu is called.
    """

    path: str
    name: str
    description: str


def read_external(path: str) -> ExternalTree:
    """Read what an external tree says of itself.

    Raises:
        RecipeError: it lacks what Buildroot asks of such a tree.
    """
    folder = os.path.abspath(path)
    for name in ("external.desc", "external.mk", "Config.in"):
        if not os.path.isfile(os.path.join(folder, name)):
            raise RecipeError(f"{path}: not an external tree: it has no {name}", key="buildroot.external")
    with open(os.path.join(folder, "external.desc"), encoding="utf-8", errors="replace") as file:
        text = file.read()
    match, description = _NAME.search(text), _DESC.search(text)
    if match is None or not re.fullmatch(r"[A-Za-z0-9_]+", match["name"]):
        raise RecipeError(
            f"{path}/external.desc: it gives no name of letters, digits and _",
            key="buildroot.external",
            hint="a line 'name: MY_TREE'",
        )
    return ExternalTree(folder, match["name"], description["desc"] if description else match["name"])


def read_externals(paths: Sequence[str]) -> tuple[ExternalTree, ...]:
    """Read several external trees.

    Raises:
        RecipeError: one is none, or two have one name.
    """
    seen: dict[str, ExternalTree] = {}
    for tree in map(read_external, paths):
        if tree.name in seen:
            raise RecipeError(
                f"{tree.path}: {seen[tree.name].path} has the name {tree.name} too", key="buildroot.external"
            )
        seen[tree.name] = tree
    return tuple(seen.values())


def load_tree(tree: str, externals: Sequence[str] = (), host_gcc: str | None = None) -> Kconf:
    """Read all Config.in files.

    Args:
        tree: Buildroot's folder.
        externals: folders of external trees.
        host_gcc: the major version of this machine's gcc; default: it is asked, and where there is none, the newest.

    Raises:
        RecipeError: an external tree is none, or a Config.in file has an error; with its name and line.
    """
    trees = read_externals(externals)
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _CALLS))
    with tempfile.TemporaryDirectory(prefix="brasm-kconfig-") as folder:
        _write_snippets(folder, trees, _snippets(tree))
        values = {
            **{f"BR2_EXTERNAL_{one.name}_PATH": one.path for one in trees},
            "srctree": tree,
            "BR2_BASE_DIR": folder,  # what the files say
            "BASE_DIR": folder,  # what the symbol BR2_BASE_DIR takes
            "BR2_VERSION": "",
            "BR2_VERSION_FULL": "",
            "BR2_DEFCONFIG": "",
            "BR2_HIDE_SECONDARY_TARGET_OPTIONS": "",
            "SKIP_LEGACY": "",
            "HOSTARCH": _host_architecture(),
            "HOST_GCC_VERSION": host_gcc or _host_gcc(tree),
            "KCONFIG_FUNCTIONS": _NO_FUNCTIONS,
        }
        with _environment(values):
            return _parse(folder)


def _parse(snippets: str) -> Kconf:
    import kconfiglib

    try:
        return _kconfig_class()("Config.in", warn=False)
    except (kconfiglib.KconfigError, OSError, UnicodeError, RecursionError) as error:
        lines = [line.strip() for line in str(error).replace(f"{snippets}/", "").splitlines() if line.strip()]
        told = (lines[0] if lines else repr(error)).split(" Check that environment")[0].rstrip(".")
        raise RecipeError(
            f"Config.in cannot be read: {told}",
            hint="the tree, or an external one, has a Config.in that Buildroot's kconfig would not take either",
        ) from error


@functools.cache
def _kconfig_class() -> Any:
    import kconfiglib

    class Kconfig(kconfiglib.Kconfig):  # type: ignore[misc]  # it has no types
        """Kconfiglib's, without macros, and without files that stay open after an error."""

        def _open(self, filename: str, mode: str) -> io.StringIO:
            """Return what is in a file."""
            with super()._open(filename, mode) as file:
                return io.StringIO(file.read())

        def _fn_val(self, args: list[str]) -> str:
            """Return a macro as it stands, where kconfiglib would expand it (or run a program: `$(shell,…)`)."""
            return f"$({','.join(args)})"

    return Kconfig


def configure(kconf: Kconf, symbols: Mapping[str, str]) -> None:
    """Set symbols as a configuration does, in its order: what the tree does not know or cannot take is passed over."""
    for name, value in symbols.items():
        symbol = kconf.syms.get(name)
        if symbol is not None and symbol.nodes:
            symbol.set_value(value)


def host_gcc_of(got: Mapping[str, str]) -> str | None:
    """Return the version of the machine's gcc that a `.config` was made with, as far as its symbols tell."""
    found = [re.fullmatch(r"BR2_HOST_GCC_AT_LEAST_(\d+)", symbol) for symbol, value in got.items() if value == "y"]
    return str(max(versions)) if (versions := [int(match[1]) for match in found if match]) else None


def known_symbols(tree: str, externals: Sequence[str] = ()) -> frozenset[str]:
    """Return the names of all symbols, by a look at the lines that define them: a quarter of the time of reading all.

    Raises:
        RecipeError: an external tree is none.
    """
    found: set[bytes] = set()
    roots = {f"$BR2_EXTERNAL_{one.name}_PATH": one.path for one in read_externals(externals)}
    todo = ["Config.in", *(os.path.join(path, "Config.in") for path in roots.values())]
    todo += [path for one in roots.values() for _, path in _provided(one, _snippets(tree)) if os.path.isfile(path)]
    seen: set[str] = set()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for match in _LINE.finditer(_bytes_of(os.path.join(tree, path))):
            if match["symbol"]:
                found.add(match["symbol"])
            else:
                todo.append(_resolved(os.fsdecode(match["path"]), roots))
    own = {"BR2_EXTERNAL_NAMES", *(f"{start[1:-5]}_{what}" for start in roots for what in ("PATH", "VERSION"))}
    return frozenset({name.decode() for name in found} | own)


def _resolved(path: str, roots: Mapping[str, str]) -> str:
    start, slash, rest = path.partition("/")
    return roots[start] + slash + rest if start in roots else path


def _bytes_of(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""  # what is not there is for kconfig to refuse


def _snippets(tree: str) -> tuple[str, ...]:
    """Return the names of the snippets that Buildroot's script writes, of which a release may have more."""
    try:
        with open(os.path.join(tree, _SCRIPT), encoding="utf-8", errors="replace") as file:
            match = _ITEMS_IN_SCRIPT.search(file.read())
    except OSError:
        match = None
    return tuple(dict.fromkeys((*_ITEMS, *(match[1].split() if match else ()))))


def _provided(folder: str, items: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the snippets to which an external tree can add, and the files with which it does."""
    for item in items:
        if item == "linux":
            yield item, os.path.join(folder, "linux", "Config.ext.in")
        elif item not in {"paths", "menus"}:
            yield item, os.path.join(folder, "provides", f"{item}.in")


def _write_snippets(folder: str, trees: Sequence[ExternalTree], items: Sequence[str]) -> None:
    """Write `.br2-external.in.*` as support/scripts/br2-external does."""
    text = dict.fromkeys(items, "")
    if trees:
        names = " ".join(one.name for one in trees)
        text["paths"] = f'config BR2_EXTERNAL_NAMES\n\tstring\n\tdefault "{names}"\n\n'
    for one in trees:
        for what, value in (("PATH", one.path), ("VERSION", "")):
            text["paths"] += f'config BR2_EXTERNAL_{one.name}_{what}\n\tstring\n\tdefault "{value}"\n\n'
        text["menus"] += _menu(one, alone=len(trees) == 1)
        for item, path in _provided(one.path, items):
            if os.path.isfile(path):
                text[item] += f'comment "{item} from: {_quoted(one.description)}"\nsource "{path}"\n\n'
    if trees:
        text["menus"] = f'menu "External options"\n\n{text["menus"]}endmenu\n'
    for item, lines in text.items():
        with open(os.path.join(folder, f".br2-external.in.{item}"), "w", encoding="utf-8") as file:
            file.write(lines)


def _menu(tree: ExternalTree, *, alone: bool) -> str:
    body = f'source "{tree.path}/Config.in"\n\n'
    return body if alone else f'menu "{_quoted(tree.description)}"\n{body}endmenu\n'


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _host_architecture() -> str:
    """Return HOSTARCH as Buildroot's Makefile makes it of what gcc says."""
    machine = platform.machine()
    return "x86" if re.fullmatch(r"i.86", machine) else re.sub(r"arm.*", "arm", machine)


def _host_gcc(tree: str) -> str:
    """Return the major version of this machine's gcc, no newer than the tree knows, as Buildroot's Makefile does."""
    with contextlib.suppress(OSError, ValueError, BrasmError):
        with open(os.path.join(tree, "Config.in"), encoding="utf-8", errors="replace") as file:
            newest = max((int(one) for one in _GCC_BOUND.findall(file.read())), default=0)
        with contextlib.suppress(ProgramError, ValueError):
            newest = min(newest, int(run(["gcc", "-dumpversion"], timeout=5).split(".")[0]))
        return str(newest)
    return "0"


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables for as long as kconfiglib parses: it takes them from nowhere else."""
    changed = {name: os.environ.get(name) for name in (*values, "CONFIG_", "KCONFIG_WARN_UNDEF", "KCONFIG_STRICT")}
    try:
        for name in changed:
            os.environ.pop(name, None)
        os.environ.update(values)
        yield
    finally:
        for name, value in changed.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
