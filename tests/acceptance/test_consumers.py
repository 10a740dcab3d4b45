"""Real programs take what `brasm pack` writes: skopeo, umoci with runc, podman, docker, a registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.images import Bundle, config, layer, manifest, members
from tests.tools import BRASM, attempt, need, need_root, pack, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Runner = Callable[..., str]

DOCKER_FORMS = ("{}.tar", "{}.docker.tar")
PODMAN_FORMS = (*DOCKER_FORMS, "{}.oci.tar")


def test_shell_in_runc(shell: Path, tmp_path: Path) -> None:
    need_root()
    bundle = Bundle(shell / "layout", "1.0", tmp_path / "bundle")
    done = bundle.run(["echo", "hello"])
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
    assert bundle.run(stdin="echo hello $HOME\n").stdout == "hello /root\n"


@pytest.mark.parametrize(("name", "tag"), [("shell", "1.0"), ("python", "3")])
def test_the_tests_of_shipped_recipes_in_runc(name: str, tag: str, request: pytest.FixtureRequest) -> None:
    need("runc")
    need_root()
    folder: Path = request.getfixturevalue(name)
    done = run(*BRASM, "test", "--runtime", "runc", "--recipe", name, f"oci:{folder}/layout:{tag}")
    assert done.splitlines()[-1] == "3 tests, 0 failed, by runc"


@pytest.mark.parametrize("form", PODMAN_FORMS)
def test_shell_in_podman(form: str, shell: Path, podman: Runner) -> None:
    image = _loaded(podman("load", "--input", str(shell / form.format("shell"))))
    limits = ("--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000")
    assert podman("run", "--rm", *limits, image, "echo", "hello") == "hello\n"


@pytest.mark.parametrize("form", DOCKER_FORMS)
def test_shell_in_docker(form: str, shell: Path, docker: Runner) -> None:
    image = _loaded(docker("load", "--input", str(shell / form.format("shell"))))
    assert image == "shell:1.0"
    assert docker("run", "--rm", "--network=none", image, "echo", "hello") == "hello\n"


def _loaded(answer: str) -> str:
    """Return the name in `Loaded image: NAME` or `Loaded image ID: DIGEST`."""
    return answer.strip().splitlines()[-1].partition(": ")[2]


def test_many_members_of_gzip(python: Path, podman: Runner, docker: Runner, tmp_path: Path) -> None:
    need("skopeo")
    assert members(layer(python / "layout", "3")) > 3
    run("skopeo", "copy", f"oci:{python}/layout:3", f"docker-archive:{tmp_path}/copy.tar:python:3")
    for program, tarball in (
        (docker, python / "python.docker.tar"),
        (docker, python / "python.tar"),
        (docker, tmp_path / "copy.tar"),
        (podman, python / "python.oci.tar"),
    ):
        image = _loaded(program("load", "--input", str(tarball)))
        limits = ("--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000")
        assert program("run", "--rm", *limits, image, "-c", "import json; print(json.dumps([1]))") == "[1]\n"


@pytest.fixture(scope="module", params=["gzip", "zstd", "none"])
def compressed(request: pytest.FixtureRequest, static: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an image of one program, compressed one way; named after it."""
    folder: Path = tmp_path_factory.mktemp(request.param) / request.param
    folder.mkdir()
    outputs = ["oci:layout:1", "oci-archive:image.oci.tar:1", "image.tar"]
    words = [word for output in outputs for word in ("-o", output)]
    pack("-s", static, "-e", "/bin/echo hello", "--set", f"layers.compression={folder.name}", *words, cwd=folder)
    return folder


@pytest.mark.parametrize("source", ["oci:{}/layout:1", "oci-archive:{}/image.oci.tar", "oci-archive:{}/image.tar"])
def test_skopeo_copies(compressed: Path, source: str, registry: str, tmp_path: Path) -> None:
    need("skopeo")
    image = source.format(compressed)
    raw = run("skopeo", "inspect", "--raw", image)
    run("skopeo", "copy", image, f"dir:{tmp_path}/copy")
    assert (tmp_path / "copy/manifest.json").read_text() == raw
    remote = f"docker://{registry}/{compressed.name}:{source.partition(':')[0]}"
    run("skopeo", "copy", "--preserve-digests", "--dest-tls-verify=false", image, remote)
    assert run("skopeo", "inspect", "--raw", "--tls-verify=false", remote) == raw
    run("skopeo", "copy", "--preserve-digests", "--src-tls-verify=false", remote, f"oci:{tmp_path}/back:1")
    assert manifest(tmp_path / "back", "1")["layers"] == manifest(compressed / "layout", "1")["layers"]
    if compressed.name != "zstd":  # skopeo 1.9 cannot turn zstd into what a docker-archive holds
        run("skopeo", "copy", image, f"docker-archive:{tmp_path}/copy.tar:x:1")


@pytest.mark.parametrize("form", ["image.tar", "image.oci.tar"])
def test_podman_runs(compressed: Path, form: str, podman: Runner) -> None:
    if compressed.name == "zstd" and form == "image.tar":
        pytest.skip("podman 4.3 reads the universal archive as a docker-archive, in which it knows no zstd")
    image = _loaded(podman("load", "--input", str(compressed / form)))
    limits = ("--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000")
    assert podman("run", "--rm", *limits, image) == "hello\n"


def test_docker_archive_refuses_zstd_before_anything_is_written(static: Path, tmp_path: Path) -> None:
    output = f"docker-archive:{tmp_path}/x.tar:x:1"
    done = attempt(*BRASM, "pack", "-s", static, "-e", "/bin/sh", "--set", "layers.compression=zstd", "-o", output)
    assert done.returncode in {2, 3, 5}
    assert "zstd" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_digest_is_what_skopeo_says(static: Path, tmp_path: Path) -> None:
    need("skopeo")
    digest = pack("-s", static, "-e", "/bin/sh", "-o", "oci:layout:1", "-o", "x.tar", cwd=tmp_path)
    for image in ("oci:layout:1", "oci-archive:x.tar"):
        assert run("skopeo", "inspect", "--format", "{{.Digest}}", image, cwd=tmp_path).strip() == digest


def test_the_config_is_the_recipe_s(static: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'name = "app"\nversion = "2.1"\n[source]\ndirectory = {json.dumps(str(static))}\n'
        '[image]\nentrypoint = ["/bin/echo"]\ncmd = ["a b"]\nuser = "1000:1000"\nworkdir = "/data"\n'
        'env = { A = "1 2", B = "" }\nexpose = ["80", "53/udp"]\nvolumes = ["/data"]\nstop_signal = "SIGINT"\n'
        'labels = { x = "y z" }\n[[files]]\npath = "/data"\ntype = "directory"\nowner = "1000:1000"\n'
    )
    pack(recipe, "-o", f"oci:{tmp_path}/layout:2.1")
    found = config(tmp_path / "layout", "2.1")["config"]
    assert (found["Entrypoint"], found["Cmd"]) == (["/bin/echo"], ["a b"])
    assert (found["User"], found["WorkingDir"], found["StopSignal"]) == ("1000:1000", "/data", "SIGINT")
    assert {"A=1 2", "B="} <= set(found["Env"])
    assert found["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert (found["Volumes"], found["Labels"]) == ({"/data": {}}, {"x": "y z"})
