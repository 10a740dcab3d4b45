"""What a page's scripts work on, as JSON: small, since it stands in the page, and in a fixed order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from assembler.experiments.report.points import axis_of, groups_of
from assembler.experiments.report.summary import BY_OUTCOME, brief_text, fronts_of, measures_of, title_of
from assembler.experiments.report.waterfall import image_bars, root_bars
from assembler.experiments.results.measures import format_measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from assembler.base.digest import Digest
    from assembler.experiments.report.summary import Summary
    from assembler.experiments.results.records import FileRow, RootRecord, TrialRecord


def trials_payload(summary: Summary, roots: Mapping[Digest, RootRecord]) -> bytes:
    """Return what the page of trials has: measures, trials, the roots that they refer to, all files once, fronts."""
    used = {trial.root: roots[trial.root] for trial in summary.trials if trial.root and trial.root in roots}
    files = _all_files(used.values())
    return encode(
        {
            "chosen": summary.chosen,
            "axes": {name: axis_of(name, summary.trials) for name in summary.measures},
            "groups": {key: groups_of(summary.trials, key) for key in (BY_OUTCOME, *summary.options)},
            "trials": [_trial(trial, used, summary.best_options) for trial in summary.trials],
            "roots": {
                digest: {"bars": root_bars(root), "runs": runs_of(files, root.files)} for digest, root in used.items()
            },
            "files": files,
            "fronts": fronts_of(summary),
        }
    )


def encode(value: Any) -> bytes:
    """Write a value as JSON."""
    return msgspec.json.encode(value)


def runs_of(files: Sequence[FileRow], some: Iterable[FileRow]) -> list[int]:
    """Write a part of a list as lengths of stretches: so many left out, so many taken, left out, taken …

    Roots of trials differ in little: a root of thousands of files is a few numbers.
    """
    taken = frozenset(some)
    runs, taking = [0], False
    for row in files:
        if (row in taken) is not taking:
            taking = not taking
            runs.append(0)
        runs[-1] += 1
    return runs if taking else runs[:-1]


def _all_files(roots: Iterable[RootRecord]) -> list[FileRow]:
    rows = {row for root in roots for row in root.files}
    return sorted(rows, key=lambda row: (row.path, row.size, row.package or ""))


def _trial(trial: TrialRecord, roots: Mapping[Digest, RootRecord], best: Mapping[str, Any]) -> dict[str, Any]:
    root = roots.get(trial.root) if trial.root is not None else None
    return {
        "lines": [f"trial {trial.number}: {trial.outcome}", *_options(trial, best), *_measures(trial)],
        "options": len(trial.options),
        "measures": trial.measures,
        "root": None if root is None else root.digest,
        "bars": () if root is None else image_bars(trial, root),
    }


def _options(trial: TrialRecord, best: Mapping[str, Any]) -> list[str]:
    return [f"{key}={brief_text(value, best.get(key))}" for key, value in trial.options.items()]


def _measures(trial: TrialRecord) -> list[str]:
    return [f"{title_of(name)}: {format_measure(name, trial.measures[name])}" for name in measures_of([trial])]
