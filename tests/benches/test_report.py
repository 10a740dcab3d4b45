from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benches import report
from benches.contest import Ratio, rows
from benches.record import Calibration, Record, Refused, Spread, Table, Target, decode, encode, updated
from tests.benches.making import record, runs

MEASURED = {"brasm": runs(0.0477, 0.05, 0.06, size=1234567), "umoci": runs(1, 2, 4, size=2000000)}
TABLE = Table(
    "A whole root",
    "",
    rows(MEASURED, [Ratio("size", "umoci", "bytes / umoci")]),
    Calibration("brasm", Spread(1.01, 0.97, 1.02)),
    ("A note.",),
)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (0.0477123, "0.0477"),
        (0.00477123, "0.00477"),
        (0.96, "0.960"),
        (1.684, "1.68"),
        (16.193, "16.2"),
        (216.4, "216"),
        (12345.6, "12346"),
        (1e-9, "0.000000001"),
    ],
)
def test_figures_have_three_digits_that_count(value: float, said: str) -> None:
    assert report.figure(value) == said


@given(st.floats(1e-5, 1e5))
def test_figures_are_near_what_they_say(value: float) -> None:
    assert float(report.figure(value)) == pytest.approx(value, rel=0.006)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (Spread(1.5, 1, 2), "1.50 (1.00 to 2.00)"),
        (Spread(1, 1, 1), "1.00"),
        (Spread(1.0001, 1, 1.0002), "1.00"),
        (Spread(1, 0.99, 1), "1.00 (0.990 to 1.00)"),
    ],
)
def test_a_range_is_written_where_there_is_one(one: Spread, said: str) -> None:
    assert report.spread(one) == said


def test_a_contest_is_a_table_with_its_ratios() -> None:
    lines = report.contest(TABLE.rows).splitlines()
    assert lines[0] == "|  | rounds | wall, s | CPU, s | peak, MB | bytes | bytes / umoci |"
    assert lines[2] == "| brasm | 3 | 0.0500 (0.0477 to 0.0600) | 0.100 | 0 | 1,234,567 | 0.617 |"
    assert all(line.count("|") == lines[0].count("|") for line in lines)


def test_without_bytes_there_is_no_column_of_them() -> None:
    assert "bytes" not in report.contest(rows({"a": runs(1), "b": runs(1)}, []))


def test_the_calibration_says_what_difference_means_nothing() -> None:
    assert report.calibrated(Calibration("brasm", Spread(1.01, 0.96, 1.02))) == (
        "Calibration: `brasm` as two contenders: 1.01 (0.960 to 1.02); what differs by less than 4.0 % may be the same."
    )


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Target("a", 0.7, 0.7), "yes"),
        (Target("a", 0.7, 0.701), "**no**"),
        (Target("a", 0.7, None), "not measured"),
    ],
)
def test_a_target_is_reached_at_its_limit(target: Target, said: str) -> None:
    assert report.verdict(target) == said
    assert said in report.targets([target])


def test_the_record_says_what_was_left_out_and_why() -> None:
    text = report.record(record([TABLE], [Target("half of umoci", 0.5, 0.4)], {"buildah": "it is not installed"}))
    assert "- Left out: buildah: it is not installed\n" in text
    assert "## Starting a container\n\nNot measured: only root can measure this.\n" in text
    assert "- Programs: umoci 0.4.7, buildah (buildah is not installed: apt install buildah)\n" in text
    assert f"sha256:{'ab' * 32}" in text
    assert "| half of umoci | 0.5 | 0.4 | yes |" in text
    assert "load a core before the run: 0.05; others used 1.2 % of the machine" in text
    assert "Warning" not in text
    assert "\n\n\n" not in text


def test_a_busy_machine_is_warned_about() -> None:
    quiet = record([TABLE])
    busy = msgspec.structs.replace(quiet.sections[0], load=0.9, others=0.2)
    text = report.record(msgspec.structs.replace(quiet, sections=(busy,)))
    assert "**Warning**: the machine was not idle before the start: load 0.90 a core.\n" in text
    assert "**Warning**: others used 20 % of the machine meanwhile.\n" in text


def test_a_record_of_nothing_is_one() -> None:
    assert report.record(Record(1, {}, {}, {}, ())).startswith("# Measured\n")


def test_json_has_the_same_figures() -> None:
    found = record([TABLE], [Target("half of umoci", 0.5, None)], {"buildah": "it is not installed"})
    assert decode(encode(found)) == found
    assert encode(decode(encode(found))) == encode(found)
    plain = msgspec.json.decode(encode(found))
    assert plain["sections"][0]["tables"][0]["rows"][0]["ratios"]["bytes / umoci"]["median"] == 0.6172835


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "no record of the benches"),
        (b"\xff", "no record of the benches"),
        (b'{"version": 1}', "no record of the benches"),
        (encode(Record(2, {}, {}, {}, ())), "a record of form 2; this program reads form 1"),
    ],
)
def test_what_is_no_record_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(Refused, match=said):
        decode(text)


def test_a_section_is_replaced_in_its_place() -> None:
    old = record([TABLE])
    again = msgspec.structs.replace(old.sections[0], seconds=99)
    new = Record(1, old.machine, {"tar": "1.34"}, {}, (again,))
    merged = updated(old, new)
    assert [(one.name, one.seconds) for one in merged.sections] == [("pack", 99), ("run", 0)]
    assert merged.programs == {**old.programs, "tar": "1.34"}
    assert merged.inputs == old.inputs


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("machine", {"processor": "quill", "cores": "2"}, "with other machine: processor"),
        ("programs", {"umoci": "0.5"}, "with other programs: umoci"),
        ("inputs", {"debian": record().inputs["debian"].__class__("", "", 0, 0, 0)}, "with other inputs: debian"),
    ],
)
def test_figures_of_two_settings_are_not_mixed(field: str, value: object, said: str) -> None:
    old = record()
    with pytest.raises(Refused, match=said):
        updated(old, msgspec.structs.replace(old, **{field: value}))
