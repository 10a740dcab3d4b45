"""The record for people: Markdown of values, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benches.machine import warnings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benches.record import Calibration, Listing, Record, Row, SectionRecord, Spread, Table, Target


INTRODUCTION: Final = (
    "Written by `make bench`; how, and what a figure means: [METHOD.md](METHOD.md). Medians of rounds in which the "
    "contenders take turns, with the least and the most; a ratio is taken within a round.\n"
)


def record(found: Record) -> str:
    """Write a whole record."""
    reached = [target for section in found.sections for target in section.targets]
    return "\n".join(
        (
            "# Measured\n",
            INTRODUCTION,
            setting(found),
            *(["## Targets\n", targets(reached)] if reached else []),
            *map(section, found.sections),
        )
    )


def setting(found: Record) -> str:
    """Write what the figures depend on: machine, programs, inputs."""
    lines = [
        "; ".join(f"{name}: {value}" for name, value in found.machine.items()),
        "Programs: " + (", ".join(f"{name} {version}" for name, version in found.programs.items()) or "none"),
        *(
            f"Input `{name}`: {one.about}; {one.entries:,} entries, {one.content / 1e6:.0f} MB of content; "
            f"tar of {one.size:,} bytes, sha256:{one.sha256}"
            for name, one in found.inputs.items()
        ),
    ]
    return "".join(f"- {line[:1].upper()}{line[1:]}\n" for line in lines)


def section(one: SectionRecord) -> str:
    """Write a section, or why there is none."""
    head = f"## {one.title}\n\n"
    if one.skipped is not None:
        return f"{head}Not measured: {one.skipped}.\n"
    left_out = "".join(f"- Left out: {name}: {reason}\n" for name, reason in one.left_out.items())
    said = (
        f"brasm {one.brasm}, {one.when}; load a core before the run: {one.load:.2f}; others used "
        f"{one.others * 100:.1f} % of the machine meanwhile; {one.seconds:.0f} s in all. `--only {one.name}` measures "
        "this alone.\n"
    )
    warned = "".join(f"**Warning**: {text}.\n" for text in warnings(one.load, one.others))
    parts = [f"{one.about}\n", said, warned, left_out, *map(_contest, one.tables), *map(listing, one.listings)]
    return head + "\n".join(part for part in parts if part)


def _contest(one: Table) -> str:
    title = f"### {one.title}\n" if one.title else ""
    about = f"{one.about}\n" if one.about else ""
    said = [*([calibrated(one.calibration)] if one.calibration else []), *one.notes]
    return "\n".join(part for part in (title, about, contest(one.rows), *(f"{line}\n" for line in said)) if part)


def contest(rows: Sequence[Row]) -> str:
    """Write the table of contenders; where one ran once there is no range."""
    weighed = any(row.size is not None for row in rows)
    columns = list(rows[0].ratios) if rows else []
    head = ["", "rounds", "wall, s", "CPU, s", "peak, MB", *(["bytes"] if weighed else []), *columns]
    lines = [
        [
            row.name,
            str(row.rounds),
            spread(row.wall),
            figure(row.cpu.median),
            f"{row.peak.median / 1e6:.0f}",
            *([f"{row.size:,}" if row.size is not None else ""] if weighed else []),
            *(spread(row.ratios[title]) if title in row.ratios else "" for title in columns),
        ]
        for row in rows
    ]
    return table(head, lines)


def calibrated(one: Calibration) -> str:
    """Say how far two equal contenders were apart."""
    return (
        f"Calibration: `{one.name.strip('`')}` as two contenders: {spread(one.ratio)}; what differs by less than "
        f"{distance(one.ratio) * 100:.1f} % may be the same."
    )


def distance(ratio: Spread) -> float:
    """Return how far two equal contenders were apart in the worst round: 0.05 for five per cent."""
    return max(abs(ratio.least - 1), abs(ratio.most - 1))


def listing(one: Listing) -> str:
    """Write a small table beside the contests."""
    return f"{one.about}\n\n{table(one.head, one.rows)}"


def targets(rows: Iterable[Target]) -> str:
    """Write the table of what was to be reached."""
    return table(
        ["target", "at most", "measured", "reached"],
        [
            [
                row.what,
                f"{row.limit:g} {row.unit}",
                "" if row.measured is None else f"{row.measured:.3g} {row.unit}",
                verdict(row),
            ]
            for row in rows
        ],
    )


def verdict(row: Target) -> str:
    """Say whether a target was reached."""
    if row.measured is None:
        return "not measured"
    return "yes" if row.measured <= row.limit else "**no**"


def figure(value: float) -> str:
    """Write a number with three digits that count, and never as a power: 0.0477, 1.68, 8.01, 216."""
    if value == 0:
        return "0"
    before = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    zeros = 0
    while before == 0 and abs(value) * 10 ** (zeros + 1) < 1 and zeros < 6:
        zeros += 1
    return f"{value:.{max(0, 3 - before + zeros)}f}"


def spread(one: Spread) -> str:
    """Write a median with the least and the most, where these differ from it."""
    middle, low, high = figure(one.median), figure(one.least), figure(one.most)
    return middle if low == middle == high else f"{middle} ({low} to {high})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table: the first column is text, the others are figures."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join("| " + " | ".join(cell.strip() for cell in row) + " |\n" for row in (head, rule, *rows))
