"""`python -m benches.compare OLD.json NEW.json`: what changed between two records, ratio by ratio.

Seconds of two machines say nothing about each other; ratios to a peer in the same run do. Two of them differ where
their rounds do not overlap, each stretched by how far two equal contenders were apart in its contest.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

from benches.record import Record, Refused, decode
from benches.report import distance, spread, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benches.record import Spread

Verdict = Literal["less", "more", "the same"]


class Known(NamedTuple):
    """A ratio, and how far equal contenders were apart beside it."""

    ratio: Spread
    noise: float


class Change(NamedTuple):
    """A ratio that both records have."""

    what: str
    old: Spread
    new: Spread
    verdict: Verdict


def main() -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(prog="python -m benches.compare", description=__doc__)
    parser.add_argument("old", help="a results.json")
    parser.add_argument("new", help="another one")
    options = parser.parse_args()
    records = []
    for path in (options.old, options.new):
        try:
            with open(path, "rb") as file:
                records.append(decode(file.read()))
        except (OSError, Refused) as error:
            parser.error(f"{path}: {error}")
    sys.stdout.write(text(*records))
    return 0


def text(old: Record, new: Record) -> str:
    """Write what differs of what was measured with, and all ratios that both have."""
    apart = settings(old, new)
    lines = [
        [one.what, spread(one.old), spread(one.new), f"{one.new.median / one.old.median:.3f}", one.verdict]
        for one in changes(old, new)
        if one.old.median
    ]
    told = "".join(f"- {line}\n" for line in apart) or "- Machine, programs and inputs are the same.\n"
    return f"{told}\n{table(['', 'old', 'new', 'new / old', 'verdict'], lines)}"


def settings(old: Record, new: Record) -> list[str]:
    """Return what the two were measured with, where it differs."""
    inputs = [{name: one.sha256 for name, one in record.inputs.items()} for record in (old, new)]
    return [
        *_differences("machine", old.machine, new.machine),
        *_differences("program", old.programs, new.programs),
        *_differences("input", *inputs),
    ]


def _differences(kind: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return [
        f"{kind}: {name}: {old.get(name, 'not there')} -> {new.get(name, 'not there')}"
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]


def changes(old: Record, new: Record) -> list[Change]:
    """Return all ratios that both records have, in the order of the newer."""
    before = dict(_ratios(old))
    return [
        Change(what, before[what].ratio, one.ratio, verdict(before[what], one))
        for what, one in _ratios(new)
        if what in before
    ]


def verdict(old: Known, new: Known) -> Verdict:
    """Tell whether a ratio is another one now."""
    if new.ratio.most * (1 + new.noise) < old.ratio.least * (1 - old.noise):
        return "less"
    if new.ratio.least * (1 - new.noise) > old.ratio.most * (1 + old.noise):
        return "more"
    return "the same"


def _ratios(record: Record) -> Iterator[tuple[str, Known]]:
    """Yield all ratios with a name of their own, but those of a peer to itself."""
    for section in record.sections:
        for one in section.tables:
            noise = distance(one.calibration.ratio) if one.calibration else 0.0
            for row in one.rows:
                for title, ratio in row.ratios.items():
                    if not _is_one(ratio):
                        yield _named((section.name, one.title, row.name, title)), Known(ratio, noise)


def _named(parts: Sequence[str]) -> str:
    return ": ".join(part for part in parts if part)


def _is_one(ratio: Spread) -> bool:
    return ratio.least == ratio.median == ratio.most == 1


if __name__ == "__main__":
    sys.exit(main())
