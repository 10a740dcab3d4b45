"""Reports as text: Markdown that is what it seems, CSV that reads back to the same numbers."""

from __future__ import annotations

import csv
import io
import re

import msgspec
import pytest
from msgspec.structs import replace

from assembler.experiments.report.summary import Choices, brief_text, front_of, sources_of
from assembler.experiments.report.text import comma_separated, markdown
from assembler.experiments.results.files import Results
from assembler.experiments.results.measures import format_measure
from tests.experiments.reporting import HOSTILE, digest, root, sample, trial


@pytest.fixture(scope="module")
def text() -> str:
    return markdown(sample(), Choices()).decode()


def tables(text: str) -> dict[str, list[list[str]]]:
    """Return the rows of the table below each heading."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("|"):
            found.setdefault(heading, []).append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return found


def test_tables_are_tables(text: str) -> None:
    found = tables(text)
    assert [*found] == ["Pareto front: compressed against pack", "All trials", "From source to image: trial 9"]
    for rows in found.values():
        assert len({len(row) for row in rows}) == 1
        assert all(re.fullmatch("-+:?", cell) or cell == "--:" for cell in rows[1])


def test_all_trials_with_all_measures(text: str) -> None:
    head, _, *rows = tables(text)["All trials"]
    assert [row[0] for row in rows] == [str(one.number) for one in sample().trials]
    for one, row in zip(sample().trials, rows, strict=True):
        cells = dict(zip(head, row, strict=True))
        assert cells["outcome"] == one.outcome
        if "compressed" in one.measures:
            assert cells["compressed"] == format_measure("compressed", one.measures["compressed"])


def test_the_front_is_listed(text: str) -> None:
    _, _, *rows = tables(text)["Pareto front: compressed against pack"]
    front = front_of(sample().trials, "pack_seconds", "compressed")
    assert [row[0] for row in rows] == [str(sample().trials[at].number) for at in front]


def test_the_waterfall_adds_up(text: str) -> None:
    _, _, *rows = tables(text)["From source to image: trial 9"]
    level = 0
    for _, size, then, _ in rows:
        number = int(size.replace(",", ""))
        level = level + number if size[0] in "+-" else number
        assert int(then.partition(" ")[0].replace(",", "")) == level
    assert level == sample().trials[8].measures["transferred"]


def test_failures_have_their_reasons(text: str) -> None:
    assert "### Trial 11: failed" in text
    assert f"test {f'answers {HOSTILE}'!r}: exit code 1, expected 0" in text
    assert "### Trial 12: error" in text
    assert "hint: less of it" in text


def test_nothing_of_a_text_is_a_mark(text: str) -> None:
    outside = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\)[<>`$]", outside)
    assert "\x1b" not in markdown(Results((), {}, (trial(1, None, "error", error="\x1b[31m\nx"),)), Choices()).decode()


def test_fences_are_longer_than_what_is_in_them() -> None:
    one = trial(1, None, "error", error="x ```` y")
    assert (
        "\n`````\nx ```` y\nlog: planned\nlog: compressed\n`````\n"
        in markdown(Results((), {}, (one,)), Choices()).decode()
    )


def test_of_nothing_there_is_little_to_say() -> None:
    assert markdown(Results(sample().headers, {}, ()), Choices()).decode().splitlines()[2] == "0 trials: none."


def test_csv_reads_back_to_the_same_numbers() -> None:
    data = comma_separated(sample())
    assert data.count(b"\r\n") >= len(sample().trials) + 1
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    assert [int(row["number"]) for row in rows] == [one.number for one in sample().trials]
    for one, row in zip(sample().trials, rows, strict=True):
        assert row["outcome"] == one.outcome
        assert row["id"] == one.id
        assert row["image"] == (one.image or "")
        assert row["command"] == one.command
        assert {name: float(row[name]) for name in one.measures} == one.measures
        assert row["layers.level"] == str(one.options.get("layers.level", ""))
    assert HOSTILE in rows[10]["problems"]
    assert rows[10]["failed_tests"] == "1"


def test_csv_is_rfc_4180() -> None:
    one = trial(1, None, "error", error='a "quoted", thing\nof two lines', hint=None, options={"a,b": 'x"y'})
    data = comma_separated(Results((), {}, (one,))).decode()
    assert '"a,b"' in data.partition("\r\n")[0]
    assert '"a ""quoted"", thing\nof two lines"' in data
    assert '"x""y"' in data
    assert data.endswith("\r\n")


def test_a_search_is_told_in_brief() -> None:
    """Hundreds of files that a trial drops are named in the command of the best alone."""
    drop = [f"/usr/lib/python3.11/{number:03}.py" for number in range(300)]
    trials = [trial(number, root(), options={"select.drop": drop[: 10 * number]}) for number in range(1, 31)]
    found = sample()
    text = markdown(Results(found.headers, {root().digest: root()}, tuple(trials)), Choices()).decode()
    assert max(map(len, text.splitlines())) < 400
    assert "300 items: " in text
    assert list(csv.reader(io.StringIO(comma_separated(Results((), {}, (trials[-1],))).decode())))[1][3] == (
        msgspec.json.encode(drop).decode()
    ), "all of them are in the table for programs"


def test_of_many_sources_the_first_are_named() -> None:
    trials = [replace(trial(number, None, "error"), source=digest(f"source {number}")) for number in range(1, 8)]
    assert sources_of(trials) == (*(one.source for one in trials[:3]), "and 4 more")
    assert sources_of(trials[:3]) == tuple(one.source for one in trials[:3])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ([], '20 items: ["/usr/lib/00.py",'),
        (["/bin/sh"], "21 items: the best's, with /bin/sh"),
        (["/bin/sh", "-/usr/lib/07.py"], "20 items: the best's, with /bin/sh and without /usr/lib/07.py"),
        (["/a", "/b", "/c", "/d"], '24 items: ["/usr/lib/00.py",'),
    ],
)
def test_what_is_near_the_best_is_told_by_what_differs(change: list[str], told: str) -> None:
    best = [f"/usr/lib/{number:02}.py" for number in range(20)]
    gone = {item[1:] for item in change if item.startswith("-")}
    value = [item for item in best if item not in gone] + [item for item in change if not item.startswith("-")]
    assert brief_text(value, best).startswith(told)
    assert brief_text(["/bin/sh"], best) == '["/bin/sh"]', "what is short is told as it is"
