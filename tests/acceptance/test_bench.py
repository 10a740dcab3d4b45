"""`brasm bench` in real runtimes: recipes and images of other forms side by side, servers, what fails."""

from __future__ import annotations

import json
import statistics
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.running import Brasm, box_image, box_root, brasm_with, end, left_behind, with_config
from tests.acceptance.test_tests import HTTPD, recipe
from tests.tools import BRASM, attempt, environment, need, run, wait_for

if TYPE_CHECKING:
    from pathlib import Path


STARTING = {"start_cold", "start_warm", "tests_cold", "tests_warm", "memory"}
PACKING = {"pack", "pack_cpu", "pack_memory"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = box_root(tmp_path_factory.mktemp("box") / "root")
    (made / "srv/www").mkdir()
    (made / "srv/www/index.html").write_text("a page\n")
    return made


@pytest.fixture(params=["crun", "runc"])
def brasm(request: pytest.FixtureRequest, tmp_path: Path) -> Brasm:
    return brasm_with(request.param, request, tmp_path / "tmp")


@pytest.fixture
def runc(request: pytest.FixtureRequest, tmp_path: Path) -> Brasm:
    return brasm_with("runc", request, tmp_path / "tmp")


def measured(done: subprocess.CompletedProcess[str], code: int = 0) -> list[dict[str, Any]]:
    assert done.returncode == code, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def check_runs(found: dict[str, Any], names: set[str], count: int) -> None:
    """See that there are as many numbers as rounds, all of them possible ones."""
    assert found["runs"].keys() == names, found["notes"]
    for name, values in found["runs"].items():
        assert len(values) == count, name
        assert all(value >= 0 for value in values), name
        assert min(values) <= statistics.median(values) <= max(values)


def test_a_recipe_beside_an_archive_of_the_same(brasm: Brasm, shell: Path) -> None:
    archive = f"docker-archive:{shell}/shell.docker.tar:shell:1.0"
    ours, theirs = measured(brasm("bench", "--json", "-n", "2", "shell", archive, "--recipe", "shell"))
    assert (ours["image"], theirs["image"]) == ("shell:1.0", archive)
    check_runs(ours, {*PACKING, "unpack", *STARTING}, 2)
    check_runs(theirs, {"unpack", *STARTING}, 2)
    same = ("unpacked", "on_disk", "files", "layers", "libraries", "relocations")
    assert [ours[key] for key in same] == [theirs[key] for key in same]
    assert ours["libraries"] > 0
    assert ours["relocations"] > 100
    assert ours["failures"] == theirs["failures"] == []
    assert (ours["runtime"], theirs["runtime"]) == (brasm.runtime, brasm.runtime)
    for one in (ours, theirs):
        assert all(200_000 < value < 50_000_000 for value in one["runs"]["memory"]), "a shell, and not the runtime"
    digest = run(*BRASM, "pack", "--quiet", "shell", "-o", shell / "again.tar").strip()
    assert ours["digest"] == digest


def test_the_table(runc: Brasm, shell: Path) -> None:
    done = runc("bench", "-n", "2", f"oci:{shell}/layout:1.0", f"{shell}/shell.tar", "--baseline", "2")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    stored = next(row for row in rows if row[0] == "stored")
    assert stored[1:3] == stored[5:7]
    assert stored.count("1.00") == 2
    assert {"unpack", "start", "memory"} <= {row[0] for row in rows}
    assert "pack" not in {row[0] for row in rows}
    assert "medians of 2 rounds (least to most), started by runc" in done.stderr


SERVED = """
[[test]]
name = "pages"
serve = { port = "8080" }
run = ["sh", "-c", "x=$(head -c 30000000 /dev/zero | tr '\\\\0' x); wget -q -O - http://127.0.0.1:8080/ && echo ${#x}"]
stdout = "^a page"
"""


def test_a_server_and_not_its_client_is_what_is_watched(brasm: Brasm, root: Path, tmp_path: Path) -> None:
    cmd = f"image.cmd={json.dumps(['/bin/sh', '-c', HTTPD])}"
    path = recipe(root, tmp_path, SERVED)
    (found,) = measured(brasm("bench", "--json", "-n", "1", "--no-pack", path, "--set", cmd))
    check_runs(found, {"unpack", *STARTING}, 1)
    assert found["failures"] == []
    assert found["runs"]["memory"][0] < 10_000_000, "the client has 30 MB"


def test_the_most_that_any_test_takes(brasm: Brasm, root: Path, tmp_path: Path) -> None:
    takes = "x=$(head -c 30000000 /dev/zero | tr '\\\\0' x); exit 0"
    path = recipe(root, tmp_path, f'[[test]]\nrun = ["sh", "-c", "{takes}"]\n[[test]]\nrun = ["true"]\n')
    (found,) = measured(brasm("bench", "--json", "-n", "2", "--no-pack", path))
    check_runs(found, {"unpack", *STARTING}, 2)
    assert all(30_000_000 < value < 200_000_000 for value in found["runs"]["memory"])


def test_a_test_that_fails_is_told_and_the_rest_measured(runc: Brasm, root: Path, tmp_path: Path) -> None:
    path = recipe(root, tmp_path, '[[test]]\nname = "greets"\nrun = ["sh", "-c", "[ -e /greets ]"]\n')
    bad = box_image(root, tmp_path / "layout")
    (root / "greets").touch()
    good = box_image(root, tmp_path / "layout", "2")
    (root / "greets").unlink()
    failed, passed = measured(runc("bench", "--json", "-n", "2", bad, good, "--recipe", path), code=1)
    check_runs(failed, {"unpack"}, 2)
    check_runs(passed, {"unpack", *STARTING}, 2)
    assert (failed["failures"], passed["failures"]) == (["greets: exit code 1, not 0"], [])
    told = runc("bench", "-n", "1", bad, good, "--recipe", path)
    assert told.returncode == 1
    assert f"FAIL  {bad}: greets: exit code 1, not 0" in told.stderr.splitlines()


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"Cmd": ["/bin/true"]}, {"start_cold", "start_warm"}),
        ({"Cmd": ["/bin/sh", "-c", HTTPD], "ExposedPorts": {"8080/tcp": {}}}, {"start_cold", "start_warm"}),
    ],
)
def test_an_image_without_tests(
    brasm: Brasm, root: Path, tmp_path: Path, changes: dict[str, object], names: set[str]
) -> None:
    image = box_image(root, tmp_path / "layout")
    with_config(tmp_path / "layout", "1", **changes)
    (found,) = measured(brasm("bench", "--json", "-n", "2", image))
    check_runs(found, {"unpack", "memory", *names}, 2)
    assert found["failures"] == []


def test_podman_s_processes_are_not_watched(request: pytest.FixtureRequest, root: Path, tmp_path: Path) -> None:
    podman = brasm_with("podman", request, tmp_path / "tmp")
    path = recipe(root, tmp_path, '[[test]]\nrun = ["true"]\n')
    (found,) = measured(podman("bench", "--json", "-n", "1", "--no-pack", path))
    assert found["runs"].pop("memory") is None
    check_runs(found, {"unpack", *STARTING - {"memory"}}, 1)
    assert found["notes"] == ["memory: its processes cannot be watched in podman; crun and runc let that"]


def test_docker_cannot_start_cold(request: pytest.FixtureRequest, root: Path, tmp_path: Path) -> None:
    docker = brasm_with("docker", request, tmp_path / "tmp")
    path = recipe(root, tmp_path, '[[test]]\nrun = ["true"]\n')
    (found,) = measured(docker("bench", "--json", "-n", "1", "--no-pack", path))
    assert [found["runs"].pop(name) for name in ("memory", "start_cold", "tests_cold")] == [None] * 3
    check_runs(found, {"unpack", "start_warm", "tests_warm"}, 1)
    assert any(note.startswith("cold: docker has the files elsewhere") for note in found["notes"])


def test_an_image_of_a_registry_is_brought_here_first(runc: Brasm, root: Path, registry: str, tmp_path: Path) -> None:
    image = box_image(root, tmp_path / "layout", "1", 'image.cmd=["/bin/true"]')
    far = f"docker://{registry}/bench/box:1"
    run(*BRASM, "copy", "--quiet", image, far)
    near, there = measured(runc("bench", "--json", "-n", "1", image, far))
    assert near["digest"] == there["digest"]
    check_runs(there, {"unpack", "start_cold", "start_warm", "memory"}, 1)


def test_variants_are_measured_side_by_side(runc: Brasm, root: Path, tmp_path: Path) -> None:
    more = '[variant.plain]\nset = { "layers.compression" = "none" }\n[variant.tight]\nset = { "layers.level" = 12 }\n'
    path = recipe(root, tmp_path, '[[test]]\nrun = ["true"]\n', more)
    variants = ("--variant", "plain", "--variant", "tight")
    plain, tight = measured(runc("bench", "--json", "-n", "1", path, *variants))
    assert plain["unpacked"] == tight["unpacked"]
    assert tight["stored"] < plain["stored"]
    check_runs(plain, {*PACKING, "unpack", *STARTING}, 1)


def test_without_a_runtime(root: Path, tmp_path: Path) -> None:
    image = box_image(root, tmp_path / "layout", "1", 'image.cmd=["/bin/true"]')
    (tmp_path / "mount").mkdir()
    need("unshare")
    hidden = 'for p in crun runc podman docker; do q=$(command -v $p) && mount --bind /dev/null $q; done; exec "$@"'
    without = ("unshare", "--mount", "sh", "-c", hidden, "-")
    done = attempt(*without, *BRASM, "bench", image, "-n", "1")
    assert done.returncode == 6, done.stdout
    assert "error: no runtime works here: " in done.stderr
    assert "or --no-run, to start nothing" in done.stderr
    (found,) = measured(attempt(*without, *BRASM, "bench", "--json", "--no-run", "-n", "2", image))
    check_runs(found, {"unpack"}, 2)
    assert found["runtime"] is None


def test_an_interruption_leaves_nothing(runc: Brasm, root: Path, tmp_path: Path) -> None:
    path = recipe(root, tmp_path, '[[test]]\nrun = ["sleep", "1000"]\n')
    process = subprocess.Popen(
        (*runc.command, "bench", "--runtime", "runc", "--no-pack", str(path)),
        env=environment(**runc.env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: list(runc.folder.glob("brasm-run-*/brasm-*/pid")), "the container runs")
        process.terminate()
        _, errors = process.communicate(timeout=60)
    finally:
        end(process)
    assert (process.returncode, errors) == (143, "error: terminated\n")
    assert left_behind(runc.folder) == []
