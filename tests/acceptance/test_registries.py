"""Registries as a user meets them: open and with a password, with TLS and without, each way to reach one."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from tests.acceptance.users import SECRETS, Somebody, interrupt
from tests.registries import PASSWORD, USER, Registry, Relay
from tests.remote.standin import Standin
from tests.sources.archives import Blobs, descriptor, image, index, layout, tagged, tar
from tests.tools import need, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Registries = Callable[[str], Registry]

INDEX: Final = "application/vnd.oci.image.index.v1+json"
PLATFORMS: Final = {"amd64": {}, "arm": {"variant": "v7"}, "riscv64": {}}


@pytest.fixture
def ann(tmp_path: Path) -> Somebody:
    """Somebody whose home has `layout`: an image for each of PLATFORMS under its name, and `all`, their index."""
    blobs: Blobs = {}
    found = {}
    for name, variant in PLATFORMS.items():
        layers = [tar("etc dir\netc/shared file x"), tar(f"{name} file {name}")]
        own = image(blobs, layers, architecture=name, config=lambda document, more=variant: document.update(more))  # type: ignore[misc]
        found[name] = {**own, "platform": {"os": "linux", "architecture": name, **variant}}
    top = descriptor(blobs, index(*found.values()), INDEX)
    (tmp_path / "home").mkdir()
    layout(tmp_path / "home/layout", blobs, *(tagged(one, tag) for tag, one in (*found.items(), ("all", top))))
    return Somebody(tmp_path / "home")


def blobs_of(folder: Path) -> dict[str, bytes]:
    """Return the blobs of a layout."""
    return {path.name: path.read_bytes() for path in (folder / "blobs/sha256").iterdir()}


def tagged_in(folder: Path, tag: str) -> dict[str, Any]:
    """Return what a layout's index says of a tag."""
    manifests = json.loads((folder / "index.json").read_text())["manifests"]
    (found,) = (one for one in manifests if one["annotations"]["org.opencontainers.image.ref.name"] == tag)
    return dict(found)


# The ways


class Way(NamedTuple):
    """How somebody reaches a registry; `options` are brasm's."""

    registry: Registry
    options: tuple[str, ...]


def plain(registries: Registries, ann: Somebody) -> Way:
    del ann
    return Way(registries("plain"), ())


def logged_in(registries: Registries, ann: Somebody) -> Way:
    registry = registries("htpasswd")
    ann.log_in(registry.address)
    return Way(registry, ())


def with_authfile(registries: Registries, ann: Somebody) -> Way:
    registry = registries("htpasswd")
    return Way(registry, ("--authfile", ann.keep("auth.json", registry.address)))


def with_ca_file(registries: Registries, ann: Somebody) -> Way:
    del ann
    registry = registries("tls")
    assert registry.certificates is not None
    return Way(registry, ("--ca-file", registry.certificates.authority))


def with_cert_dir(registries: Registries, ann: Somebody) -> Way:
    del ann
    registry = registries("tls")
    assert registry.certificates is not None
    return Way(registry, ("--cert-dir", registry.certificates.cert_dir))


def with_certs_d(registries: Registries, ann: Somebody) -> Way:
    registry = registries("tls")
    ann.trust(registry)
    return Way(registry, ())


def unchecked(registries: Registries, ann: Somebody) -> Way:
    del ann
    return Way(registries("tls"), ("--insecure",))


def trusted_and_logged_in(registries: Registries, ann: Somebody) -> Way:
    registry = registries("tls htpasswd")
    ann.trust(registry)
    ann.log_in(registry.address)
    return Way(registry, ())


WAYS: Final = (
    plain,
    logged_in,
    with_authfile,
    with_ca_file,
    with_cert_dir,
    with_certs_d,
    unchecked,
    trusted_and_logged_in,
)


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def way(request: pytest.FixtureRequest, registries: Registries, ann: Somebody) -> Way:
    found: Way = request.param(registries, ann)
    return found


def place(way: Way, name: str) -> str:
    """Return a repository that no other test has."""
    return f"docker://{way.registry.address}/{name}-{hashlib.sha256(' '.join(way.options).encode()).hexdigest()[:8]}"


def test_the_life_of_an_image(way: Way, ann: Somebody) -> None:
    team, other = place(way, "team/app"), place(way, "other")
    digest = tagged_in(ann.home / "layout", "amd64")["digest"]

    pushed = ann.json("copy", *way.options, "oci:layout:amd64", team)
    assert (pushed["digest"], pushed["output"]) == (digest, f"{team}:amd64")
    pulled = ann.json("copy", *way.options, f"{team}:amd64", "oci:back")
    assert (pulled["digest"], pulled["source_digest"]) == (digest, digest)
    original = blobs_of(ann.home / "layout")
    assert blobs_of(ann.home / "back").items() <= original.items()
    assert len(blobs_of(ann.home / "back")) == 4

    ann.brasm("copy", *way.options, f"{team}:amd64", f"{other}:1")
    api = "/v2/" + other.removeprefix(f"docker://{way.registry.address}/")
    mine = [one for one in way.registry.asked() if one.path.startswith(f"{api}/")]
    assert [one.status for one in mine if "mount" in one.query] == [201] * 3
    assert [one.method for one in mine if one.method == "PUT"] == ["PUT"]  # the manifest

    assert ann.brasm("delete", *way.options, f"{team}:amd64") == ""
    assert "error: " in ann.refused(4, "copy", *way.options, f"{team}:amd64", "oci:gone")
    assert not (ann.home / "gone").exists()


BOTH_ENDS: Final = pytest.mark.parametrize("way", [plain, trusted_and_logged_in], indirect=True)
"""With nothing and with everything: what is asked of the ways between is the same."""


@BOTH_ENDS
def test_the_life_of_an_index(way: Way, ann: Somebody) -> None:
    ours = f"{place(way, 'index')}:all"
    parts = {name: tagged_in(ann.home / "layout", name) for name in PLATFORMS}
    made = ann.json("index", "create", *way.options, ours, "oci:layout:amd64", "oci:layout:arm")
    assert [one["digest"] for one in made["manifests"]] == [parts["amd64"]["digest"], parts["arm"]["digest"]]
    more = ann.json("index", "add", *way.options, ours, "oci:layout:riscv64")
    assert [one["platform"] for one in more["manifests"]] == [
        {"architecture": name, "os": "linux", **variant} for name, variant in PLATFORMS.items()
    ]
    less = ann.json("index", "remove", *way.options, ours, "linux/amd64")
    assert [one["digest"] for one in less["manifests"]] == [parts["arm"]["digest"], parts["riscv64"]["digest"]]
    assert ann.json("copy", "--all", *way.options, ours, "oci:back")["digest"] == less["digest"]
    one = ann.json("copy", "--platform", "linux/arm/v7", *way.options, ours, "oci:one")
    assert one["digest"] == parts["arm"]["digest"]
    assert ann.refused(1, "index", "remove", *way.options, ours, "linux/amd64").startswith("error: ")


@BOTH_ENDS
def test_packing_and_attaching(way: Way, ann: Somebody, static: Path) -> None:
    app = f"{place(way, 'packed')}:1"
    digest = ann.brasm("pack", "-q", *way.options, "-s", static, "-e", "/bin/echo hello", "-o", app).strip()
    (ann.home / "sbom.json").write_text('{"bom": 1}')
    artifact = ann.brasm("attach", "-q", *way.options, app, "sbom.json", "--type", "application/spdx+json").strip()
    shown = ann.json("referrers", *way.options, app)
    assert (shown["subject"], [one["digest"] for one in shown["referrers"]]) == (digest, [artifact])
    assert ann.json("tags", *way.options, app.removesuffix(":1"))["tags"] == [
        "1",
        digest.replace(":", "-"),
    ]
    assert ann.json("copy", *way.options, app, "oci:back")["digest"] == digest


# Refusals


class Refusal(NamedTuple):
    """How a registry refuses somebody.

    Attributes:
        wants: the registry.
        options: brasm's, with `{ca}` and `{dir}` for certificates, `{right}` and `{wrong}` for files of credentials.
        said: what the two lines have in them, `{address}` for where it is.
    """

    wants: str
    options: tuple[str, ...]
    said: tuple[str, ...]


NOT_TRUSTED: Final = ("https://{address}: its certificate is not trusted: ", "hint: name who signed it with --ca-file")
REFUSALS: Final = {
    "no credentials": Refusal("htpasswd", (), ("it wants credentials", "hint: brasm login {address}")),
    "wrong password": Refusal(
        "htpasswd", ("--authfile", "{wrong}"), ("the credentials of 'ann' are refused", "hint: brasm login {address}")
    ),
    "no credentials with TLS": Refusal("tls htpasswd", ("--ca-file", "{ca}"), ("it wants credentials", "brasm login")),
    "wrong password with TLS": Refusal(
        "tls htpasswd", ("--ca-file", "{ca}", "--authfile", "{wrong}"), ("the credentials of 'ann' are refused",)
    ),
    "unknown authority": Refusal("tls", (), NOT_TRUSTED),
    "unknown authority, with credentials": Refusal("tls htpasswd", ("--authfile", "{right}"), NOT_TRUSTED),
    "another authority": Refusal("tls", ("--ca-file", "{other}"), NOT_TRUSTED),
    "HTTP to a port of TLS": Refusal("tls", ("--plain-http",), ("answers 400", "hint: ")),
    "TLS to a port of HTTP": Refusal(
        "plain", ("--ca-file", "{other}"), ("https://{address}: it does not speak TLS", "hint: --plain-http")
    ),
}


def filled(refusal: Refusal, registries: Registries, ann: Somebody) -> tuple[str, list[str], list[str]]:
    """Return the address, brasm's options, and what is said."""
    registry, other = registries(refusal.wants), registries("tls htpasswd" if refusal.wants == "tls" else "tls")
    own, foreign = registry.certificates, other.certificates
    assert foreign is not None
    files = {
        "ca": own.authority if own else "",
        "other": foreign.authority,
        "right": ann.keep("right.json", registry.address),
        "wrong": ann.keep("wrong.json", registry.address, PASSWORD[::-1]),
    }
    said = [text.format(address=registry.address) for text in refusal.said]
    return registry.address, [option.format(**files) for option in refusal.options], said


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name: str, registries: Registries, ann: Somebody) -> None:
    address, options, said = filled(REFUSALS[name], registries, ann)
    there = f"docker://{address}/refused/app:1"
    for code, arguments in (
        (5, ("copy", "oci:layout:amd64", there)),
        (4, ("copy", there, "oci:new")),
    ):
        lines = ann.refused(code, *arguments, *options)
        assert PASSWORD[::-1] not in lines
        for text in said:
            assert text in lines
    assert not (ann.home / "new").exists()


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (5, ("index", "create", "THERE", "oci:layout:amd64")),
        (5, ("index", "add", "THERE", "oci:layout:amd64")),
        (4, ("referrers", "THERE")),
        (4, ("attach", "--type", "text/plain", "THERE", "layout/index.json")),
        (5, ("tags", "THERE")),
        (5, ("delete", "THERE")),
        (5, ("copy", "docker://PLAIN/source:1", "THERE")),
    ],
)
def test_every_verb_is_refused_alike(
    code: int, arguments: tuple[str, ...], registries: Registries, ann: Somebody
) -> None:
    plain = registries("plain").address
    there = f"docker://{registries('htpasswd').address}/refused/app:1"
    ann.brasm("copy", "-q", "oci:layout:amd64", f"docker://{plain}/source:1")
    lines = ann.refused(code, *(one.replace("PLAIN", plain).replace("THERE", there) for one in arguments))
    assert "it wants credentials" in lines


@pytest.mark.parametrize("name", [name for name in REFUSALS if not name.startswith("no credentials")])
def test_nobody_logs_in_where_it_is_refused(name: str, registries: Registries, ann: Somebody) -> None:
    address, options, said = filled(REFUSALS[name], registries, ann)
    if "{wrong}" in REFUSALS[name].options:
        options = ["--authfile", "new.json", *options[: options.index("--authfile")]]
    password = PASSWORD[::-1] if "{wrong}" in REFUSALS[name].options else PASSWORD
    lines = ann.refused(5, "login", address, "-u", USER, "--password-stdin", *options, stdin=password)
    assert PASSWORD[::-1] not in lines
    for text in said:
        assert text in lines
    assert not (ann.home / "new.json").exists()
    assert not (ann.home / ".docker").exists()


def test_a_certificate_of_another_host(registries: Registries, ann: Somebody) -> None:
    registry = registries("tls")
    assert registry.certificates is not None
    with Relay(registry.address, "127.0.0.3") as relay:
        lines = ann.refused(
            4, "copy", "--ca-file", registry.certificates.authority, f"docker://{relay.address}/team/app:1", "oci:new"
        )
    assert f"https://{relay.address}: its certificate is not trusted: " in lines
    assert "127.0.0.3" in lines.partition("not trusted")[2]


def test_logging_out(registries: Registries, ann: Somebody) -> None:
    registry = registries("htpasswd")
    there = f"docker://{registry.address}/out/app:1"
    ann.log_in(registry.address)
    ann.brasm("copy", "oci:layout:amd64", there)
    ann.brasm("logout", registry.address)
    assert "it wants credentials" in ann.refused(4, "copy", there, "oci:new")
    assert PASSWORD not in (ann.home / ".docker/config.json").read_text()


@pytest.mark.parametrize("wants", ["htpasswd", "tls htpasswd"])
@pytest.mark.parametrize("verb", ["push", "pull", "login"])
def test_no_process_shows_the_password(wants: str, verb: str, registries: Registries, ann: Somebody) -> None:
    """It is looked at when two thirds of all requests went out: the registry has seen the credentials then."""
    registry = registries(wants)
    with Relay(registry.address) as relay:
        there = f"docker://{relay.address}/secret/app:1"
        options = ["--ca-file", registry.certificates.authority] if registry.certificates else []
        ann.log_in(relay.address, *options)
        ann.brasm("copy", "-q", *options, "oci:layout:amd64", there)
        (ann.home / "password").write_text(PASSWORD)
        first, second = {
            "push": (("copy", "oci:layout:arm", there), ("copy", "oci:layout:riscv64", there)),
            "pull": (("copy", there, "oci:first"), ("copy", there, "oci:second")),
            "login": (("login", "-u", USER, "--password-stdin", relay.address),) * 2,
        }[verb]
        relay.count()
        ann.brasm(*first, *options, stdin=PASSWORD)
        relay.count(sent=relay.sent * 2 // 3)
        process = ann.begin(*second, *options, stdin=ann.home / "password")
        ended = interrupt(process, relay)
    assert ended.code == -9, ended.errors
    assert "assembler" in ended.shown
    for secret in SECRETS:
        assert secret not in ended.shown + ended.output + ended.errors


# Artifacts


@pytest.fixture(params=["registry without the API", "registry with the API", "layout"])
def subject(request: pytest.FixtureRequest, ann: Somebody) -> Iterator[str]:
    """An image in each place that takes artifacts."""
    if request.param == "layout":
        yield "oci:layout:amd64"
        return
    with Standin() as standin:
        api = request.param == "registry with the API"
        address = standin.address if api else request.getfixturevalue("registries")("plain").address
        ann.brasm("copy", "-q", "oci:layout:amd64", f"docker://{address}/attached:1")
        yield f"docker://{address}/attached:1"
        assert standin.dangling() == standin.premature == []


def test_artifacts(subject: str, ann: Somebody) -> None:
    need("skopeo")
    plain = () if subject.startswith("oci:") else ("--tls-verify=false",)
    digest = tagged_in(ann.home / "layout", "amd64")["digest"]
    for name in ("sbom.json", "signature", "more.json"):
        (ann.home / name).write_text(name * 3)
    sbom = ("--type", "application/spdx+json", "--media-type", "application/json", "--annotation", "a=b=c")
    first = ann.json("attach", subject, "sbom.json", "more.json", *sbom)
    second = ann.json("attach", subject, "signature", "--type", "application/vnd.example.signature")
    assert first["subject"] == second["subject"] == digest
    assert ann.json("attach", subject, "sbom.json", "more.json", *sbom)["digest"] == first["digest"]

    found = ann.json("referrers", subject)
    assert found["subject"] == digest
    listed = {one["digest"]: (one["artifactType"], one.get("annotations")) for one in found["referrers"]}
    assert len(found["referrers"]) == 2
    assert listed == {
        first["digest"]: ("application/spdx+json", {"a": "b=c"}),
        second["digest"]: ("application/vnd.example.signature", None),
    }
    (ann.home / "saved").mkdir()
    one = ann.json("referrers", subject, "--type", "application/spdx+json", "--save", "saved")
    assert [each["digest"] for each in one["referrers"]] == [first["digest"]]
    assert {path.name: path.read_text() for path in (ann.home / "saved").iterdir()} == {
        "sbom.json": "sbom.json" * 3,
        "more.json": "more.json" * 3,
    }
    assert ann.json("referrers", subject, "--type", "text/plain")["referrers"] == []

    run(
        "skopeo",
        "copy",
        *(f"--src{each[1:]}" for each in plain),
        "--preserve-digests",
        subject,
        "oci:theirs:1",
        cwd=ann.home,
    )
    assert tagged_in(ann.home / "theirs", "1")["digest"] == digest


def test_what_oras_reads(registries: Registries, ann: Somebody) -> None:
    """Without the API the list stands under a tag: an index with mediaType, each artifact with type and annotations."""
    need("skopeo")
    there = f"docker://{registries('plain').address}/oras"
    ann.brasm("copy", "-q", "oci:layout:amd64", f"{there}:1")
    (ann.home / "sbom").write_text("sbom")
    command = ("attach", f"{there}:1", "sbom", "--type", "application/spdx+json")
    made = [ann.json(*command, "--annotation", f"n={number}")["digest"] for number in (1, 2)]
    tag = tagged_in(ann.home / "layout", "amd64")["digest"].replace(":", "-")
    shown = json.loads(run("skopeo", "inspect", "--raw", "--tls-verify=false", f"{there}:{tag}"))
    assert {**shown, "manifests": len(shown["manifests"])} == {"schemaVersion": 2, "mediaType": INDEX, "manifests": 2}
    for number, (digest, listed) in enumerate(zip(made, shown["manifests"], strict=True), start=1):
        raw = run("skopeo", "inspect", "--raw", "--tls-verify=false", f"{there}@{digest}")
        assert listed == {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest,
            "size": len(raw),
            "artifactType": "application/spdx+json",
            "annotations": {"n": str(number)},
        }
        assert json.loads(raw)["subject"]["digest"] == tagged_in(ann.home / "layout", "amd64")["digest"]


# Tags


def test_tags_and_deletion(registries: Registries, ann: Somebody) -> None:
    there = f"docker://{registries('plain').address}/tags"
    for tag in ("b", "a", "10", "9"):
        ann.brasm("copy", "-q", "oci:layout:amd64", f"{there}:{tag}")
    ann.brasm("copy", "-q", "oci:layout:arm", f"{there}:other")
    assert ann.brasm("tags", there).split() == ["10", "9", "a", "b", "other"]
    assert ann.json("tags", there) == {"repository": there, "tags": ["10", "9", "a", "b", "other"]}
    digest = tagged_in(ann.home / "layout", "amd64")["digest"]
    done = ann.attempt("delete", f"{there}:a")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"{there}:a: {digest}, and every tag that named it, is gone\n"
    for tag in ("a", "b", "9"):
        assert f"{there}:{tag}: is not there" in ann.refused(1, "delete", f"{there}:{tag}")
        assert "there is no tag" in ann.refused(4, "copy", f"{there}:{tag}", "oci:new")
    assert "is not there" in ann.refused(1, "delete", f"{there}@{digest}")
    assert ann.brasm("tags", there).split() == ["other"]
    assert "which one?" in ann.refused(2, "delete", there)


def test_a_tag_alone(registries: Registries, ann: Somebody) -> None:
    with Standin() as standin:
        there = f"docker://{standin.address}/tags"
        for tag in ("a", "b"):
            ann.brasm("copy", "-q", "oci:layout:amd64", f"{there}:{tag}")
        ann.brasm("delete", "--tag-only", f"{there}:a")
        assert ann.brasm("tags", there) == "b\n"
    there = f"docker://{registries('plain').address}/alone"
    ann.brasm("copy", "-q", "oci:layout:amd64", f"{there}:a")
    lines = ann.refused(5, "delete", "--tag-only", f"{there}:a")
    assert f"{there}: delete manifest a: the registry answers " in lines
    assert "hint: " in lines
    assert ann.brasm("tags", there) == "a\n"


def test_a_registry_that_does_not_delete(registry: str, ann: Somebody) -> None:
    there = f"docker://{registry}/kept"
    ann.brasm("copy", "-q", "oci:layout:amd64", f"{there}:1")
    assert "hint: this registry is set up not to delete" in ann.refused(5, "delete", f"{there}:1")
    assert ann.brasm("tags", there) == "1\n"
