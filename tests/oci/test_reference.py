"""References: what each transport's text means, and that it is written as it is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.base.digest import Digest
from assembler.base.errors import UsageError
from assembler.oci.reference import Reference, is_name, parse, short_name, split_host, split_name

DIGEST = Digest("sha256:" + "0123456789abcdef" * 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x.tar", Reference("archive", "x.tar")),
        ("a/b:c", Reference("archive", "a/b:c")),
        ("./oci:c", Reference("archive", "./oci:c")),
        ("v1.2:c.tar", Reference("archive", "v1.2:c.tar")),
        ("oci:dir", Reference("oci", "dir")),
        ("oci:/a/dir:1.0", Reference("oci", "/a/dir", tag="1.0")),
        ("oci-archive:x.tar:latest", Reference("oci-archive", "x.tar", tag="latest")),
        ("docker-archive:x.tar", Reference("docker-archive", "x.tar")),
        ("docker-archive:x.tar:team/app:2", Reference("docker-archive", "x.tar", "team/app", "2")),
        ("docker-archive:x.tar:host:5000/app", Reference("docker-archive", "x.tar", "host:5000/app")),
        ("dir:r", Reference("dir", "r")),
        ("docker://alpine", Reference("docker", "docker.io", "library/alpine")),
        ("docker://alpine:3.19", Reference("docker", "docker.io", "library/alpine", "3.19")),
        ("docker://team/app", Reference("docker", "docker.io", "team/app")),
        ("docker://index.docker.io/alpine", Reference("docker", "docker.io", "library/alpine")),
        ("docker://localhost/app", Reference("docker", "localhost", "app")),
        ("docker://localhost:5000", Reference("docker", "docker.io", "library/localhost", "5000")),
        ("docker://127.0.0.1:5000/a/b:c", Reference("docker", "127.0.0.1:5000", "a/b", "c")),
        ("docker://[::1]:5000/app:1", Reference("docker", "[::1]:5000", "app", "1")),
        ("docker://[::1]/app", Reference("docker", "[::1]", "app")),
        ("docker://HOST/app", Reference("docker", "HOST", "app")),
        ("docker://ghcr.io/x/app@" + DIGEST, Reference("docker", "ghcr.io", "x/app", digest=DIGEST)),
        (f"docker://app:1@{DIGEST}", Reference("docker", "docker.io", "library/app", "1", DIGEST)),
        ("docker-daemon:app", Reference("docker-daemon", "", "app")),
        ("docker-daemon:team/app:1", Reference("docker-daemon", "", "team/app", "1")),
        ("docker-daemon:host:5000/app:1", Reference("docker-daemon", "", "host:5000/app", "1")),
        (f"docker-daemon:{DIGEST}", Reference("docker-daemon", "", digest=DIGEST)),
    ],
)
def test_what_a_text_means(text: str, expected: Reference) -> None:
    found = parse(text)
    assert found == expected
    assert parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the path is empty"),
        ("oci:", "the path is empty"),
        ("dir:", "the path is empty"),
        ("docker-archive:", "the path is empty"),
        ("oci:x:a b", "'a b' is not a tag"),
        ("oci:x:a:b", "'a:b' is not a tag"),
        ("oci:x:" + "a" * 129, "is not a tag"),
        ("docker-archive:x:Upper", "'Upper' is not a repository name"),
        ("foo:x", "unknown transport 'foo'"),
        ("containers-storage:x", "does not speak containers-storage: yet"),
        ("docker:alpine", "no registry's reference"),
        ("docker://", "is not a repository name"),
        ("docker:///x", "'/x' is not a repository name"),
        ("docker://ghcr.io/", "is not a repository name"),
        ("docker://Alpine", "'library/Alpine' is not a repository name"),
        ("docker://ghcr.io/a//b", "is not a repository name"),
        ("docker://ghcr.io/a/b:", "'' is not a tag"),
        ("docker://ghcr.io/a/b:..", "'..' is not a tag"),
        ("docker://a_b.c/x", "'a_b.c' is not a registry's host"),
        ("docker://-a.b/x", "'-a.b' is not a registry's host"),
        ("docker://user@host.x/app", "'host.x/app' is not a digest"),
        ("docker://a.b:70000/x", "'a.b:70000' is not a registry's host"),
        ("docker://a.b:x/x", "'a.b:x' is not a registry's host"),
        ("docker://a.b/x@", "'' is not a digest"),
        ("docker://a.b/x@sha256:12", "'sha256:12' is not a digest"),
        ("docker://a.b/" + "a" * 256, "at most 255 characters"),
        ("docker-daemon:", "'' is not a repository name"),
        ("docker-daemon:sha256:12", "'sha256:12' is not an image's ID"),
        (f"docker-daemon:app@{DIGEST}", "is not a repository name"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("name", "whole", "short"),
    [
        ("app", ("docker.io", "library/app"), "app"),
        ("team/app", ("docker.io", "team/app"), "team/app"),
        ("docker.io/app", ("docker.io", "library/app"), "app"),
        ("docker.io/library/app", ("docker.io", "library/app"), "app"),
        ("index.docker.io/team/app", ("docker.io", "team/app"), "team/app"),
        ("library/app", ("docker.io", "library/app"), "app"),
        ("library/team/app", ("docker.io", "library/team/app"), "library/team/app"),
        ("localhost/app", ("localhost", "app"), "localhost/app"),
        ("docker.io/localhost/app", ("docker.io", "localhost/app"), "docker.io/localhost/app"),
        ("host:5000/app", ("host:5000", "app"), "host:5000/app"),
        ("[::1]:5000/app", ("[::1]:5000", "app"), "[::1]:5000/app"),
        ("Host/app", ("Host", "app"), "Host/app"),
    ],
)
def test_short_names_are_docker_s(name: str, whole: tuple[str, str], short: str) -> None:
    assert split_host(name) == whole
    assert short_name(name) == short
    assert is_name(name)


PARTS = st.from_regex(r"[a-z0-9]{1,3}((\.|_|__|--?)[a-z0-9]{1,3})?", fullmatch=True)
REPOSITORIES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
HOSTS = st.sampled_from(
    ["docker.io", "ghcr.io", "localhost", "localhost:5000", "127.0.0.1:1", "[::1]:65535", "A", "a-b.c"]
)
TAGS = st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,8}", fullmatch=True)
DIGESTS = st.none() | st.just(DIGEST)


@given(HOSTS, REPOSITORIES, TAGS, DIGESTS)
def test_a_reference_to_a_registry_is_written_as_it_is_read(
    host: str, repository: str, tag: str | None, digest: Digest | None
) -> None:
    text = f"docker://{host}/{repository}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    found = parse(text)
    assert parse(str(found)) == found
    assert (found.path, found.tag, found.digest) == (host, tag, digest)
    assert found.name == (f"library/{repository}" if host == "docker.io" and "/" not in repository else repository)


@given(st.text(max_size=40))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    for prefix in ("", "docker://", "docker-daemon:", "docker-archive:x:", "oci:"):
        try:
            found = parse(prefix + text)
        except UsageError:
            continue
        assert parse(str(found)) == found


@given(HOSTS, REPOSITORIES)
def test_a_short_name_is_the_same_name(host: str, repository: str) -> None:
    name = f"{host}/{repository}"
    assert split_host(short_name(name)) == split_host(name)
    assert split_host("/".join(split_host(name))) == split_host(name)
    assert split_name(short_name(name) + ":t") == (short_name(name), "t")
