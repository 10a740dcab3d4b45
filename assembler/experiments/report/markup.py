"""HTML as a value: what is text is escaped, so nothing that a path or an error says is ever markup.

Based on HTML's own rules (html.spec.whatwg.org): "Attributes", "Restrictions for contents of script elements".
"""

from __future__ import annotations

import base64
import hashlib
import html
from importlib import resources
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

_VOID: Final = frozenset({"br", "hr", "input", "link", "meta", "wbr"})
_UNSAFE: Final = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: str | Iterable[str], **attributes: str | float | bool | None) -> Markup:
    """Make an element.

    Args:
        name: of the element.
        children: text, which is escaped; `Markup`, which is not; or several of these.
        attributes: `_` stands for `-`, one at the end for nothing (`class_`); True is an attribute without a value,
            False and None are none.
    """
    begin = f"<{name}{''.join(map(_attribute, attributes.items()))}>"
    return Markup(begin if name in _VOID else f"{begin}{join(children)}</{name}>")


def join(children: Iterable[str | Iterable[str]]) -> Markup:
    """Put elements and texts one after the other."""
    parts = (
        child if isinstance(child, Markup) else _escape(child) if isinstance(child, str) else join(child)
        for child in children
    )
    return Markup("".join(parts))


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


def _attribute(pair: tuple[str, str | float | bool | None]) -> str:
    key, value = pair[0].rstrip("_").replace("_", "-"), pair[1]
    if value is None or value is False:
        return ""
    return f" {key}" if value is True else f' {key}="{html.escape(str(value))}"'


def asset(name: str) -> str:
    """Return a file that stands beside this module."""
    return (resources.files(__package__ or "") / name).read_text(encoding="utf-8")


class Page(Struct, frozen=True):
    """A page.

    Attributes:
        title: of the window.
        body: all that is shown.
        data: what scripts work on, as JSON.
        scripts: their texts, in the order in which they run.
    """

    title: str
    body: Markup
    data: bytes
    scripts: tuple[str, ...]


def render(page: Page) -> bytes:
    """Write a page as one file that asks for nothing.

    Its content security policy lets the page's own scripts run and no others, and reach nothing: by their digests
    (Content Security Policy Level 3, "script-src").

    Raises:
        ValueError: a script has what ends it.
    """
    if any("</script" in script.lower() or "<!--" in script for script in page.scripts):
        raise ValueError("a script has in it what ends a script")
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; "
        f"script-src {' '.join(map(_hash_source, page.scripts)) or repr('none')}"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", page.title),
        tag("style", Markup(asset("page.css"))),
    )
    data = Markup(page.data.decode().translate(_UNSAFE))
    scripts = [tag("script", Markup(script)) for script in page.scripts]
    body = tag("body", page.body, tag("script", data, type="application/json", id="data"), *scripts)
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n".encode()


def _hash_source(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
