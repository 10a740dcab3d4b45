"""Writing a report: which form, and where to."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, Literal, get_args

from assembler.base.errors import UsageError
from assembler.base.files import atomic_file, write_all

if TYPE_CHECKING:
    from assembler.experiments.report.plots import PlotName
    from assembler.experiments.report.summary import Choices
    from assembler.experiments.results.files import Results

Form = Literal["html", "md", "csv", "svg", "png", "jsonl"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)
_ENDINGS: Final[dict[str, Form]] = {
    **{f".{form}": form for form in FORMS},
    ".htm": "html",
    ".markdown": "md",
}
_PLOTTED: Final = frozenset({"svg", "png"})


def form_of(output: str, form: Form | None) -> Form:
    """Return the form of a report: the one that is asked for, else that of the file's ending; Markdown for `-`.

    Raises:
        UsageError: the ending says nothing.
    """
    if form is not None:
        return form
    if output == "-":
        return "md"
    ending = os.path.splitext(output)[1].lower()
    if ending not in _ENDINGS:
        raise UsageError(f"{output}: its ending does not say which form", hint=f"--format {' or '.join(FORMS)}")
    return _ENDINGS[ending]


def report(results: Results, choices: Choices, form: Form, plot_name: PlotName | None) -> bytes:
    """Make a report; what is heavy is imported for the forms that need it.

    Raises:
        UsageError: what was chosen is not in the results, or a plot is named for a form that is none.
        ProgramError: a package that it takes is not installed.
    """
    if plot_name is not None and form not in _PLOTTED:
        raise UsageError(f"--plot {plot_name}: only svg and png are plots, not {form}")
    match form:
        case "html":
            from assembler.experiments.report.trials_page import trials_page

            return trials_page(results, choices)
        case "md":
            from assembler.experiments.report.text import markdown

            return markdown(results, choices)
        case "csv":
            from assembler.experiments.report.text import comma_separated

            return comma_separated(results)
        case "jsonl":
            from assembler.experiments.results.files import results_lines

            return b"".join(results_lines(results))
        case "svg" | "png":
            from assembler.experiments.report.plots import plot

            return plot(results, choices, plot_name or "size-time", form)


def write(data: bytes, output: str) -> None:
    """Write a report to a file, whole or not at all, or to standard output (`-`).

    Raises:
        DestinationError: it cannot be written.
    """
    if output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
    else:
        write_file(data, output)


def write_file(data: bytes, path: str) -> None:
    """Write a file, whole or not at all.

    Raises:
        UsageError: it is `-`, which stands for standard output; that has something else.
        DestinationError: it cannot be written.
    """
    if path == "-":
        raise UsageError("-: a page is written to a file", hint="--html ./-, for a file of that name")
    with atomic_file(path) as descriptor:
        write_all(descriptor, data)
