"""`brasm bench`: its table, its JSON, what it asks of `brasm pack`, and what cannot be."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.base.digest import Digest
from assembler.base.errors import UsageError
from assembler.cli import bench
from assembler.cli.options import Changes
from assembler.experiments.bench.rounds import Benched
from tests.tools import BRASM, attempt

if TYPE_CHECKING:
    from pathlib import Path

ONE = Benched(
    image="one.tar",
    digest=Digest("sha256:" + "0" * 64),
    stored=12_250_000,
    unpacked=30_000_000,
    on_disk=30_400_000,
    files=1234,
    layers=5,
    libraries=13,
    relocations=0,
    runtime="crun",
    runs={"unpack": (0.25, 0.5, 0.125), "memory": None, "start_warm": (1.5,), "pack_memory": (50e6, 50e6)},
    notes=("a note",),
)
TWO = Benched(
    "[two]", Digest("sha256:" + "1" * 64), 833_470, 1_800_000, 1_820_000, 1, 1, 0, 0, runs={"unpack": (0.05,)}
)


@pytest.mark.parametrize(
    ("values", "unit", "text"),
    [
        ((), "s", "-"),
        ((0.0123,), "s", "12.3 ms"),
        ((0.0123, 0.0123), "s", "12.3 ms"),
        ((0.01, 0.03, 0.02), "s", "20.0 ms (10.0 to 30.0)"),
        ((0.9, 1.1, 1.2), "s", "1.100 s (0.900 to 1.200)"),
        ((0.9, 1.1), "s", "1.000 s (0.900 to 1.100)"),
        ((999,), "B", "999 B"),
        ((516_096, 1_036_288, 1_036_288), "B", "1.04 MB (0.52 to 1.04)"),
        ((12,), "", "12"),
        ((15_618,), "", "15,618"),
    ],
)
def test_numbers(values: tuple[float, ...], unit: str, text: str) -> None:
    assert bench._spread(values, unit) == text


@given(st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=9))
def test_the_median_lies_between_the_least_and_the_most(values: list[float]) -> None:
    text = bench._spread(values, "s")
    shown = [float(word.strip("()")) for word in text.split() if word.strip("()")[0].isdigit()]
    middle, least, most = (shown * 3)[:3]
    assert least <= middle <= most or (len(shown) == 1)
    factor = 1000 if "ms" in text else 1
    assert middle == pytest.approx(statistics.median(values) * factor, abs=0.051)


@pytest.mark.parametrize(
    ("rows", "first", "ratios"),
    [
        ([(2.0,), (1.0, 4.0, 2.0), (6.0,)], 0, ["1.00 x", "1.00 x", "3.00 x"]),
        ([(2.0,), (1.0,), (6.0,)], 1, ["2.00 x", "1.00 x", "6.00 x"]),
        ([(0,), (13,)], 0, ["", ""]),
        ([(), (1.0,)], 0, ["", ""]),
        ([(1.0,), ()], 0, ["1.00 x", ""]),
    ],
)
def test_ratios(rows: list[tuple[float, ...]], first: int, ratios: list[str]) -> None:
    assert bench._ratios(rows, first) == ratios


@pytest.mark.parametrize(("text", "place"), [(None, 0), ("shell:1.0", 0), ("x.tar", 1), ("2", 1), ("recipes/shell", 0)])
def test_baselines(text: str | None, place: int) -> None:
    assert bench._baseline(text, ["shell:1.0", "x.tar"], ("recipes/shell", "x.tar")) == place


@pytest.mark.parametrize("text", ["0", "3", "y.tar", "-1"])
def test_what_is_no_baseline(text: str) -> None:
    with pytest.raises(UsageError, match=f"--baseline {text}: none of the images"):
        bench._baseline(text, ["shell:1.0", "x.tar"], ("recipes/shell", "x.tar"))


@pytest.mark.parametrize(
    ("text", "changes", "arguments"),
    [
        ("shell", Changes(), ("shell",)),
        (None, Changes(source="/", entrypoint="sh -c 'a b'"), ("--source=/", "--entrypoint=sh -c 'a b'")),
        (
            "taskd",
            Changes(variants=("musl",), mode="all", overrides=("layers.level=1", "name='x'")),
            ("taskd", "--mode=all", "--variant=musl", "--set=layers.level=1", "--set=name='x'"),
        ),
    ],
)
def test_what_is_packed_is_what_was_asked_for(text: str | None, changes: Changes, arguments: tuple[str, ...]) -> None:
    assert bench._arguments(text, changes) == arguments


def test_json_has_the_keys_that_are_promised() -> None:
    found = bench._json(ONE)
    keys = ("image", "digest", "stored", "unpacked", "on_disk", "files", "layers", "libraries", "relocations")
    assert list(found) == [*keys, "runtime", "runs", "failures", "notes"]
    assert found["runs"] == {
        "unpack": [0.25, 0.5, 0.125],
        "memory": None,
        "start_warm": [1.5],
        "pack_memory": [50_000_000, 50_000_000],
    }


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    bench._print_table((ONE, TWO), 1)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "one.tar [two]",
        "stored 12.25 MB 14.70 x 833.47 kB 1.00 x",
        "unpacked 30.00 MB 16.67 x 1.80 MB 1.00 x",
        "on disk 30.40 MB 16.70 x 1.82 MB 1.00 x",
        "files 1,234 1234.00 x 1 1.00 x",
        "layers 5 5.00 x 1 1.00 x",
        "libraries 13 0",
        "relocations 0 0",
        "pack memory 50.00 MB -",
        "unpack 250.0 ms (125.0 to 500.0) 5.00 x 50.0 ms 1.00 x",
        "start warm 1.500 s -",
    ]


def test_one_image_has_no_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    bench._print_table((ONE,), 0)
    assert " x" not in capsys.readouterr().out
    bench._print_rest((ONE, TWO), 3, quiet=False)
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("medians of 3 rounds (least to most), started by crun; ")
    assert told[1:] == ["note: one.tar: a note"]
    bench._print_rest((ONE,), 1, quiet=False)
    assert capsys.readouterr().err.startswith("1 round, started by crun; ")
    bench._print_rest((ONE,), 3, quiet=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "neither a recipe nor an image is given"),
        (("nope",), 3, "nope: no such recipe"),
        (("nope.tar",), 4, "nope.tar"),
        (("oci:nope",), 4, "nope: no such folder"),
        (("shell", "--recipe", "python"), 2, "--recipe says how images are tested, and no image is given"),
        (("shell", "-n", "-1"), 2, "-1"),
        (("shell", "-n", "0", "--baseline", "7"), 2, "--baseline 7: none of the images"),
        (("shell", "--runtime", "nope"), 6, "nope: not installed"),
        (("shell", "--timeout", "x"), 2, "'x' is not a time"),
    ],
)
def test_what_cannot_be(arguments: tuple[str, ...], code: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    done = attempt(*BRASM, "bench", *arguments, cwd=tmp_path, env={"TMPDIR": str(tmp_path / "tmp")})
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []


def test_sizes_alone_need_no_runtime(tmp_path: Path) -> None:
    done = attempt(*BRASM, "bench", "shell", "-n", "0", "--json", "--runtime", "nope", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert (found["runs"], found["runtime"], found["layers"]) == ({}, None, 1)
    assert 0 < found["stored"] < found["unpacked"] < found["on_disk"]
