"""Pushing a blob: there already, mounted, sent at once or in chunks; and whatever may happen on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assembler.base.content import Bytes
from assembler.base.errors import BrasmError, ImageError, RemoteError, SourceError
from assembler.remote import upload
from assembler.remote.blob import RemoteBlob
from assembler.remote.known import Session, noted
from assembler.remote.upload import push_blob, try_push
from assembler.sources.blobs import Checked
from tests.remote import actions
from tests.remote.clients import (
    Stream,
    descriptor_of,
    error_of,
    fine_line,
    logged_in,
    methods,
    noise,
    repository,
    sent_bytes,
    span,
)
from tests.remote.standin import Cdn, Standin, TokenAuth
from tests.tools import environment, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from assembler.base.content import Content
    from assembler.remote.registry import Repository
    from assembler.remote.upload import Outcome
    from tests.remote.messages import Request
    from tests.remote.serving import Server

pytestmark = pytest.mark.usefixtures("alone")

CHUNK = 1000
DATA = noise(4 * CHUNK + 321)
MAKERS = [Bytes, span, Stream, lambda data: Checked(Stream(data, 333), descriptor_of(data))]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "CHUNK", CHUNK)


def of(*names: str) -> Callable[[Request], bool]:
    return lambda request: request.method in names and "/blobs/" in request.path


def push(repo: Repository, data: bytes = DATA, content: Content | None = None, **more: Any) -> Outcome:
    return push_blob(repo, descriptor_of(data), content or Bytes(data), **more)


def has(server: Standin, data: bytes = DATA, name: str = "app") -> bool:
    return server.repositories[name].blobs.get(descriptor_of(data).digest) == data


# --- the plain way


@pytest.mark.parametrize("size", [0, 1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 1])
@pytest.mark.parametrize("make", MAKERS)
def test_every_size_arrives(standin: Standin, size: int, make: Callable[[bytes], Content]) -> None:
    data = noise(size)
    told: list[int] = []
    assert push(repository(standin), data, make(data), sent=told.append) == "uploaded"
    assert has(standin, data)
    assert sum(told) == size
    chunks = max(0, (size - 1) // CHUNK)
    assert methods(standin, "/blobs/") == ["HEAD", "POST", *["PATCH"] * chunks, "PUT"]
    assert standin.repositories["app"].uploads == {}


def test_what_is_there_is_not_sent(standin: Standin) -> None:
    standin.repository("app").add_blob(DATA)
    told: list[int] = []

    def unread(_: int) -> None:
        pytest.fail("its bytes are not needed")

    assert push(repository(standin), content=Stream(DATA, fails=unread), sent=told.append) == "exists"
    assert methods(standin, "/blobs/") == ["HEAD"]
    assert told == [len(DATA)]


def test_what_is_there_with_another_size_is_told(standin: Standin) -> None:
    digest = descriptor_of(DATA).digest
    standin.repository("app").blobs[digest] = DATA[:-1]
    assert digest in error_of(push, repository(standin)).message
    standin.repositories["app"].blobs.clear()


def test_minimum_of_chunks() -> None:
    with Standin(chunk_min=3 * CHUNK) as standin:
        assert push(repository(standin)) == "uploaded"
        assert methods(standin, "/blobs/") == ["HEAD", "POST", "PATCH", "PUT"]
        assert has(standin)


@pytest.mark.parametrize("least", ["0", "x", "-1", "9" * 5000])
def test_odd_minimum_of_chunks(standin: Standin, least: str) -> None:
    standin.misbehave(action=actions.with_header("OCI-Chunk-Min-Length", least), match=of("POST"))
    assert push(repository(standin)) == "uploaded"


def test_a_relative_location() -> None:
    with Standin(relative=True) as standin:
        assert push(repository(standin)) == "uploaded"
        assert has(standin)


def test_a_location_on_another_host_sees_no_credentials(tmp_path: Path) -> None:
    with Standin(basic={"ann": "s3cret-pass"}) as standin, Cdn(standin, host="127.0.0.2") as cdn:
        repo = repository(standin, access=logged_in(tmp_path, standin.address))
        standin.misbehave(action=actions.location_on(cdn), match=of("POST"))
        cdn.misbehave(action=actions.half_request(), after=1)
        assert push(repo) == "uploaded"
        assert {"PATCH", "PUT"} <= set(methods(cdn))
        assert all("Authorization" not in request.headers for request in cdn.requests)
        assert has(standin)


@pytest.mark.parametrize("location", [None, "http://[bad", "ftp://x/y", "http://a:b/"])
def test_locations_that_lead_nowhere(standin: Standin, location: str | None) -> None:
    action = actions.without_header("Location") if location is None else actions.with_header("Location", location)
    standin.misbehave(action=action, match=of("POST"), times=None)
    assert standin.address in error_of(push, repository(standin)).message


def test_no_upload_without_tls_where_there_was_tls(certificates: Any) -> None:
    from assembler.remote.access import Access

    with Standin(tls=certificates) as standin, Standin() as plain:
        standin.misbehave(action=actions.location_on(plain), match=of("POST"))
        error = error_of(push, repository(standin, access=Access(ca_file=certificates.authority)))
        assert "not encrypted" in error.message
        assert plain.requests == []


def test_a_patch_without_location_or_range_goes_on_all_the_same(standin: Standin) -> None:
    for names in (("Range",), ("Location",), ("Location", "Range")):
        data = noise(3 * CHUNK, len(names) + len(names[0]))
        standin.misbehave(action=actions.without_header(*names), match=of("PATCH"), times=2)
        assert push(repository(standin), data) == "uploaded"
        assert has(standin, data)


def test_redirected_chunks_are_counted_once(standin: Standin) -> None:
    told: list[int] = []
    with Cdn(standin, host="127.0.0.2") as cdn:
        target: Any = lambda exchange: cdn.url + exchange.request.target  # noqa: E731
        standin.misbehave(action=actions.redirect(target), match=of("PATCH", "PUT"), times=None)
        assert push(repository(standin), sent=told.append) == "uploaded"
    assert sum(told) == len(DATA)
    assert has(standin)


# --- mounts


def test_mount_from_a_repository_that_is_named(standin: Standin) -> None:
    standin.repository("base").add_blob(DATA)
    told: list[int] = []
    assert push(repository(standin), mountable=("base",), sent=told.append) == "mounted"
    assert sent_bytes(standin) == 0
    assert told == [len(DATA)]
    assert has(standin)


def test_mount_from_where_this_machine_sent_it_before(standin: Standin) -> None:
    assert push(repository(standin, "one")) == "uploaded"
    assert push(repository(standin, "two")) == "mounted"
    assert push(repository(standin, "two")) == "exists"
    assert sent_bytes(standin) == len(DATA)


def test_mount_that_is_no_more_is_forgotten(standin: Standin) -> None:
    push(repository(standin, "one"))
    standin.repositories["one"].blobs.clear()
    assert push(repository(standin, "two")) == "uploaded"
    standin.forget_requests()
    assert push(repository(standin, "three")) == "mounted"
    assert [r.query.get("from") for r in standin.requests if r.method == "POST"] == ["two"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500])
def test_mount_that_fails_is_no_failure(standin: Standin, status: int) -> None:
    standin.repository("base").add_blob(DATA)
    mount = lambda request: "mount" in request.query  # noqa: E731
    standin.misbehave(action=actions.status(status), match=mount, times=None)
    assert push(repository(standin), mountable=("base",)) == "uploaded"
    assert has(standin)


@pytest.mark.parametrize("how", ["challenge", "session"])
def test_mount_without_the_right_to_the_source(tmp_path: Path, how: Any) -> None:
    auth = TokenAuth(users={"ann": "s3cret-pass"}, access={"ann": {"app": "pull,push"}}, mount=how)
    with Standin(token_auth=auth) as standin:
        standin.repository("base").add_blob(DATA)
        repo = repository(standin, access=logged_in(tmp_path, standin.address))
        assert push(repo, mountable=("base", "other", "third")) == "uploaded"
        assert has(standin)


def test_registries_without_mounts() -> None:
    with Standin(mounts=False) as standin:
        standin.repository("base").add_blob(DATA)
        assert push(repository(standin), mountable=("base",)) == "uploaded"
        assert methods(standin, "/blobs/").count("POST") == 1


# --- going on


BROKEN = [
    actions.half_request(kept=True),
    actions.half_request(kept=False),
    actions.half_request(kept=True, reset=False),
    actions.half_request(kept=True, size=0),
    actions.half_request(kept=True, size=1),
    actions.lose_answer(),
    actions.lose_answer(reset=True),
    actions.hang_up(),
    actions.hang_up(reset=True),
    actions.status(500),
    actions.status(404),
    actions.status(416),
    actions.too_many(5),
    actions.lose_session(),
    actions.early(503),
    actions.early(408),
    actions.stall(),
    actions.forget_bytes(7),
    actions.forget_bytes(5000),
    actions.understate(1),
    actions.understate(5000),
]


@pytest.mark.parametrize("action", BROKEN)
@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize("make", MAKERS[1:3])
def test_a_patch_that_breaks(standin: Standin, action: Any, at: int, make: Callable[[bytes], Content]) -> None:
    told: list[int] = []
    standin.misbehave(action=action, match=of("PATCH"), after=at)
    assert push(repository(standin, timeout=0.1), content=make(DATA), sent=told.append) == "uploaded"
    assert has(standin)
    assert sum(told) == len(DATA)


@pytest.mark.parametrize("action", [*BROKEN, actions.half_answer()])
@pytest.mark.parametrize("size", [1, CHUNK, 2 * CHUNK + 10])
def test_a_put_that_breaks(standin: Standin, action: Any, size: int) -> None:
    data = noise(size)
    told: list[int] = []
    standin.misbehave(action=action, match=of("PUT"))
    assert push(repository(standin, timeout=0.1), data, Stream(data, 77), sent=told.append) == "uploaded"
    assert has(standin, data)
    assert sum(told) == size


@pytest.mark.parametrize(
    "action", [actions.hang_up(), actions.lose_answer(), actions.status(503), actions.stall(), actions.half_answer()]
)
@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_a_beginning_that_breaks(standin: Standin, action: Any, method: str) -> None:
    standin.misbehave(action=action, match=of(method), times=2)
    assert push(repository(standin, timeout=0.1)) == "uploaded"
    assert has(standin)


def test_bytes_that_were_kept_are_not_sent_again(standin: Standin) -> None:
    standin.misbehave(action=actions.half_request(kept=True, size=600, reset=False), match=of("PATCH"), after=1)
    push(repository(standin))
    assert sent_bytes(standin) == len(DATA)


def test_a_chunk_whose_answer_was_lost_is_not_sent_again(standin: Standin) -> None:
    standin.misbehave(action=actions.lose_answer(), match=of("PATCH"), after=1, times=2)
    push(repository(standin))
    assert sent_bytes(standin) == len(DATA)


@pytest.mark.parametrize("size", [0, 1, CHUNK, 3 * CHUNK])
def test_a_blob_whose_last_answer_was_lost_is_not_sent_again(standin: Standin, size: int) -> None:
    data = noise(size)
    standin.misbehave(action=actions.lose_answer(), match=of("PUT"))
    assert push(repository(standin), data) == "uploaded"
    assert sent_bytes(standin) == size
    assert methods(standin, "/blobs/").count("PUT") == 1


@pytest.mark.parametrize("status", [404, 405, 500])
def test_registries_that_do_not_say_how_far_they_are(standin: Standin, status: int) -> None:
    standin.misbehave(action=actions.status(status), match=of("GET"), times=None)
    standin.misbehave(action=actions.half_request(), match=of("PATCH"), after=2)
    assert push(repository(standin)) == "uploaded"
    assert has(standin)


def test_retry_after_is_honoured(standin: Standin) -> None:
    naps: list[float] = []
    standin.misbehave(action=actions.too_many(33), match=of("PATCH"))
    standin.misbehave(action=actions.too_many(44), match=of("PUT"))
    push(repository(standin, naps=naps))
    assert naps == [33, 44]


def test_retry_after_a_year(standin: Standin) -> None:
    standin.misbehave(action=actions.too_many(31_000_000), match=of("PATCH"))
    error = error_of(push, repository(standin))
    assert "asks to come back in 31000000 s" in error.message
    assert descriptor_of(DATA).digest in error.message
    assert error.status == 429


# --- no end of it


HOPELESS = [
    *BROKEN[:13],
    actions.early(413),
    actions.denied(),
    actions.unauthorized(),
    actions.forget_bytes(5000),
    actions.status(400),
    actions.not_json(),
    actions.to_itself(),
    actions.endless(),
    actions.other_digest_header(),
]


@pytest.mark.parametrize("action", HOPELESS)
@pytest.mark.parametrize("method", ["HEAD", "POST", "PATCH", "PUT"])
def test_no_progress_ends(standin: Standin, action: Any, method: str) -> None:
    standin.misbehave(action=action, match=of(method), times=None)
    repo = repository(standin, timeout=0.2)
    found: list[RemoteError] = []
    try:
        push(repo)
    except RemoteError as error:
        found.append(error)
    assert all(standin.address in fine_line(error) for error in found)
    assert all("/app" in error.message or error.status == 401 for error in found)
    assert found or has(standin)
    assert len(standin.requests) < 150


@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize(
    "action",
    [actions.lose_session(), actions.hang_up(), actions.status(500), actions.half_request(kept=False),
     actions.status(404)],
)  # fmt: skip
def test_who_never_gets_past_a_place_is_given_up(standin: Standin, action: Any, after: int) -> None:
    """The first chunks go well each time, and then all is lost: that is no progress."""

    def late(request: Request) -> bool:
        return request.method == "PATCH" and request.headers["Content-Range"].startswith(f"{after * CHUNK}-")

    lost = actions.lose_session()
    standin.misbehave(action=action, match=late, times=None)
    standin.misbehave(action=lost, match=of("GET"), times=None)
    error = error_of(push, repository(standin))
    assert descriptor_of(DATA).digest in error.message
    assert methods(standin, "/blobs/").count("PATCH") <= 7 * (after + 1)


def test_who_takes_nothing_of_what_it_says_it_takes(standin: Standin) -> None:
    standin.misbehave(action=actions.forget_bytes(CHUNK), match=of("PATCH"), times=None)
    error_of(push, repository(standin))
    assert methods(standin, "/blobs/").count("PATCH") <= 14


def test_who_takes_a_bit_each_time_makes_progress(standin: Standin) -> None:
    standin.misbehave(action=actions.forget_bytes(CHUNK - 100), match=of("PATCH"), times=None)
    assert push(repository(standin)) == "uploaded"


def test_who_takes_next_to_nothing_each_time_does_not(standin: Standin) -> None:
    standin.misbehave(action=actions.forget_bytes(CHUNK - 1), match=of("PATCH"), times=None)
    error_of(push, repository(standin))


def test_who_says_it_has_more_than_it_was_sent(standin: Standin) -> None:
    overstated = actions.with_header("Range", f"0-{len(DATA) - 1}")
    standin.misbehave(action=actions.half_request(kept=False), match=of("PATCH"))
    standin.misbehave(action=overstated, match=of("GET"))
    assert push(repository(standin)) == "uploaded"
    assert has(standin)


@pytest.mark.parametrize("said", ["0-0", "0-99999999", "0-" + "9" * 5000, "x", "-5", "5-9", "bytes=0-9", "0-"])
def test_odd_ranges(standin: Standin, said: str) -> None:
    standin.misbehave(action=actions.half_request(kept=False), match=of("PATCH"))
    standin.misbehave(action=actions.with_header("Range", said), match=of("GET", "PATCH"), times=2)
    assert push(repository(standin)) == "uploaded"
    assert has(standin)


def test_a_blob_of_one_byte_of_which_none_or_one_came(standin: Standin) -> None:
    """`Range: 0-0` is said of both."""
    for kept in (True, False):
        data = bytes([kept])
        standin.misbehave(action=actions.half_request(kept=kept, size=1), match=of("PUT"))
        assert push(repository(standin), data) == "uploaded"
        assert has(standin, data)


def test_too_large(standin: Standin) -> None:
    standin.misbehave(action=actions.early(413, "SIZE_INVALID"), match=of("PATCH"), times=None)
    error = error_of(push, repository(standin))
    assert error.status == 413
    assert "size" in (error.hint or "")
    assert methods(standin, "/blobs/").count("PATCH") == 1


# --- tokens


def test_tokens_that_expire_all_the_time(tmp_path: Path) -> None:
    told: list[int] = []
    with Standin(token_auth=TokenAuth(users={"ann": "s3cret-pass"}, uses=1)) as standin:
        repo = repository(standin, access=logged_in(tmp_path, standin.address))
        assert push(repo, sent=told.append) == "uploaded"
        assert has(standin)
        assert sum(told) == len(DATA)
        assert len(standin.token_requests) < 20


def test_tokens_that_are_revoked_for_good(tmp_path: Path) -> None:
    with Standin(token_auth=TokenAuth(users={"ann": "s3cret-pass"})) as standin:
        assert standin.tokens is not None
        repo = repository(standin, access=logged_in(tmp_path, standin.address))
        standin.misbehave(action=actions.unauthorized(), match=of("PATCH"), times=None, after=1)
        error = error_of(push, repo)
        assert error.status == 401
        assert methods(standin, "/blobs/").count("PATCH") <= 5
        issued = [token.value for token in standin.tokens.issued]
        fine_line(error, *issued)


# --- the next run


def test_the_next_run_goes_on(standin: Standin) -> None:
    standin.misbehave(action=actions.denied(), match=of("PATCH"), after=2, times=None)
    error_of(push, repository(standin))
    standin.behave()
    standin.forget_requests()
    told: list[int] = []
    assert push(repository(standin), sent=told.append) == "uploaded"
    assert methods(standin, "/blobs/") == ["HEAD", "GET", "PATCH", "PATCH", "PUT"]
    assert sent_bytes(standin) == len(DATA) - 2 * CHUNK
    assert sum(told) == len(DATA)
    assert has(standin)


SCRIPT = """\
import os, random, sys
from assembler.base.content import Bytes
from assembler.base.digest import sha256
from assembler.oci.types import Descriptor
from assembler.remote import upload
from assembler.remote.access import Access
from assembler.remote.registry import open_repository
upload.CHUNK = 1000
data = random.Random(1).randbytes(4321)
repository = open_repository(sys.argv[1], sys.argv[2], Access())
count = 0
def sent(amount):
    global count
    count += amount
    if count > int(sys.argv[3]):
        os.kill(os.getpid(), 9)
sys.stdin.readline()
print(upload.push_blob(repository, Descriptor("x/y", sha256(data), len(data)), Bytes(data), sent=sent))
"""
"""Pushes the same bytes as the tests do: to a host, a repository, until so many were sent."""


def start(*arguments: str) -> subprocess.Popen[str]:
    env = environment(XDG_CACHE_HOME=os.environ["XDG_CACHE_HOME"])
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_a_killed_process_is_gone_on_with(standin: Standin) -> None:
    killed = start(standin.address, "app", "2500")
    killed.communicate("go\n", timeout=60)
    assert killed.returncode == -9
    wait_for(lambda: sent_bytes(standin) >= 2500, "the chunk that broke off is on record")
    standin.forget_requests()
    assert push(repository(standin)) == "uploaded"
    assert sent_bytes(standin) <= len(DATA) - 2 * CHUNK
    assert has(standin)


def remember(standin: Standin, location: str, offset: int = 10, data: bytes = DATA) -> None:
    with noted(standin.address, descriptor_of(data).digest) as note:
        note.under_way("app", Session(location, offset))


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/",
        "x",
        "\n",
        "http://[bad",
        "ftp://x/y",
        "http://127.0.0.1:1/v2/app/blobs/uploads/x",
        "/v2/app/blobs/uploads/gone?_state=x",
        "http://u:s3cret@127.0.0.1:1/",
        "https://127.0.0.1:1/x",
    ],
)
def test_a_remembered_upload_that_is_no_more(standin: Standin, location: str) -> None:
    remember(standin, location)
    assert push(repository(standin)) == "uploaded"
    assert has(standin)


def test_a_remembered_upload_with_other_bytes_in_it(standin: Standin) -> None:
    """An earlier process may have sent what was damaged."""
    repo = repository(standin)
    response = repo.client.call("POST", repo.path("blobs/uploads/"))
    response.close()
    location = response.headers["Location"]
    for stored in standin.repositories["app"].uploads.values():
        stored.data += b"x" * 1500
    remember(standin, location, 1500)
    assert push(repo) == "uploaded"
    assert has(standin)


def test_a_remembered_upload_goes_before_a_mount_that_fails(standin: Standin) -> None:
    standin.misbehave(action=actions.denied(), match=of("PATCH"), after=2, times=None)
    error_of(push, repository(standin))
    standin.behave()
    standin.forget_requests()
    assert push(repository(standin), mountable=("nowhere",)) == "uploaded"
    assert sent_bytes(standin) == len(DATA) - 2 * CHUNK


def test_no_cache_no_harm(standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    standin.misbehave(action=actions.half_request(), match=of("PATCH"))
    assert push(repository(standin)) == "uploaded"
    assert has(standin)


# --- sources that are wrong


@pytest.mark.parametrize("size", [10, CHUNK, 3 * CHUNK + 5])
@pytest.mark.parametrize("lenient", [True, False])
def test_damaged_content_is_never_sent_whole(size: int, lenient: bool) -> None:
    data = noise(size)
    damaged = Checked(Stream(data[:-1] + bytes([data[-1] ^ 1]), 100), descriptor_of(data))
    with Standin(lenient=lenient) as standin:
        for _ in range(2):
            with pytest.raises(ImageError) as caught:
                push(repository(standin), data, damaged)
            assert descriptor_of(data).digest in fine_line(caught.value)
        assert sent_bytes(standin) < 2 * size
        assert standin.repositories["app"].blobs == {}
        assert push(repository(standin), data) == "uploaded"
        assert has(standin, data)


def test_content_that_nobody_checked_is_refused_by_the_registry(standin: Standin) -> None:
    for make in (Bytes, span):
        with pytest.raises(ImageError, match="it is damaged") as caught:
            push(repository(standin), content=make(b"x" * len(DATA)))
        fine_line(caught.value)
    assert not standin.repositories["app"].blobs


@pytest.mark.parametrize("by", [-1, 1, -CHUNK, CHUNK, -len(DATA)])
@pytest.mark.parametrize("make", MAKERS)
def test_content_that_is_shorter_or_longer(standin: Standin, make: Any, by: int) -> None:
    content = make(DATA[:by] if by < 0 else DATA + bytes(by))
    with pytest.raises((ImageError, SourceError)) as caught:
        push(repository(standin), content=content)
    assert descriptor_of(DATA).digest in fine_line(caught.value)
    assert not standin.repositories["app"].blobs


def test_a_file_that_was_cut_short(standin: Standin) -> None:
    content = span(DATA)
    os.ftruncate(content.file.fileno(), 2500)
    with pytest.raises(SourceError, match="truncated") as caught:
        push(repository(standin), content=content)
    assert descriptor_of(DATA).digest in fine_line(caught.value)


def test_a_source_that_breaks_in_the_middle_and_comes_back(standin: Standin) -> None:
    def broken(number: int) -> None:
        if number == 25:
            raise SourceError("the disk is gone")

    with pytest.raises(SourceError) as caught:
        push(repository(standin), content=Stream(DATA, 100, broken))
    assert descriptor_of(DATA).digest in fine_line(caught.value)
    wait_for(lambda: sent_bytes(standin) == 2500, "the chunk that broke off is on record")
    standin.forget_requests()
    assert push(repository(standin), content=Stream(DATA, 100)) == "uploaded"
    assert sent_bytes(standin) <= len(DATA) - 2 * CHUNK
    assert has(standin)


def test_from_registry_to_registry(standin: Standin) -> None:
    with Standin() as origin:
        stored = origin.repository("base").add_blob(DATA)
        content = Checked(RemoteBlob(repository(origin, "base"), stored["digest"], stored["size"]), descriptor_of(DATA))
        origin.misbehave(action=actions.half_answer(0.4), match=of("GET"), times=3)
        standin.misbehave(action=actions.half_request(), match=of("PATCH"), after=2)
        assert push(repository(standin), content=content) == "uploaded"
        assert has(standin)
        standin.repositories["app"].blobs.clear()
        origin.misbehave(action=actions.half_answer(0.4), match=of("GET"))
        origin.misbehave(action=actions.denied(), match=of("GET"), times=None)
        with pytest.raises(SourceError) as caught:
            push(repository(standin), content=content)
        assert origin.address in fine_line(caught.value)
        assert caught.value.exit_code == 4
        assert not standin.repositories["app"].blobs


def test_the_digest_header_of_a_blob_lies(standin: Standin) -> None:
    standin.misbehave(action=actions.other_digest_header(), match=of("PUT"))
    assert "took it for" in error_of(push, repository(standin)).message


# --- several at once


def test_threads_with_the_same_blob_send_it_once(standin: Standin) -> None:
    outcomes: list[Outcome] = []
    told: list[str] = []
    standin.misbehave(action=actions.trickle(1, 0.001), match=of("POST"), times=None)

    def work(name: str) -> None:
        outcomes.append(push(repository(standin, name, told=told)))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "a", "b", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["exists", "exists", "mounted", "mounted", "uploaded"]
    assert sent_bytes(standin) == len(DATA)
    assert all("another process is sending it" in line for line in told)


def test_processes_with_the_same_blob_send_it_once(standin: Standin) -> None:
    processes = [start(standin.address, name, "99999") for name in ("a", "a", "b")]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outcomes = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert sorted(outcomes) == ["exists", "mounted", "uploaded"]
    assert sent_bytes(standin) == len(DATA)


# --- whether one may push


def test_try_push(standin: Standin) -> None:
    try_push(repository(standin))
    assert methods(standin, "/blobs/") == ["POST", "DELETE"]
    assert standin.repositories["app"].uploads == {}


@pytest.mark.parametrize(
    "action", [actions.denied(), actions.unsupported(), actions.hang_up(), actions.unauthorized(), actions.status(404)]
)
def test_try_push_where_uploads_cannot_be_cancelled(standin: Standin, action: Any) -> None:
    standin.misbehave(action=action, match=of("DELETE"), times=None)
    try_push(repository(standin))


@pytest.mark.parametrize("location", [None, "http://[bad"])
def test_try_push_without_a_location(standin: Standin, location: str | None) -> None:
    action = actions.without_header("Location") if location is None else actions.with_header("Location", location)
    standin.misbehave(action=action)
    standin.misbehave(action=action, match=of("POST"))
    try_push(repository(standin))


def test_try_push_where_one_may_not(standin: Standin) -> None:
    for action in (actions.denied(), actions.status(404), actions.unsupported()):
        standin.misbehave(action=action, match=of("POST"))
        error = error_of(try_push, repository(standin))
        assert error.message.startswith(f"docker://{standin.address}/app: push: the registry answers 40")


# --- anything at all


LIES = [actions.status(201)]
"""After which a client may well believe that a blob is there."""


def anything(server: Server) -> list[Any]:
    return [
        *BROKEN[:16], *BROKEN[17:], actions.not_json(), actions.to_itself(), actions.without_header("Location"),
        actions.without_header("Range"), actions.relative_location(), actions.location_on(server), actions.status(400),
        actions.http_1_0(), actions.without_length(), actions.with_header("Range", "0-9"), *LIES,
        actions.redirect("http://[bad"), actions.with_header("Location", "x"),
    ]  # fmt: skip


@given(data=st.data(), size=st.sampled_from([0, 1, 999, 1000, 1001, 3500]), make=st.sampled_from(MAKERS))
@hypothesis_settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_right_bytes_or_an_error(data: st.DataObject, size: int, make: Any) -> None:
    blob = noise(size, data.draw(st.integers(0, 1 << 30)))
    keeps, relative = data.draw(st.booleans()), data.draw(st.booleans())
    with Standin(keeps_partial=keeps, relative=relative) as standin, Cdn(standin) as cdn:
        choices = anything(cdn)
        for _ in range(data.draw(st.integers(0, 6))):
            action = choices[data.draw(st.integers(0, len(choices) - 1))]
            method = data.draw(st.sampled_from(["HEAD", "POST", "PATCH", "PUT", "GET"]))
            after, times = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 8))
            standin.misbehave(action=action, match=of(method), after=after, times=times)
        try:
            outcome = push(repository(standin), blob, make(blob))
        except BrasmError as error:
            fine_line(error)
        else:
            lied = any(rule.hits and rule.action in LIES for rule in standin._rules)
            assert lied or outcome == "exists" or has(standin, blob)
        for name, value in standin.repositories.get("app", standin.repository("app")).blobs.items():
            assert (name, value) == (descriptor_of(blob).digest, blob)
        assert len(standin.requests) < 500
