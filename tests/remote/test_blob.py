"""A blob that is pulled: its bytes, whatever breaks on the way, and not more of them than there should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assembler.base import digest as digests
from assembler.base.content import read
from assembler.base.errors import BrasmError, ImageError, SourceError
from assembler.remote.blob import RemoteBlob
from assembler.sources.blobs import Checked
from tests.remote import actions
from tests.remote.clients import descriptor_of, fine_line, noise, repository, server_connections
from tests.remote.messages import Answer
from tests.remote.standin import Cdn, Standin

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("alone")

DATA = noise(300_000)


def blob_of(standin: Standin, data: bytes = DATA, size: int | None = None, **more: Any) -> RemoteBlob:
    stored = standin.repository("app").add_blob(data)
    return RemoteBlob(repository(standin, **more), stored["digest"], stored["size"] if size is None else size)


def source_error(blob: RemoteBlob) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(blob)
    fine_line(caught.value)
    return caught.value


@pytest.mark.parametrize("size", [0, 1, 2, 65536, 1 << 20, (1 << 20) + 1])
def test_bytes(standin: Standin, size: int) -> None:
    data = noise(size)
    blob = blob_of(standin, data)
    assert read(blob) == read(blob) == data
    with blob.open() as file:
        assert file.read() == data
        assert file.seek(size // 2) == size // 2
        assert file.read(7) == data[size // 2 :][:7]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("reset", [True, False])
def test_goes_on_where_it_broke(ranges: bool, reset: bool) -> None:
    with Standin(ranges=ranges) as standin:
        blob = blob_of(standin)
        standin.forget_requests()
        standin.misbehave(action=actions.half_answer(0.5, reset=reset), times=3)
        assert read(blob) == DATA
        asked = [request.headers.get("Range") for request in standin.requests]
        assert asked[0] is None
        assert asked[1] == "bytes=150000-" or reset  # a reset may take some with it


def test_ever_smaller_steps_are_progress(standin: Standin) -> None:
    blob = blob_of(standin)
    standin.misbehave(action=actions.half_answer(0.3), times=20)
    assert read(blob) == DATA


@pytest.mark.parametrize(
    "action",
    [actions.hang_up(), actions.half_answer(0), actions.status(500), actions.too_many(3), actions.status(403),
     actions.status(404)],
)  # fmt: skip
def test_no_progress_ends(standin: Standin, action: Any) -> None:
    blob = blob_of(standin)
    standin.forget_requests()
    standin.misbehave(action=action, times=None)
    error = source_error(blob)
    assert standin.address in error.message
    assert blob.digest in error.message
    assert error.exit_code == 4
    assert len(standin.requests) <= 12


def test_no_progress_where_the_same_place_breaks_again_and_again() -> None:
    with Standin(ranges=False) as standin:
        blob = blob_of(standin)
        standin.forget_requests()
        standin.misbehave(action=actions.half_answer(0.5), times=None)
        source_error(blob)
        assert len(standin.requests) <= 8


def test_patience_is_long_enough(standin: Standin) -> None:
    naps: list[float] = []
    blob = blob_of(standin, naps=naps)
    standin.misbehave(action=actions.too_many(30), times=2)
    standin.misbehave(action=actions.hang_up(), times=2)
    assert read(blob) == DATA
    assert naps[:2] == [30, 30]


@pytest.mark.parametrize("action", [actions.stall_in_body(0.5), actions.trickle(100_000)])
def test_slow(standin: Standin, action: Any) -> None:
    blob = blob_of(standin, timeout=0.1)
    standin.misbehave(action=action)
    assert read(blob) == DATA


@pytest.mark.parametrize(
    "action", [actions.without_length(), actions.without_length(chunked=False), actions.http_1_0()]
)
def test_framing(standin: Standin, action: Any) -> None:
    blob = blob_of(standin)
    standin.misbehave(action=action)
    assert read(blob) == DATA


def test_a_break_after_the_last_byte_is_none(standin: Standin) -> None:
    """All bytes came, and only the last chunk's end did not."""
    blob = blob_of(standin)

    def act(exchange: Any) -> Answer:
        from tests.remote.messages import HangUp

        def pieces() -> Any:
            yield DATA
            raise HangUp(reset=False)

        return Answer(200, (), DATA, pieces=pieces, framing="chunked")

    standin.misbehave(action=act, times=1)
    standin.misbehave(action=actions.status(416), times=None)
    assert read(blob) == DATA


def test_longer_or_shorter_than_its_descriptor(standin: Standin) -> None:
    assert "more than" in source_error(blob_of(standin, size=len(DATA) - 1)).message
    error = source_error(blob_of(standin, size=len(DATA) + 1))
    assert blob_of(standin).digest in error.message
    blob = blob_of(standin)
    standin.misbehave(action=actions.endless(), times=None)
    assert "more than its" in source_error(blob).message


def test_another_range_than_asked_for(standin: Standin) -> None:
    blob = blob_of(standin)
    standin.misbehave(action=actions.half_answer())
    standin.misbehave(action=actions.with_header("Content-Range", "bytes 0-5/6\x1b[31m"))
    assert "asked for byte 150000 on" in source_error(blob).message


def test_another_blob(standin: Standin) -> None:
    blob = blob_of(standin)
    standin.misbehave(action=actions.other_bytes(), times=None)
    with pytest.raises(ImageError, match=blob.digest):
        read(Checked(blob, descriptor_of(DATA)))


def test_from_another_host_without_credentials(tmp_path: Path) -> None:
    from tests.remote.clients import logged_in

    with Standin(basic={"ann": "s3cret-pass"}) as standin, Cdn(standin, host="127.0.0.2") as cdn:
        blob = blob_of(standin, access=logged_in(tmp_path, standin.address))
        standin.misbehave(
            action=actions.to_cdn(cdn), match=lambda r: r.method == "GET" and "/blobs/" in r.path, times=None
        )
        cdn.misbehave(action=actions.half_answer(0.4), times=2)
        assert read(blob) == DATA
        assert len(cdn.requests) == 3
        assert all("Authorization" not in request.headers for request in cdn.requests)
        cdn.misbehave(action=actions.status(403, "ExpiredToken"), times=None)
        error = source_error(blob)
        assert cdn.address in error.message
        assert "X-Signature" not in error.message


def test_who_stops_reading_leaves_no_connection_open(standin: Standin) -> None:
    import time

    blob = blob_of(standin, noise(8 << 20))
    chunks = blob.chunks()
    next(chunks)
    del chunks
    deadline = time.monotonic() + 10
    while server_connections(standin) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert server_connections(standin) == 0


def test_no_room(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = blob_of(standin)
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    with pytest.raises(SourceError, match="no room in TMPDIR"):
        blob.open()


ACTIONS = (
    actions.half_answer(0.5),
    actions.half_answer(0.1, reset=True),
    actions.hang_up(),
    actions.status(503),
    actions.too_many(1),
    actions.without_length(),
    actions.http_1_0(),
    actions.other_bytes(),
    actions.other_length(-5),
    actions.other_length(5),
    actions.status(404),
    actions.not_json(),
    actions.to_itself(),
)


@given(st.lists(st.sampled_from(ACTIONS), max_size=8), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_right_bytes_or_an_error(schedule: list[Any], ranges: bool) -> None:
    with Standin(ranges=ranges) as standin:
        blob = blob_of(standin, DATA[:50_000])
        for action in schedule:
            standin.misbehave(action=action)
        try:
            assert digests.sha256(read(Checked(blob, descriptor_of(DATA[:50_000])))) == blob.digest
        except BrasmError as error:
            fine_line(error)
