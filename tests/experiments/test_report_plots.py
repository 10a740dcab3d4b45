"""Plots as files: the same records give the same bytes, whatever a text says."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from assembler.base.errors import ProgramError, UsageError
from assembler.experiments.report import plots
from assembler.experiments.report.plots import PLOTS, PlotName, plot
from assembler.experiments.report.points import AS_IN_RECIPE, MOST, axis_of, groups_of
from assembler.experiments.report.summary import Choices
from assembler.experiments.results.files import Results, results_lines
from tests.experiments.reporting import HOSTILE, root, sample, trial
from tests.tools import environment

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


def drawn(data: bytes, kind: str) -> list[ET.Element]:
    """Return the groups of an SVG whose ids begin so."""
    return [one for one in ET.fromstring(data).iter(f"{SVG}g") if (one.get("id") or "").startswith(kind)]


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_a_file_of_its_form(name: PlotName) -> None:
    picture = plot(sample(), Choices(), name, "png")
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(picture[16:20]) == 1200, "pixels wide"
    vector = plot(sample(), Choices(), name, "svg")
    assert ET.fromstring(vector).tag == f"{SVG}svg"
    assert b"<dc:date>" not in vector


@pytest.mark.parametrize("name", PLOTS)
def test_the_same_records_are_the_same_bytes(name: PlotName, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"".join(results_lines(sample())))
    (tmp_path / "matplotlibrc").write_text("axes.facecolor: red\nfont.size: 40\nsvg.hashsalt: other\n")
    found = []
    for seed, folder in (("1", tmp_path), ("2", tmp_path.parent)):
        command = (sys.executable, "-m", "assembler", "report", str(path), "--format", "svg", "--plot", name)
        env = environment(PYTHONHASHSEED=seed, MPLCONFIGDIR=str(tmp_path))
        found.append(subprocess.run(command, check=True, capture_output=True, cwd=folder, env=env).stdout)
    assert found[0] == found[1]
    assert found[0].startswith(b"<?xml")


def test_each_point_is_drawn() -> None:
    data = plot(sample(), Choices(), "size-time", "svg")
    measured = [one for one in sample().trials if {"compressed", "pack_seconds"} <= one.measures.keys()]
    (legend,) = drawn(data, "legend")
    assert points_in(ET.fromstring(data)) - points_in(legend) == len(measured)


def points_in(element: ET.Element) -> int:
    groups = [one for one in element.iter(f"{SVG}g") if (one.get("id") or "").startswith("PathCollection")]
    return sum(1 for group in groups for _ in group.iter(f"{SVG}use"))


@pytest.mark.parametrize("color", ["layers.level", "layers.compression", "select.drop"])
def test_points_are_coloured_by_an_option(color: str) -> None:
    assert drawn(plot(sample(), Choices(color=color), "size-time", "svg"), "PathCollection")


def test_where_there_is_nothing_to_draw() -> None:
    nothing = Results((), {}, (trial(1, None, "error"),))
    for name in PLOTS:
        with pytest.raises(UsageError, match="there is nothing to draw"):
            plot(nothing, Choices(), name, "svg")


def test_one_trial_is_enough() -> None:
    one = Results((), {root().digest: root()}, (trial(1, root()),))
    for name in PLOTS:
        assert plot(one, Choices(), name, "svg")


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(ProgramError, match="matplotlib is not installed") as caught:
        plot(sample(), Choices(), "waterfall", "png")
    assert caught.value.hint == "pip install 'brasm[report]'"


# What is drawn


def test_points_are_grouped_by_outcome() -> None:
    groups = groups_of(sample().trials, "outcome")
    assert [(group.name, len(group.places)) for group in groups] == [
        *(("passed", 9), ("untested", 1), ("failed", 1), ("error", 1)),
    ]


def test_many_numbers_are_one_group() -> None:
    own, numbers = groups_of(sample().trials, "layers.level")
    assert (own.name, own.places) == (AS_IN_RECIPE, (11,))
    assert numbers.numbers == tuple(range(1, 12))


def test_of_many_words_the_rest_is_one_group() -> None:
    trials = [trial(number, root(), options={"key": f"word {number:02}"}) for number in range(1, 13)]
    groups = groups_of(trials, "key")
    assert len(groups) == MOST
    assert groups[-1].name == "5 others"
    assert sorted(at for group in groups for at in group.places) == [*range(12)], "each point is in one group"


def test_few_values_are_groups_in_their_order() -> None:
    trials = [trial(number, root(), options={"n": number}) for number in (10, 9, 1)]
    assert [group.name for group in groups_of(trials, "n")] == ["1", "9", "10"]
    assert HOSTILE[:20] in [group.name[2:22] for group in groups_of(sample().trials, "select.drop")]


@pytest.mark.parametrize(
    ("name", "values", "title", "one", "log"),
    [
        ("compressed", (1e6, 2e6), "compressed (MB)", 1e6, False),
        ("compressed", (999.0,), "compressed (B)", 1, False),
        ("compressed", (1e3, 9e9), "compressed (GB), logarithmic", 1e9, True),
        ("pack_seconds", (0.1, 0.2), "pack (ms)", 1e-3, False),
        ("pack_seconds", (0.1, 20.0), "pack (s), logarithmic", 1, True),
        ("files", (0.0, 2000.0), "files", 1, False),
        ("unknown", (1.0,), "unknown", 1, False),
        ("files", (), "files", 1, False),
    ],
)
def test_axes_have_readable_units(name: str, values: tuple[float, ...], title: str, one: float, log: bool) -> None:
    axis = axis_of(name, [trial(1, root(), measures={name: value}) for value in values])
    assert (axis.title, axis.one, axis.log) == (title, one, log)


def test_labels_are_told_apart_by_their_ends() -> None:
    names = [f"select.drop '/usr/lib/x86_64-linux-gnu/lib{name}.so'" for name in ("one", "two")]
    squeezed = [plots._squeezed(name, 40) for name in names]
    assert [len(one) for one in squeezed] == [40, 40]
    assert squeezed[0].startswith("select.drop '")
    assert [one[-7:] for one in squeezed] == ["one.so'", "two.so'"]
    assert plots._squeezed("short", 40) == "short"
