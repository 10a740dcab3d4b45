"""Indexes as users make and change them: by `brasm index`, and by `brasm pack --index`; and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.images import config
from tests.acceptance.platforms import COMPILED, compiled, entries, text
from tests.acceptance.refusals import refused
from tests.tools import BRASM, need, pack, run

if TYPE_CHECKING:
    from pathlib import Path

SOME = ("armv6", "x86_64", "s390x")


def test_platform_and_variant_are_those_of_the_programs(programs: Path) -> None:
    listed = entries(programs / "layout", "all")
    assert [text(one["platform"]) for one in listed] == [how.platform for how in COMPILED.values()]
    for name, how in COMPILED.items():
        assert text(config(programs / "layout", name)) == how.platform


@pytest.mark.parametrize("flags", [(), ("-march=x86-64-v3", "-Wl,-z,x86-64-v3")], ids=["baseline", "v3"])
def test_a_level_of_x86_64_is_no_variant(flags: tuple[str, ...], tmp_path: Path) -> None:
    """No docker or podman would find a variant of amd64; `image.cpu` is what keeps such programs out."""
    pack("-s", compiled("x86_64", tmp_path / "root", *flags), "-e", "/app", "-o", "oci:layout:1", cwd=tmp_path)
    assert text(config(tmp_path / "layout", "1")) == "linux/amd64"


def index(verb: str, target: str, *arguments: str, cwd: Path) -> dict[str, Any]:
    """Run a verb on an index, and see that there is what it says: by its digest, and entry by entry."""
    need("skopeo")
    found: dict[str, Any] = json.loads(run(*BRASM, "index", verb, "--json", target, *arguments, cwd=cwd))
    there = f"oci-archive:{target}" if target == "y.tar" else target
    raw = run("skopeo", "inspect", "--raw", "--tls-verify=false", there, cwd=cwd)
    assert f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" == found["digest"]
    listed, known = json.loads(raw)["manifests"], entries(cwd / "layout", "all")
    assert [one["digest"] for one in listed] == [one["digest"] for one in found["manifests"]]
    assert all(one in known for one in listed)
    return found


@pytest.mark.parametrize("target", ["oci:y:1", "oci-archive:y.oci.tar:1", "y.tar", "docker://{}/grown:1"])
def test_an_index_grows_and_shrinks(target: str, more: Path, registry: str) -> None:
    target = target.format(registry)
    first = index("create", target, "oci:layout:armv6", "oci:layout:x86_64", cwd=more)
    assert [text(one["platform"]) for one in first["manifests"]] == ["linux/arm/v6", "linux/amd64"]
    grown = index("add", target, "oci:layout:s390x", "oci:layout:armv6", cwd=more)
    assert [text(one["platform"]) for one in grown["manifests"]] == ["linux/amd64", "linux/s390x", "linux/arm/v6"]
    assert index("add", target, "oci:layout:x86_64", cwd=more)["notes"] == grown["notes"]
    shrunk = index("remove", target, "linux/s390x", cwd=more)
    assert [text(one["platform"]) for one in shrunk["manifests"]] == ["linux/arm/v6", "linux/amd64"]
    assert shrunk["digest"] == first["digest"]
    (one,) = index("remove", target, first["manifests"][1]["digest"], cwd=more)["manifests"]
    assert one == first["manifests"][0]


def test_an_image_in_place_of_another(more: Path) -> None:
    run(*BRASM, "copy", "--all", "oci:more:two", "oci:more:grown", cwd=more)
    made = json.loads(run(*BRASM, "index", "add", "--json", "oci:more:grown", "oci:layout:armv6", cwd=more))
    assert [text(one["platform"]) for one in made["manifests"]] == ["linux/arm/v5", "linux/arm/v6"]
    replaced = entries(more / "more", "two")[0]["digest"]
    assert made["notes"] == [f"linux/arm/v6 was {replaced}"]


REFUSALS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "the same platform twice": (
        ("create", "oci:x:1", "oci:layout:armv6", "oci:more:armv6"),
        2,
        "oci:more:armv6 and oci:layout:armv6 are both for linux/arm/v6",
    ),
    "an index and an image for one of its platforms": (
        ("create", "oci:x:1", "oci:layout:all", "oci:more:armv6"),
        2,
        "oci:more:armv6 and oci:layout:all are both for linux/arm/v6",
    ),
    "into a docker-archive": (
        ("create", "docker-archive:x.tar:x:1", "oci:layout:armv6"),
        2,
        "holds one image, no index",
    ),
    "into docker": (("create", "docker-daemon:x:1", "oci:layout:armv6"), 2, "holds one image, no index"),
    "into a folder": (("create", "dir:x", "oci:layout:armv6"), 2, "holds one image, no index"),
    "as a digest": (
        ("create", f"docker://127.0.0.1:9/x@sha256:{'0' * 64}", "oci:layout:armv6"),
        2,
        "a digest names what there is already",
    ),
    "no such image": (("create", "oci:x:1", "oci:layout:nope"), 4, "layout: there is no tag 'nope'"),
    "to nothing": (("add", "oci:x:1", "oci:layout:armv6"), 4, "x"),
    "of nothing": (("remove", "oci:x:1", "linux/arm64"), 4, "x"),
    "of an image": (("remove", "oci:layout:armv6", "linux/arm/v6"), 2, "is one image, no index"),
    "what is not there": (("remove", "oci:layout:all", "linux/mips"), 1, "there is no image for linux/mips in it"),
    "a variant that is not there": (("remove", "oci:more:two", "linux/arm/v7"), 1, "no image for linux/arm/v7 in it"),
    "a digest that is not there": (
        ("remove", "oci:layout:all", f"sha256:{'0' * 64}"),
        1,
        "there is no image for sha256:0000",
    ),
    "all": (("remove", "oci:more:two", "linux/arm"), 1, "without linux/arm nothing would be left of the index"),
    "what is no platform": (("remove", "oci:layout:all", "arm"), 2, "'arm' is not a platform"),
}


@pytest.fixture(scope="module")
def more(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the layout of `programs`, and one with another arm/v6, and an index `two` of it and arm/v5."""
    folder = tmp_path_factory.mktemp("more")
    shutil.copytree(programs / "layout", folder / "layout")
    label = ("--set", "image.labels={a='b'}")
    pack("-s", programs / "armv6", "-e", "/app", *label, "-o", "oci:more:armv6", cwd=folder)
    run(*BRASM, "index", "create", "oci:more:two", "oci:more:armv6", "oci:layout:armv5", cwd=folder)
    return folder


@pytest.mark.parametrize("case", REFUSALS)
def test_an_index_that_cannot_be(case: str, more: Path) -> None:
    arguments, code, message = REFUSALS[case]
    before = [(more / name / "index.json").read_bytes() for name in ("layout", "more")]
    assert message in refused(more, code, "index", *arguments)
    assert [(more / name / "index.json").read_bytes() for name in ("layout", "more")] == before


PACK_REFUSALS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "two recipes of one platform": (("a", "b", "-o", "oci:x:1"), 2, "b and a are both for linux/arm/v6"),
    "a folder": (("a", "c", "-o", "dir:x"), 2, "dir:x: dir: holds one image, no index"),
    "a docker-archive": (("a", "c", "-o", "docker-archive:x.tar:x:1"), 2, "holds one image, no index"),
    "beside what it can be": (("a", "c", "-o", "oci:x:1", "-o", "docker-archive:x.tar:x:1"), 2, "holds one image"),
    "docker": (("a", "c", "-o", "docker-daemon:x:1"), 2, "holds one image, no index"),
    "no such variant": (("a", "--variant", "nope", "-o", "oci:x:1"), 3, "no variant is called 'nope'"),
    "variants of one platform": (
        ("a", "--variant", "x", "--variant", "y", "-o", "x.tar"),
        2,
        "a (y) and a (x) are both",
    ),
}


@pytest.fixture(scope="module")
def recipes(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recipes: a and b for arm/v6, c for s390x."""
    folder = tmp_path_factory.mktemp("recipes")
    for name, processor in (("a", "armv6"), ("b", "armv6"), ("c", "s390x")):
        (folder / name).mkdir()
        (folder / name / "recipe.toml").write_text(
            f'name = "{name}"\nversion = "{name}1"\n[source]\ndirectory = "{programs}/{processor}"\n'
            f'[image]\nentrypoint = ["/app"]\nlabels = {{ name = "{name}" }}\n'
            '[variant.x]\n[variant.y]\nset = { "image.cmd" = ["y"] }\n'
        )
    return folder


@pytest.mark.parametrize("case", PACK_REFUSALS)
def test_recipes_that_are_no_index(case: str, recipes: Path, tmp_path: Path) -> None:
    arguments, code, message = PACK_REFUSALS[case]
    words = [str(recipes / word) if word in {"a", "b", "c"} else word for word in arguments]
    assert message in refused(tmp_path, code, "pack", "--index", *words)


def test_recipes_without_index_do_not_share_a_name(recipes: Path, tmp_path: Path) -> None:
    assert "two images would be written there" in refused(
        tmp_path, 2, "pack", recipes / "a", recipes / "c", "-o", "oci:x:1"
    )


def test_recipes_as_one_index(recipes: Path, tmp_path: Path) -> None:
    outputs = ("-o", "oci:layout:{version}", "-o", "{name}.tar")
    together = run(*BRASM, "pack", "--index", "--json", recipes / "a", recipes / "c", *outputs, cwd=tmp_path)
    done = json.loads(together)
    assert [one["platform"] for one in done["images"]] == ["linux/arm/v6", "linux/s390x"]
    assert done["outputs"] == ["oci:layout:a1", "a.tar"]
    assert [one["digest"] for one in entries(tmp_path / "layout", "a1")] == [one["digest"] for one in done["images"]]
    assert any("no manifest.json" in line for line in done["notes"])


def test_one_recipe_as_an_index(recipes: Path, tmp_path: Path) -> None:
    digest = pack(recipes / "a", "--index", "-o", "oci:layout:1", "-o", "oci-archive:x.tar:1", cwd=tmp_path)
    (only,) = entries(tmp_path / "layout", "1")
    assert only["platform"] == {"architecture": "arm", "os": "linux", "variant": "v6"}
    assert only["digest"] == pack(recipes / "a", "-o", "oci:layout:alone", cwd=tmp_path)
    assert run(*BRASM, "copy", "--quiet", "--all", "oci-archive:x.tar", "oci:again:1", cwd=tmp_path).strip() == digest


def test_one_image_under_two_names_is_listed_once(recipes: Path, tmp_path: Path) -> None:
    digest = pack(recipes / "a", recipes / "a", "--index", "-o", "oci:layout:1", cwd=tmp_path)
    assert digest == pack(recipes / "a", "--index", "-o", "oci:layout:2", cwd=tmp_path)
