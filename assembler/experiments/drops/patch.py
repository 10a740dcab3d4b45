"""Writing what a search found into a recipe: lines of `select.drop`, each under a comment with its evidence.

In: a recipe's file and `Findings`. Out: its new text, or the difference as `patch -p1` and `git apply` take it. All
else in the file stays as it is: comments, order, quotes, ends of lines. The new text is held to what it must say before
anything is written.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from assembler.base.errors import RecipeError
from assembler.base.files import atomic_file, write_all
from assembler.base.units import format_size
from assembler.experiments.results.measures import MEASURES, format_measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tomlkit.items import Array
    from tomlkit.toml_document import TOMLDocument

    from assembler.experiments.drops.findings import Finding, Findings

_HEADER: Final = re.compile(r"^[ \t]*\[\[?[ \t]*([^\]\s.]+)", re.MULTILINE)
_SELECT: Final = re.compile(r"^[ \t]*\[[ \t]*select[ \t]*\][^\n]*", re.MULTILINE)
_INDENT: Final = re.compile(r"""\n([ \t]+)["'#]""")
_FOUR: Final = "    "


def patch_of(path: str, findings: Findings, variant: str | None = None) -> str:
    """Return what is to change in a recipe's file, as a unified diff; empty where nothing is.

    Args:
        path: of the recipe's file.
        findings: what can go.
        variant: whose `select.drop` is meant, where it has one of its own.

    Raises:
        RecipeError: the file cannot be read, or is none that lines can be added to.
    """
    old = _read(path)
    new, name = patched(old, findings, path, variant), os.path.basename(path)
    end = "\t" if " " in name else ""  # without which patch(1) takes the name to end at the space
    lines = difflib.unified_diff(_lines(old), _lines(new), f"a/{name}{end}", f"b/{name}{end}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def apply(path: str, findings: Findings, variant: str | None = None) -> None:
    """Write a recipe's file anew, whole or not at all; where nothing is to change it is not touched.

    Raises:
        RecipeError: see `patch_of`.
        DestinationError: it cannot be written.
    """
    old = _read(path)
    new = patched(old, findings, path, variant)
    if new != old:
        with atomic_file(path) as descriptor:
            os.fchmod(descriptor, os.stat(path).st_mode & 0o777)
            write_all(descriptor, new.encode())


def patched(text: str, findings: Findings, where: str, variant: str | None = None) -> str:
    """Return a recipe's text with what was found in its `select.drop`.

    Args:
        text: of the file.
        findings: what can go; what the list has already is not added again.
        where: what errors call the file.
        variant: whose `select.drop` is meant, where it has one of its own.

    Raises:
        RecipeError: the text is no TOML, or has `select` in a form that nothing can be added to.
    """
    if "\r\n" in text and "\n" not in text.replace("\r\n", ""):
        return patched(text.replace("\r\n", "\n"), findings, where, variant).replace("\n", "\r\n")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where}: not TOML: {error}") from error
    table, key = _list_of(values, variant)
    known = table.get(key, [])
    blocks = list(_blocks(findings, frozenset(known), findings.measure))
    if not blocks:
        return text
    table[key] = [*known, *(glob for _, globs in blocks for glob in globs)]
    for candidate in _ways(text, blocks, variant):
        if _says(candidate, values):
            return candidate
    raise RecipeError(
        f"{where}: lines cannot be added to select.drop as it is written there",
        key="select.drop",
        hint="write it as a list of its own in a [select] table",
    )


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not TOML: {error}") from error


def _lines(text: str) -> list[str]:
    """Cut after newlines only: other characters that end lines elsewhere may stand in comments."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _list_of(values: dict[str, Any], variant: str | None) -> tuple[dict[str, Any], str]:
    """Return the table and the key of the list that counts: the variant's own, where it has one."""
    own = values.get("variant", {}).get(variant, {}).get("set", {})
    if "select.drop" in own:
        return own, "select.drop"
    return values.setdefault("select", {}), "drop"


def _says(text: str, values: dict[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == values
    except tomllib.TOMLDecodeError:
        return False


# The lines

_Block = tuple[str, tuple[str, ...]]


def _blocks(findings: Findings, known: frozenset[str], measure: str) -> Iterator[_Block]:
    """Yield, for each finding, its comment and the globs that the list has not yet."""
    for one in findings.accepted:
        globs = tuple(glob for glob in one.globs if glob not in known)
        if globs:
            yield _evidence(one, measure), globs


def _evidence(one: Finding, measure: str) -> str:
    """Word why these lines are there: `unused: 34 files, 1.20 MB, 0.41 MB compressed; …`."""
    parts = ["1 file" if one.files == 1 else f"{one.files} files", format_size(one.size)]
    if measure not in {"files", "unpacked"} and one.saved > 0:  # a compressor may do a little worse with less
        parts.append(f"{format_measure(measure, one.saved)} {MEASURES[measure].title}")
    them = "it" if len(one.globs) == 1 else "them"
    return f"unused: {', '.join(parts)}; tests passed without {them} (trial {one.number})"


# Where they go


def _ways(text: str, blocks: Sequence[_Block], variant: str | None) -> Iterator[str]:
    """Yield texts with the lines in them, the best first; what each of them says is not known yet."""
    import tomlkit  # only who patches needs it

    document = tomlkit.parse(text)
    table, key = _list_of(document.unwrap(), variant)
    if "select" not in document and key == "drop":
        section = f"[select]\n{_new_list(blocks)}\n"
        yield _with_section(text, _after_source(text), section)
        yield _with_section(text, len(text), section)
        return
    header = _SELECT.search(text)
    if header is not None and key == "drop" and key not in table:
        at = _end_of_table(text, header.end())
        yield f"{text[:at]}{_new_list(blocks)}\n{text[at:]}"
    yield _with_lines(document, blocks, variant)


def _with_section(text: str, at: int, section: str) -> str:
    """Put a table into a text, with empty lines around it."""
    before, after = text[:at], text[at:]
    ends = 2 if not before or before.endswith("\n\n") else int(before.endswith("\n"))
    return before + "\n" * (2 - ends) + section + "\n" * bool(after) + after


def _with_lines(document: TOMLDocument, blocks: Sequence[_Block], variant: str | None) -> str:
    """Add lines to the list that there is, or a list to the table that there is."""
    import tomlkit
    from tomlkit.items import Array

    table: Any = document
    own = _list_of(document.unwrap(), variant)[1] != "drop"
    for part in ("variant", variant, "set") if own else ("select",):
        table = table[part]
    key = "select.drop" if own else "drop"
    old = table.get(key)
    if not isinstance(old, Array):
        table[key] = _extended(tomlkit.array(), blocks)
    elif "\n" in old.as_string():
        _extended(old, blocks)
    else:
        table[key] = _extended(_unfolded(old), blocks)
    return document.as_string()


def _unfolded(old: Array) -> Array:
    """Return a list that stands on one line with a line for each of its items."""
    import tomlkit

    new = tomlkit.array()
    for item in old:
        new.add_line(item, indent=_FOUR)
    new.trivia.comment_ws, new.trivia.comment = old.trivia.comment_ws, old.trivia.comment
    return new


def _extended(array: Array, blocks: Sequence[_Block]) -> Array:
    """Add lines to a list in place, indented as those that it has."""
    text = array.as_string()
    indent = found[1] if (found := _INDENT.search(text)) else _FOUR
    is_closed = re.search(r"\n[ \t]*\]$", text) is not None
    for comment, globs in blocks:
        array.add_line(indent=indent, comment=comment, add_comma=False)
        for glob in globs:
            array.add_line(glob, indent=indent)
    if not is_closed:
        array.add_line(indent="", add_comma=False)
    return array


def _new_list(blocks: Sequence[_Block]) -> str:
    import tomlkit

    document = tomlkit.document()
    document["drop"] = _extended(tomlkit.array(), blocks)
    return document.as_string().rstrip("\n")


def _after_source(text: str) -> int:
    """Return where a table of its own reads best: after `[source]`, above what comments on the next table."""
    headers = list(_HEADER.finditer(text))
    sources = [number for number, header in enumerate(headers) if header[1] == "source"]
    following = headers[sources[-1] + 1 :] if sources else headers
    return _above_comments(text, following[0].start() if following else len(text))


def _end_of_table(text: str, start: int) -> int:
    """Return where a key can be added to a table whose header ends at `start`: below the last that it has."""
    following = _HEADER.search(text, start)
    lines = _lines(text[: len(text) if following is None else following.start()])
    keys = max(number for number, line in enumerate(lines) if line.strip() and not _is_comment(line))
    end = keys + 1
    while end < len(lines) and _is_comment(lines[end]):
        end += 1
    # Comments right below a key go on about it, unless a table follows at once: then they are about that.
    goes_on = following is None or end < len(lines)
    return len("".join(lines[: end if goes_on else keys + 1]))


def _above_comments(text: str, at: int) -> int:
    lines = _lines(text[:at])
    while lines and _is_comment(lines[-1]):
        lines.pop()
    return len("".join(lines))


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")
