"""Manifests, tags, deletion: what a registry says of them, and what it says wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from assembler.base import digest as digests
from assembler.base.errors import BrasmError, ImageError, RemoteError, SourceError
from assembler.oci.reference import Reference
from assembler.oci.types import INDEX, MANIFEST, Descriptor
from assembler.remote.access import Access
from assembler.sources import registry as source
from tests.remote import actions
from tests.remote.clients import error_of, fine_line, logged_in, repository
from tests.remote.messages import Answer
from tests.remote.standin import Standin, TokenAuth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.remote.messages import Request

pytestmark = pytest.mark.usefixtures("alone")

NONE = digests.sha256(b"there is no such thing")
DOCUMENT = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'


def of(kind: str, method: str = "GET") -> Callable[[Request], bool]:
    return lambda request: request.method == method and f"/{kind}" in request.path


def image_error(function: Callable[..., object], *arguments: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        function(*arguments)
    fine_line(caught.value)
    return caught.value


# --- manifests


def test_manifest_by_tag_and_by_digest(standin: Standin) -> None:
    stored = standin.repository("app").add_image("1")
    repo = repository(standin)
    for reference in ("1", stored["digest"]):
        descriptor, data = repo.manifest(reference)
        assert descriptor == Descriptor(MANIFEST, stored["digest"], stored["size"])
        assert digests.sha256(data) == stored["digest"]


def test_no_manifest(standin: Standin) -> None:
    standin.repository("app").add_image("1")
    repo = repository(standin)
    assert repo.find_manifest("2") is None
    assert repo.find_manifest(NONE) is None
    error = image_error(repo.manifest, "2")
    assert error.message == f"docker://{standin.address}/app: there is no tag '2'"
    assert error.hint == f"brasm tags docker://{standin.address}/app lists what there is"
    assert NONE in image_error(repo.manifest, NONE).message


@pytest.mark.parametrize(
    "action",
    [
        actions.half_answer(),
        actions.half_answer(reset=True),
        actions.hang_up(),
        actions.status(500),
        actions.too_many(1),
    ],
)
def test_a_manifest_that_does_not_come_whole_is_asked_for_again(standin: Standin, action: Any) -> None:
    stored = standin.repository("app").add_image("1")
    repo = repository(standin)
    standin.misbehave(action=action, match=of("manifests"), times=3)
    assert repo.manifest("1")[0].digest == stored["digest"]
    standin.misbehave(action=action, match=of("manifests"), times=None)
    error = error_of(repo.manifest, "1")
    assert standin.address in error.message
    assert "/app" in error.message


@pytest.mark.parametrize(
    "action", [actions.without_length(), actions.without_length(chunked=False), actions.http_1_0()]
)
def test_a_manifest_in_whatever_framing(standin: Standin, action: Any) -> None:
    stored = standin.repository("app").add_image("1")
    standin.misbehave(action=action, match=of("manifests"))
    assert repository(standin).manifest("1")[0].digest == stored["digest"]


@pytest.mark.parametrize("action", [actions.other_bytes(), actions.other_length(-1), actions.other_digest_header()])
def test_a_manifest_that_is_another(standin: Standin, action: Any) -> None:
    standin.repository("app").add_image("1")
    repo = repository(standin)
    standin.misbehave(action=action, match=of("manifests"))
    error = image_error(repo.manifest, "1")
    assert "damaged" in error.message


@pytest.mark.parametrize("action", [actions.other_bytes(), actions.other_length(-1)])
def test_a_manifest_that_is_another_than_its_digest(standin: Standin, action: Any) -> None:
    stored = standin.repository("app").add_image("1")
    standin.misbehave(action=action, match=of("manifests"))
    assert f"not {stored['digest']}" in image_error(repository(standin).manifest, stored["digest"]).message


@pytest.mark.parametrize("said", ["", "sha256:short", "md5:abc", "\x1b[31m"])
def test_a_digest_header_that_is_none_is_passed_over(standin: Standin, said: str) -> None:
    stored = standin.repository("app").add_image("1")
    standin.misbehave(action=actions.with_header("Docker-Content-Digest", said), match=of("manifests"))
    assert repository(standin).manifest("1")[0].digest == stored["digest"]


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (b"<html><body>Please log in</body></html>", "text/html", "manifest 1"),
        (b"", "application/json", "manifest 1"),
        (b"{}", "text/plain", "schemaVersion"),
        (
            b'{"schemaVersion":1,"signatures":[]}',
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "first schema",
        ),
        (b'{"schemaVersion":2,"mediaType":"x/y"}', "text/plain", "'x/y'"),
        (b'{"schemaVersion":2}', "a/b\x1b[31m", "a/b"),
        (b"[" * 100_000, "text/plain", "manifest 1"),
        (b"\xff\xfe", "text/plain", "manifest 1"),
    ],
)
def test_what_is_no_manifest(standin: Standin, body: bytes, content_type: str, words: str) -> None:
    standin.repository("app").add_image("1")
    action = actions.changed(lambda _: Answer(200, (("Content-Type", content_type),), body))
    standin.misbehave(action=action, match=of("manifests"))
    assert words in image_error(repository(standin).manifest, "1").message


@pytest.mark.parametrize("content_type", ["text/plain", "", INDEX, f"{INDEX}; charset=utf-8"])
def test_the_media_type_by_header_or_by_its_own_word(standin: Standin, content_type: str) -> None:
    action = actions.changed(lambda _: Answer(200, (("Content-Type", content_type),), DOCUMENT))
    standin.misbehave(action=action, match=of("manifests"))
    assert repository(standin).manifest("1")[0].media_type == INDEX


@pytest.mark.parametrize("action", [actions.endless(), actions.huge(70 << 20)])
def test_a_manifest_without_end(standin: Standin, action: Any) -> None:
    standin.repository("app").add_image("1")
    standin.misbehave(action=action, match=of("manifests"), times=None)
    assert "more than 67108864 bytes" in error_of(repository(standin).manifest, "1").message


def test_put_manifest(standin: Standin) -> None:
    repo = repository(standin)
    digest = digests.sha256(DOCUMENT)
    assert repo.put_manifest("1", INDEX, DOCUMENT) is None
    assert standin.repositories["app"].tags == {"1": digest}
    assert repo.put_manifest(digest, INDEX, DOCUMENT) is None


@pytest.mark.parametrize(
    "action", [actions.lose_answer(), actions.lose_answer(reset=True), actions.hang_up(), actions.status(503)]
)
def test_put_manifest_is_done_again(standin: Standin, action: Any) -> None:
    standin.misbehave(action=action, match=of("manifests", "PUT"), times=2)
    repository(standin).put_manifest("1", INDEX, DOCUMENT)
    assert standin.repositories["app"].manifests[digests.sha256(DOCUMENT)].data == DOCUMENT


def test_put_manifest_that_is_taken_for_another_or_refused(standin: Standin) -> None:
    repo = repository(standin)
    standin.misbehave(action=actions.other_digest_header(), match=of("manifests", "PUT"))
    assert "took it for" in error_of(repo.put_manifest, "1", INDEX, DOCUMENT).message
    for status in (400, 403, 404, 413):
        standin.misbehave(action=actions.status(status, "MANIFEST_INVALID"), match=of("manifests", "PUT"))
        error = error_of(repo.put_manifest, "1", INDEX, DOCUMENT)
        assert f"/app: manifest 1: the registry answers {status}: MANIFEST_INVALID" in error.message


def test_put_manifest_too_large_with_an_early_answer(standin: Standin) -> None:
    standin.misbehave(action=actions.early(413, "SIZE_INVALID"), match=of("manifests", "PUT"), times=None)
    error = error_of(repository(standin).put_manifest, "1", INDEX, DOCUMENT + b" " * (4 << 20))
    assert error.status == 413
    assert "size" in (error.hint or "")


# --- blobs


def test_blob_size(standin: Standin) -> None:
    stored = standin.repository("app").add_blob(b"12345")
    repo = repository(standin)
    assert repo.blob_size(stored["digest"]) == 5
    assert repo.blob_size(NONE) is None
    standin.misbehave(action=actions.denied(), match=of("blobs", "HEAD"))
    assert NONE in error_of(repo.blob_size, NONE).message


@pytest.mark.parametrize("length", [None, "x", "-5", "9" * 5000])
def test_a_blob_whose_size_is_not_said(standin: Standin, length: str | None) -> None:
    headers = () if length is None else (("Content-Length", length),)
    standin.misbehave(action=lambda _: Answer(200, headers, framing="close"), match=of("blobs", "HEAD"))
    assert repository(standin).blob_size(NONE) == -1


# --- tags


@pytest.mark.parametrize("page", [None, 1, 2, 3, 100])
def test_tags(page: int | None) -> None:
    with Standin(page=page) as standin:
        for tag in ("b", "A", "c", "a"):
            standin.repository("app").add_image(tag)
        assert repository(standin).tags() == ["A", "a", "b", "c"]


def test_tags_that_are_null_or_none(standin: Standin) -> None:
    standin.repository("app")
    repo = repository(standin)
    assert repo.tags() == []
    standin.misbehave(action=actions.null_tags())
    assert repo.tags() == []


def test_tags_of_no_repository(standin: Standin) -> None:
    error = error_of(repository(standin).tags)
    assert error.message.startswith(f"docker://{standin.address}/app: tags: the registry answers 404: NAME_UNKNOWN")


@pytest.mark.parametrize("action", [actions.not_json(), actions.with_body(b'{"tags":[5]}'), actions.with_body(b"\xff")])
def test_tags_that_are_none(standin: Standin, action: Any) -> None:
    standin.repository("app").add_image("1")
    repo = repository(standin)
    standin.misbehave(action=action)
    assert "cannot be read" in error_of(repo.tags).message


def linked(link: str | Callable[[int], str]) -> Any:
    count = 0

    def act(exchange: Any) -> Answer:
        nonlocal count
        count += 1
        answer: Answer = exchange.serve()
        return answer.with_headers({"Link": link if isinstance(link, str) else link(count)})

    return act


@pytest.mark.parametrize(
    "link",
    ['</v2/app/tags/list>; rel="next"', "<list>; rel=next", '<?a=b>; rel="prev", <?last=c>; rel="next"', "<", "x",
     '<?a=b>; rel="prev"', "<" * 60_000, "<>;" * 20_000,
     '<http://127.0.0.9:1/v2/app/tags/list?x=http://a>; rel="next"'],
)  # fmt: skip
def test_pages_that_lead_round_and_round_end(standin: Standin, link: str) -> None:
    standin.repository("app").add_image("1")
    standin.misbehave(action=linked(link), times=None)
    assert set(repository(standin).tags()) == {"1"}
    assert len(standin.requests) <= 4
    assert all(r.path in {"/v2/", "/v2/app/tags/list"} for r in standin.requests)


def test_pages_without_end(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    standin.repository("app").add_image("1")
    standin.misbehave(action=linked(lambda count: f'<?last={count}>; rel="next"'), times=None)
    for name, value in (("_MOST_PAGES", 20), ("_MOST_LIST", 200)):
        with monkeypatch.context() as patch:
            patch.setattr(f"assembler.remote.registry.{name}", value)
            assert "does not end" in error_of(repository(standin).tags).message
    assert len(standin.requests) < 50


@pytest.mark.parametrize("link", ['<http://[bad>; rel="next"', '<ftp://x/y>; rel="next"'])
def test_pages_that_lead_nowhere(standin: Standin, link: str) -> None:
    standin.repository("app").add_image("1")
    repo = repository(standin)
    standin.misbehave(action=linked(link))
    error_of(repo.tags)


def test_pages_half_of_which_is_lost(standin: Standin) -> None:
    standin.repository("app").add_image("1")
    repo = repository(standin)
    standin.misbehave(action=actions.half_answer(), times=2)
    assert repo.tags() == ["1"]


# --- deletion


def test_delete(standin: Standin) -> None:
    stored = standin.repository("app").add_image("1", "2")
    repo = repository(standin)
    repo.delete_manifest("1")
    assert standin.repositories["app"].tags == {"2": stored["digest"]}
    repo.delete_manifest(stored["digest"])
    assert not standin.repositories["app"].manifests
    assert not standin.repositories["app"].tags
    assert "404" in error_of(repo.delete_manifest, "1").message


@pytest.mark.parametrize("reset", [True, False])
def test_delete_whose_answer_was_lost_is_done(standin: Standin, reset: bool) -> None:
    stored = standin.repository("app").add_image("1")
    repo = repository(standin)
    standin.misbehave(action=actions.lose_answer(reset=reset), match=of("manifests", "DELETE"))
    repo.delete_manifest(stored["digest"])
    assert standin.repositories["app"].manifests == {}


def test_registries_that_do_not_delete() -> None:
    with Standin(deletes=False) as standin:
        stored = standin.repository("app").add_image("1")
        error = error_of(repository(standin).delete_manifest, stored["digest"])
        assert error.hint == "this registry is set up not to delete"
        assert "405: UNSUPPORTED" in error.message


def test_delete_needs_the_right_to_it(tmp_path: Path) -> None:
    auth = TokenAuth(users={"ann": "s3cret-pass"}, access={"ann": {"app": "pull,push"}})
    with Standin(token_auth=auth) as standin:
        stored = standin.repository("app").add_image("1")
        access = logged_in(tmp_path, standin.address)
        error = error_of(repository(standin, access=access).delete_manifest, stored["digest"])
        assert error.status == 401
        assert stored["digest"] in standin.repositories["app"].manifests


# --- as a source


def reference(standin: Standin, tag: str | None = "1", digest: str | None = None) -> Reference:
    return Reference("docker", standin.address, "app", tag, None if digest is None else digests.parse(digest))


def test_source(standin: Standin) -> None:
    image = standin.repository("app").add_image("1", "latest")
    index = standin.repository("app").add_index("2", manifests=[image])
    found = source.open_registry(reference(standin, "2"), Access())
    assert found.roots == (Descriptor(INDEX, index["digest"], index["size"]),)
    assert (found.name, found.tag) == (f"{standin.address}/app", "2")
    inner = Descriptor(MANIFEST, image["digest"], image["size"])
    standin.forget_requests()
    for _ in range(2):
        assert digests.sha256(found.blobs.manifest(inner)) == image["digest"]
    assert len(standin.requests) == 1
    by_digest = source.open_registry(reference(standin, None, image["digest"]), Access())
    assert by_digest.tag is None
    assert source.open_registry(reference(standin, None), Access()).tag == "latest"


def test_source_errors_are_a_sources(standin: Standin) -> None:
    standin.repository("app").add_image("1")
    standin.misbehave(action=actions.denied(), match=of("manifests"))
    with pytest.raises(SourceError) as caught:
        source.open_registry(reference(standin), Access())
    fine_line(caught.value)
    assert caught.value.exit_code == 4
    assert not isinstance(caught.value, RemoteError)
    with pytest.raises(ImageError, match="there is no tag '9'"):
        source.open_registry(reference(standin, "9"), Access())


@pytest.mark.parametrize("digest", ["latest", "../../other/manifests/1", "sha256:x", "sha256:" + "g" * 64, "", "1?x=y"])
def test_a_descriptor_without_a_digest_leads_nowhere(standin: Standin, digest: str) -> None:
    """What stands in an index is others' word: it must not become a path of the registry."""
    image = standin.repository("app").add_image("1", "latest")
    standin.repository("other").add_image("1")
    found = source.open_registry(reference(standin), Access())
    standin.forget_requests()
    wrong = Descriptor(MANIFEST, digest, image["size"])  # type: ignore[arg-type]
    for read in (found.blobs.manifest, found.blobs.blob):
        with pytest.raises(BrasmError) as caught:
            read(wrong)
        fine_line(caught.value)
    assert standin.requests == []


def test_a_manifest_of_another_size(standin: Standin) -> None:
    image = standin.repository("app").add_image("1")
    found = source.open_registry(reference(standin), Access())
    wrong = Descriptor(MANIFEST, image["digest"], image["size"] + 1)
    assert "its descriptor says" in image_error(found.blobs.manifest, wrong).message
    missing = msgspec.structs.replace(wrong, digest=NONE)
    assert NONE in image_error(found.blobs.manifest, missing).message
