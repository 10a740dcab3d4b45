"""The packages of a Buildroot tree, with menus, needs, help and version; and looking for them by words.

In: a checkout and external trees. Out: `KnownPackage`s, from an index in the cache that is made once for each state of
the tree. A package is a folder with a `.mk` of its name, whose symbol is `BR2_PACKAGE_` and that name (Buildroot's
manual, "Package directory").
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from assembler.base.cache_folder import cache_folder
from assembler.base.digest import encoded, sha256
from assembler.base.errors import DestinationError
from assembler.base.files import atomic_file, write_all
from assembler.buildroot.facts import symbol_of
from assembler.buildroot.kconfig_reasons import operands, prompt_condition
from assembler.buildroot.kconfig_tree import load_tree
from assembler.buildroot.toolchain_facts import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from assembler.buildroot.checkout import Checkout
    from assembler.buildroot.kconfig_tree import Expr, Kconf, Symbol

PACKAGE: Final = "BR2_PACKAGE_"
HOST: Final = "BR2_PACKAGE_HOST_"

_FORM: Final = 1
"""Of the index; another one is not read."""
_ASSIGNED: Final = re.compile(r"^(?P<name>\w+)\s*[:?]?=[ \t]*(?P<value>\S*)[ \t]*$", re.MULTILINE)
_REFERENCE: Final = re.compile(r"\$\((?P<name>\w+)\)|\$\{(?P<braced>\w+)\}")
_INDEXED: Final = re.compile(r"Config\.\w+(?:\.\w+)?|.*\.mk|.*\.in|external\.desc")
_TERM: Final = re.compile(r"!?BR2_\w+")


class KnownPackage(Struct, frozen=True):
    """A package that a configuration can have.

    Attributes:
        name: of its folder, `host-` first for one that the machine that builds uses.
        symbol: that turns it on.
        prompt: what menus call it.
        menu: the menus above it, the outermost first.
        needs: what a user has to see to: conditions in the form of kconfig, of which all must hold.
        help: its text, without indentation.
        version: where its `.mk` gives one in plain words.
        folder: relative to the tree; absolute for a package of an external tree.
    """

    name: str
    symbol: str
    prompt: str
    menu: tuple[str, ...]
    needs: tuple[str, ...]
    help: str
    version: str | None
    folder: str

    @property
    def is_host(self) -> bool:
        """Whether it is a program of the machine that builds."""
        return self.symbol.startswith(HOST)

    @property
    def needs_in_words(self) -> tuple[str, ...]:
        """What it needs as people call it: `C++`, `shared libraries`, `headers ≥ 3.17`."""
        return tuple(
            _TERM.sub(lambda match: words(match[0]), one).replace("||", "or").replace("&&", "and") for one in self.needs
        )


def packages_of(checkout: Checkout, externals: Sequence[str] = ()) -> tuple[KnownPackage, ...]:
    """Return the packages of a tree and its external ones, from the index or by reading the tree.

    Raises:
        RecipeError: an external tree is none, or a Config.in file has an error.
    """
    path = os.path.join(cache_folder(), "kconfig", f"{_key(checkout, externals)}.json")
    with contextlib.suppress(OSError, msgspec.MsgspecError), open(path, "rb") as file:
        return msgspec.json.decode(file.read(), type=tuple[KnownPackage, ...])
    found = read_packages(load_tree(checkout.path, externals), checkout.path, externals)
    with contextlib.suppress(OSError, DestinationError):  # the next call reads the tree again
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with atomic_file(path) as descriptor:
            write_all(descriptor, msgspec.json.encode(found))
    return found


def read_packages(kconf: Kconf, tree: str, externals: Sequence[str] = ()) -> tuple[KnownPackage, ...]:
    """Return the packages of a tree that `load_tree` read, in the order of its menus."""
    folders = {symbol_for(os.path.basename(folder)): folder for folder in _package_folders(tree, externals)}
    found = []
    for symbol in kconf.unique_defined_syms:
        name: str = symbol.name
        folder = folders.get(name)
        if folder is None and name.startswith(HOST):
            folder = folders.get(PACKAGE + name.removeprefix(HOST))
        if folder is not None and (package := _package(symbol, folder, tree)):
            found.append(package)
    return tuple(found)


def symbol_for(name: str) -> str:
    """Return the symbol of a package's name; a symbol stays."""
    return name if name.startswith("BR2_") else symbol_of(name)


def search(packages: Iterable[KnownPackage], wanted: Sequence[str], *, host: bool = False) -> list[KnownPackage]:
    """Return the packages, of the image or of the machine, that have all words in name, prompt or help; best first."""
    terms = [_plain(word).removeprefix("host-") for word in wanted]
    ranked = []
    for package in (one for one in packages if one.is_host == host):
        scores = [_score(package, term) for term in terms]
        if all(scores):
            exact = package.name.removeprefix("host-") == "-".join(terms)
            ranked.append((-sum(scores) - 100 * exact, len(package.name), package.name, package))
    return [package for *_, package in sorted(ranked, key=lambda one: one[:3])]


def _plain(word: str) -> str:
    return word.lower().removeprefix(PACKAGE.lower()).replace("_", "-")


def _score(package: KnownPackage, term: str) -> int:
    """Return how well a word fits: name before prompt before help, a whole word before a part; 0 for not at all."""
    name = _plain(package.name.removeprefix("host-"))
    if name == term:
        return 100
    if term in re.split(r"[-.]", name):
        return 60
    if name.startswith(term):
        return 50
    if term in name:
        return 30
    if term in _plain(package.prompt):
        return 20
    text = package.help.lower()
    if term not in text:
        return 0
    return 10 if re.search(rf"\b{re.escape(term)}\b", text) else 5


def _package(symbol: Symbol, folder: str, tree: str) -> KnownPackage | None:
    """Return what is known of a package; None for one that no menu shows, or that was removed."""
    shown = (node for node in symbol.nodes if node.prompt and not node.filename.endswith("Config.in.legacy"))
    node = next(shown, None)
    if node is None:
        return None
    host = symbol.name.startswith(HOST)
    base = os.path.basename(folder)
    return KnownPackage(
        name=f"host-{base}" if host else base,
        symbol=symbol.name,
        prompt=node.prompt[0],
        menu=tuple(_menu(node)),
        needs=tuple(_needs(prompt_condition(symbol))),
        help="\n".join(line.strip() for line in (node.help or "").strip().splitlines()),
        version=literal_version(os.path.join(tree, folder, f"{base}.mk"), base),
        folder=folder,
    )


def _menu(node: object) -> list[str]:
    """Return the prompts of the menus above a node, the outermost first."""
    found: list[str] = []
    above = getattr(node, "parent", None)
    while above is not None and above.parent is not None:
        if above.prompt:
            found.append(above.prompt[0])
        above = above.parent
    return found[::-1]


def _needs(condition: Expr) -> Iterator[str]:
    import kconfiglib

    for part in dict.fromkeys(operands(condition, any_of=False)):
        if isinstance(part, kconfiglib.Choice) or (isinstance(part, kconfiglib.Symbol) and part.is_constant):
            continue
        yield kconfiglib.expr_str(part, _term)


def _term(item: Expr) -> str:
    """Return how a symbol, a constant or a choice stands in a condition."""
    import kconfiglib

    if isinstance(item, kconfiglib.Choice):
        return str(item.nodes[0].prompt[0]) if item.nodes and item.nodes[0].prompt else "choice"
    return str(kconfiglib.standard_sc_expr_str(item))


def _package_folders(tree: str, externals: Sequence[str]) -> Iterator[str]:
    """Yield the folders that hold a `.mk` of their own name: relative to the tree, or absolute in external trees."""
    for top, start in ((tree, "package"), *((external, "") for external in externals)):
        for above, folders, files in os.walk(os.path.join(top, start)):
            folders[:] = sorted(one for one in folders if not one.startswith("."))
            if f"{os.path.basename(above)}.mk" in files:
                yield os.path.relpath(above, tree) if top == tree else os.path.abspath(above)


def literal_version(path: str, name: str) -> str | None:
    """Return a package's version where its `.mk` says it in plain words, or in those of the same file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    values: dict[str, set[str]] = {}
    for match in _ASSIGNED.finditer(text):
        values.setdefault(match["name"], set()).add(match["value"])
    version = symbol_for(name).removeprefix(PACKAGE) + "_VERSION"
    found = _expanded(f"$({version})", values)
    return found if found and "$" not in found else None


def _expanded(text: str, values: Mapping[str, set[str]]) -> str | None:
    """Put in what variables hold, where a file gives each one value."""
    for _ in range(8):
        match = _REFERENCE.search(text)
        if match is None:
            return text
        held = values.get(match["name"] or match["braced"], set())
        if len(held) != 1:
            return None
        text = text[: match.start()] + next(iter(held)) + text[match.end() :]
    return None


def _key(checkout: Checkout, externals: Sequence[str]) -> str:
    """Return the name of an index: the state of all that it is made of."""
    states = [(path, _digest_of_external(path)) for path in externals]
    return encoded(sha256(msgspec.json.encode((_FORM, checkout.identity, states))))


def _digest_of_external(path: str) -> str:
    parts: list[bytes] = []
    for above, folders, files in os.walk(path):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for name in sorted(files):
            if _INDEXED.fullmatch(name):
                parts.append(os.fsencode(os.path.join(above, name)))
                with open(os.path.join(above, name), "rb") as file:
                    parts.append(file.read())
    return encoded(sha256(b"\0".join(parts)))
