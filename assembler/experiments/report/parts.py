"""Parts that pages have in common: the head, tables, facts, the treemap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler import __version__
from assembler.base.units import format_size
from assembler.experiments.report.markup import Markup, Page, asset, join, render, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BASE_SCRIPTS: Final = ("page.js", "treemap.js")


class Cell(Struct, frozen=True):
    """A cell of a table.

    Attributes:
        content: what is shown.
        value: the exact number, where it is one.
        style: a class of the style sheet.
        title: more of it; shown where a pointer rests.
    """

    content: str
    value: str | None = None
    style: str | None = None
    title: str | None = None


def size_cell(size: int) -> Cell:
    """Return the cell of a number of bytes."""
    return Cell(format_size(size), str(size), "number", f"{size:,} bytes")


def count_cell(count: int) -> Cell:
    """Return the cell of a count."""
    return Cell(f"{count:,}", str(count), "number")


def path_cell(text: str) -> Cell:
    """Return the cell of a path, or of any other text that may be long."""
    return Cell(text, style="path")


def table(
    identity: str, columns: Sequence[tuple[str, bool]], rows: Iterable[Markup], caption: str, *, sort: bool = True
) -> Markup:
    """Make a table that scrolls by itself.

    Args:
        identity: its id.
        columns: titles, and whether they are numbers.
        rows: made by `row`.
        caption: what it is, for those who cannot see where it stands.
        sort: whether it can be sorted.
    """
    head = tag("tr", *(_header(title, number=number, sort=sort) for title, number in columns))
    inner = tag("table", tag("thead", head), tag("tbody", join(rows)), id=identity, class_="sortable" if sort else None)
    high = "scroll high" if sort else "scroll"
    return tag("div", inner, class_=high, role="region", aria_label=caption, tabindex=0)


def row(cells: Iterable[Cell], **attributes: str | float | bool | None) -> Markup:
    """Make a row of a table."""
    made = (tag("td", cell.content, class_=cell.style, title=cell.title, data_value=cell.value) for cell in cells)
    return tag("tr", *made, **attributes)


def facts(pairs: Mapping[str, str | None]) -> Markup:
    """Make a list of names and values; what is empty is left out."""
    items = (join((tag("dt", key), tag("dd", join(_lines(value))))) for key, value in pairs.items() if value)
    return tag("dl", *items, class_="facts")


def cards(items: Iterable[tuple[str, str, str]]) -> Markup:
    """Make a row of large figures: title, figure, and what more there is to say."""
    boxes = (
        tag("div", tag("dt", title), tag("dd", figure), tag("dd", more, class_="more") if more else "")
        for title, figure, more in items
    )
    return tag("dl", *boxes, class_="cards")


def select(identity: str, options: Iterable[tuple[str, str]], chosen: str, label: str, **more: str) -> Markup:
    """Make a list to choose from, with its label; options are values and texts."""
    made = (tag("option", text, value=value, selected=value == chosen) for value, text in options)
    return tag("label", label, tag("select", *made, id=identity, autocomplete="off", **more))


def switch(name: str, options: Sequence[tuple[str, str]], label: str) -> Markup:
    """Make buttons of which one is on, the first one at the beginning; options are values and texts.

    Where there is but one, there is nothing to choose.
    """
    if len(options) < 2:
        return Markup()
    made = (
        tag(
            "label",
            tag("input", type="radio", name=name, value=value, checked=value == options[0][0], autocomplete="off"),
            text,
        )
        for value, text in options
    )
    return tag("fieldset", tag("legend", label), *made)


def treemap(label: str) -> Markup:
    """Make the place of a treemap."""
    hint = "Click or Enter goes in, Escape or Backspace goes out, arrows move."
    return tag(
        "div",
        tag("nav", tag("ol"), class_="crumbs", aria_label="Where in the treemap"),
        tag("div", class_="treemap", role="group", aria_label=f"{label}. {hint}"),
        tag("p", class_="status small"),
        tag("p", hint, class_="muted small"),
        id="tiles",
        class_="js-only",
    )


def section(identity: str, title: str, *children: str | Iterable[str]) -> Markup:
    """Make a section with its heading."""
    heading = tag("h2", title, id=f"{identity}-title")
    return tag("section", heading, *children, id=identity, aria_labelledby=f"{identity}-title")


def page(title: str, about: str, sections: Mapping[str, Markup], data: bytes, scripts: Sequence[str]) -> bytes:
    """Write a page.

    Args:
        title: of it.
        about: a line below it.
        sections: by what links to them say; each has the id that `section` gave it. The first has no link.
        data: for the scripts, JSON.
        scripts: their texts, after those that all pages have.
    """
    links = (tag("li", tag("a", name, href=f"#{_identity(body)}")) for name, body in list(sections.items())[1:])
    body = join(
        (
            tag("a", "Skip to the content", class_="skip", href="#content"),
            tag("header", tag("h1", title), tag("p", about, class_="muted")),
            tag("nav", tag("ul", *links), class_="sections", aria_label="Sections"),
            tag(
                "noscript",
                tag("p", "Plots, sorting and filtering need JavaScript; the tables are complete without it."),
            ),
            tag("main", *sections.values(), id="content", tabindex=-1),
            tag("footer", f"Written by brasm {__version__}. Sizes are decimal: 1 kB is 1,000 bytes."),
        )
    )
    own = tuple(asset(name) for name in BASE_SCRIPTS)
    return render(Page(title, body, data, (*own, *scripts)))


def _identity(body: Markup) -> str:
    return body.partition('id="')[2].partition('"')[0]


def _header(title: str, *, number: bool, sort: bool) -> Markup:
    inner = tag("button", title, type="button") if sort else title
    return tag("th", inner, scope="col", class_="number" if number else None, aria_sort="none" if sort else None)


def _lines(text: str) -> Iterable[Markup | str]:
    for place, line in enumerate(text.splitlines()):
        if place:
            yield tag("br")
        yield line
