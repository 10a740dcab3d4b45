"""`brasm test` in real runtimes: what passes, what fails and why, servers, reports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from tests.acceptance.images import blob, manifest
from tests.acceptance.running import RUNTIMES, Brasm, box_image, box_root, brasm_with, end, left_behind, with_config
from tests.runtime.test_junit import validate
from tests.tools import BRASM, attempt, environment, need, pack, run, wait_for

if TYPE_CHECKING:
    from pathlib import Path

HTTPD = "trap 'exit 0' TERM; httpd -f -p 8080 -h /srv/www & echo serving; wait"
CLIENT = """
from http.client import HTTPConnection
connection = HTTPConnection('127.0.0.1', 8080)
connection.request('GET', '/')
print(connection.getresponse().read().decode())
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = box_root(tmp_path_factory.mktemp("box") / "root")
    (made / "srv/www").mkdir()
    (made / "srv/www/index.html").write_text("a page\n")
    return made


@pytest.fixture(params=RUNTIMES)
def brasm(request: pytest.FixtureRequest, tmp_path: Path) -> Brasm:
    return brasm_with(request.param, request, tmp_path / "tmp")


@pytest.fixture
def runc(request: pytest.FixtureRequest, tmp_path: Path) -> Brasm:
    return brasm_with("runc", request, tmp_path / "tmp")


def recipe(root: Path, folder: Path, tests: str, more: str = "") -> Path:
    """Write a recipe of the box with some tests."""
    path = folder / "recipe.toml"
    path.write_text(
        f'name = "box"\nversion = "1"\n[source]\ndirectory = {json.dumps(str(root))}\n[select]\nmode = "all"\n'
        f'[image]\ncmd = ["/bin/sh"]\nenv = {{ PATH = "/bin" }}\n{tests}\n{more}\n'
    )
    return path


def results(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """Return the tests of the only target in the JSON."""
    (only,) = json.loads(done.stdout)
    tests: list[dict[str, Any]] = only["tests"]
    return tests


GOOD = """
[[test]]
run = ["sh", "-c", "cat; echo err >&2; exit 3"]
stdin = "in"
exit = 3
stdout = "^in$"
stderr = "^err"
[[test]]
name = "files alone"
files = ["/bin/sh", "!/bin/bash"]
[[test]]
name = "tmpfs"
run = ["touch", "/scratch/x"]
[run]
tmpfs = ["/scratch"]
"""


def test_what_passes(brasm: Brasm, root: Path, tmp_path: Path) -> None:
    done = brasm("test", recipe(root, tmp_path, GOOD))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "box:1"
    assert [line.split()[0] for line in lines[1:4]] == ["ok"] * 3
    assert lines[4] == f"3 tests, 0 failed, by {brasm.runtime}"


BAD = """
[[test]]
name = "code"
run = ["sh", "-c", "echo why >&2; exit 2"]
[[test]]
name = "text"
run = ["echo", "hello"]
stdout = "bye"
[[test]]
name = "time"
run = ["sleep", "1000"]
timeout = "500ms"
[[test]]
name = "files"
files = ["/bin/bash", "!/bin/sh"]
[[test]]
name = "program"
run = ["/bin/sh"]
files = ["!/srv"]
[[test]]
name = "writes"
run = ["touch", "/x"]
[[test]]
name = "signal"
run = ["sh", "-c", "sh -c 'kill -SEGV $$'; exit $?"]
"""


def test_what_fails(runc: Brasm, root: Path, tmp_path: Path) -> None:
    done = runc("test", "--json", "--junit", tmp_path / "junit.xml", recipe(root, tmp_path, BAD))
    assert done.returncode == 1, done.stderr
    assert [(one["name"], one["problems"]) for one in results(done)] == [
        ("code", ["exit code 2, not 0: why"]),
        ("text", ["'bye' is not found in standard output: hello"]),
        ("time", ["no end within 0.5 s"]),
        ("files", ["/bin/bash is not in the image", "/bin/sh is in the image"]),
        ("program", ["/srv is in the image"]),
        ("writes", ["exit code 1, not 0: touch: /x: Read-only file system"]),
        ("signal", ["killed by SIGSEGV (exit code 139), not 0: Segmentation fault"]),
    ]
    top = ET.parse(tmp_path / "junit.xml").getroot()
    validate(top)
    assert (top.get("tests"), top.get("failures")) == ("7", "7")
    shown = runc("test", recipe(root, tmp_path, BAD), "-k", "^(code|files)$")
    assert shown.returncode == 1
    lines = shown.stdout.splitlines()
    assert lines[1].split()[:2] == ["FAIL", "code"]
    assert lines[2] == "        exit code 2, not 0: why"
    assert lines[-1] == "2 tests, 2 failed, by runc"
    assert runc("test", tmp_path, "-k", "2", "-q").stdout.count("FAIL") == 1


def test_a_writable_root_is_each_test_s_own(runc: Brasm, root: Path, tmp_path: Path) -> None:
    once = '[[test]]\nrun = ["sh", "-c", "test ! -e /x && touch /x"]\n'
    path = recipe(root, tmp_path, once * 2, "[run]\nread_only = false\n")
    assert runc("test", path).returncode == 0
    assert not (root / "x").exists()


def test_limits_of_a_recipe_and_of_the_command_line(runc: Brasm, root: Path, tmp_path: Path) -> None:
    tests = """
[[test]]
run = ["grep", "CapEff", "/proc/self/status"]
stdout = "0000000000000401$"
[[test]]
run = ["sh", "-c", "head -c 300000000 /dev/zero | tail -c 290000000 | wc -c"]
stdout = "^0$"
[run]
capabilities = ["CAP_NET_BIND_SERVICE"]
memory = "64 MB"
"""
    path = recipe(root, tmp_path, tests)
    done = runc("test", "--cap-add", "CHOWN", path)
    assert done.returncode == 0, done.stdout
    assert runc("test", path).returncode == 1
    capabilities = runc(
        "run", "--recipe", path, box_image(root, tmp_path / "l"), "--", "grep", "CapBnd", "/proc/1/status"
    )
    assert capabilities.stdout == "CapBnd:\t0000000000000400\n"


SERVED = f"""
[[test]]
name = "inside"
serve = {{ args = ["sh", "-c", {json.dumps(HTTPD)}], port = "8080/tcp", ready = "^serving" }}
run = ["wget", "-q", "-O-", "http://127.0.0.1:8080/"]
stdout = "^a page$"
[[test]]
name = "outside"
serve = {{ args = ["sh", "-c", {json.dumps(HTTPD)}], port = "8080" }}
client = ["python3", "-c", {json.dumps(CLIENT)}]
stdout = "^a page"
"""


def test_servers(brasm: Brasm, root: Path, tmp_path: Path) -> None:
    need("nsenter")
    done = brasm("test", "--json", recipe(root, tmp_path, SERVED))
    assert done.returncode == 0, done.stdout + done.stderr
    inside, outside = results(done)
    assert inside["server"].startswith("serving")
    assert outside["stdout"].startswith("a page")


def test_a_client_is_run_beside_its_recipe(runc: Brasm, root: Path, tmp_path: Path) -> None:
    (tmp_path / "client.sh").write_text("exec cat\n")
    test = '[[test]]\nstdin = "x"\nstdout = "^x$"\nclient = ["sh", "client.sh"]\n'
    serve = (
        'serve = { args = ["sh", "-c", "trap \'exit 0\' TERM; echo up; while :; do sleep 0.1; done"], ready = "up" }\n'
    )
    assert runc("test", recipe(root, tmp_path, test + serve)).returncode == 0


WAITING = "echo ready; while :; do sleep 0.1; done"


@pytest.mark.parametrize(
    ("script", "serve", "test", "problem"),
    [
        ("sleep 1000", 'port = "80"', "", "the server is not ready within 0.5 s: nothing listens on port 80"),
        ("echo no; sleep 1000", 'ready = "yes"', "", "'yes' is not found in its output; it wrote: no"),
        ("echo so >&2; exit 3", 'port = "80"', "", "the server ended before it was ready: exit code 3: so"),
        (
            "trap 'exit 0' TERM; echo ready; sleep 1; echo ill >&2; exit 1",
            'ready = "ready"',
            'run = ["sleep", "1000"]',
            "the server ended before its client did: exit code 1: ill",
        ),
        (
            WAITING,
            'ready = "ready"',
            'run = ["true"]',
            "the server had to be killed: SIGTERM does not stop it: process 1 has no handler for it",
        ),
        (
            f"trap '' TERM; {WAITING}",
            'ready = "ready"',
            'run = ["true"]',
            "the server had to be killed: SIGTERM does not stop it within 10 s",
        ),
        (
            f"trap 'exit 0' TERM; {WAITING}",
            'ready = "ready"',
            'run = ["false"]',
            "exit code 1, not 0",
        ),
        (
            f"trap 'exit 0' TERM; {WAITING}",
            'ready = "ready"',
            'client = ["sleep", "1000"]\ntimeout = "500ms"',
            "no end within 0.5 s",
        ),
    ],
)
def test_servers_that_fail(
    runc: Brasm, root: Path, tmp_path: Path, script: str, serve: str, test: str, problem: str
) -> None:
    served = f'serve = {{ args = ["sh", "-c", {json.dumps(script)}], {serve}, timeout = "500ms" }}'
    done = runc("test", "--json", recipe(root, tmp_path, f"[[test]]\n{served}\n{test}\n"))
    assert done.returncode == 1, done.stdout + done.stderr
    (result,) = results(done)
    assert problem in " ".join(result["problems"])


def test_a_stop_signal_that_is_to_kill(runc: Brasm, root: Path, tmp_path: Path) -> None:
    served = f'[[test]]\nserve = {{ args = ["sh", "-c", {json.dumps(WAITING)}], ready = "ready" }}\n'
    path = recipe(root, tmp_path, served)
    assert runc("test", "--set", "image.stop_signal=SIGKILL", path).returncode == 0


def test_a_client_that_is_not_installed(runc: Brasm, root: Path, tmp_path: Path) -> None:
    served = f'serve = {{ args = ["sh", "-c", {json.dumps(WAITING)}], ready = "ready" }}\nclient = ["brasm-nope"]\n'
    done = runc("test", "--json", "--set", "image.stop_signal=SIGKILL", recipe(root, tmp_path, f"[[test]]\n{served}"))
    assert done.returncode == 1
    assert "brasm-nope" in results(done)[0]["problems"][0]


def test_no_port_of_the_machine_is_used(runc: Brasm, root: Path, tmp_path: Path) -> None:
    """Two servers at the same port at once, each in a network of its own."""
    path = recipe(root, tmp_path, SERVED)
    command = (*runc.command, "test", "--runtime", "runc", str(path))
    processes = [subprocess.Popen(command, env=environment(**runc.env), stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert left_behind(runc.folder) == []


@pytest.fixture
def broken(root: Path, tmp_path: Path) -> Path:
    """A root with a program that has a library of its own."""
    need("gcc", "ldd")
    folder = tmp_path / "broken"
    folder.mkdir()
    run(
        "gcc",
        "-shared",
        "-x",
        "c",
        "-",
        "-o",
        folder / "libmine.so.1",
        "-Wl,-soname,libmine.so.1",
        stdin="int f(void){return 0;}",
    )
    link = ("-Wl,--no-as-needed", folder / "libmine.so.1", "-Wl,-rpath,/usr/lib/mine")
    run(
        "gcc",
        "-x",
        "c",
        "-",
        "-x",
        "none",
        "-o",
        folder / "app",
        *link,
        stdin="int f(void); int main(void) { return f(); }",
    )
    made = tmp_path / "root"
    shutil.copytree(root, made, symlinks=True)
    for line in run("ldd", folder / "app", env={"LD_LIBRARY_PATH": str(folder)}).splitlines():
        path = next((word for word in line.split() if word.startswith("/") and str(folder) not in word), None)
        if path is not None:
            target = made / os.path.realpath(path).lstrip("/") if "ld-" not in path else made / path.lstrip("/")
            target = target.with_name(os.path.basename(path))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    shutil.copy(folder / "app", made / "bin/app")
    (made / "usr/lib/mine").mkdir(parents=True)
    shutil.copy(folder / "libmine.so.1", made / "usr/lib/mine")
    return made


def test_a_broken_image_says_which_library_is_missing(runc: Brasm, broken: Path, tmp_path: Path) -> None:
    need("umoci")
    image = box_image(broken, tmp_path / "layout", "1", 'image.cmd=["/bin/app"]')
    assert runc("run", image).returncode == 0
    path = recipe(broken, tmp_path, '[[test]]\nname = "it runs"\nrun = ["/bin/app"]\n')
    library = "/usr/lib/mine/libmine.so.1"
    run("umoci", "insert", "--image", image.removeprefix("oci:"), "--whiteout", library)
    by_recipe = runc("test", "--json", "--recipe", path, image)
    assert by_recipe.returncode == 1, by_recipe.stderr
    first, closed = results(by_recipe)
    assert first["problems"][0].startswith("exit code 127, not 0: /bin/app: error while loading shared libraries")
    smoke = runc("test", "--json", image)
    assert smoke.returncode == 1
    for found in (closed, results(smoke)[0]):
        assert found["name"] == "the root is closed"
        (line,) = [line for line in found["problems"] if "libmine.so.1" in line]
        assert "/bin/app: libmine.so.1 is not found" in line


def smoke(brasm: Brasm, root: Path, tmp_path: Path, **config: object) -> list[dict[str, Any]]:
    """Return what an image without a recipe comes to."""
    image = box_image(root, tmp_path / "layout")
    with_config(tmp_path / "layout", "1", **config)
    done = brasm("test", "--json", "--timeout", "2s", image)
    found = results(done)
    assert done.returncode == (1 if any(one["problems"] for one in found) else 0), done.stderr
    return found


@pytest.mark.parametrize(
    ("cmd", "closed", "problems"),
    [
        (["/bin/sleep", "1000"], [], []),
        (["/bin/sh"], [], []),
        (["/bin/sh", "-c", "exit 1"], [], []),
        (["/bin/sh", "-c", "echo gone >&2; exit 127"], [], ["exit code 127: gone"]),
        (
            ["/bin/nope"],
            ["cmd: /bin/nope: cmd: /bin/nope: no such file or directory"],
            ["/bin/nope: the image has no such program"],
        ),
    ],
)
def test_an_image_without_tests(
    runc: Brasm, root: Path, tmp_path: Path, cmd: list[str], closed: list[str], problems: list[str]
) -> None:
    first, starts = smoke(runc, root, tmp_path, Cmd=cmd)
    assert (first["name"], first["problems"]) == ("the root is closed", closed)
    assert (starts["name"], starts["problems"]) == ("starts", problems)


@pytest.mark.parametrize(
    ("check", "problems"),
    [
        (["CMD", "test", "-e", "/bin/sh"], []),
        (["CMD-SHELL", "echo sick; exit 1"], ["exit code 1: sick"]),
        (["CMD", "nope"], ["nope: the image has no such program on its PATH"]),
    ],
)
def test_docker_s_health_check(runc: Brasm, root: Path, tmp_path: Path, check: list[str], problems: list[str]) -> None:
    found = smoke(runc, root, tmp_path, Cmd=["/bin/sleep", "1000"], Healthcheck={"Test": check})
    starts, health = found[1:]
    assert (starts["problems"], health["name"], health["problems"]) == ([], "health check", problems)
    assert len(smoke(runc, root, tmp_path, Cmd=["/bin/true"], Healthcheck={"Test": ["NONE"]})) == 2


def test_a_program_that_ends_before_its_health_check(runc: Brasm, root: Path, tmp_path: Path) -> None:
    health = smoke(runc, root, tmp_path, Cmd=["/bin/true"], Healthcheck={"Test": ["CMD", "true"]})[-1]
    assert health["problems"] == ["the program ended before it was asked"]


def test_an_image_that_starts_nothing(runc: Brasm, root: Path, tmp_path: Path) -> None:
    pack("-s", root, "--mode", "all", "-o", "oci:layout:1", cwd=tmp_path)
    done = runc("test", "--json", f"oci:{tmp_path}/layout:1")
    assert [one["name"] for one in results(done)] == ["the root is closed"]


def test_several_at_once(runc: Brasm, root: Path, tmp_path: Path) -> None:
    image = box_image(root, tmp_path / "layout", "1", "image.cmd=['/bin/true']")
    done = runc("test", "--json", recipe(root, tmp_path, GOOD), image, "--junit", tmp_path / "junit.xml")
    assert done.returncode == 0, done.stderr
    assert [(one["name"], one["passed"], one["failed"]) for one in json.loads(done.stdout)] == [
        ("box:1", 3, 0),
        (image, 2, 0),
    ]
    suites = ET.parse(tmp_path / "junit.xml").getroot()
    assert [suite.get("name") for suite in suites] == ["box:1", image]


def test_options_of_recipes_apply(runc: Brasm, root: Path, tmp_path: Path) -> None:
    path = recipe(root, tmp_path, '[[test]]\nrun = ["sh", "-c", "echo $A"]\nstdout = "^b$"\n')
    assert runc("test", path).returncode == 1
    assert runc("test", path, "--set", "image.env={PATH='/bin', A='b'}").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "neither a recipe nor an image is given"),
        (("nope",), 3, "nope: no such recipe"),
        (("nope.tar",), 4, "nope.tar"),
        (("oci:nope",), 4, "nope: no such folder"),
        (("shell", "-k", "["), 2, "-k '[': not a regular expression"),
        (("shell", "-k", "no such test"), 2, "no test has such a name or number"),
        (("shell", "--recipe", "python"), 2, "shell: no image, so --recipe says nothing of it"),
        (("shell", "--junit", "nope/junit.xml"), 5, "nope/junit.xml: cannot be written"),
        (("shell", "--runtime", "nope"), 6, "nope: not installed"),
        (("shell", "--timeout", "x"), 2, "'x' is not a time"),
    ],
)
def test_what_cannot_be(arguments: tuple[str, ...], code: int, message: str, tmp_path: Path) -> None:
    need("runc")
    (tmp_path / "tmp").mkdir()
    done = attempt(*BRASM, "test", *arguments, cwd=tmp_path, env={"TMPDIR": str(tmp_path / "tmp")})
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_damaged_image_is_not_run(runc: Brasm, root: Path, tmp_path: Path) -> None:
    image = box_image(root, tmp_path / "layout")
    layer = blob(tmp_path / "layout", manifest(tmp_path / "layout", "1")["layers"][0]["digest"])
    data = bytearray(layer.read_bytes())
    data[len(data) // 2] ^= 1
    layer.write_bytes(data)
    for verb in ("test", "run"):
        done = runc(verb, image)
        assert (done.returncode, done.stdout.replace(f"{image}\n", "")) == (4, ""), done.stderr


def test_an_interruption_leaves_nothing(runc: Brasm, root: Path, tmp_path: Path) -> None:
    path = recipe(root, tmp_path, '[[test]]\nrun = ["sleep", "1000"]\n')
    process = subprocess.Popen(
        (*runc.command, "test", "--runtime", "runc", str(path)),
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


def test_kept(runc: Brasm, root: Path, tmp_path: Path) -> None:
    image = box_image(root, tmp_path / "layout", "1", "image.cmd=['/bin/true']")
    done = attempt(*runc.command, "test", "--runtime", "runc", "--keep", image, env=runc.env)
    folder = done.stderr.strip().removeprefix("kept: ")
    assert os.path.exists(f"{folder}/rootfs/bin/busybox")
