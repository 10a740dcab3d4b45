"""What differs between two images, as tables for people: what changed most comes first."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from assembler.base.paths import show
from assembler.base.units import format_size
from assembler.tree import Device, Directory, Symlink, type_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console
    from rich.table import Table

    from assembler.graph.objects import Delta, ObjectChange
    from assembler.oci.compare import Value
    from assembler.pipeline.diff import Difference
    from assembler.plan.growth import Growth, PackageGrowth
    from assembler.tree import Entry
    from assembler.tree.compare import Aspect, FileChange, State

_SIZES: Final = ("compressed", "transferred", "unpacked", "on_disk")
_COUNTS: Final = ("files", "entries", "layers")
_NUMBERS: Final = {"before", "after", "change", "ratio", "files", "stored", "unpacked", "entries"}
_LONGEST: Final = 200
"""Characters of a setting's value; `--json` has them all."""


def print_difference(out: Console, found: Difference, before: str, after: str, most: int | None) -> None:
    """Print what differs; `most` rows of each table, None for all."""
    _print_totals(out, found, before, after)
    if found.same:
        out.print("\nfiles and config are the same")
    _print_settings(out, found)
    _print_packages(out, found.packages, most)
    _print_growths(out, "directory", found.directories, most)
    for state in ("added", "removed", "changed"):
        _print_files(out, state, [one for one in found.files if one.state == state], most)
    _print_objects(out, found.objects, most)
    _print_layers(out, found)


def _print_totals(out: Console, found: Difference, before: str, after: str) -> None:
    table = _table("", "before", "after", "change", "ratio")
    for name in (*_SIZES, *_COUNTS):
        old, new = getattr(found.before.totals, name), getattr(found.after.totals, name)
        size = name in _SIZES
        texts = (format_size(old), format_size(new)) if size else (f"{old:,}", f"{new:,}")
        ratio = f"{new / old:.1%}" if old else ""
        table.add_row(name.replace("_", " "), *texts, _signed(new - old, size=size), ratio)
    for title, name, side in (("before", before, found.before), ("after", after, found.after)):
        out.print(f"[bold]{title:<7}[/] {_plain(show(name))}  {side.inspection.digest}", soft_wrap=True)
    _print_table(out, "", table)


# Config and layers


def _print_settings(out: Console, found: Difference) -> None:
    if not found.settings:
        return
    table = _table("", "key", "before", "after", numbers=False)
    for one in found.settings:
        table.add_row(one.section, _plain(show(one.key)), _value(one.before), _value(one.after))
    _print_table(out, "config and annotations", table)


def _value(value: Value | None) -> str:
    if value is None:
        return "[dim]-[/]"
    text = show(shlex.join(value) if isinstance(value, tuple) else value)
    return _plain(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)") or '""'


def _print_layers(out: Console, found: Difference) -> None:
    old, new = found.before.inspection.layers, found.after.inspection.layers
    if [one.digest for one in old] == [one.digest for one in new]:
        return
    table = _table("", "digest", "stored", "unpacked", "entries", "made by")
    tars = {one.diff_id for one in old} & {one.diff_id for one in new}
    rows = [("both" if one.digest in found.shared else "before", one) for one in old]
    rows += [("after", one) for one in new if one.digest not in found.shared]
    for side, one in rows:
        word = f"{side}, same tar" if side != "both" and one.diff_id in tars else side
        sizes = format_size(one.size), format_size(one.uncompressed_size), f"{one.entries:,}"
        table.add_row(word, one.digest[:19], *sizes, _plain(show(one.created_by or "")))
    title = f"layers: {len(found.shared)} in both, {format_size(found.fetched)} to fetch for who has the first"
    _print_table(out, title, table)


# Sums


def _print_growths(out: Console, title: str, growths: Sequence[Growth], most: int | None) -> None:
    table = _table("change", "before", "after", "files", title)
    for one in growths[:most]:
        table.add_row(*_growth_cells(one), _plain(show(one.name)))
    _finish(out, f"by {title}", table, growths, most)


def _print_packages(out: Console, packages: Sequence[PackageGrowth], most: int | None) -> None:
    table = _table("change", "before", "after", "files", "package", "version")
    for one in packages[:most]:
        mark = "" if one.state == "changed" else f" ({one.state})"
        versions = dict.fromkeys(filter(None, (one.version_before, one.version_after)))
        table.add_row(*_growth_cells(one), _plain(show(one.name)) + mark, _plain(show(" → ".join(versions))))
    _finish(out, "by package", table, packages, most)


def _growth_cells(one: Growth) -> tuple[str, ...]:
    files = one.files_after - one.files_before
    return _signed(one.delta), format_size(one.size_before), format_size(one.size_after), f"{files:+,}" if files else ""


def _finish(out: Console, title: str, table: Table, rows: Sequence[Growth | FileChange], most: int | None) -> None:
    """Print a table that has any rows, with a last one for those that it leaves out."""
    if rest := rows[most:] if most is not None else ():
        cells = [_signed(sum(one.delta for one in rest))] + [""] * (len(table.columns) - 1)
        cells[[column.header in _NUMBERS for column in table.columns].index(False)] = f"({len(rest):,} more)"
        table.add_row(*cells)
    if rows:
        _print_table(out, title, table)


# Files


def _print_files(out: Console, state: State, files: Sequence[FileChange], most: int | None) -> None:
    changed, owned = state == "changed", any(one.package for one in files)
    sizes, what = (("before", "after"), ("what",)) if changed else ((), ())
    table = _table("change", *sizes, "path", *what, *(("package",) if owned else ()))
    for one in files[:most]:
        cells = [_signed(one.delta)]
        cells += [format_size(one.size_before), format_size(one.size_after)] if changed else []
        cells.append(_plain(_path(one)))
        cells += [_plain(", ".join(_what(one)))] if changed else []
        table.add_row(*cells, *([_plain(show(one.package or ""))] if owned else []))
    paths = "1 path" if len(files) == 1 else f"{len(files):,} paths"
    _finish(out, f"{state}: {paths}, {_plus(sum(one.delta for one in files))}", table, files, most)


def _path(one: FileChange) -> str:
    """Write a path as `ls -F` does, with what it is a link to."""
    entry = one.after or one.before
    text = show(one.path)
    if one.state != "changed":
        link = one.link_after or one.link_before
        text += "/" if isinstance(entry, Directory) and one.path != "/" else ""
        text += f" -> {show(entry.target)}" if isinstance(entry, Symlink) else ""
        text += f" (hard link to {show(link)})" if link is not None else ""
    return text + (f" (and {', '.join(map(show, one.also))})" if one.also else "")


def _what(one: FileChange) -> Iterator[str]:
    if one.before is None or one.after is None:
        return
    for aspect in one.what:
        if aspect == "links":
            old, new = (show(link) if link is not None else "none" for link in (one.link_before, one.link_after))
            yield f"hard link to {old} → {new}"
        elif aspect == "xattrs":
            yield f"xattrs {' '.join(sorted(_xattrs(one.before, one.after)))}"
        elif aspect == "content":
            yield aspect
        else:
            yield f"{aspect} {_aspect(one.before, aspect)} → {_aspect(one.after, aspect)}"


def _xattrs(before: Entry, after: Entry) -> set[str]:
    return {show(name) for name, _ in set(before.xattrs) ^ set(after.xattrs)}


def _aspect(entry: Entry, aspect: Aspect) -> str:
    match aspect:
        case "mode":
            return f"{entry.mode:04o}"
        case "owner":
            return f"{entry.uid}:{entry.gid}"
        case "target" if isinstance(entry, Symlink):
            return show(entry.target)
        case "device" if isinstance(entry, Device):
            return f"{entry.major},{entry.minor}"
        case _:
            return type_name(entry)


# Programs and libraries


def _print_objects(out: Console, objects: Sequence[ObjectChange], most: int | None) -> None:
    """Print what came, went, or asks for other things; of what is like before but for its code, how many there are."""
    shown = [one for one in objects if one.state != "changed" or one.what or one.path_before != one.path_after]
    if not shown:
        return
    quiet = len(objects) - len(shown)
    title = "programs and libraries" + (f"; {quiet:,} more differ in nothing but code and data" if quiet else "")
    table = _table("", "path", "soname", "what")
    for one in shown[:most]:
        sonames = dict.fromkeys(elf.soname for elf in (one.before, one.after) if elf is not None and elf.soname)
        table.add_row(
            f"{one.kind} {one.state}" if one.state != "changed" else one.kind,
            _plain(_arrow(one.path_before, one.path_after)),
            _plain(show(" → ".join(sonames))),
            _plain("\n".join(_linkage(one))),
        )
    if most is not None and len(shown) > most:
        table.add_row("", f"({len(shown) - most:,} more)", "", "")
    _print_table(out, title, table)


def _linkage(one: ObjectChange) -> Iterator[str]:
    if one.state != "changed":
        if names := one.needed.added or one.needed.removed:
            yield f"needs {show(' '.join(names))}"
        return
    for word, delta in (("needs", one.needed), ("asks for", one.version_needs), ("defines", one.versions)):
        if delta.added or delta.removed:
            yield f"{word} {_signs(delta)}"
    others = [name for name in one.what if name not in {"soname", "needed", "version_needs", "versions"}]
    for name in others:
        yield f"{name}: {_fact(getattr(one.before, name))} → {_fact(getattr(one.after, name))}"


def _fact(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "none"
        case tuple():
            return " ".join(map(_fact, value)) or "none"
        case _:
            return show(str(value))


def _signs(delta: Delta) -> str:
    return show(" ".join([*(f"-{name}" for name in delta.removed), *(f"+{name}" for name in delta.added)]))


def _arrow(old: str | None, new: str | None) -> str:
    return " → ".join(dict.fromkeys(show(path) for path in (old, new) if path is not None))


# Cells


def _table(*columns: str, numbers: bool = True) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        if numbers and column in _NUMBERS:
            table.add_column(column, justify="right", no_wrap=True)
        else:
            table.add_column(column, overflow="fold")
    return table


def _print_table(out: Console, title: str, table: Table) -> None:
    out.print(f"\n[bold]{title}[/]" if title else "")
    out.print(table)


def _signed(number: int, *, size: bool = True) -> str:
    """Write a change: what grew in red, what shrank in green."""
    text = _plus(number) if size else f"{number:+,}" if number else "0"
    return text if not number else f"[{'red' if number > 0 else 'green'}]{text}[/]"


def _plus(size: int) -> str:
    return f"+{format_size(size)}" if size > 0 else format_size(size)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
