"""The page of what differs between two images: a `Difference` in, one file of HTML out."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from assembler.base.paths import show
from assembler.base.units import format_size
from assembler.experiments.report import parts
from assembler.experiments.report.image_page import file_rows, layers_table, tiles
from assembler.experiments.report.markup import Markup, asset, tag
from assembler.experiments.report.parts import Cell, count_cell, path_cell, size_cell
from assembler.experiments.report.payload import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from assembler.graph.objects import ObjectChange
    from assembler.oci.compare import Setting, Value
    from assembler.pipeline.diff import Difference
    from assembler.plan.growth import Growth, PackageGrowth
    from assembler.tree.compare import FileChange

_SIZES: Final = ("compressed", "transferred", "unpacked", "on_disk")
MOST: Final = 2000
"""Rows of a table: a browser must still be able to work with the page; `brasm diff --json` has them all."""
_LONG: Final = 240
_COUNTS: Final = ("files", "entries", "layers")
_GROWTH: Final = (("change", True), ("before", True), ("after", True))
_KEYS: Final = (
    ("g2", "grew by more than half"),
    ("g1", "grew"),
    ("d1", "shrank"),
    ("d2", "shrank by more than half"),
    ("same", "as it was"),
)


def difference_page(before: str, after: str, found: Difference) -> bytes:
    """Write the page of what differs; names are what the user calls the images."""
    sections = {"Summary": _summary(before, after, found), "Where the bytes are": _tiles(found)}
    sections |= {title: body for title, body in _tables(found) if body}
    data = encode({"kind": "difference", "files": [*_rows(found)]})
    title = f"{show(before)} and {show(after)}"
    about = "What differs between the two images; sizes are those of files, hard links once."
    return parts.page(title, about, sections, data, (asset("files.js"),))


def _rows(found: Difference) -> Iterator[tuple[str, int, str | None, int]]:
    """Yield path, size now, package and change of each file of the second image, and of those that are gone."""
    changes = {show(one.path): one for one in found.files if one.size_before or one.size_after}
    for row in file_rows(found.after.inspection):
        change = changes.pop(row.path, None)
        yield row.path, row.size, row.package, change.delta if change else 0
    for path, change in sorted(changes.items()):
        yield path, change.size_after, change.package and show(change.package), change.delta


def _tables(found: Difference) -> Iterator[tuple[str, Markup | None]]:
    yield "Config", _settings(found.settings)
    yield "Packages", _packages(found.packages)
    for state in ("added", "removed", "changed"):
        yield f"Files {state}", _files(state, [one for one in found.files if one.state == state])
    yield "Programs and libraries", _objects(found.objects)
    yield "Directories", _growths("directories", "Directories", "directory", found.directories)
    yield "Kinds of files", _growths("kinds", "Kinds of files", "kind", found.kinds)
    yield "Layers", _layers(found)


def _summary(before: str, after: str, found: Difference) -> Markup:
    old, new = found.before.totals, found.after.totals
    figures = [
        (name.replace("_", " "), _change_text(getattr(new, name) - getattr(old, name)), _ratio(old, new, name))
        for name in _SIZES
    ]
    columns = (("", False), ("before", True), ("after", True), ("change", True))
    rows = [parts.row((Cell(name.replace("_", " ")), *_totals(old, new, name))) for name in (*_SIZES, *_COUNTS)]
    names = {"Before": f"{show(before)}\n{found.before.inspection.digest}"}
    names |= {"After": f"{show(after)}\n{found.after.inspection.digest}"}
    same = tag("p", "Files and config are the same.") if found.same else ""
    table = parts.table("totals", columns, rows, "Sizes", sort=False)
    return parts.section("summary", "Summary", parts.cards(figures), same, parts.facts(names), table, _times(found))


def _times(found: Difference) -> Markup:
    paths = "1 file differs" if found.times == 1 else f"{found.times:,} files differ"
    return tag("p", f"{paths} in nothing but the modification time.", class_="muted small") if found.times else Markup()


def _ratio(old: object, new: object, name: str) -> str:
    one, other = getattr(old, name), getattr(new, name)
    share = f", {other / one - 1:+.1%}".replace("-", "\u2212") if one else ""
    return f"{format_size(one)} to {format_size(other)}{share}"


def _totals(old: object, new: object, name: str) -> tuple[Cell, ...]:
    one, other = getattr(old, name), getattr(new, name)
    if name in _SIZES:
        return size_cell(one), size_cell(other), _change_cell(other - one)
    change = other - one
    return count_cell(one), count_cell(other), Cell(f"{change:+,}".replace("-", "\u2212"), str(change), "number")


def _change_text(size: int) -> str:
    return f"{'+' if size > 0 else chr(0x2212) if size else ''}{format_size(abs(size))}"


def _change_cell(size: int) -> Cell:
    colour = "grew" if size > 0 else "shrank" if size else ""
    return Cell(_change_text(size), str(size), f"number {colour}".strip(), f"{size:+,} bytes")


def _tiles(found: Difference) -> Markup:
    size = parts.switch("size", (("change", "what changed"), ("size", "what there is now")), "Tiles show")
    keys = (_key(style, text) for style, text in _KEYS)
    return tiles(file_rows(found.after.inspection), size, tag("p", *keys, class_="small keys"))


def _key(style: str, text: str) -> Markup:
    return tag("span", tag("span", class_=f"key {style}"), text)


def _settings(settings: Sequence[Setting]) -> Markup | None:
    columns = (("of", False), ("key", False), ("before", False), ("after", False))
    rows = [
        parts.row(
            (Cell(one.section), path_cell(show(one.key)), path_cell(_value(one.before)), path_cell(_value(one.after)))
        )
        for one in settings
    ]
    return _section("config", "Config and annotations", columns, rows)


def _value(value: Value | None) -> str:
    if value is None:
        return "\u2013"
    return show(shlex.join(value) if isinstance(value, tuple) else value) or '""'


def _packages(packages: Sequence[PackageGrowth]) -> Markup | None:
    columns = (*_GROWTH, ("package", False), ("", False), ("version", False))
    rows = [
        parts.row(
            (
                *_growth_cells(one),
                Cell(show(one.name), style="wrap"),
                Cell(one.state),
                Cell(_versions(one), style="wrap"),
            )
        )
        for one in packages
    ]
    return _section("packages", "Packages", columns, rows)


def _versions(one: PackageGrowth) -> str:
    return show(" \u2192 ".join(dict.fromkeys(filter(None, (one.version_before, one.version_after)))))


def _growths(identity: str, title: str, what: str, growths: Sequence[Growth]) -> Markup | None:
    rows = [parts.row((*_growth_cells(one), path_cell(show(one.name)))) for one in growths]
    return _section(identity, title, (*_GROWTH, (what, False)), rows)


def _growth_cells(one: Growth) -> tuple[Cell, ...]:
    return _change_cell(one.delta), size_cell(one.size_before), size_cell(one.size_after)


def _files(state: str, files: Sequence[FileChange]) -> Markup | None:
    more = [
        name
        for name, there in (("what", any(one.what for one in files)), ("package", any(one.package for one in files)))
        if there
    ]
    columns = (*_GROWTH, ("path", False), *((name, False) for name in more))
    rows = [
        parts.row(
            (
                *(_change_cell(one.delta), size_cell(one.size_before), size_cell(one.size_after)),
                *(path_cell(show(one.path)), *(_more(one, name) for name in more)),
            )
        )
        for one in files
    ]
    return _section(f"files-{state}", f"Files {state}", columns, rows)


def _more(one: FileChange, name: str) -> Cell:
    return Cell(", ".join(one.what) if name == "what" else show(one.package or ""))


def _objects(objects: Sequence[ObjectChange]) -> Markup | None:
    columns = (*_GROWTH, ("file", False), ("kind", False), ("what", False))
    rows = [
        parts.row(
            (
                *(
                    _change_cell(one.size_after - one.size_before),
                    size_cell(one.size_before),
                    size_cell(one.size_after),
                ),
                *(path_cell(show(one.path_after or one.path_before or "")), Cell(one.kind), _told_cell(one)),
            )
        )
        for one in objects
    ]
    return _section("objects", "Programs and libraries", columns, rows)


def _told_cell(one: ObjectChange) -> Cell:
    text = _told(one)
    return path_cell(text) if len(text) <= _LONG else Cell(f"{text[:_LONG]}\u2026", style="path", title=text)


def _told(one: ObjectChange) -> str:
    deltas: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
        "needs": (one.needed.added, one.needed.removed),
        "needs versions": (one.version_needs.added, one.version_needs.removed),
        "has versions": (one.versions.added, one.versions.removed),
    }
    words = [*one.what]
    for name, (added, removed) in deltas.items():
        signs = [*(f"+{text}" for text in added), *(f"\u2212{text}" for text in removed)]
        words += [f"{name} {' '.join(signs)}"] if signs else []
    return show(", ".join(words))


def _layers(found: Difference) -> Markup | None:
    old, new = found.before.inspection.layers, found.after.inspection.layers
    if [one.digest for one in old] == [one.digest for one in new]:
        return None
    fetched = f"{len(found.shared):,} in both; who has the first fetches {format_size(found.fetched)} for the second."
    shared = tag("p", fetched)
    before = (tag("h3", "Before"), layers_table("layers-before", old))
    return parts.section("layers", "Layers", shared, *before, tag("h3", "After"), layers_table("layers-after", new))


def _section(identity: str, title: str, columns: Sequence[tuple[str, bool]], rows: Iterable[Markup]) -> Markup | None:
    made = tuple(rows)
    if not made:
        return None
    shown = f"The {MOST:,} largest of {len(made):,}." if len(made) > MOST else f"{len(made):,} in all."
    table = parts.table(f"{identity}-table", columns, made[:MOST], title)
    return parts.section(identity, title, tag("p", shown, class_="muted small"), table)
