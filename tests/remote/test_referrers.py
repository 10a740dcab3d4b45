"""What refers to an image: by the API, and by the tag where there is none."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from assembler.base import digest as digests
from assembler.base.errors import BrasmError, ImageError
from assembler.destinations import registry as destination
from assembler.oci.types import INDEX, MANIFEST, Descriptor, Index, Manifest, decode
from assembler.remote.referrers import described, list_referrers, read_document, refer, referrers_tag
from tests.remote import actions
from tests.remote.clients import error_of, fine_line, repository, shipment
from tests.remote.standin import Standin

if TYPE_CHECKING:
    from collections.abc import Callable

    from assembler.oci.shipment import Shipment
    from tests.remote.messages import Answer, Request

pytestmark = pytest.mark.usefixtures("alone")

SUBJECT = shipment(b"the image")
SBOM, SIGNATURE = "application/spdx+json", "application/vnd.example.signature"


def artifact(text: bytes, kind: str = SBOM, subject: Descriptor = SUBJECT.root) -> Shipment:
    return shipment(text, subject=subject, artifact_type=kind)


def attach(standin: Standin, *pushed: Shipment, name: str = "app") -> None:
    """Push artifacts by digest, as `brasm attach` does."""
    repo = repository(standin, name)
    for each in pushed:
        for descriptor, content in each.blobs:
            standin.repository(name).blobs[descriptor.digest] = b"".join(content.chunks())
        destination.put_document(repo, each.root.digest, *each.documents[0])


def listed(standin: Standin, kind: str | None = None) -> list[str]:
    return [found.digest for found in list_referrers(repository(standin), SUBJECT.root.digest, kind)]


def on_referrers(request: Request) -> bool:
    return "/referrers/" in request.path


def on_tag(method: str) -> Callable[[Request], bool]:
    return lambda request: request.method == method and request.path.endswith(referrers_tag(SUBJECT.root.digest))


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_tag(algorithm: str) -> None:
    digest = digests.of_chunks([b"x"], algorithm)
    tag = referrers_tag(digest)
    assert tag == f"{algorithm}-{digests.encoded(digest)[:64]}"
    assert len(tag) <= 128


@pytest.mark.parametrize("referrers", [True, False])
@pytest.mark.parametrize("page", [None, 1])
def test_what_is_attached_is_listed(referrers: bool, page: int | None) -> None:
    with Standin(referrers=referrers, page=page) as standin:
        sbom, signature = artifact(b"sbom"), artifact(b"signature", SIGNATURE)
        assert listed(standin) == []
        attach(standin, sbom, signature)
        assert sorted(listed(standin)) == sorted([sbom.root.digest, signature.root.digest])
        assert listed(standin, SIGNATURE) == [signature.root.digest]
        assert listed(standin, "application/x+y; z=1&n=2") == []
        assert bool(standin.repositories["app"].tags) is not referrers
        assert standin.dangling() == []


def test_an_artifact_that_is_attached_twice_is_listed_once() -> None:
    with Standin(referrers=False) as standin:
        attach(standin, artifact(b"sbom"), artifact(b"sbom"))
        assert listed(standin) == [artifact(b"sbom").root.digest]


def test_the_tag_holds_what_the_api_would_answer() -> None:
    with Standin(referrers=False) as standin:
        sbom = artifact(b"sbom")
        attach(standin, sbom)
        descriptor, data = repository(standin).manifest(referrers_tag(SUBJECT.root.digest))
        assert descriptor.media_type == INDEX
        index = decode(data, Index, "index")
        assert index.manifests == (Descriptor(MANIFEST, sbom.root.digest, sbom.root.size, artifact_type=SBOM),)
        assert index.media_type == INDEX


def test_the_tag_keeps_what_others_put_there() -> None:
    with Standin(referrers=False) as standin:
        other = standin.repository("app").add_image(layers=(b"other",))
        standin.repository("app").add_index(referrers_tag(SUBJECT.root.digest), manifests=[other])
        attach(standin, artifact(b"sbom"))
        assert set(listed(standin)) == {other["digest"], artifact(b"sbom").root.digest}


@pytest.mark.parametrize(
    "action", [actions.lose_answer(), actions.hang_up(), actions.status(500), actions.half_answer()]
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_the_tag_survives_what_breaks(action: Any, method: str) -> None:
    with Standin(referrers=False) as standin:
        attach(standin, artifact(b"one"))
        standin.misbehave(action=action, match=on_tag(method), times=2)
        attach(standin, artifact(b"two"))
        assert set(listed(standin)) == {artifact(text).root.digest for text in (b"one", b"two")}


@pytest.mark.parametrize("action", [actions.denied(), actions.hang_up(), actions.other_bytes(), actions.not_json()])
def test_a_list_that_cannot_be_read_is_not_written_anew(action: Any) -> None:
    with Standin(referrers=False) as standin:
        attach(standin, artifact(b"one"))
        before = dict(standin.repositories["app"].tags)
        standin.misbehave(action=action, match=on_tag("GET"), times=None)
        with pytest.raises(BrasmError) as caught:
            attach(standin, artifact(b"two"))
        fine_line(caught.value)
        assert standin.repositories["app"].tags == before


def test_artifacts_that_are_attached_at_once_all_stay() -> None:
    with Standin(referrers=False) as standin:
        standin.misbehave(action=actions.trickle(50, 0.002), match=on_tag("GET"), times=None)
        artifacts = [artifact(b"%d" % number) for number in range(6)]
        for each in artifacts:  # their blobs first
            for descriptor, content in each.blobs:
                standin.repository("app").blobs[descriptor.digest] = b"".join(content.chunks())
        threads = [threading.Thread(target=attach, args=(standin, each)) for each in artifacts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert set(listed(standin)) == {each.root.digest for each in artifacts}
        assert standin.dangling() == []


@pytest.mark.parametrize("status", [400, 404, 405])
def test_no_api_means_the_tag(status: int) -> None:
    with Standin(referrers=False) as standin:
        attach(standin, artifact(b"one"))
        standin.misbehave(action=actions.status(status), match=on_referrers, times=None)
        assert listed(standin) == [artifact(b"one").root.digest]


@pytest.mark.parametrize(
    "action",
    [actions.status(403), actions.status(500), actions.not_json(), actions.with_body(b"[]"), actions.huge(70 << 20)],
)
def test_an_api_that_fails_is_told(action: Any) -> None:
    with Standin() as standin:
        attach(standin, artifact(b"one"))
        standin.misbehave(action=action, match=on_referrers, times=None)
        repo = repository(standin)
        assert SUBJECT.root.digest in error_of(list_referrers, repo, SUBJECT.root.digest).message


def test_an_api_that_does_not_filter() -> None:
    with Standin() as standin:
        attach(standin, artifact(b"sbom"), artifact(b"signature", SIGNATURE))

        def unfiltered(exchange: Any) -> Answer:
            request = msgspec.structs.replace(exchange.request, query={})
            exchange.request = request
            answer: Answer = exchange.serve()
            return answer

        standin.misbehave(action=unfiltered, match=on_referrers, times=None)
        assert listed(standin, SIGNATURE) == [artifact(b"signature", SIGNATURE).root.digest]


def test_a_tag_that_is_no_list() -> None:
    with Standin(referrers=False) as standin:
        standin.repository("app").add_image(referrers_tag(SUBJECT.root.digest))
        repo = repository(standin)
        assert "holds no index" in error_of(list_referrers, repo, SUBJECT.root.digest).message


def test_what_has_no_subject_refers_to_nothing(standin: Standin) -> None:
    refer(repository(standin), *SUBJECT.documents[0])
    assert "app" not in standin.repositories


def test_descriptions() -> None:
    root, data = artifact(b"x").documents[0]
    document = read_document(root, data)
    assert isinstance(document, Manifest)
    assert described(root, document).artifact_type == SBOM
    plain = Manifest(2, MANIFEST, config=Descriptor("application/x", root.digest, 2), annotations={"a": "b"})
    assert described(root, plain).artifact_type == "application/x"
    assert described(root, plain).annotations == {"a": "b"}
    assert described(root, Index(2, INDEX)).artifact_type is None
    with pytest.raises(ImageError):
        read_document(root, b"[]")
