"""Files of results: whole lines whatever happens, resumed, merged, compared."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from assembler.base.digest import Digest, sha256
from assembler.base.errors import DestinationError, SourceError
from assembler.experiments.results.compare import Difference, compare
from assembler.experiments.results.files import Results, Writer, read_results, results_lines
from assembler.experiments.results.records import (
    VERSION,
    FileRow,
    Header,
    Record,
    RootRecord,
    Step,
    TrialRecord,
    encode_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER = Header(VERSION, "1.0", "app", {"cpu": "this one"})


def digest(text: object) -> Digest:
    return sha256(str(text).encode())


def root(name: str = "root") -> RootRecord:
    files = (FileRow("/bin/äpp", 3, "app"), FileRow("/etc/\\xff", 4))
    steps = (Step("unreached", "x", 2, 5), Step("files", "files[0]", 1, -2))
    return RootRecord(
        digest(name), "linux/amd64", digest("source"), 10, 3, steps, len(files), files, 7, 8192, 0, 0, ("so",)
    )


def trial(number: int, **values: Any) -> TrialRecord:
    given: dict[str, Any] = {"outcome": "passed", "image": digest(f"image {number}"), "root": root().digest, **values}
    options = given.pop("options", {"layers.level": number})
    return TrialRecord(
        digest(given.pop("id", number)),
        number,
        options,
        digest("recipe"),
        digest("source"),
        given.pop("outcome"),
        **given,
    )


def written(path: Path, *records: RootRecord | TrialRecord, header: Header = HEADER) -> str:
    with Writer(str(path), header) as writer:
        for record in records:
            writer.append(record)
    return str(path)


def lines(path: str | Path) -> list[bytes]:
    with open(path, "rb") as file:
        return file.read().splitlines(keepends=True)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", root(), trial(2), trial(1))
    assert read_results([path]) == Results((HEADER,), {root().digest: root()}, (trial(1), trial(2)))
    assert [msgspec.json.decode(line)["kind"] for line in lines(path)] == ["results", "root", "trial", "trial"]


def test_a_root_is_written_once(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", root(), root(), trial(1))
    written(tmp_path / "r.jsonl", root(), trial(2))
    assert len(lines(path)) == 4


def test_a_file_is_resumed(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", root(), trial(1))
    with Writer(path, HEADER) as writer:
        assert writer.trials == {trial(1).id: trial(1)}
        assert writer.roots == {root().digest: root()}
        assert writer.notes == ()
        writer.append(trial(2))
        assert writer.trials.keys() == {trial(1).id, trial(2).id}
        assert read_results([path]).trials == (trial(1), trial(2)), "a reader sees each record at once"
    assert read_results([path]).headers == (HEADER,)


def test_of_a_trial_that_was_run_again_the_later_record_counts(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", root(), trial(1, outcome="error"), trial(1))
    assert read_results([path]).trials == (trial(1),)
    with Writer(path, HEADER) as writer:
        assert writer.trials == {trial(1).id: trial(1)}


RECORDS: tuple[Record, ...] = (HEADER, root(), trial(1), trial(2, log=("a\nb", "é")))
WHOLE = b"".join(encode_record(record) + b"\n" for record in RECORDS)


@pytest.mark.parametrize("read", [True, False], ids=["read", "resumed"])
def test_a_file_that_is_cut_anywhere_has_all_whole_records(tmp_path: Path, *, read: bool) -> None:
    path = tmp_path / "r.jsonl"
    ends = [0]
    for record in RECORDS:
        ends.append(ends[-1] + len(encode_record(record)) + 1)
    for size in range(len(WHOLE) + 1):
        path.write_bytes(WHOLE[:size])
        # A record without the end of its line is whole too.
        expected = RECORDS[: sum(end - 1 <= size for end in ends[1:])]
        is_cut = size not in ends and size + 1 not in ends
        if read:
            if not expected:
                with pytest.raises(SourceError, match="there are no results in it yet"):
                    read_results([str(path)])
                continue
            found = read_results([str(path)])
            assert (*found.headers, *found.roots.values(), *found.trials) == expected
            assert found.notes == ((f"{path}: the last line is not finished: left out",) if is_cut else ())
        else:
            with Writer(str(path), HEADER) as writer:
                assert (*writer.roots.values(), *writer.trials.values()) == expected[1:]
                assert writer.notes == ((f"{path}: the last line was not finished: it is removed",) if is_cut else ())
                writer.append(trial(3, root=None))
            rest = expected[1:]
            assert path.read_bytes() == b"".join(
                encode_record(record) + b"\n" for record in (HEADER, *rest, trial(3, root=None))
            )


@given(st.binary(max_size=40), st.integers(0, len(WHOLE)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path: Path, more: bytes, size: int) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(WHOLE[:size] + more)
    with contextlib.suppress(SourceError):
        read_results([str(path)])
    before = path.read_bytes()
    try:
        with Writer(str(path), HEADER):
            pass
    except (SourceError, DestinationError):
        assert path.read_bytes() == before


def test_a_tail_of_zeros_is_removed(tmp_path: Path) -> None:
    """What some file systems leave of a file that was written to when the power failed."""
    path = tmp_path / "r.jsonl"
    path.write_bytes(WHOLE + bytes(4096))
    with Writer(str(path), HEADER) as writer:
        assert len(writer.trials) == 2
    assert path.read_bytes() == WHOLE


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (b"PK\x03\x04 something\n", "r.jsonl: not a file of results", "brasm tune RECIPE -o FILE writes one"),
        (b"\n", "r.jsonl: not a file of results", None),
        (b"[1]\n", "r.jsonl: not a file of results", None),
        (b'{"kind":"trial"}\n', "r.jsonl: not a file of results", None),
        (b"\xff\xfe", "r.jsonl: not a file of results", None),
        (b'{"a":1}', "r.jsonl: not a file of results", None),
        (b"[" * 100_000 + b"\n", "r.jsonl: not a file of results", None),
        (
            b'{"kind":"results","version":2,"new":1}\n',
            f"r.jsonl: results in version 2 of their form; this brasm has version {VERSION}",
            "use the brasm that wrote it, or give another file",
        ),
        (b'{"kind":"results","version":1}\n', "r.jsonl:1: no record of results: Object missing required field", None),
        (WHOLE + b'{"kind":"plot"}\n', "r.jsonl:5: no record of results: Invalid value 'plot' - at `$.kind`", None),
        (WHOLE + b"{}\n", "r.jsonl:5: no record of results: Object missing required field `kind`", None),
        (WHOLE + b"\n" + WHOLE, "r.jsonl:5: no record of results: Input data was truncated", None),
        (WHOLE + b'{"kind":"trial"\n' + WHOLE, "r.jsonl:5: no record of results: Input data was truncated", None),
        (WHOLE + b'{"kind":"\xff"}\n', "r.jsonl:5: no record of results:", None),
    ],
)
def test_what_is_no_file_of_results_is_left_as_it_is(
    tmp_path: Path, data: bytes, message: str, hint: str | None
) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(data)
    for use in (lambda: read_results([str(path)]), lambda: Writer(str(path), HEADER)):
        with pytest.raises(SourceError) as error:
            use()
        assert message in error.value.message
        assert (hint or "") in (error.value.hint or "")
    assert path.read_bytes() == data


def test_a_trial_whose_root_is_not_there(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", trial(1))
    with pytest.raises(SourceError, match=rf"r\.jsonl: trial 1 refers to a root that is not there: {root().digest}"):
        read_results([path])
    with pytest.raises(SourceError, match="refers to a root that is not there"):
        Writer(path, HEADER)


def test_another_recipes_file(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", header=replace(HEADER, recipe="other"))
    before = lines(path)
    with pytest.raises(DestinationError, match="has results of the recipe 'other', not of 'app'") as error:
        Writer(path, HEADER)
    assert error.value.hint == "give another file with -o"
    assert lines(path) == before


def test_another_machine_and_version_are_told(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl")
    with Writer(path, Header(VERSION, "2.0", "app", {"cpu": "another"})) as writer:
        assert writer.notes == (
            f"{path}: begun by another version of brasm than 2.0",
            f"{path}: begun on another machine: times of the two do not compare",
        )


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("nowhere/r.jsonl", "nowhere/r.jsonl: cannot be written: No such file or directory", "make the folder first"),
        ("folder", "folder: cannot be written: Is a directory", None),
        ("pipe", "pipe: not a regular file, to which results can be added", None),
    ],
)
def test_where_nothing_can_be_written(tmp_path: Path, name: str, message: str, hint: str | None) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DestinationError) as error:
        Writer(str(tmp_path / name), HEADER)
    assert message in error.value.message
    assert error.value.hint == hint


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nothing: cannot be read: No such file or directory"):
        read_results([str(tmp_path / "nothing")])


def test_two_writers_of_one_file(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", root())
    with Writer(path, HEADER) as writer:
        with pytest.raises(DestinationError) as error:
            Writer(path, HEADER)
        assert error.value.message == f"{path}: process {os.getpid()} writes to it"
        assert error.value.hint == "wait for it, or give another file with -o"
        writer.append(trial(1))
    with Writer(path, HEADER) as again:
        assert again.trials == {trial(1).id: trial(1)}


def test_the_writer_of_another_process(tmp_path: Path) -> None:
    """A process that is killed leaves no lock behind."""
    path = written(tmp_path / "r.jsonl")
    script = f"""
        import time
        from assembler.experiments.results.records import Header
        from assembler.experiments.results.files import Writer
        with Writer({path!r}, Header({VERSION}, "1.0", "app")):
            print("here", flush=True)
            time.sleep(600)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"here\n"
            with pytest.raises(DestinationError, match=rf"process {process.pid} writes to it"):
                Writer(path, HEADER)
            assert read_results([path]).headers == (HEADER,), "readers need no lock"
        finally:
            process.kill()
    with Writer(path, HEADER) as writer:
        assert writer.trials == {}


@pytest.fixture
def limited() -> Iterator[None]:
    """No file may be longer than 2,000 bytes: the system stops a write in its middle, as where the disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("limited")
def test_where_there_is_no_room_the_file_stays_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "r.jsonl")
    with Writer(path, HEADER) as writer:
        writer.append(root())
        with pytest.raises(DestinationError, match=r"r\.jsonl: cannot be written: File too large"):
            writer.append(trial(1, log=("x" * 2000,)))
        assert writer.trials == {}
        assert read_results([path]) == Results((HEADER,), {root().digest: root()}, ())
        writer.append(trial(2))
    assert read_results([path]).trials == (trial(2),)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_errors_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    path = str(tmp_path / "r.jsonl")
    writer = Writer(path, HEADER)
    writer.append(root())
    write = os.write

    def half(descriptor: int, data: memoryview) -> int:
        if len(data) > 50:
            return write(descriptor, data[: len(data) // 2])
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(DestinationError) as error:
        writer.append(trial(1))
    assert error.value.message == f"{path}: cannot be written: {os.strerror(code)}"
    assert (error.value.hint is None) == (code == errno.EIO)
    monkeypatch.undo()
    assert read_results([path]) == Results((HEADER,), {root().digest: root()}, ())
    writer.__exit__(None, None, None)


def test_a_disk_that_fails_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = Writer(str(tmp_path / "r.jsonl"), HEADER)
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(DestinationError, match="Input/output error"):
        writer.__exit__(None, None, None)
    monkeypatch.undo()
    with pytest.raises(KeyError), Writer(str(tmp_path / "r.jsonl"), HEADER):  # noqa: PT012
        monkeypatch.setattr(os, "fsync", failing)
        raise KeyError


@pytest.mark.parametrize("name", ["write", "fsync", "ftruncate"])
def test_a_new_file_that_cannot_be_begun_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def failing(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, name, failing)
    with pytest.raises(DestinationError, match="No space left on device"):
        Writer(str(tmp_path / "r.jsonl"), HEADER)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    written(tmp_path / "r.jsonl")


def test_an_interruption_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "r.jsonl", root())
    write = os.write

    def interrupted(descriptor: int, data: memoryview) -> int:
        write(descriptor, data[:10])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Writer(path, HEADER) as writer:  # noqa: PT012
        monkeypatch.setattr(os, "write", interrupted)
        writer.append(trial(1))
    assert lines(path)[-1] == encode_record(root()) + b"\n"


def test_files_are_merged(tmp_path: Path) -> None:
    first = written(tmp_path / "a", root(), trial(1), trial(3))
    other = replace(HEADER, machine={"cpu": "that one"})
    late = trial(3, outcome="failed", root=root("other").digest)
    second = written(tmp_path / "b", root("other"), late, trial(2, root=None), header=other)
    merged = read_results([first, second])
    assert merged.headers == (HEADER, other)
    assert set(merged.roots) == {root().digest, root("other").digest}
    assert merged.trials == (trial(1), trial(2, root=None), late)
    assert merged.notes == ("trials that are in more than one file, of which the later counts: 1",)
    assert read_results([second, first]).trials == (trial(1), trial(2, root=None), trial(3))


def test_a_merged_file_says_the_same(tmp_path: Path) -> None:
    first = written(tmp_path / "a", root(), trial(1), trial(3))
    second = written(tmp_path / "b", root("other"), trial(2, root=root("other").digest))
    merged = read_results([first, second])
    (tmp_path / "c").write_bytes(b"".join(results_lines(merged)))
    assert read_results([str(tmp_path / "c")]) == merged
    assert b"".join(results_lines(merged)) == (tmp_path / "c").read_bytes()


def test_files_may_be_put_together_by_cat(tmp_path: Path) -> None:
    first = written(tmp_path / "a", root(), trial(1))
    second = written(tmp_path / "b", root("other"), trial(2, root=root("other").digest))
    (tmp_path / "c").write_bytes(b"".join(lines(first) + lines(second)))
    both = read_results([str(tmp_path / "c")])
    assert (len(both.headers), len(both.roots), both.trials) == (2, 2, read_results([first, second]).trials)
    with Writer(str(tmp_path / "c"), HEADER) as writer:
        assert len(writer.trials) == 2


def results(*trials: TrialRecord) -> Results:
    return Results((HEADER,), {}, trials)


def test_what_differs_between_two_results() -> None:
    old = results(
        trial(1, measures={"compressed": 10, "unpacked": 30, "pack_seconds": 1.5}),
        trial(2),
        trial(3, measures={"compressed": 7}),
        trial(4),
    )
    new = results(
        trial(1, measures={"compressed": 10, "unpacked": 30, "pack_seconds": 9.5}),
        trial(2, outcome="failed", image=None),
        trial(3, measures={"compressed": 8, "files": 2}),
        trial(5),
    )
    found = compare(old, new)
    assert (found.only_old, found.only_new, found.same) == ((trial(4),), (trial(5),), 1)
    assert [(change.old.number, change.differences) for change in found.changed] == [
        (2, (Difference("outcome", "passed", "failed"), Difference("image", digest("image 2"), None))),
        (3, (Difference("compressed", 7, 8), Difference("files", None, 2))),
    ]
    assert found.changed[0].new == new.trials[1]


def test_trials_of_another_source_are_known_by_their_options() -> None:
    options = {"layers.level": 1, "layers.compression": "gzip"}
    turned = dict(reversed(options.items()))
    old = results(trial(1, options=options), trial(2, options={}))
    new = results(trial(7, id="a", options=turned, image=digest("image 1")), trial(8, id="b", options={"x": 1}))
    found = compare(old, new)
    assert (found.same, found.changed) == (1, ())
    assert ([one.number for one in found.only_old], [one.number for one in found.only_new]) == ([2], [8])


@given(st.lists(st.integers(0, 9), unique=True), st.lists(st.integers(0, 9), unique=True))
def test_each_trial_is_compared_once(old: list[int], new: list[int]) -> None:
    found = compare(results(*map(trial, sorted(old))), results(*map(trial, sorted(new))))
    assert found.same == len({*old} & {*new})
    assert [one.number for one in found.only_old] == sorted({*old} - {*new})
    assert [one.number for one in found.only_new] == sorted({*new} - {*old})
    assert not found.changed
