"""Whole pushes: blobs at once and first, then manifests, the tag last; whatever happens, no tag that lacks a blob."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assembler.base.content import Bytes
from assembler.base.digest import sha256
from assembler.base.errors import BrasmError, ImageError, SourceError, UsageError
from assembler.destinations import layout as layouts
from assembler.destinations import registry as destination
from assembler.oci.reference import Reference
from assembler.remote import upload
from assembler.remote.access import Access
from assembler.remote.blob import RemoteBlob
from assembler.remote.referrers import referrers_tag
from assembler.sources.blobs import Checked
from assembler.sources.registry import open_registry
from tests.remote import actions
from tests.remote.clients import (
    Stream,
    descriptor_of,
    error_of,
    fine_line,
    index_of,
    logged_in,
    methods,
    noise,
    reference,
    repository,
    sent_bytes,
    settings,
    shipment,
    span,
)
from tests.remote.standin import Cdn, Standin, TokenAuth
from tests.tools import BRASM, attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from assembler.destinations.written import Written
    from assembler.oci.shipment import Shipment
    from tests.remote.messages import Request

pytestmark = pytest.mark.usefixtures("alone")

IMAGE = shipment(noise(5000), noise(300, 2), b"", noise(1, 3))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "CHUNK", 1000)


def push(
    standin: Standin, what: Shipment = IMAGE, name: str = "app", tag: str | None = "1", timeout: float = 10, **more: Any
) -> Written:
    access = more.pop("access", Access())
    made = settings(access, timeout=timeout, naps=more.pop("naps", None), told=more.pop("told", None))
    return destination.write(
        what, reference(standin, name, tag, more.pop("digest", None)), "latest", access, settings=made, **more
    )


def complete(standin: Standin, what: Shipment = IMAGE, name: str = "app") -> bool:
    stored = standin.repositories[name]
    return all(descriptor.digest in stored.blobs for descriptor, _ in what.blobs) and all(
        stored.manifests[descriptor.digest].data == data for descriptor, data in what.documents if name
    )


class Heard:
    """A listener."""

    def __init__(self) -> None:
        self.total = self.done = 0
        self._lock = threading.Lock()
        self.lines: list[str] = []

    def start(self, task: str, total: int | None = None, *, unit: str = "") -> None:
        assert (task, unit) == ("push", "B")
        self.total = total or 0

    def advance(self, amount: int) -> None:
        with self._lock:
            self.done += amount

    def status(self, line: str) -> None:
        self.lines.append(line)


# --- the plain way


def test_push(standin: Standin) -> None:
    heard = Heard()
    push(standin, progress=heard)
    assert complete(standin)
    assert standin.repositories["app"].tags == {"1": IMAGE.root.digest}
    assert heard.done == heard.total == sum(descriptor.size for descriptor, _ in IMAGE.blobs)
    last = standin.requests[-1]
    assert (last.method, last.path) == ("PUT", "/v2/app/manifests/1")
    assert methods(standin, "manifests") == ["PUT"]


def test_push_again_sends_nothing(standin: Standin) -> None:
    push(standin)
    standin.forget_requests()
    heard = Heard()
    push(standin, tag="2", progress=heard)
    assert set(methods(standin, "/blobs/")) == {"HEAD"}
    assert heard.done == heard.total
    assert set(standin.repositories["app"].tags) == {"1", "2"}


def test_push_to_another_repository_mounts(standin: Standin) -> None:
    push(standin)
    standin.forget_requests()
    push(standin, name="other/app")
    assert sent_bytes(standin) == 0
    assert complete(standin, name="other/app")


def test_an_index_goes_after_what_it_lists(standin: Standin) -> None:
    other = shipment(noise(100, 9))
    whole = index_of(IMAGE, other)
    push(standin, whole)
    assert complete(standin, whole)
    assert standin.repositories["app"].tags == {"1": whole.root.digest}
    paths = [r.path.rpartition("/")[2] for r in standin.requests if "/manifests/" in r.path]
    assert paths == [IMAGE.root.digest, other.root.digest, "1"]


def test_names(standin: Standin) -> None:
    push(standin, tag=None)
    push(standin, tag=None, digest=IMAGE.root.digest)
    push(standin, tag="2", digest=IMAGE.root.digest)
    assert set(standin.repositories["app"].tags) == {"latest", "2"}
    with pytest.raises(UsageError, match=IMAGE.root.digest) as caught:
        push(standin, digest=sha256(b"other"))
    fine_line(caught.value)


def test_blobs_go_several_at_a_time(standin: Standin) -> None:
    at_once = threading.Barrier(4)

    def together(exchange: Any) -> Any:
        at_once.wait(20)
        return exchange.serve()

    standin.misbehave(action=together, match=lambda r: r.method == "PUT" and "/uploads/" in r.path, times=4)
    push(standin, shipment(*(noise(500, seed) for seed in range(8))))
    assert not at_once.broken


def test_an_artifact_is_listed_where_the_registry_does_not_do_it() -> None:
    for referrers in (True, False):
        with Standin(referrers=referrers) as standin:
            push(standin)
            push(standin, shipment(b"sbom", subject=IMAGE.root, artifact_type="a/b"), tag="sbom")
            assert (referrers_tag(IMAGE.root.digest) in standin.repositories["app"].tags) is not referrers
            assert standin.dangling() == standin.premature == []


def test_by_tls_with_client_certificate_and_tokens(tmp_path: Path, certificates: Any) -> None:
    auth = TokenAuth(users={"ann": "s3cret-pass"}, uses=5)
    with Standin(token_auth=auth, tls=certificates, demand_client_certificate=True) as standin:
        found = logged_in(tmp_path, standin.address)
        push(standin, access=msgspec.structs.replace(found, cert_dir=certificates.client_dir))
        assert complete(standin)
        assert standin.dangling() == standin.premature == []


def test_tokens_that_expire_under_several_threads(tmp_path: Path) -> None:
    auth = TokenAuth(users={"ann": "s3cret-pass"}, uses=10)
    with Standin(token_auth=auth) as standin:
        push(standin, shipment(*(noise(2500, seed) for seed in range(8))), access=logged_in(tmp_path, standin.address))
        assert standin.dangling() == standin.premature == []
        assert len(standin.repositories["app"].blobs) == 9


def test_from_one_registry_to_another_and_within_one(standin: Standin) -> None:
    with Standin() as origin:
        push(origin, name="base")
        content = RemoteBlob(repository(origin, "base"), IMAGE.blobs[0][0].digest, IMAGE.blobs[0][0].size)
        assert not destination._mountable(content, repository(standin))
        found = open_registry(reference(origin, "base"), Access())
        blobs = tuple((each, Checked(found.blobs.blob(each), each)) for each, _ in IMAGE.blobs)
        copied = msgspec.structs.replace(IMAGE, blobs=blobs)
        push(standin, copied)
        assert complete(standin)
        origin.forget_requests()
        push(origin, copied, name="copy")
        assert sent_bytes(origin) == 0
        assert complete(origin, name="copy")


def test_a_real_registry_takes_it(registry: str) -> None:
    access = Access()
    whole = index_of(IMAGE, shipment(noise(3000, 7), content=span))
    for name in ("pushed/app", "pushed/other"):
        destination.write(whole, Reference("docker", registry, name, "1"), "latest", access)
        found = open_registry(Reference("docker", registry, name, "1"), access)
        assert found.roots[0].digest == whole.root.digest
        for each, content in whole.blobs:
            there = Checked(found.blobs.blob(each), each)
            assert b"".join(there.chunks()) == b"".join(content.chunks())


def test_check(standin: Standin, tmp_path: Path) -> None:
    destination.check(reference(standin), Access())
    assert not standin.repositories["app"].uploads
    auth = TokenAuth(users={"ann": "s3cret-pass"}, access={"ann": {"app": "pull"}})
    with Standin(token_auth=auth) as other:
        error = error_of(destination.check, reference(other), logged_in(tmp_path, other.address))
        assert error.status == 401
        assert error.exit_code == 5
    with Standin(token_auth=TokenAuth(users={"ann": "s3cret-pass"}, access={"ann": {"app": "pull,push"}})) as other:
        destination.check(reference(other), logged_in(tmp_path, other.address))  # without the right to delete


def test_secrets_are_in_no_process_list(tmp_path: Path) -> None:
    """What other processes see of this one does not change while it pushes."""
    with Standin(basic={"ann": "s3cret-pass"}) as standin:
        seen: list[bytes] = []

        def look(exchange: Any) -> Any:
            with open("/proc/self/cmdline", "rb") as line, open("/proc/self/environ", "rb") as environ:
                seen.append(line.read() + environ.read())
            return exchange.serve()

        standin.misbehave(action=look, times=None)
        push(standin, access=logged_in(tmp_path, standin.address))
        assert seen
        assert all(b"s3cret-pass" not in each for each in seen)


# --- what goes wrong


def on_blobs(request: Request) -> bool:
    return "/blobs/" in request.path


FATAL = [
    actions.status(500),
    actions.status(400),
    actions.denied(),
    actions.early(413),
    actions.hang_up(reset=True),
    actions.lose_session(),
    actions.too_many(9999),
    actions.to_itself(),
    actions.half_request(kept=False),
    actions.unauthorized(),
    actions.not_json(),
    actions.other_digest_header(),
    actions.without_header("Location"),
]


@pytest.mark.parametrize("action", FATAL)
@pytest.mark.parametrize("method", ["HEAD", "POST", "PATCH", "PUT"])
def test_what_never_gets_better_leaves_no_tag(standin: Standin, action: Any, method: str) -> None:
    standin.misbehave(action=action, match=lambda r: on_blobs(r) and r.method == method, times=None)
    failed: list[BrasmError] = []
    try:
        push(standin)
    except BrasmError as error:
        failed.append(error)
    assert all(standin.address in fine_line(error) and error.exit_code == 5 for error in failed)
    tags = standin.repositories["app"].tags if "app" in standin.repositories else {}
    assert bool(tags) is not bool(failed)
    assert failed or complete(standin)


@pytest.mark.parametrize("make", [Bytes, span, Stream, lambda data: Checked(Stream(data), descriptor_of(data))])
def test_a_damaged_or_cut_layer_puts_no_manifest(standin: Standin, make: Callable[[bytes], Any]) -> None:
    good, bad = noise(3000, 5), noise(2500, 6)
    for changed in (bad[:-1] + b"?", bad[:-1], bad + b"?"):
        descriptor = descriptor_of(bad)
        whole = shipment(good, bad)
        blobs = tuple((each, make(changed) if each == descriptor else content) for each, content in whole.blobs)
        with pytest.raises((ImageError, SourceError)) as caught:
            push(standin, msgspec.structs.replace(whole, blobs=blobs))
        assert descriptor.digest in fine_line(caught.value)
        assert caught.value.exit_code == 4
    assert not standin.repositories["app"].manifests


def test_when_one_blob_fails_the_others_end(standin: Standin) -> None:
    """A push that failed does not go on behind its error."""
    first = descriptor_of(noise(60_000, 1)).digest
    standin.misbehave(action=actions.denied(), match=lambda r: r.method == "HEAD" and first in r.path, times=None)
    standin.misbehave(action=actions.trickle(1, 0.002), match=lambda r: r.method == "PATCH", times=None)
    layers = [noise(60_000, seed) for seed in range(1, 12)]
    error = error_of(push, standin, shipment(*layers))
    assert first in error.message
    deadline = time.monotonic() + 20
    while any("ThreadPool" in each.name for each in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sum(r.method == "PATCH" for r in standin.requests) < 100
    assert len(standin.repositories["app"].blobs if "app" in standin.repositories else ()) < 4


@pytest.mark.parametrize("action", [actions.lose_answer(), actions.hang_up(), actions.status(503), actions.too_many(1)])
def test_manifests_are_put_again(standin: Standin, action: Any) -> None:
    standin.misbehave(action=action, match=lambda r: "/manifests/" in r.path, times=3)
    push(standin, index_of(IMAGE, shipment(b"x")))
    assert complete(standin)


@pytest.mark.parametrize(
    "action",
    [actions.status(400, "MANIFEST_INVALID"), actions.denied(), actions.hang_up(), actions.other_digest_header()],
)
def test_no_tag_where_a_child_is_refused(standin: Standin, action: Any) -> None:
    other = shipment(b"x")
    standin.misbehave(action=action, match=lambda r: r.path.endswith(other.root.digest), times=None)
    error = error_of(push, standin, index_of(IMAGE, other))
    assert other.root.digest in error.message
    assert standin.repositories["app"].tags == {}


def test_waiting_is_told(standin: Standin) -> None:
    heard = Heard()
    standin.misbehave(action=actions.too_many(1), match=on_blobs)
    destination.write(shipment(b"x"), reference(standin), "latest", Access(), heard)
    assert "429; again in 1 s" in heard.lines[0]
    assert heard.lines[0].isprintable()


def test_an_interrupt_leaves_no_tag(standin: Standin) -> None:
    class Interrupting(Heard):
        def advance(self, amount: int) -> None:
            if first.acquire(blocking=False):
                os.kill(os.getpid(), signal.SIGALRM)  # while the main thread waits for this one
            stopped.wait(20)

    def interrupted(*_: object) -> None:
        stopped.set()
        raise KeyboardInterrupt

    first, stopped = threading.Lock(), threading.Event()
    gc.collect()
    gc.disable()  # as in brasm: what is raised while the collector has something finalized would be lost
    before = signal.signal(signal.SIGALRM, interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            push(standin, shipment(*(noise(20_000, seed) for seed in range(6))), progress=Interrupting())
    finally:
        signal.signal(signal.SIGALRM, before)
        gc.enable()
    assert not any("/manifests/" in request.path for request in standin.requests)


def test_a_push_after_one_that_failed_goes_on(standin: Standin) -> None:
    big = noise(10_000, 4)
    whole = shipment(big)
    standin.misbehave(action=actions.denied(), match=lambda r: r.method == "PATCH", after=6, times=None)
    error_of(push, standin, whole)
    standin.behave()
    standin.forget_requests()
    push(standin, whole)
    assert sent_bytes(standin) < 5000
    assert complete(standin, whole)


def test_the_verb_tells_one_line(tmp_path: Path) -> None:
    """The whole program against a registry that refuses."""
    layout = tmp_path / "layout"
    layouts.write(shipment(b"x"), str(layout), None, "1")
    with Standin(basic={"ann": "s3cret-pass"}) as standin:
        access = logged_in(tmp_path, standin.address, password="s3cret-wrong")
        done = attempt(
            *BRASM, "copy", f"oci:{layout}:1", f"docker://{standin.address}/app:1", "--authfile", access.authfile or ""
        )
        assert done.returncode == 5, done.stderr
        assert "s3cret" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert f"brasm login {standin.address}" in done.stderr


# --- anything at all


ANY = [
    *FATAL,
    actions.lose_answer(),
    actions.hang_up(),
    actions.half_request(),
    actions.too_many(1),
    actions.forget_bytes(300),
    actions.understate(300),
    actions.status(404),
    actions.http_1_0(),
    actions.without_length(),
    actions.early(503),
    actions.relative_location(),
    actions.half_answer(),
    actions.with_header("Range", "0-5"),
    actions.status(416),
]


def by_method(method: str) -> Callable[[Request], bool]:
    return lambda request: method in {request.method, "any"}


@given(data=st.data())
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_of_it_or_an_error_and_never_a_tag_that_lacks_something(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 1 << 30))
    whole = index_of(shipment(noise(3500, seed), noise(20, seed + 1)), shipment(noise(1000, seed + 2)))
    with Standin(keeps_partial=data.draw(st.booleans()), lenient=True) as standin, Cdn(standin):
        for _ in range(data.draw(st.integers(0, 6))):
            action = data.draw(st.sampled_from(ANY))
            method = data.draw(st.sampled_from(["HEAD", "POST", "PATCH", "PUT", "GET", "any"]))
            standin.misbehave(
                action=action,
                match=by_method(method),
                after=data.draw(st.integers(0, 6)),
                times=data.draw(st.sampled_from([1, 2, 5, 20, None])),
            )
        done = False
        try:
            push(standin, whole)
            done = True
        except BrasmError as error:
            fine_line(error)
        assert standin.dangling() == []
        assert standin.premature == []
        assert not done or complete(standin, whole)
        assert len(standin.requests) < 1500
