"""The page of trials, as HTML: its numbers are the records', texts are texts, the same records are the same bytes."""

from __future__ import annotations

import builtins
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.base.errors import ProgramError, UsageError
from assembler.base.paths import from_bytes
from assembler.experiments.report import markup
from assembler.experiments.report.markup import Markup, Page, render, tag
from assembler.experiments.report.payload import runs_of
from assembler.experiments.report.summary import Choices, front_of, fronts_of, summarize
from assembler.experiments.report.trials_page import trials_page
from assembler.experiments.results.files import Results, read_results, results_lines
from assembler.experiments.results.measures import MEASURES, format_measure
from assembler.experiments.results.records import FileRow
from tests.experiments.pages import Reader
from tests.experiments.reporting import HOSTILE, root, sample, trial
from tests.tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture(scope="module")
def page() -> bytes:
    return trials_page(sample(), Choices())


@pytest.fixture(scope="module")
def read(page: bytes) -> Reader:
    return Reader(page)


def test_every_number_of_the_table_is_the_records(read: Reader) -> None:
    head, *rows = read.tables["trials-table"]
    titles = [text for _, text in head]
    assert len(rows) == len(sample().trials)
    names = {MEASURES[name].title: name for name in summarize(sample(), Choices()).measures}
    for one, cells in zip(sample().trials, rows, strict=True):
        found = dict(zip(titles, cells, strict=True))
        assert found["trial"][0]["data-value"] == found["trial"][1] == str(one.number)
        assert found["outcome"][1] == one.outcome
        assert found["layers.level"][1] == str(one.options.get("layers.level", ""))
        shown = {names[key]: value for key, value in found.items() if key in names and value[1]}
        assert {name: float(given["data-value"] or "") for name, (given, _) in shown.items()} == one.measures
        assert {name: text for name, (_, text) in shown.items()} == {
            name: format_measure(name, value) for name, value in one.measures.items()
        }


def test_the_data_is_the_records(read: Reader) -> None:
    data = read.data
    for one, row in zip(sample().trials, data["trials"], strict=True):
        assert row["measures"] == one.measures
        assert row["lines"][0] == f"trial {one.number}: {one.outcome}"
        assert row["root"] == one.root
        if one.root is not None:
            of, shared = sample().roots[one.root], data["roots"][one.root]
            assert [FileRow(*file) for file in taken(data["files"], shared["runs"])] == [*of.files]
            assert adds_up([*shared["bars"], *row["bars"]]) == one.measures.get("transferred", of.unpacked)


def adds_up(bars: list[Any]) -> int:
    level: int = bars[0][2]
    for kind, _, size, _ in bars[1:]:
        level += size if kind == "change" else 0
        assert kind == "change" or level == size
    return level


def taken(rows: list[Any], runs: list[int]) -> list[Any]:
    found, at = [], 0
    for index, count in enumerate(runs):
        found += rows[at : at + count] if index % 2 else []
        at += count
    return found


@given(st.lists(st.tuples(st.text("ab", min_size=1, max_size=4), st.booleans()), unique_by=lambda pair: pair[0]))
def test_stretches_say_which_files(pairs: list[tuple[str, bool]]) -> None:
    rows = [FileRow(path, 1) for path, _ in pairs]
    some = [row for row, (_, there) in zip(rows, pairs, strict=True) if there]
    assert taken(rows, runs_of(rows, some)) == some


def test_a_text_is_a_text(page: bytes, read: Reader) -> None:
    assert not [name for name, _ in read.elements if name in {"img", "b", "iframe", "object"}]
    assert not [have for _, have in read.elements if any(key.startswith("on") for key in have)]
    assert b"<img" not in page.replace(b"\\u003cimg", b"").split(b"plotly.js v")[0]
    assert any(row[0].endswith(HOSTILE) for row in read.data["files"])
    assert sum(name == "script" for name, _ in read.elements) == 5


def test_nothing_is_asked_for(read: Reader) -> None:
    for name, have in read.elements:
        assert not {"src", "srcset", "action", "poster", "data"} & have.keys(), name
        assert name != "link"
        assert (have.get("href") or "#").startswith("#")
    policy = next(have["content"] for name, have in read.elements if have.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "script-src 'sha256-" in policy
    assert "http" not in policy


def test_links_lead_somewhere(read: Reader) -> None:
    names = [have["id"] for _, have in read.elements if "id" in have]
    assert len(set(names)) == len(names)
    links = [have["href"] for name, have in read.elements if name == "a"]
    assert {str(link).removeprefix("#") for link in links} <= {*names}
    for key in ("aria-labelledby", "data-table"):
        assert {have[key] for _, have in read.elements if key in have} <= {*names}


def test_the_same_records_are_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"".join(results_lines(sample())))
    outputs = []
    for seed in ("1", "2"):
        out = tmp_path / f"{seed}.html"
        arguments = [sys.executable, "-m", "assembler", "report", str(path), "-q", "-o", str(out)]
        subprocess.run(arguments, check=True, env={**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC{seed}"}, cwd=ROOT)
        outputs.append(out.read_bytes())
    assert outputs[0] == outputs[1]
    assert outputs[0] == trials_page(read_results([str(path)]), Choices())


def test_without_plotly_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *arguments: Any) -> Any:
        if name.startswith("plotly"):
            raise ModuleNotFoundError(name)
        return real(name, *arguments)

    for name in [name for name in sys.modules if name.partition(".")[0] == "plotly"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(ProgramError, match="plotly is not installed") as caught:
        trials_page(sample(), Choices())
    assert caught.value.hint == "pip install 'brasm[report]'"


def test_a_page_of_no_trials() -> None:
    read = Reader(trials_page(Results(sample().headers, {}, ()), Choices()))
    assert read.data["trials"] == []
    assert len(read.scripts) == 3, "no plots"


def test_a_page_of_errors_alone() -> None:
    one = trial(1, None, "error", error="no source", hint="give one")
    read = Reader(trials_page(Results(sample().headers, {}, (one,)), Choices()))
    assert read.data["chosen"] is None
    assert {"failed", "trials", "reproduce"} <= {have.get("id") for _, have in read.elements}


def test_the_recipe_as_it_is_may_be_the_best() -> None:
    one = trial(1, root(), options={})
    page = trials_page(Results(sample().headers, {root().digest: root()}, (one,)), Choices()).decode()
    assert "as much as the recipe as it is (trial 1)" in page
    assert "0.0%" not in page.partition("<main")[2].partition('<section id="plot"')[0]


def test_many_failures_are_one_line_until_they_are_asked_for() -> None:
    trials = tuple(trial(number, None, "error", error=f"no {number}") for number in range(1, 15))
    page = trials_page(Results(sample().headers, {}, trials), Choices()).decode()
    assert "<summary>14 trials</summary>" in page
    few = trials_page(Results(sample().headers, {}, trials[:12]), Choices()).decode()
    assert "<summary>12 trials</summary>" not in few


# What is chosen


def test_the_best_has_least_of_those_that_passed() -> None:
    summary = summarize(sample(), Choices())
    assert summary.best is not None
    assert summary.trials[summary.best].number == 9
    assert (summary.x, summary.y, summary.color) == ("pack_seconds", "compressed", "outcome")
    assert summary.outcomes == {"passed": 9, "untested": 1, "failed": 1, "error": 1}


def test_of_the_untested_where_none_passed() -> None:
    trials = (trial(1, root(), "failed"), trial(2, root(), "untested"), trial(3, root(), "untested"))
    assert summarize(Results((), {}, trials), Choices()).best == 2
    assert summarize(Results((), {}, trials[:1]), Choices()).best is None


def test_a_failed_trial_is_in_no_front() -> None:
    trials = (trial(1, root()), trial(9, root(), "failed"), trial(3, root()))
    assert front_of(trials, "pack_seconds", "compressed") == (0, 2)
    fronts = fronts_of(summarize(Results((), {}, trials), Choices()))
    assert fronts["compressed pack_seconds"] == (2, 0), "by the first of the two"
    assert len(fronts) == 7 * 6 // 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": "nonsense"}, "--x nonsense: there is no such measure"),
        ({"y": "test_seconds"}, "--y test_seconds: no trial has this measure"),
        ({"color": "layers.nonsense"}, "--color layers.nonsense: there is no such option"),
        ({"trial": "77"}, "--trial 77: there is no trial of that number or id"),
        ({"trial": "12"}, "--trial 12: this trial has no root: error"),
        ({"root": "zz"}, "--root zz: no trial has a root whose digest begins so"),
    ],
)
def test_what_is_not_there_cannot_be_chosen(given: Mapping[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        summarize(sample(), Choices(**given))


def test_a_trial_is_chosen_by_number_id_and_root() -> None:
    trials = sample().trials
    assert summarize(sample(), Choices(trial="3")).chosen == 2
    assert summarize(sample(), Choices(trial=trials[4].id)).chosen == 4
    assert summarize(sample(), Choices(trial=trials[4].id.partition(":")[2][:8])).chosen == 4
    small = root().digest
    assert summarize(sample(), Choices(root=small[:20])).chosen == 7, "the smallest of those with that root"
    twice = Results((), sample().roots, (trial(1, root()), trial(1, root(2, steps=5))))
    with pytest.raises(UsageError, match="2 trials are called so"):
        summarize(twice, Choices(trial="1"))


# Markup


def test_markup_escapes_all_but_markup() -> None:
    assert tag("p", "<&>", Markup("<br>"), [tag("i", '"')], class_='a"b', data_x=3, hidden=True, title=None) == (
        '<p class="a&quot;b" data-x="3" hidden>&lt;&amp;&gt;<br><i>"</i></p>'
    )


@given(st.text() | st.binary().map(from_bytes))
def test_data_stays_data(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()  # JSON has no stray bytes
    page = render(Page("t", Markup(), json.dumps(text, ensure_ascii=False).encode(), ()))
    inside = page.partition(b'id="data">')[2].rpartition(b"</script>")[0]
    assert b"<" not in inside
    assert json.loads(inside) == text


def test_a_script_that_ends_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="ends a script"):
        render(Page("t", Markup(), b"{}", ("'</script>'",)))


@pytest.mark.parametrize("name", ["page.js", "treemap.js", "trials.js", "files.js"])
def test_scripts_write_text_alone(name: str) -> None:
    script = markup.asset(name)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|https?:", script
    )


def test_scripts_are_small() -> None:
    assert sum(len(markup.asset(name).splitlines()) for name in ("page.js", "treemap.js", "trials.js")) < 400
