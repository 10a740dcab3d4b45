"""A new recipe: a folder with a commented recipe.toml and the defconfig of its packages.

names ─▶ Kconf ─▶ Enabled ─▶ texts ─▶ folder
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from assembler.base.errors import UsageError
from assembler.base.files import destination_errors, temporary_name
from assembler.base.paths import show, to_bytes
from assembler.buildroot.checkout import LTS_COMMIT, LTS_VERSION, cached_checkouts, open_checkout
from assembler.buildroot.compose import compose_recipe, parse_toolchain, toolchain_folder
from assembler.buildroot.enable import Enabled, Setting, enable
from assembler.buildroot.kconfig import first_sentence
from assembler.buildroot.kconfig_tree import configure, load_tree
from assembler.buildroot.packages import literal_version, symbol_for
from assembler.pipeline.add import edited, find_symbol, missing_options, refusal, with_options
from assembler.recipe.load import load_recipe, recipe_from_mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.buildroot.checkout import Checkout
    from assembler.buildroot.kconfig_tree import Kconf
    from assembler.recipe.types import LoadedRecipe

_MACHINES: Final = {"aarch64": "aarch64-glibc", "armv7l": "armv7-glibc", "riscv64": "riscv64-glibc"}
_DEFAULT_TOOLCHAIN: Final = "x86-64-glibc"
_RELEASE: Final = re.compile(r"\d{4}\.\d{2}(\.\d+)?(-rc\d+)?")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_ROUNDS: Final = 4
"""Times that options are added to the toolchain: what one gives may show what else is missing."""

_PROGRAMS: Final = {
    "bash": (("/bin/bash",), ()),
    "bind": (("/usr/sbin/named",), ("-f",)),
    "busybox": (("/bin/sh",), ()),
    "chrony": (("/usr/sbin/chronyd",), ("-n",)),
    "dropbear": (("/usr/sbin/dropbear",), ("-F", "-E")),
    "lighttpd": (("/usr/sbin/lighttpd",), ("-D", "-f", "/etc/lighttpd/lighttpd.conf")),
    "mosquitto": (("/usr/sbin/mosquitto",), ("-c", "/etc/mosquitto/mosquitto.conf")),
    "nginx": (("/usr/sbin/nginx",), ("-g", "daemon off;")),
    "openssh": (("/usr/sbin/sshd",), ("-D", "-e")),
    "python3": (("/usr/bin/python3",), ()),
    "redis": (("/usr/bin/redis-server",), ()),
    "taskd": (("/usr/bin/taskd",), ("server",)),
}
"""Programs of packages whose way to stay in the foreground is known: entrypoint and cmd."""

_RECIPE: Final = """\
#:schema recipe.schema.json
# All keys: brasm schema (> recipe.schema.json, for editors that read the line above).

name = {name}
version = {version}  # the tag
description = {description}

[source]
buildroot = "defconfig"  # packages: brasm search WORD, brasm add {folder} PACKAGE

[buildroot]
{pin}
toolchain = {toolchain}  # brasm toolchain list --all
# external = ["external"]  # BR2_EXTERNAL folders beside this file

[select]
mode = "closure"  # what entrypoint, tests and `keep` reach; brasm plan shows it
# keep = ["/etc/ssl/**"]
# locales = ["C", "de_DE.UTF-8"]

# [[files]]  # what no package installs
# path = "/var/lib/{base}"
# type = "directory"
# owner = "1000:1000"

[image]
{program}
# user = "1000:1000"
# expose = ["8080/tcp"]
# volumes = ["/var/lib/{base}"]

# [[test]]  # must work in the finished image
# run = [{first}, "--version"]
# stdout = "\\\\d+\\\\.\\\\d+"

# [budget]  # exit code 1 when exceeded
# compressed = "5 MB"
"""

_DEFCONFIG: Final = (
    "# Beside toolchain/image.config of brasm, which comes before it. Lines as Buildroot's menus save them.\n"
)


class NewRecipe(Struct, frozen=True):
    """What a user wants.

    Attributes:
        name: of the image, and of the folder.
        packages: names or symbols.
        toolchain: a fragment with options; None for one of this machine's architecture, with the options it takes.
        buildroot: Buildroot's tree; None for the default release, looked at where it is in the cache.
        directory: where the folder is made.
    """

    name: str
    packages: tuple[str, ...] = ()
    toolchain: str | None = None
    buildroot: str | None = None
    directory: str = "."


class Started(Struct, frozen=True):
    """A recipe that was made.

    Attributes:
        folder: that holds it.
        notes: what the user should know, one line each.
    """

    folder: str
    notes: tuple[str, ...] = ()


class _Contents(Struct, frozen=True):
    toolchain: str
    defconfig: str
    version: str = "latest"
    description: str = ""
    notes: tuple[str, ...] = ()


def start_recipe(request: NewRecipe) -> Started:
    """Make a recipe's folder, whole or not at all.

    Raises:
        UsageError: the folder is there already, or `buildroot` is no tree.
        RecipeError: the name is none of an image, the tree has no such package, or no such toolchain.
        DestinationError: the folder cannot be made.
    """
    folder = os.path.normpath(os.path.join(request.directory, os.path.basename(request.name)))
    _scratch(request, request.toolchain or _DEFAULT_TOOLCHAIN)  # refuses names and toolchains that are none
    if os.path.lexists(folder):
        raise UsageError(f"{show(folder)}: is there already", hint="another NAME, or --directory DIR")
    checkout = open_checkout(request.buildroot) if request.buildroot else _pinned_in_cache()
    contents = _unchecked(request) if checkout is None else _checked(request, checkout)
    _write(folder, {"recipe.toml": _recipe_text(request, contents, checkout), "defconfig": contents.defconfig})
    return Started(folder, contents.notes)


def _pinned_in_cache() -> Checkout | None:
    return next((one for one in cached_checkouts() if one.version == LTS_VERSION), None)


def _scratch(request: NewRecipe, toolchain: str) -> LoadedRecipe:
    """Return the recipe as far as it says what Buildroot is asked for, without packages."""
    parse_toolchain(toolchain, "buildroot.toolchain")
    table = {"name": request.name, "source": {"buildroot": os.devnull}, "buildroot": {"toolchain": toolchain}}
    return recipe_from_mapping(table, request.directory)


def _default_toolchain() -> str:
    return _MACHINES.get(platform.machine(), _DEFAULT_TOOLCHAIN)


def _unchecked(request: NewRecipe) -> _Contents:
    settings = [f"{symbol_for(name)}=y\n" for name in request.packages]
    told = f"the packages were not checked: Buildroot {LTS_VERSION} is not in the cache; brasm build will"
    notes = (f"{told}, or give --buildroot DIR",) if settings else ()
    return _Contents(request.toolchain or _default_toolchain(), _DEFCONFIG + "".join(settings), notes=notes)


def _checked(request: NewRecipe, checkout: Checkout) -> _Contents:
    if not request.packages:
        return _Contents(request.toolchain or _default_toolchain(), _DEFCONFIG)
    kconf = load_tree(checkout.path, (toolchain_folder(),))
    symbols = tuple(dict.fromkeys(find_symbol(kconf, name) for name in request.packages))
    toolchain, enabled = _enable(request, kconf, symbols)
    by_default = [Setting(symbol, "y", symbol) for symbol in enabled.already]
    return _Contents(
        toolchain,
        edited(_DEFCONFIG, [*enabled.settings, *by_default], kconf),
        _version(kconf, checkout, symbols[0]),
        _description(kconf, symbols[0]),
        _notes(request, toolchain),
    )


def _enable(request: NewRecipe, kconf: Kconf, symbols: Sequence[str]) -> tuple[str, Enabled]:
    """Turn packages on, with the options of a toolchain that they need where the user did not choose one."""
    toolchain = request.toolchain or _default_toolchain()
    for _ in range(_ROUNDS):
        loaded = _scratch(request, toolchain)
        kconf.unset_values()
        configure(kconf, compose_recipe(loaded).symbols)
        enabled = enable(kconf, symbols, {})
        options = missing_options(enabled.blocked)
        if not enabled.blocked or not options or request.toolchain is not None:
            break
        toolchain = with_options(toolchain, options)
    if enabled.blocked:
        raise refusal(enabled.blocked, loaded)
    return toolchain, enabled


def _notes(request: NewRecipe, toolchain: str) -> tuple[str, ...]:
    if request.toolchain is not None or toolchain == _default_toolchain():
        return ()
    return (f"toolchain {toolchain}: {_default_toolchain()} with what the packages need",)


def _version(kconf: Kconf, checkout: Checkout, symbol: str) -> str:
    """Return the version of a package, where it is known and can be a tag."""
    for node in kconf.syms[symbol].nodes:
        folder = os.path.join(checkout.path, os.path.dirname(node.filename))
        name = os.path.basename(folder)
        if symbol_for(name) == symbol:
            version = literal_version(os.path.join(folder, f"{name}.mk"), name)
            return version if version and _TAG.fullmatch(version) else "latest"
    return "latest"


def _description(kconf: Kconf, symbol: str) -> str:
    return first_sentence(next((node.help for node in kconf.syms[symbol].nodes if node.help), "")).rstrip(".")


def _recipe_text(request: NewRecipe, contents: _Contents, checkout: Checkout | None) -> str:
    base = os.path.basename(request.name)
    entrypoint, cmd = _program(request)
    program = f"entrypoint = {_toml(entrypoint)}" if entrypoint else f'# entrypoint = ["/usr/bin/{base}"]'
    return _RECIPE.format(
        name=_toml(request.name),
        base=base,
        folder=base,
        version=_toml(contents.version),
        description=_toml(contents.description),
        pin=_pin(checkout),
        toolchain=_toml(contents.toolchain),
        program=f"{program}\ncmd = {_toml(cmd)}" if cmd else program,
        first=_toml(entrypoint[0] if entrypoint else f"/usr/bin/{base}"),
    )


def _program(request: NewRecipe) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return entrypoint and cmd of the first package whose program is known."""
    symbols = {symbol_for(name) for name in request.packages}
    return next((known for name, known in _PROGRAMS.items() if symbol_for(name) in symbols), ((), ()))


def _pin(checkout: Checkout | None) -> str:
    """Write which release it is built with: that of the given tree, as far as it is a release."""
    version = LTS_VERSION if checkout is None else checkout.version
    if not _RELEASE.fullmatch(version):
        return f"# version = {_toml(LTS_VERSION)}  # none is pinned: --buildroot says with which tree it is built"
    lines = f"version = {_toml(version)}  # cloned where no --buildroot is given"
    return f"{lines}\ncommit = {_toml(LTS_COMMIT)}" if version == LTS_VERSION else lines


def _toml(value: str | Sequence[str]) -> str:
    """Write a text or an array of texts; TOML's basic strings take the escapes of JSON."""
    if isinstance(value, str):
        return msgspec.json.encode(value).decode()
    return f"[{', '.join(map(_toml, value))}]"


def _write(folder: str, texts: dict[str, str]) -> None:
    with destination_errors(folder):
        temporary = temporary_name(folder)
        os.mkdir(temporary)
        try:
            for name, text in texts.items():
                with open(os.path.join(temporary, name), "xb") as file:
                    file.write(to_bytes(text))
            load_recipe(os.path.join(temporary, "recipe.toml"))
            os.rename(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
