"""Running trials: what is shared is done once, what was done is not done again, and each record says the truth."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from assembler.base.errors import ProgramError
from assembler.base.progress import Silent
from assembler.experiments.results.files import read_results
from assembler.experiments.results.records import RootRecord
from assembler.experiments.trials.processes import Processes
from assembler.experiments.trials.tune import Attempts, summary, tune
from assembler.experiments.trials.work import Check, Squeeze
from assembler.oci.reference import Reference
from assembler.pipeline.make import Sources, pack
from tests.experiments.trials import Counting, base_of, exactly, matrix_of, ran, runner, wish, writer

if TYPE_CHECKING:
    from pathlib import Path

GRID = ("layers.compression=gzip,zstd", "layers.level=1,6", "layers.split=single,runtime+app", "select.mode=prune,all")


def test_shared_work_is_done_once(tmp_path: Path) -> None:
    base, crew = base_of(tmp_path), Counting()
    with writer(tmp_path / "r.jsonl") as out:
        records = ran(base, crew, out, matrix_of(base, *GRID).candidates)
    assert len(records) == 16
    assert {one.outcome for one in records} == {"passed"}
    assert len(crew.tasks) == len(set(crew.tasks)), "no task is done twice"
    checks = [task for task in crew.tasks if isinstance(task, Check)]
    assert len(checks) == 2, "one for each root: modes prune and all"
    layers = {(row.diff_id, row.media_type, row.level) for one in records for row in one.layers}
    assert len([task for task in crew.tasks if isinstance(task, Squeeze)]) == len(layers)
    assert set(crew.forgotten) == {task.tar for task in crew.tasks}, "tars go when nobody needs them any more"


def test_a_record_is_what_pack_makes(tmp_path: Path) -> None:
    base = base_of(tmp_path)
    matrix = matrix_of(base, *GRID, "strip.mode=none,unneeded")
    with writer(tmp_path / "r.jsonl") as out:
        records = ran(base, Counting(), out, matrix.candidates)
    for candidate, record in zip(matrix.candidates, records, strict=True):
        output = Reference("oci", str(tmp_path / f"image{record.number}"))
        packed = pack(candidate.loaded, [output], Sources(Silent()), {}, Silent())
        assert record.image == packed.image.digest
        assert record.measures["transferred"] == packed.sizes.transferred
        assert record.measures["unpacked"] == packed.sizes.unpacked
        assert record.measures["on_disk"] == packed.sizes.on_disk
        assert record.measures["files"] == packed.sizes.files
        assert record.measures["compressed"] == sum(layer.descriptor.size for layer in packed.image.layers)


def test_what_records_say_of_shared_work(tmp_path: Path) -> None:
    base = base_of(tmp_path)
    with writer(tmp_path / "r.jsonl") as out:
        first, second = ran(base, Counting(), out, matrix_of(base, "layers.hardlinks=false,-").candidates)[:2]
        one, two = ran(base, Counting(), out, matrix_of(base, "layers.level=6,7").candidates)
    assert first.log[0].startswith("planned in ")
    assert second.log[0].startswith("planned in "), "hard links are planned"
    assert one.id == second.id, "level 6 is the recipe's own"
    assert (first.number, second.number, two.number) == (1, 2, 3), "numbers are unique in a file"
    assert two.log[0] == "planned for trial 2"
    assert two.log[1] == "tests: done for trial 2, by me"


def test_a_root_that_fails_is_a_result_and_not_compressed(tmp_path: Path) -> None:
    base, crew = base_of(tmp_path), Counting()
    matrix = matrix_of(base, "select.mode=prune,all", "layers.level=1,9")
    with writer(tmp_path / "r.jsonl") as out:
        run = runner(base, crew, out)
        crew.bad = {run._prepare(matrix.candidates)[2].check.tar}  # type: ignore[union-attr]
        records = [one for one in run.run(matrix.candidates) if one is not None]
    assert [one.outcome for one in records] == ["passed", "passed", "failed", "failed"]
    bad = records[3]
    assert bad.error == "test 'one': it does not"
    assert bad.image is None
    assert bad.layers == ()
    assert "compressed" not in bad.measures
    assert bad.measures["unpacked"] > 0
    assert not [task for task in crew.tasks if isinstance(task, Squeeze) and task.tar in crew.bad]


def test_what_contradicts_the_root_is_a_result(tmp_path: Path) -> None:
    base = base_of(tmp_path, select={"mode": "closure", "keep": ["/etc"]})
    with writer(tmp_path / "r.jsonl") as out:
        good, bad = ran(base, Counting(), out, matrix_of(base, "select.roots=[],['/no/such']").candidates)
    assert good.outcome == "passed"
    assert bad.outcome == "error"
    assert bad.error is not None
    assert "/no/such" in bad.error
    assert bad.image is None


def test_untested_where_nobody_asks(tmp_path: Path) -> None:
    base, crew = base_of(tmp_path), Counting()
    with writer(tmp_path / "r.jsonl") as out:
        (record,) = ran(base, crew, out, matrix_of(base, "layers.level=1").candidates, tested=False)
    assert record.outcome == "untested"
    assert "test_seconds" not in record.measures
    assert not [task for task in crew.tasks if isinstance(task, Check)]


@pytest.mark.parametrize("after", [0, 1, 3, 7, 9])
def test_what_was_interrupted_goes_on_where_it_was(tmp_path: Path, after: int) -> None:
    base = base_of(tmp_path)
    candidates = matrix_of(base, *GRID).candidates
    with writer(tmp_path / "whole.jsonl") as out:
        whole = ran(base, Counting(), out, candidates)
    first = Counting(stop_after=after)
    with pytest.raises(KeyboardInterrupt), writer(tmp_path / "r.jsonl") as out:
        runner(base, first, out).run(candidates)
    known = read_results([str(tmp_path / "r.jsonl")]).trials
    second = Counting()
    with writer(tmp_path / "r.jsonl") as out:
        again = ran(base, second, out, candidates)
    assert list(map(exactly, again)) == list(map(exactly, whole))
    lines = (tmp_path / "r.jsonl").read_bytes().splitlines()
    assert len([line for line in lines if b'"kind":"trial"' in line]) == 16, "none is lost, none twice"
    done = {(row.diff_id, row.media_type, row.level) for one in known for row in one.layers}
    types = {
        "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
        "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
    }
    for task in second.tasks:
        assert not isinstance(task, Squeeze) or (task.tar, types[task.compression], task.level) not in done


def test_a_time_that_is_up_leaves_trials_for_later(tmp_path: Path) -> None:
    base = base_of(tmp_path)
    matrix = matrix_of(base, *GRID)
    with writer(tmp_path / "r.jsonl") as out:
        tuned = tune(matrix, base, wish(seconds=0.0), Counting(), out, Silent())
        assert (len(tuned.records), tuned.missing, tuned.best) == (0, 16, None)
        tuned = tune(matrix, base, wish(seconds=60.0), Counting(), out, Silent())
        assert (len(tuned.records), tuned.missing, tuned.earlier) == (16, 0, 0)
        tuned = tune(matrix, base, wish(), Counting(), out, Silent())
        assert (len(tuned.records), tuned.earlier) == (16, 16)


def test_failed_trials_are_run_again_only_when_asked(tmp_path: Path) -> None:
    base = base_of(tmp_path)
    candidates = matrix_of(base, "layers.level=1,2").candidates
    with writer(tmp_path / "r.jsonl") as out:
        crew = Counting()
        run = runner(base, crew, out)
        crew.bad = {run._prepare(candidates)[0].check.tar}  # type: ignore[union-attr]
        assert [one and one.outcome for one in run.run(candidates)] == ["failed", "failed"]
    with writer(tmp_path / "r.jsonl") as out:
        crew = Counting()
        assert [one.outcome for one in ran(base, crew, out, candidates)] == ["failed", "failed"]
        assert crew.tasks == []
    with writer(tmp_path / "r.jsonl") as out:
        crew = Counting()
        assert [one.outcome for one in ran(base, crew, out, candidates, retry=True)] == ["passed", "passed"]
        assert len([task for task in crew.tasks if isinstance(task, Check)]) == 1


def test_what_broke_on_this_machine_is_run_again_unasked(tmp_path: Path) -> None:
    base = base_of(tmp_path)
    matrix = matrix_of(base, "layers.level=1,2")
    with writer(tmp_path / "r.jsonl") as out:
        crew = Counting()
        crew.broken = "no runtime works here"
        broken = tune(matrix, base, wish(), crew, out, Silent())
        assert [(one.outcome, one.error) for one in broken.records] == [("error", "no runtime works here")] * 2
    with writer(tmp_path / "r.jsonl") as out:
        tuned = tune(matrix, base, wish(), Counting(), out, Silent())
        assert [one.outcome for one in tuned.records] == ["passed", "passed"]
        assert tuned.earlier == 0
        assert tune(matrix, base, wish(), Counting(), out, Silent()).earlier == 2


def test_one_process_and_several_come_to_the_same(tmp_path: Path) -> None:
    base = base_of(tmp_path, test=[])
    found = []
    for jobs in (1, 4):
        crew = Processes(jobs)
        try:
            with writer(tmp_path / f"r{jobs}.jsonl") as out:
                found.append(list(map(exactly, ran(base, crew, out, matrix_of(base, *GRID).candidates))))
        finally:
            crew.close()
    assert found[0] == found[1]


def test_roots_are_written_once_and_before_their_trials(tmp_path: Path) -> None:
    base = base_of(tmp_path)
    path = tmp_path / "r.jsonl"
    with writer(path) as out:
        ran(base, Counting(), out, matrix_of(base, *GRID).candidates)
    results = read_results([str(path)])
    seen: set[str] = set()
    for line in path.read_bytes().splitlines()[1:]:
        if b'"kind":"root"' in line:
            seen |= {digest for digest in results.roots if digest.encode() in line[:120]}
        else:
            assert any(digest.encode() in line for digest in seen)
    for root in results.roots.values():
        assert isinstance(root, RootRecord)
        assert root.source_size - sum(step.size for step in root.steps) == root.unpacked
        assert root.unpacked == sum(row.size for row in root.files)


def test_the_best_and_the_front(tmp_path: Path) -> None:
    base = base_of(tmp_path)
    with writer(tmp_path / "r.jsonl") as out:
        records = ran(base, Counting(), out, matrix_of(base, *GRID).candidates)
    tuned = summary(records, 0, 0, "compressed")
    assert tuned.best is not None
    assert tuned.best.measures["compressed"] == min(one.measures["compressed"] for one in records)
    for one in tuned.front:
        assert not [
            other
            for other in records
            if other.measures["compressed"] <= one.measures["compressed"]
            and other.measures["pack_seconds"] <= one.measures["pack_seconds"]
            and (other.measures["compressed"], other.measures["pack_seconds"])
            != (one.measures["compressed"], one.measures["pack_seconds"])
        ]


def test_the_deadline_is_a_time_to_come(tmp_path: Path) -> None:
    base = base_of(tmp_path)
    with writer(tmp_path / "r.jsonl") as out:
        run = runner(base, Counting(), out, seconds=1000.0)
    assert run.terms.deadline is not None
    assert run.terms.deadline > time.monotonic()


def test_what_a_search_tries_is_not_listed_but_what_it_finds_is(tmp_path: Path) -> None:
    base = base_of(tmp_path)
    candidates = matrix_of(base, "select.drop=[[], ['/opt']]").candidates
    with writer(tmp_path / "r.jsonl") as out:
        run = runner(base, Counting(), out)
        run.run(candidates, listed=False)
        assert [root.files for root in out.roots.values()] == [(), ()]
        assert [root.file_count for root in out.roots.values()] == [3, 2]
        run.list_root(candidates[1].loaded)
        run.list_root(candidates[1].loaded)
    whole, less = read_results([str(tmp_path / "r.jsonl")]).roots.values()
    assert whole.files == ()
    assert len(less.files) == less.file_count == 2
    assert (tmp_path / "r.jsonl").read_bytes().count(b'"kind":"root"') == 3


def test_a_search_does_not_take_a_machines_fault_for_a_need(tmp_path: Path) -> None:
    base = base_of(tmp_path)
    crew = Counting()
    crew.broken = "no runtime"
    with writer(tmp_path / "r.jsonl") as out, pytest.raises(ProgramError, match="trial 1: no runtime"):
        Attempts(base, runner(base, crew, out)).attempt([(), ("/opt",)])
