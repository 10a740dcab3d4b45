"""One index for several architectures: podman, docker and runc take from it what runs, in whatever form it lies."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.acceptance.images import Bundle
from tests.acceptance.platforms import (
    INDEX,
    LIMITS,
    TARGETS,
    Target,
    check_shell,
    entries,
    shell_recipe,
    variants,
)
from tests.conftest import once
from tests.tools import BRASM, need, need_root, pack, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Runner = Callable[..., str]

FORMS = ("oci:{}/layout:1.0", "oci-archive:{}/shell.oci.tar:1.0", "{}/shell.tar", "docker://")


class Shells(NamedTuple):
    """The images of recipes/shell for `TARGETS` as one index, in a folder and in a registry."""

    folder: Path
    recipe: Path
    repository: str
    digest: str

    def at(self, form: str) -> str:
        """Return the index's name in one of `FORMS`."""
        return f"{form}{self.repository}:1.0" if form == "docker://" else form.format(self.folder)

    def for_others(self, form: str) -> str:
        """Return it as skopeo and podman write it."""
        return f"oci-archive:{self.at(form)}" if form.startswith("{}") else self.at(form)


@pytest.fixture(scope="module")
def shells(platform_roots: Mapping[str, Path], registry: str) -> Shells:
    with once("platforms") as (path, fresh):
        folder = Path(path)
        if fresh:
            folder.mkdir()
            outputs = [word for form in FORMS[:3] for word in ("-o", form.format(folder))]
            digest = pack(shell_recipe(folder, platform_roots), *variants(TARGETS), "--index", *outputs)
            (folder / "digest").write_text(digest)
    repository = f"{registry}/shell"
    run(*BRASM, "copy", "--all", f"oci:{folder}/layout:1.0", f"docker://{repository}:1.0")
    return Shells(folder, folder / "recipe.toml", repository, (folder / "digest").read_text())


@pytest.fixture(params=list(TARGETS))
def target(request: pytest.FixtureRequest) -> Target:
    return TARGETS[request.param]


@pytest.mark.parametrize("form", FORMS)
def test_one_index_in_every_form(form: str, shells: Shells) -> None:
    need("skopeo")
    name = shells.for_others(form)
    raw = run("skopeo", "inspect", "--raw", "--tls-verify=false", name)
    assert f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" == shells.digest
    listed = json.loads(raw)
    assert listed == {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries(shells.folder / "layout", "1.0")}
    assert [one["platform"] for one in listed["manifests"]] == [one.entry for one in TARGETS.values()]
    assert [one["mediaType"] for one in listed["manifests"]] == [INDEX.replace("index", "manifest")] * 3


def test_what_is_packed_together_is_what_is_packed_alone_and_listed(shells: Shells, tmp_path: Path) -> None:
    alone = {name: pack(shells.recipe, "--variant", name, "-o", f"oci:{tmp_path}/x:{name}") for name in TARGETS}
    assert [one["digest"] for one in entries(shells.folder / "layout", "1.0")] == list(alone.values())
    images = [f"oci:{tmp_path}/x:{name}" for name in TARGETS]
    made = json.loads(run(*BRASM, "index", "create", "--json", f"oci:{tmp_path}/x:all", *images))
    assert (made["digest"], made["output"]) == (shells.digest, f"oci:{tmp_path}/x:all")


@pytest.mark.usefixtures("emulators")
@pytest.mark.parametrize("form", FORMS)
def test_runc(target: Target, form: str, shells: Shells) -> None:
    need("runc")
    need_root()
    command = (*BRASM, "run", "--runtime", "runc", "--platform", target.option, shells.at(form), "--", "uname", "-m")
    assert run(*command) == f"{target.machine}\n"
    tests = ("--runtime", "runc", "--platform", target.option, "--recipe", "shell")
    assert " tests, 0 failed, by runc" in run(*BRASM, "test", *tests, shells.at(form))


@pytest.mark.usefixtures("emulators")
def test_umoci_and_runc(target: Target, shells: Shells, tmp_path: Path) -> None:
    need_root()
    one = f"oci:{tmp_path}/layout:one"
    run(*BRASM, "copy", "--platform", target.option, shells.at(FORMS[0]), one)
    bundle = Bundle(tmp_path / "layout", "one", tmp_path / "bundle")
    check_shell(lambda *command: bundle.run(command).stdout, target)


@pytest.mark.usefixtures("emulators")
@pytest.mark.parametrize("form", FORMS)
def test_podman(target: Target, form: str, shells: Shells, podman: Runner) -> None:
    name = shells.for_others(form)
    found = podman("pull", "--quiet", "--tls-verify=false", "--platform", target.option, name).strip()
    within = partial(podman, "run", "--rm", *LIMITS, "--platform", target.option, found)
    if form == "docker://":
        check_shell(within, target)
    else:
        assert within("uname", "-m") == f"{target.machine}\n"


@pytest.mark.usefixtures("emulators")
def test_docker_pulls(target: Target, shells: Shells, docker: Runner) -> None:
    name = f"{shells.repository}:1.0"
    check_shell(partial(docker, "run", "--rm", "--network=none", "--platform", target.option, name), target)
    assert docker("image", "inspect", "--format", "{{.Architecture}}", name).strip() == target.entry["architecture"]


@pytest.mark.usefixtures("emulators")
@pytest.mark.parametrize("form", ["docker-archive:{}/x.tar:one:1", "{}/x.tar"])
def test_docker_loads(target: Target, form: str, shells: Shells, docker: Runner, tmp_path: Path) -> None:
    run(*BRASM, "copy", "--platform", target.option, shells.at(FORMS[0]), form.format(tmp_path))
    loaded = docker("load", "--input", str(tmp_path / "x.tar")).strip().partition(": ")[2]
    check_shell(partial(docker, "run", "--rm", "--network=none", loaded), target)


@pytest.fixture(scope="module")
def busybox(platform_roots: Mapping[str, Path], registry: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name in a registry of an index of static busyboxes."""
    folder, name = tmp_path_factory.mktemp("busybox"), f"{registry}/busybox:1"
    for architecture, root in platform_roots.items():
        pack("--source", root, "-e", "/bin/busybox sh", "-o", f"oci:layout:{architecture}", cwd=folder)
        files = json.loads(run(*BRASM, "inspect", "--json", f"oci:layout:{architecture}", cwd=folder))["files"]
        assert [one["path"].rpartition("/")[2] for one in files if one["type"] == "file"] == ["busybox"]
    run(*BRASM, "index", "create", f"docker://{name}", *(f"oci:layout:{each}" for each in platform_roots), cwd=folder)
    return name


@pytest.mark.usefixtures("emulators")
@pytest.mark.parametrize("program", ["runc", "podman", "docker"])
def test_a_static_busybox(target: Target, program: str, busybox: str, request: pytest.FixtureRequest) -> None:
    need(program)
    need_root()
    platform, script = ("--platform", target.option), ("-c", "busybox uname -m")
    if program == "runc":
        said = run(*BRASM, "run", "--runtime", "runc", *platform, f"docker://{busybox}", "--", *script)
    else:
        runner: Runner = request.getfixturevalue(program)
        runner("pull", "--quiet", *(("--tls-verify=false",) if program == "podman" else ()), *platform, busybox)
        limits = LIMITS if program == "podman" else LIMITS[:1]
        said = runner("run", "--rm", *limits, *platform, busybox, *script)
    assert said == f"{target.machine}\n"


ARM_VARIANTS = {
    "linux/arm/v5": "v5",
    "linux/arm/v6": "v6",
    "linux/arm/v7": "v7",
    "linux/arm": "v7",
    "linux/arm/v8": "v8",
}


@pytest.fixture(scope="module")
def arm(programs: Path, registry: str) -> str:
    """The name in a registry of the index of `programs`."""
    run(*BRASM, "copy", "--all", f"oci:{programs}/layout:all", f"docker://{registry}/arm:1")
    return f"{registry}/arm:1"


@pytest.mark.usefixtures("emulators")
@pytest.mark.parametrize(("platform", "said"), ARM_VARIANTS.items())
def test_a_variant_is_found_in_an_index(platform: str, said: str, arm: str, podman: Runner, docker: Runner) -> None:
    need("runc")
    need_root()
    assert run(*BRASM, "run", "--runtime", "runc", "--platform", platform, f"docker://{arm}") == f"{said}\n"
    assert docker("run", "--rm", "--network=none", "--pull=always", "--platform", platform, arm) == f"{said}\n"
    found = podman("pull", "--quiet", "--tls-verify=false", "--platform", platform, arm).strip()
    assert podman("run", "--rm", *LIMITS, found) == f"{said}\n"


@pytest.mark.usefixtures("emulators")
def test_an_older_variant_where_there_is_none(programs: Path, registry: str, podman: Runner, docker: Runner) -> None:
    need("runc")
    need_root()
    name = f"{registry}/old:1"
    images = [f"oci:{programs}/layout:{each}" for each in ("armv6", "aarch64")]
    run(*BRASM, "index", "create", f"docker://{name}", *images)
    wanted = ("--platform", "linux/arm/v7")
    assert run(*BRASM, "run", "--runtime", "runc", *wanted, f"docker://{name}") == "v6\n"
    assert docker("run", "--rm", "--network=none", *wanted, name) == "v6\n"
    found = podman("pull", "--quiet", "--tls-verify=false", *wanted, name).strip()
    assert podman("run", "--rm", *LIMITS, found) == "v6\n"
