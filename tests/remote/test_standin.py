"""The stand-in speaks distribution-spec v1.1, asked by hand; section by section."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from assembler.base.digest import sha256
from assembler.oci.types import CONFIG, DOCKER_MANIFEST, INDEX, LAYER, MANIFEST
from tests.remote.asking import ask, begin, connection, converse, push, put_manifest
from tests.remote.standin import Standin
from tests.tools import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = "sha256:" + "0" * 64
DATA = b"0123456789"


@pytest.fixture
def registry() -> Iterator[Standin]:
    with Standin() as started:
        yield started


def manifest(**fields: object) -> dict[str, object]:
    return {"schemaVersion": 2, "mediaType": MANIFEST, "layers": [], **fields}


def described(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}


# Pull


def test_base(registry: Standin) -> None:
    got = ask(registry, "GET", "/v2/")
    assert (got.status, got.document) == (200, {})
    assert got.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/app/manifests/none", 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/none/manifests/1", 404, "NAME_UNKNOWN"),
        ("GET", f"/v2/app/blobs/{NOBODY}", 404, "BLOB_UNKNOWN"),
        ("GET", "/v2/App/tags/list", 400, "NAME_INVALID"),
        ("GET", "/v2/none/tags/list", 404, "NAME_UNKNOWN"),
        ("POST", "/v2/app/manifests/1", 405, "UNSUPPORTED"),
        ("GET", "/v2/app/blobs/uploads/none", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PUT", "/v2/app/manifests/-bad", 400, "MANIFEST_INVALID"),
        ("PUT", f"/v2/app/manifests/{NOBODY}", 400, "DIGEST_INVALID"),
        ("DELETE", f"/v2/app/blobs/{NOBODY}", 404, "BLOB_UNKNOWN"),
        ("DELETE", f"/v2/app/manifests/{NOBODY}", 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/app/referrers/what", 400, "DIGEST_INVALID"),
    ],
)
def test_errors_are_of_the_spec(registry: Standin, method: str, path: str, status: int, code: str) -> None:
    registry.repository("app")
    got = ask(registry, method, path)
    assert (got.status, got.code) == (status, code)
    assert set(got.document["errors"][0]) == {"code", "message", "detail"}
    assert [(r.method, r.path, r.status) for r in registry.requests] == [(method, path, status)]


def test_unknown_path(registry: Standin) -> None:
    assert ask(registry, "GET", "/v2/app/nothing").status == 404
    assert ask(registry, "GET", "/").status == 404


def test_head_says_what_get_sends(registry: Standin) -> None:
    digest = push(registry, DATA)
    image = registry.repository("app").add_image("1")
    for path in (f"/v2/app/blobs/{digest}", "/v2/app/manifests/1"):
        head, got = ask(registry, "HEAD", path), ask(registry, "GET", path)
        assert (head.status, head.body) == (200, b"")
        for name in ("Content-Length", "Content-Type", "Docker-Content-Digest", "ETag"):
            assert head.headers[name] == got.headers[name] is not None
        assert int(head.headers["Content-Length"]) == len(got.body)
    assert got.headers["Docker-Content-Digest"] == image["digest"]


@pytest.mark.parametrize(
    ("asked", "status", "body", "place"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=9-99", 206, b"9", "bytes 9-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-", 200, DATA, None),
        ("lines=1-2", 200, DATA, None),
    ],
)
def test_ranges(registry: Standin, asked: str, status: int, body: bytes | None, place: str | None) -> None:
    path = f"/v2/app/blobs/{push(registry, DATA)}"
    got = ask(registry, "GET", path, Range=asked)
    assert (got.status, got.headers.get("Content-Range")) == (status, place)
    assert body is None or got.body == body


def test_ranges_of_another_blob_or_none() -> None:
    with Standin() as registry:
        path = f"/v2/app/blobs/{push(registry, DATA)}"
        assert ask(registry, "GET", path, Range="bytes=4-", If_Range='"other"').status == 200
    with Standin(ranges=False) as registry:
        got = ask(registry, "GET", f"/v2/app/blobs/{push(registry, DATA)}", Range="bytes=4-")
        assert (got.status, got.body, got.headers.get("Accept-Ranges")) == (200, DATA, None)


@pytest.mark.parametrize(
    ("accept", "status"),
    [(MANIFEST, 200), ("*/*", 200), ("application/*;q=0.5", 200), (f"{INDEX}, {MANIFEST}", 200), (INDEX, 404)],
)
def test_accept(registry: Standin, accept: str, status: int) -> None:
    registry.repository("app").add_image("1")
    assert ask(registry, "GET", "/v2/app/manifests/1", Accept=accept).status == status


def test_connections_are_kept(registry: Standin) -> None:
    registry.repository("app").add_image("1")
    with connection(registry) as one:
        first = converse(one, "GET", "/v2/")
        local = one.sock.getsockname()
        assert converse(one, "PUT", "/v2/app/blobs/uploads/none", b"x" * 300_000).status == 404
        assert converse(one, "HEAD", "/v2/app/manifests/1").status == 200
        assert converse(one, "GET", "/v2/app/manifests/1").status == 200
        assert (first.status, one.sock.getsockname()) == (200, local)


# Push


def test_post_then_put(registry: Standin) -> None:
    location = begin(registry, "team/app")
    (session,) = registry.repositories["team/app"].uploads
    assert session in location
    got = ask(registry, "PUT", f"{location}&digest={sha256(DATA)}", DATA)
    assert (got.status, got.headers["Docker-Content-Digest"]) == (201, sha256(DATA))
    assert got.headers["Location"] == f"http://{registry.address}/v2/team/app/blobs/{sha256(DATA)}"
    assert registry.repositories["team/app"].blobs == {sha256(DATA): DATA}
    assert registry.repositories["team/app"].uploads == {}
    assert ask(registry, "GET", got.location).body == DATA
    assert [(r.method, r.body_size, r.status) for r in registry.requests[:2]] == [("POST", 0, 202), ("PUT", 10, 201)]


def test_sha512(registry: Standin) -> None:
    digest = "sha512:" + hashlib.sha512(DATA).hexdigest()
    assert ask(registry, "PUT", f"{begin(registry)}&digest={digest}", DATA).status == 201
    assert ask(registry, "GET", f"/v2/app/blobs/{digest}").body == DATA


@pytest.mark.parametrize("digest", ["", "sha256:12", "md5:0123", NOBODY])
def test_wrong_digests(registry: Standin, digest: str) -> None:
    for method, target in (("PUT", begin(registry) + "&"), ("POST", "/v2/app/blobs/uploads/?")):
        got = ask(registry, method, f"{target}digest={digest}", DATA)
        assert (got.status, got.code) == (400, "DIGEST_INVALID")
    assert registry.repositories["app"].blobs == {}


def test_single_post(registry: Standin) -> None:
    got = ask(registry, "POST", f"/v2/app/blobs/uploads/?digest={sha256(DATA)}", DATA)
    assert (got.status, got.location) == (201, f"/v2/app/blobs/{sha256(DATA)}")
    with Standin(single_post=False) as without:
        got = ask(without, "POST", f"/v2/app/blobs/uploads/?digest={sha256(DATA)}", DATA)
        assert (got.status, without.repositories["app"].blobs) == (202, {})
        assert ask(without, "PUT", f"{got.location}&digest={sha256(DATA)}", DATA).status == 201


def test_chunks(registry: Standin) -> None:
    first = ask(registry, "PATCH", begin(registry), DATA[:4], Content_Range="0-3")
    assert (first.status, first.headers["Range"]) == (202, "0-3")
    for place in ("0-5", "5-9"):
        out_of_order = ask(registry, "PATCH", first.location, b"x" * 6, Content_Range=place)
        assert (out_of_order.status, out_of_order.headers["Range"]) == (416, "0-3")
    assert ask(registry, "PATCH", first.location, DATA[4:], Content_Range="4-8").code == "SIZE_INVALID"
    status = ask(registry, "GET", first.location)
    assert (status.status, status.headers["Range"]) == (204, "0-3")
    last = ask(registry, "PATCH", status.location, DATA[4:8], Content_Range="4-7")
    assert ask(registry, "PUT", f"{last.location}&digest={sha256(DATA)}", DATA[8:], Content_Range="8-9").status == 201
    assert registry.repositories["app"].blobs == {sha256(DATA): DATA}


def test_stream(registry: Standin) -> None:
    got = ask(registry, "PATCH", begin(registry), iter((DATA[:3], DATA[3:])))
    assert (got.status, got.headers["Range"]) == (202, "0-9")
    assert ask(registry, "PUT", f"{got.location}&digest={sha256(DATA)}").status == 201
    assert [r.body_size for r in registry.requests] == [0, 10, 0]
    assert [r.declared_size for r in registry.requests] == [0, None, 0]


def test_chunks_below_the_minimum() -> None:
    with Standin(chunk_min=4) as registry:
        got = ask(registry, "POST", "/v2/app/blobs/uploads/")
        assert got.headers["OCI-Chunk-Min-Length"] == "4"
        short = ask(registry, "PATCH", got.location, DATA[:3], Content_Range="0-2")
        assert short.status == 202
        assert ask(registry, "PATCH", short.location, DATA[3:], Content_Range="3-9").code == "BLOB_UPLOAD_INVALID"
        assert ask(registry, "PUT", f"{short.location}&digest={sha256(DATA[:3])}").status == 201


def test_the_query_of_a_location_matters(registry: Standin) -> None:
    bare = begin(registry).partition("?")[0]
    assert ask(registry, "PATCH", bare, DATA).code == "BLOB_UPLOAD_INVALID"


def test_an_upload_is_cancelled(registry: Standin) -> None:
    location = begin(registry)
    assert ask(registry, "DELETE", location).status == 204
    assert ask(registry, "GET", location).code == "BLOB_UPLOAD_UNKNOWN"


@pytest.mark.parametrize("kept", [True, False])
def test_a_client_leaves_in_the_middle(kept: bool) -> None:
    with Standin(keeps_partial=kept) as registry:
        location = begin(registry)
        with connection(registry) as one:
            one.putrequest("PATCH", location)
            one.putheader("Content-Length", "10")
            one.endheaders(b"0123")
        wait_for(lambda: [r.body_size for r in registry.requests] == [0, 4], "the request has ended")
        (upload,) = registry.repositories["app"].uploads.values()
        assert bytes(upload.data) == (b"0123" if kept else b"")
        assert [r.status for r in registry.requests] == [202, None]


def test_mount(registry: Standin) -> None:
    digest = push(registry, DATA, "base")
    got = ask(registry, "POST", f"/v2/app/blobs/uploads/?mount={digest}&from=base")
    assert (got.status, got.location) == (201, f"/v2/app/blobs/{digest}")
    assert registry.repositories["app"].blobs == {digest: DATA}
    for query in (f"mount={NOBODY}&from=base", f"mount={digest}&from=none", f"mount={digest}"):
        got = ask(registry, "POST", f"/v2/app/blobs/uploads/?{query}")
        assert (got.status, "uploads" in got.location) == (202, True)


def test_mounts_can_be_off() -> None:
    with Standin(mounts=False) as registry:
        digest = push(registry, DATA, "base")
        assert ask(registry, "POST", f"/v2/app/blobs/uploads/?mount={digest}&from=base").status == 202


def test_relative_locations() -> None:
    with Standin(relative=True) as registry:
        got = ask(registry, "POST", "/v2/app/blobs/uploads/")
        assert got.headers["Location"].startswith("/v2/app/blobs/uploads/")


def test_expectations(registry: Standin) -> None:
    """A client that waits for 100 is refused without having sent its body."""
    location = begin(registry)
    with connection(registry) as one:
        for target, first in ((location, b"HTTP/1.1 100 "), ("/v2/app/blobs/uploads/none", b"HTTP/1.1 404 ")):
            one.connect()
            head = f"PATCH {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"
            one.sock.sendall(head.encode())
            assert one.sock.recv(len(first)) == first
            one.close()


# Manifests


def test_manifests(registry: Standin) -> None:
    blobs = [DATA, b"{}"]
    for blob in blobs:
        push(registry, blob)
    document = manifest(config=described(CONFIG, b"{}"), layers=[described(LAYER, DATA)])
    data = json.dumps(document).encode()
    got = put_manifest(registry, document, "1")
    assert (got.status, got.location) == (201, f"/v2/app/manifests/{sha256(data)}")
    assert got.headers["Docker-Content-Digest"] == sha256(data)
    assert "OCI-Subject" not in got.headers
    assert put_manifest(registry, document, sha256(data)).status == 201
    for reference in ("1", sha256(data)):
        got = ask(registry, "GET", f"/v2/app/manifests/{reference}")
        assert (got.body, got.headers["Content-Type"]) == (data, MANIFEST)
    assert (registry.dangling(), registry.premature) == ([], [])


def test_manifests_that_are_refused(registry: Standin) -> None:
    assert put_manifest(registry, manifest(layers=[described(LAYER, DATA)]), "1").code == "MANIFEST_BLOB_UNKNOWN"
    assert registry.premature == [f"app:1: no blob {sha256(DATA)}"]
    index = {"mediaType": INDEX, "manifests": [described(MANIFEST, b"{}")]}
    assert put_manifest(registry, index, "1").code == "MANIFEST_BLOB_UNKNOWN"
    assert put_manifest(registry, manifest(), "1", Content_Type=DOCKER_MANIFEST).code == "MANIFEST_INVALID"
    assert ask(registry, "PUT", "/v2/app/manifests/1", b"no json", Content_Type=MANIFEST).code == "MANIFEST_INVALID"
    assert registry.repositories["app"].tags == {}


def test_the_longest_manifest(registry: Standin) -> None:
    short = len(json.dumps(manifest(annotations={"a": ""})))
    for size, status in ((4 << 20, 201), ((4 << 20) + 1, 413)):
        assert put_manifest(registry, manifest(annotations={"a": "x" * (size - short)}), "1").status == status


def test_conditions(registry: Standin) -> None:
    assert put_manifest(registry, manifest(), "1", If_None_Match="*").status == 201
    assert put_manifest(registry, manifest(), "1", If_None_Match="*").status == 412
    tag = ask(registry, "HEAD", "/v2/app/manifests/1").headers["ETag"]
    other = manifest(annotations={"a": "b"})
    assert put_manifest(registry, other, "1", If_Match='"other"').status == 412
    assert put_manifest(registry, other, "1", If_Match=tag).status == 201


def test_what_dangles_is_found() -> None:
    with Standin(lenient=True) as registry:
        assert put_manifest(registry, manifest(layers=[described(LAYER, DATA)]), "1").status == 201
        (digest,) = registry.repositories["app"].manifests
        assert registry.dangling() == [f"app: manifest {digest}: no blob {sha256(DATA)}"]
        push(registry, DATA)
        assert registry.dangling() == []
        assert registry.premature == [f"app:1: no blob {sha256(DATA)}"]
        index = {"mediaType": INDEX, "manifests": [{"mediaType": MANIFEST, "digest": digest, "size": 1}]}
        put_manifest(registry, index, "2")
        assert "bytes, not 1" in registry.dangling()[0]
        registry.repositories["app"].tags["3"] = NOBODY
        assert f"app: tag 3: no manifest {NOBODY}" in registry.dangling()


def test_foreign_layers_and_subjects_need_not_be_there(registry: Standin) -> None:
    foreign = described("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", b"away")
    subject = {"mediaType": MANIFEST, "digest": NOBODY, "size": 1}
    assert put_manifest(registry, manifest(layers=[foreign], subject=subject), "1").status == 201
    assert registry.dangling() == []


# Discovery


def test_tags() -> None:
    with Standin() as registry:
        for tag in ("b", "a", "B", "c"):
            put_manifest(registry, manifest(), tag)
        for query, tags, more in (
            ("", ["a", "B", "b", "c"], None),
            ("?n=2", ["a", "B"], "/v2/app/tags/list?last=B&n=2"),
            ("?n=2&last=B", ["b", "c"], None),
            ("?last=aa", ["B", "b", "c"], None),
            ("?n=0", [], None),
        ):
            got = ask(registry, "GET", f"/v2/app/tags/list{query}")
            assert (got.document, got.next_page) == ({"name": "app", "tags": tags}, more)


def test_pages() -> None:
    with Standin(page=2) as registry:
        tags = [f"{number:02}" for number in range(5)]
        for tag in tags:
            put_manifest(registry, manifest(), tag)
        found, page = [], "/v2/app/tags/list"
        while page:
            got = ask(registry, "GET", page)
            found.append(got.document["tags"])
            page = got.next_page or ""
        assert found == [tags[:2], tags[2:4], tags[4:]]


def test_referrers() -> None:
    with Standin(page=2) as registry:
        subject = registry.repository("app").add_image("1")
        for kind in ("sbom", "sbom", "sbom", "signature"):
            notes = {"number": str(len(registry.requests))}
            document = manifest(artifactType=f"application/{kind}", subject=subject, annotations=notes)
            assert put_manifest(registry, document, kind).headers["OCI-Subject"] == subject["digest"]
        path = f"/v2/app/referrers/{subject['digest']}"
        first = ask(registry, "GET", path)
        assert (first.status, first.headers["Content-Type"], first.document["mediaType"]) == (200, INDEX, INDEX)
        assert first.next_page is not None
        assert len(first.document["manifests"] + ask(registry, "GET", first.next_page).document["manifests"]) == 4
        query = urlencode({"artifactType": "application/sbom"})
        pages = [ask(registry, "GET", f"{path}?{query}")]
        assert pages[0].headers["OCI-Filters-Applied"] == "artifactType"
        assert pages[0].next_page is not None
        pages.append(ask(registry, "GET", pages[0].next_page))
        assert pages[1].next_page is None
        found = [one for page in pages for one in page.document["manifests"]]
        assert [one["artifactType"] for one in found] == ["application/sbom"] * 3
        assert {one["annotations"]["number"] for one in found} == {"0", "1", "2"}
        assert ask(registry, "GET", f"/v2/none/referrers/{NOBODY}").document["manifests"] == []


def test_artifact_types_of_referrers(registry: Standin) -> None:
    """Without an `artifactType` it is the config's media type; an index has none."""
    subject = registry.repository("app").add_image("1")
    image = registry.repository("app").add_image(subject=subject)
    index = registry.repository("app").add_index(manifests=[image], subject=subject)
    got = ask(registry, "GET", f"/v2/app/referrers/{subject['digest']}").document["manifests"]
    by_digest = {one["digest"]: one for one in got}
    assert by_digest == {image["digest"]: {**image, "artifactType": CONFIG}, index["digest"]: index}


def test_referrers_can_be_off() -> None:
    with Standin(referrers=False) as registry:
        subject = registry.repository("app").add_image("1")
        assert "OCI-Subject" not in put_manifest(registry, manifest(subject=subject), "2").headers
        assert ask(registry, "GET", f"/v2/app/referrers/{subject['digest']}").status == 404


# Management


def test_deleting(registry: Standin) -> None:
    image = registry.repository("app").add_image("1", "2")
    assert ask(registry, "DELETE", "/v2/app/manifests/1").status == 202
    assert registry.repositories["app"].tags == {"2": image["digest"]}
    assert ask(registry, "DELETE", f"/v2/app/manifests/{image['digest']}").status == 202
    assert (registry.repositories["app"].tags, registry.repositories["app"].manifests) == ({}, {})
    digest = push(registry, DATA)
    assert ask(registry, "DELETE", f"/v2/app/blobs/{digest}").status == 202
    assert ask(registry, "HEAD", f"/v2/app/blobs/{digest}").status == 404


def test_deleting_can_be_off() -> None:
    with Standin(deletes=False) as registry:
        image = registry.repository("app").add_image("1")
        for path in ("manifests/1", f"manifests/{image['digest']}", f"blobs/{push(registry, DATA)}"):
            assert (ask(registry, "DELETE", f"/v2/app/{path}").status, len(registry.requests) > 0) == (405, True)
