"""`brasm deps`: `ldd` for any root filesystem and architecture; nothing is executed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from assembler.base.errors import UsageError
from assembler.base.paths import show
from assembler.cli.options import json_option, quiet_option
from assembler.cli.output import note, print_json
from assembler.cli.progress import progress
from assembler.graph.types import Unresolved
from assembler.pipeline.resolve import dependencies

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.graph.dependencies import Dependencies, Library
    from assembler.graph.types import Edge


@click.command(short_help="Show what ELF files need and where it is found: ldd for any root, nothing executed.")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path())
@click.option("-r", "--root", metavar="ROOT", default="/", help="Folder, tarball or image. Default: this machine.")
@click.option("--env", "variables", metavar="NAME=VALUE", multiple=True, help="Of the programs: LD_LIBRARY_PATH=/opt.")
@click.option("--all", "everything", is_flag=True, help="Every ELF file of the root.")
@click.option("--symbols", is_flag=True, help="Check symbols too, as ldd -r does.")
@click.option("--dot", is_flag=True, help="Print a graph for graphviz.")
@json_option
@quiet_option
def command(
    *,
    paths: tuple[str, ...],
    root: str,
    variables: tuple[str, ...],
    everything: bool,
    symbols: bool,
    dot: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Show what ELF files need and where it is found: ldd for any root, nothing executed.

    PATH is inside of ROOT; a directory stands for all ELF files below it. Libraries are looked for as the root's own
    loader would: glibc's, musl's or uClibc-ng's. Exit code 4 when something is missing.
    """
    if everything == bool(paths):
        raise UsageError(
            "either PATH or --all" if everything else "no path is given", hint="brasm deps /bin/sh, or --all"
        )
    if as_json and dot:
        raise UsageError("--json or --dot, not both")
    with progress(quiet=quiet) as listener:
        found = dependencies(root, paths, _environment(variables), listener, symbols=symbols)
    if as_json:
        print_json([_json(one) for one in found])
    elif dot:
        sys.stdout.write("\n".join(_dot(found)) + "\n")
    else:
        sys.stdout.write("".join(_text(found, color=sys.stdout.isatty())))
    if not quiet and not as_json:
        for path, message in dict.fromkeys(hazard for one in found for hazard in one.hazards):
            note(f"note: {show(path)}: {message}")
    return 0 if all(one.sound for one in found) else 4


def _environment(variables: Sequence[str]) -> dict[str, str]:
    for variable in variables:
        if "=" not in variable:
            raise UsageError(f"--env: {variable!r} is not NAME=VALUE")
    return dict(variable.partition("=")[::2] for variable in variables)


def _json(one: Dependencies) -> dict[str, Any]:
    return {
        "path": show(one.path),
        "interp": one.interp,
        "libraries": [_library(library) for library in one.libraries],
        "missing_symbols": one.missing_symbols,
        "missing_versions": one.missing_versions,
        "hazards": [{"path": show(path), "message": message} for path, message in one.hazards],
        "dlopens": [
            {"path": show(path), "soname": entry.sonames, "priority": entry.priority, "feature": entry.feature}
            for path, entry in one.dlopens
        ],
    }


def _library(library: Library) -> dict[str, Any]:
    path = None if library.path is None else show(library.path)
    return {"name": show(library.name), "path": path, "found": library.found, "needed_by": show(library.needed_by)}


# The tree


def _text(found: Sequence[Dependencies], *, color: bool) -> Iterator[str]:
    for one in found:
        yield _style(show(one.path), color, bold=True) + (": statically linked\n" if one.static else "\n")
        needs: dict[str, list[Edge | Unresolved]] = {}
        for need in one.needs:
            needs.setdefault(need.source, []).append(need)
        yield from _branches(one.path, needs, "", {one.path}, color=color)
        for symbol in one.missing_symbols or ():
            wanted = f"{symbol.name}, version {symbol.version}" if symbol.version else symbol.name
            yield _style(f"undefined symbol: {wanted} ({show(symbol.path)})\n", color, fg="red")
        for missing in one.missing_versions:
            what = f"version {missing.version} of {missing.file} is not in {show(missing.provider)}"
            yield _style(f"{what} (needed by {show(missing.path)})\n", color, fg="red")


def _branches(
    path: str, needs: dict[str, list[Edge | Unresolved]], indent: str, seen: set[str], *, color: bool
) -> Iterator[str]:
    """Yield the needs of a file a line each, and below each what it needs itself, the first time that it comes."""
    own = needs.get(path, [])
    for index, need in enumerate(own):
        last = index == len(own) - 1
        yield indent + ("└── " if last else "├── ") + _line(need, color) + "\n"
        if not isinstance(need, Unresolved) and need.target not in seen:
            seen.add(need.target)
            yield from _branches(need.target, needs, indent + ("    " if last else "│   "), seen, color=color)


def _line(need: Edge | Unresolved, color: bool) -> str:
    kind = "" if need.kind == "needed" else f" ({need.kind})"
    if isinstance(need, Unresolved):
        tried = f", tried {'; '.join(need.tried)}" if need.tried else ""
        return _style(f"{show(need.name)}{kind} => not found", color, fg="red") + tried
    where = show(need.name) if need.name == need.target else f"{show(need.name)} => {show(need.target)}"
    return f"{where}{kind} " + _style(f"[{show(need.found)}]", color, dim=True)


def _style(text: str, color: bool, **style: Any) -> str:
    return click.style(text, **style) if color else text


# The graph


def _dot(found: Sequence[Dependencies]) -> Iterator[str]:
    """Yield a directed graph in graphviz's language: all files together, each need once."""
    yield "digraph deps {"
    yield "  rankdir=LR; node [shape=box, fontname=monospace];"
    for one in found:
        yield f"  {_quote(one.path)} [style=bold];"
    for need in dict.fromkeys(need for one in found for need in one.needs):
        if isinstance(need, Unresolved):
            yield f"  {_quote(need.name)} [color=red, fontcolor=red];"
            yield f"  {_quote(need.source)} -> {_quote(need.name)} [color=red, label={_quote(need.kind)}];"
        else:
            label = "" if need.kind == "needed" else f", label={_quote(need.kind)}"
            yield f"  {_quote(need.source)} -> {_quote(need.target)} [tooltip={_quote(need.found)}{label}];"
    yield "}"


def _quote(text: str) -> str:
    return '"' + show(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
