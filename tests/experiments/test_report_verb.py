"""`brasm report`: its forms, its errors, and --compare."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from assembler.base.errors import BrasmError, DestinationError, SourceError, UsageError
from assembler.cli.report import command
from assembler.experiments.results.files import Results, read_results, results_lines
from tests.experiments.reporting import HOSTILE, sample

if TYPE_CHECKING:
    from pathlib import Path


def brasm(*arguments: str | os.PathLike[str]) -> Result:
    return CliRunner().invoke(command, [os.fspath(one) for one in arguments], standalone_mode=False)


def fine(*arguments: str | os.PathLike[str]) -> Result:
    result = brasm(*arguments)
    assert result.exception is None, result.exception
    return result


def refused(*arguments: str | os.PathLike[str]) -> BrasmError:
    error = brasm(*arguments).exception
    assert isinstance(error, BrasmError), error
    assert "\n" not in error.message
    return error


def write(path: Path, results: Results) -> Path:
    path.write_bytes(b"".join(results_lines(results)))
    return path


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(tmp_path / "r.jsonl", sample())


def test_the_ending_says_which_form(results: Path, tmp_path: Path) -> None:
    forms = {
        "a.html": b"<!DOCTYPE html>",
        "a.md": b"# Trials",
        "a.csv": b"number,",
        "a.svg": b"<?xml",
        "a.png": b"\x89PNG",
        "a.jsonl": b'{"kind"',
    }
    result = fine(results, *(word for name in forms for word in ("-o", name)))
    for name, begin in forms.items():
        assert (tmp_path / name).read_bytes().startswith(begin)
        assert f"wrote {name}" in result.stderr
    assert result.stdout == ""


def test_without_a_file_it_is_markdown(results: Path) -> None:
    assert fine(results).stdout.startswith("# Trials of app")
    assert fine(results, "-o", "-", "--format", "csv").stdout.startswith("number,id,outcome,")
    assert fine(results, "-q", "-o", "x", "--format", "csv").output == ""


def test_files_are_put_together(results: Path, tmp_path: Path) -> None:
    whole = sample()
    write(tmp_path / "one", replace(whole, trials=whole.trials[:5]))
    write(tmp_path / "other", replace(whole, trials=whole.trials[3:]))
    result = fine("one", "other", "-o", "whole.jsonl")
    assert "note: trials that are in more than one file" in result.stderr
    merged = read_results(["whole.jsonl"])
    assert merged.trials == whole.trials
    assert merged.roots == whole.roots
    fine(results, "-o", "a.csv")
    fine("whole.jsonl", "-o", "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["none"], SourceError, "none: cannot be read: No such file or directory"),
        (["r.jsonl", "-o", "x.pdf"], UsageError, "x.pdf: its ending does not say which form"),
        (["r.jsonl", "-o", "x.md", "-o", "x.md"], UsageError, "-o: a file is named twice"),
        (["r.jsonl", "--x", "speed"], UsageError, "--x speed: there is no such measure"),
        (["r.jsonl", "--plot", "treemap"], UsageError, "--plot treemap: only svg and png are plots, not md"),
        (["r.jsonl", "-o", "no/x.md"], DestinationError, "no/x.md: cannot be written: No such file or directory"),
        (["r.jsonl", "--json"], UsageError, "--json: only with --compare"),
        (["r.jsonl", "--compare"], UsageError, "--compare takes two RESULTS, the older one first, and no -o"),
    ],
)
def test_errors_are_one_line(results: Path, arguments: list[str], kind: type[BrasmError], message: str) -> None:
    error = refused(*arguments)
    assert isinstance(error, kind)
    assert error.message == message
    assert os.listdir(results.parent) == ["r.jsonl"], "nothing is half written"


def test_one_bad_choice_writes_nothing(results: Path) -> None:
    refused(results, "-o", "a.csv", "-o", "a.md", "--trial", "99")
    assert os.listdir(results.parent) == ["r.jsonl"]


# --compare


@pytest.fixture
def newer(results: Path, tmp_path: Path) -> Path:
    """The same trials, of which the second failed, the third is larger, and the last is not there."""
    del results
    second, third = sample().trials[1], sample().trials[2]
    changed = {
        second.id: replace(second, outcome="failed", image=None),
        third.id: replace(third, measures={**third.measures, "compressed": 7.0, "pack_seconds": 99.0}),
    }
    trials = tuple(changed.get(one.id, one) for one in sample().trials[:-1])
    return write(tmp_path / "newer.jsonl", replace(sample(), trials=trials))


def test_what_came_out_otherwise(results: Path, newer: Path) -> None:
    lines = [" ".join(line.split()) for line in fine("--compare", results, newer).stdout.splitlines()]
    assert "2 layers.compression=zstd, layers.level=2 outcome passed failed" in lines
    assert "3 layers.compression=gzip, layers.level=3 compressed 1,388,631 B 7 B" in lines
    assert not [line for line in lines if "99" in line], "times are not exact"
    assert "12 as in the recipe only before" in lines
    assert lines[-1] == "2 changed, 1 only before, 9 the same"


def test_what_came_out_otherwise_for_programs(results: Path, newer: Path) -> None:
    found: dict[str, Any] = json.loads(fine("--compare", "--json", results, newer).stdout)
    assert found.keys() == {"only_old", "only_new", "changed", "same"}
    assert (found["same"], found["only_new"]) == (9, [])
    assert [one["number"] for one in found["only_old"]] == [12]
    assert HOSTILE in found["only_old"][0]["error"]
    first, second = found["changed"]
    assert {one["what"]: (one["old"], one["new"]) for one in first["differences"]}["outcome"] == ("passed", "failed")
    assert second["differences"] == [{"what": "compressed", "old": 1_388_631.0, "new": 7.0}]
    assert second["old"].keys() == {"id", "number", "options", "outcome", "image", "error"}


def test_nothing_came_out_otherwise(results: Path) -> None:
    assert fine("--compare", results, results).stdout == "12 the same\n"
