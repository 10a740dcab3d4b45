"""From the answers of a trial's tasks to its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from assembler.experiments.results.measures import rounded
from assembler.experiments.results.records import LayerRow, TrialRecord
from assembler.experiments.trials.stages import Prepared, image_of, layer_row
from assembler.experiments.trials.trial import check_digest
from assembler.experiments.trials.work import Broken, Checked, Squeezed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.experiments.results.records import Outcome, TestRow
    from assembler.experiments.trials.trial import Answers, Trial
    from assembler.experiments.trials.work import Answer, Task


def record_of(trial: Trial, answers: Answers, command: str) -> TrialRecord:
    """Return the record of a trial all of whose tasks that were wanted are answered."""
    candidate, prepared = trial.candidate, trial.prepared
    plain = TrialRecord(
        id=trial.id,
        number=candidate.number,
        options=dict(candidate.options),
        recipe=candidate.recipe_digest,
        source=None,
        outcome="error",
        command=command,
        log=tuple(_log(trial, answers)),
    )
    if not isinstance(prepared, Prepared):
        return replace(plain, error=prepared.error, hint=prepared.hint)
    plain = replace(plain, source=prepared.root.source, root=prepared.root.digest)
    checked = None if trial.check is None else answers.found[trial.check]
    broken = next((one for one in (checked, *_squeezed(trial, answers)) if isinstance(one, Broken)), None)
    if broken is not None:
        return replace(plain, error=broken.error, hint=broken.hint, worker=broken.worker)
    tests = checked.tests if isinstance(checked, Checked) else ()
    return _measured(plain, trial, answers, tests)


def _measured(plain: TrialRecord, trial: Trial, answers: Answers, tests: tuple[TestRow, ...]) -> TrialRecord:
    prepared = trial.prepared
    if not isinstance(prepared, Prepared):
        return plain
    failed = any(row.problems for row in tests)
    outcome: Outcome = "failed" if failed else "untested" if trial.check is None else "passed"
    rows = () if failed else tuple(_rows(trial, prepared, answers))
    image = None if failed else image_of(prepared, trial.candidate.loaded.recipe, rows)
    measures = _root_measures(prepared)
    if trial.check is not None:
        measures["test_seconds"] = rounded(sum(row.seconds for row in tests))
    if image is not None:
        measures |= _image_measures(rows, prepared)
        measures["transferred"] = measures["compressed"] + len(image.config_bytes) + len(image.manifest_bytes)
    last = answers.found[trial.squeezes[-1]] if rows else answers.found[trial.check] if trial.check else None
    return replace(
        plain,
        outcome=outcome,
        error=_first_problem(tests),
        image=None if image is None else image.digest,
        layers=rows,
        measures=dict(sorted(measures.items())),
        tests=tests,
        worker="" if last is None else last.worker,
        check=None if trial.check is None else check_digest(trial.check),
    )


def _root_measures(prepared: Prepared) -> dict[str, float]:
    root = prepared.root
    return {
        "unpacked": root.unpacked,
        "on_disk": root.on_disk,
        "files": root.file_count,
        "libraries": root.libraries,
        "relocations": root.relocations,
        "plan_seconds": prepared.plan_seconds,
    }


def _image_measures(rows: tuple[LayerRow, ...], prepared: Prepared) -> dict[str, float]:
    """Sum up layers; the same blob in two layers is stored once, as registries do."""
    stored = {row.digest: row.size for row in rows}
    compress = rounded(sum(row.compress_seconds for row in rows))
    return {
        "compressed": sum(stored.values()),
        "layers": len(rows),
        "compress_seconds": compress,
        "pack_seconds": rounded(prepared.plan_seconds + compress),
        "unpack_seconds": rounded(sum(row.unpack_seconds for row in rows)),
    }


def _squeezed(trial: Trial, answers: Answers) -> list[Answer]:
    return [answers.found[task] for task in trial.squeezes if task in answers.found]


def _rows(trial: Trial, prepared: Prepared, answers: Answers) -> Iterator[LayerRow]:
    recipe = trial.candidate.loaded.recipe
    tasks = {task.tar: task for task in trial.squeezes}
    for tar in prepared.cuts[recipe.layers.split]:
        answer = answers.found[tasks[tar.diff_id]]
        if isinstance(answer, Squeezed):
            yield layer_row(tar, recipe, answer)


def _first_problem(tests: tuple[TestRow, ...]) -> str | None:
    return next((f"test {row.name!r}: {row.problems[0]}" for row in tests if row.problems), None)


def _log(trial: Trial, answers: Answers) -> Iterator[str]:
    """Say what was done for a trial, and what was shared with which."""
    number, prepared = trial.candidate.number, trial.prepared
    if not isinstance(prepared, Prepared):
        yield "no root filesystem: see error"
        return
    yield f"planned in {prepared.plan_seconds:.3f} s" if trial.shared == number else f"planned for trial {trial.shared}"
    if trial.check is not None:
        yield f"tests: {_who(trial.check, number, answers)}"
    for task in trial.squeezes:
        if task in answers.found:
            level = "" if task.level is None else f" {task.level}"
            yield f"layer {task.tar[:19]}, {task.compression}{level}: {_who(task, number, answers)}"


def _who(task: Task, number: int, answers: Answers) -> str:
    answer, first = answers.found[task], answers.asked.get(task, number)
    word = "done" if first == number else f"done for trial {first},"
    return f"{word} by {answer.worker}" if not isinstance(answer, Broken) else f"not {word} by {answer.worker}"
