"""Values of the benches for tests: figures that are easy to reckon with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benches.contest import Run
from benches.measure import Sample
from benches.record import VERSION, Calibration, InputRecord, Record, Row, SectionRecord, Spread, Table, Target

if TYPE_CHECKING:
    from collections.abc import Sequence


def runs(*walls: float, size: int | None = None) -> dict[int, Run]:
    """Return a contender's rounds of these wall times: a CPU time of twice that, a peak of a hundred times."""
    return {number: Run(Sample(wall, 2 * wall, int(100 * wall)), size) for number, wall in enumerate(walls)}


def known(ratio: Spread, *, noise: float = 0, table: str = "a", title: str = "wall / peer") -> Record:
    """Return a record with one ratio, whose contest has a calibration."""
    spread = Spread(1, 1, 1)
    row = Row("brasm", 3, spread, spread, spread, None, {title: ratio})
    calibration = Calibration("brasm", Spread(1, 1 - noise, 1))
    return record([Table(table, "", (row,), calibration)])


def record(
    tables: Sequence[Table] = (), targets: Sequence[Target] = (), left_out: dict[str, str] | None = None
) -> Record:
    """Return a record of two sections, of which one was not measured."""
    return Record(
        VERSION,
        {"processor": "abacus", "cores": "2"},
        {"umoci": "0.4.7", "buildah": "(buildah is not installed: apt install buildah)"},
        {"debian": InputRecord("a Debian root", "ab" * 32, 1024, 3, 2_000_000)},
        (
            SectionRecord(
                "pack",
                "Packing",
                "All into one.",
                brasm="0.1.0 (abc)",
                when="2026-01-31",
                seconds=12.3,
                load=0.05,
                others=0.012,
                tables=tuple(tables),
                targets=tuple(targets),
                left_out=left_out or {},
            ),
            SectionRecord("run", "Starting a container", "", skipped="only root can measure this"),
        ),
    )
