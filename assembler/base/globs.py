"""Globs over in-root paths, as recipes write them.

    /etc/ssl/**          everything below /etc/ssl
    /etc/ssl             the path itself and, where it is a directory, everything below it
    /usr/lib/*.so.?      `*` and `?` stay within one name
    /usr/**/tests        `**` spans any number of directories, none included
    /lib/lib[a-m]*       character sets, `[!...]` negated; `[*]`, `[[]` and `[{]` are the characters themselves
    /usr/{bin,sbin}/foo  alternatives
    !/etc/ssl/private    takes back what an earlier pattern of the same list matched

The last pattern of a list that matches decides, as in `.gitignore`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base.paths import is_below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_TOKEN = re.compile(
    r"(?P<deep>(?<=/)\*\*(?=/|$))|(?P<star>\*+)|(?P<one>\?)|(?P<set>\[!?[^/][^\]/]*\])|(?P<any>.)", re.DOTALL
)
_SET = re.compile(r"\[!?[^/][^\]/]*\]")
_RANGE = re.compile(r"(.)-(.)|(.)", re.DOTALL)
_SPECIAL = re.compile(r"[*?\[]")


class GlobError(ValueError):
    """A pattern that cannot be understood; the message says why."""


class Glob(Struct, frozen=True):
    """One compiled pattern.

    Attributes:
        pattern: as it was written.
        negated: whether it began with `!`.
        alternatives: the pattern without `!`, its braces expanded.
        expression: the regular expression that all alternatives make together.
        plain: the path itself, where the pattern is one: lists of them may be long.
    """

    pattern: str
    negated: bool
    alternatives: tuple[str, ...]
    expression: str
    plain: str | None = None

    def matches(self, path: str) -> bool:
        """Say whether the pattern itself matches, whether it is negated or not."""
        if self.plain is not None:
            return is_below(path, self.plain)
        return _compiled(self.expression).fullmatch(path) is not None


class GlobList(Struct, frozen=True):
    """Patterns in the order in which they were written."""

    globs: tuple[Glob, ...]

    def deciding(self, path: str) -> Glob | None:
        """Return the last pattern that matches, negated or not."""
        return next((glob for glob in reversed(self.globs) if glob.matches(path)), None)

    def match(self, path: str) -> Glob | None:
        """Return the pattern that takes the path in, or None when none does or a later one takes it out."""
        glob = self.deciding(path)
        return None if glob is None or glob.negated else glob


def compile_globs(patterns: Iterable[str]) -> GlobList:
    """Compile a list.

    Raises:
        GlobError: a pattern is empty, relative, or has an unclosed `[` or `{`.
    """
    return GlobList(tuple(map(compile_glob, patterns)))


def compile_glob(pattern: str) -> Glob:
    """Compile one pattern.

    Raises:
        GlobError: it is empty, relative, or has an unclosed `[` or `{`.
    """
    negated = pattern.startswith("!")
    text = pattern[negated:]
    if not text.startswith("/"):
        raise GlobError(f"glob {pattern!r} is not absolute; write '/{text}', or '/**/{text}' for any directory")
    if {"..", "."} & set(text.split("/")):
        raise GlobError(f"glob {pattern!r} has a '.' or '..' in it, which no path has")
    alternatives = tuple(_expand(text.rstrip("/") or "/", pattern))
    expression = "|".join(_translate(alternative, pattern) for alternative in alternatives)
    try:
        _compiled(expression)
    except re.error as error:
        raise GlobError(f"glob {pattern!r} has a bad character set: {error.msg}") from error
    plain = None if len(alternatives) > 1 or _SPECIAL.search(alternatives[0]) else alternatives[0]
    return Glob(pattern, negated, alternatives, expression, plain)


def matcher(segment: str) -> Callable[[str], bool] | None:
    """Return what tells whether a single name matches a segment of an alternative; None for a plain name."""
    if not _SPECIAL.search(segment):
        return None
    expression = _compiled(_translate("/" + segment, segment).removesuffix("(?:/.*)?"))
    return lambda name: expression.fullmatch("/" + name) is not None


def _translate(text: str, pattern: str) -> str:
    if text == "/":
        return "/.*"
    out = ["(?:"]
    for match in _TOKEN.finditer(text):
        match match.lastgroup:
            case "deep":
                out.append("(?:[^/]+/)*[^/]+")
            case "star":
                out.append("[^/]*")
            case "one":
                out.append("[^/]")
            case "set":
                out.append(_translate_set(match[0]))
            case _ if match[0] == "[":
                raise GlobError(f"glob {pattern!r} has an unclosed '['")
            case _:
                out.append(re.escape(match[0]))
    # `/**/x` matches `/x` too, and a directory that matches stands for all below it.
    return "".join(out).replace("(?:[^/]+/)*[^/]+/", "(?:[^/]+/)*") + ")(?:/.*)?"


def _translate_set(text: str) -> str:
    body = text[1:-1]
    negated = body.startswith("!") and len(body) > 1
    items = [
        re.escape(one) if one else f"{re.escape(low)}-{re.escape(high)}"
        for low, high, one in _RANGE.findall(body[negated:])
    ]
    return f"(?!/)[{'^' * negated}{''.join(items)}]"


def _expand(text: str, pattern: str) -> list[str]:
    plain = _SET.sub(lambda match: "_" * len(match[0]), text)  # braces in a character set are only characters
    start = plain.find("{")
    if start < 0:
        if "}" in plain:
            raise GlobError(f"glob {pattern!r} has a '}}' without its '{{'")
        return [text]
    depth, cuts = 0, [start]
    for position in range(start, len(text)):
        character = plain[position]
        depth += (character == "{") - (character == "}")
        if depth == 1 and character == ",":
            cuts.append(position)
        if depth == 0:
            cuts.append(position)
            break
    else:
        raise GlobError(f"glob {pattern!r} has an unclosed '{{'")
    head, tail = text[:start], text[cuts[-1] + 1 :]
    options = [text[left + 1 : right] for left, right in pairwise(cuts)]
    return [full for option in options for full in _expand(head + option + tail, pattern)]


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.DOTALL)
