"""Reading pages in tests: their elements, the cells of their tables, what their scripts work on."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

Attributes = dict[str, str | None]
Cells = list[tuple[Attributes, str]]


class Reader(HTMLParser):
    """Reads a page as a browser does.

    Attributes:
        elements: names and attributes, in their order.
        tables: rows by the id of their table, the head first.
        scripts: their texts.
    """

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, Attributes]] = []
        self.tables: dict[str, list[Cells]] = {}
        self.scripts: list[str] = []
        self._open: list[str] = []
        self._rows: list[Cells] | None = None
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        have = dict(attrs)
        self.elements.append((tag, have))
        if tag == "table":
            self._rows = self.tables.setdefault(have.get("id") or "", [])
        elif tag == "script":
            self.scripts.append("")
        elif self._rows is not None and tag == "tr":
            self._rows.append([])
        elif self._rows is not None and tag in {"td", "th"}:
            self._rows[-1].append((have, ""))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._rows = None
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts[-1] += data
        elif self._rows and self._rows[-1]:
            have, text = self._rows[-1][-1]
            self._rows[-1][-1] = (have, text + data)

    @property
    def data(self) -> dict[str, Any]:
        """What scripts work on."""
        ids = [have.get("id") for name, have in self.elements if name == "script"]
        found: dict[str, Any] = json.loads(self.scripts[ids.index("data")])
        return found

    def rows(self, table: str) -> list[dict[str, tuple[Attributes, str]]]:
        """Return the rows of a table, each by the titles of the columns."""
        head, *rows = self.tables[table]
        return [dict(zip([text for _, text in head], row, strict=True)) for row in rows]

    def numbers(self, table: str, column: str) -> list[int]:
        """Return the exact numbers of a column."""
        return [int(row[column][0]["data-value"] or "") for row in self.rows(table)]
