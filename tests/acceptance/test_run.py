"""`brasm run` in real runtimes: what the program may and may not, its exit code, and that nothing is left of it."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.running import RUNTIMES, Brasm, box_image, box_root, brasm_with, end, left_behind
from tests.tools import BRASM, attempt, environment, need, need_root, pack, run, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return box_root(tmp_path_factory.mktemp("box") / "root")


@pytest.fixture(scope="module")
def image(root: Path) -> str:
    return box_image(root, root.parent / "layout")


@pytest.fixture(params=RUNTIMES)
def brasm(request: pytest.FixtureRequest, tmp_path: Path) -> Brasm:
    return brasm_with(request.param, request, tmp_path / "tmp")


@pytest.fixture
def runc(request: pytest.FixtureRequest, tmp_path: Path) -> Brasm:
    return brasm_with("runc", request, tmp_path / "tmp")


def test_streams_and_exit_code(brasm: Brasm, image: str) -> None:
    done = brasm("run", "--quiet", image, "--", "sh", "-c", "cat; echo error >&2; exit 7", stdin="in\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, "in\n", "error\n")
    assert brasm("run", image, stdin="exit 3").returncode == 3
    assert brasm("run", image, "--", "sh", "-c", "kill -SEGV $$ & wait; kill -9 $!; true").returncode == 0


def test_killed_by_a_signal(runc: Brasm, image: str) -> None:
    assert runc("run", image, "--", "sh", "-c", "sh -c 'kill -TERM $$'; exit $?").returncode == 143


SCRIPT = """
grep -E '^(Cap|NoNewPrivs)' /proc/self/status
id -u; id -g; id -G
touch /x 2>/dev/null && echo 'root is writable'
touch /srv/data/second && cat /srv/data/first && ls /srv/data && stat -c '%a %u:%g' /srv/data
ip -o link | cut -d: -f2
ls /dev | grep -E '^(sda|vda|mem|kmsg)$'
pwd
"""


def test_a_container_may_nothing(brasm: Brasm, image: str) -> None:
    done = brasm("run", "--user", "web", "--workdir", "/var", image, "--", "sh", "-c", SCRIPT)
    lines = done.stdout.splitlines()
    assert lines[:6] == [
        *(f"Cap{kind}:\t0000000000000000" for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")),
        "NoNewPrivs:\t1",
    ], done.stderr
    assert lines[6:8] == ["1000", "1000"]
    assert set(lines[8].split()) >= {"1000", "7"}
    assert lines[9:] == ["begunfirst", "second", "700 1000:1000", " lo", "/var"]


def test_as_root_as_well(brasm: Brasm, image: str) -> None:
    done = brasm(
        "run", image, "--", "sh", "-c", "grep CapEff /proc/self/status; chown 5 /srv/data; mount -t tmpfs x /var"
    )
    assert "0000000000000000" in done.stdout
    assert done.returncode != 0


def test_what_is_allowed(brasm: Brasm, image: str, tmp_path: Path) -> None:
    (tmp_path / "seen").write_text("seen\n")
    limits = ("--cap-add", "CHOWN", "--cap-add=cap_kill", "--tmpfs", "/scratch", "--writable", "--env", "A=b c")
    binds = ("-v", f"{tmp_path}/seen:/etc/seen:ro", "-v", f"{tmp_path}:/mnt")
    script = """
    grep CapEff /proc/self/status; touch /written && chown 5 /written && stat -c %u /written; echo $A
    cat /etc/seen; echo x 2>/dev/null > /etc/seen || echo refused; echo out > /mnt/out; touch /scratch/x && echo scratch
    """
    done = brasm("run", *limits, *binds, image, "--", "sh", "-c", script)
    assert done.stdout.splitlines() == ["CapEff:\t0000000000000021", "5", "b c", "seen", "refused", "scratch"], (
        done.stderr
    )
    assert (tmp_path / "out").read_text() == "out\n"


def test_capabilities_of_an_ordinary_user(runc: Brasm, image: str) -> None:
    script = "grep CapEff /proc/self/status; nc -l -p 80 -w 1 </dev/null 2>&1 | head -1"
    done = runc("run", "--user", "web", "--cap-add", "NET_BIND_SERVICE", image, "--", "sh", "-c", script)
    assert done.stdout.splitlines()[0] == "CapEff:\t0000000000000400"
    assert "denied" not in done.stdout


def test_variables_of_this_machine(runc: Brasm, image: str) -> None:
    done = runc("run", "-e", "BRASM_X", image, "--", "sh", "-c", "echo $BRASM_X", env={"BRASM_X": "y"})
    assert done.stdout == "y\n"


def test_too_much_memory(brasm: Brasm, image: str) -> None:
    hungry = "head -c 300000000 /dev/zero | tail -c 290000000 | wc -c"
    done = brasm("run", "--memory", "64MB", image, "--", "sh", "-c", f"{hungry}; echo over")
    assert "290000000" not in done.stdout
    assert brasm("run", "--memory", "1GB", image, "--", "sh", "-c", "echo fits").stdout == "fits\n"
    assert not os.path.exists("oom"), "podman's monitor wrote it to the caller's folder"


def test_too_long(brasm: Brasm, image: str) -> None:
    done = brasm("run", "--timeout", "1s", image, "--", "sleep", "1000")
    assert (done.returncode, done.stdout) == (124, "")


def test_a_program_that_ends_itself_in_time(runc: Brasm, image: str) -> None:
    script = "trap 'echo bye; exit 5' TERM; while :; do sleep 0.1; done"
    done = runc("run", "--timeout", "1s", image, "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (124, "bye\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--", "nope"), 127, "nope: the image has no such program on its PATH"),
        (("--", "/srv/data/first"), 126, "/srv/data/first: not an executable file of the image"),
        (("--user", "nobody"), 4, "user 'nobody' is not in /etc/passwd of the image"),
        (("--memory", "x"), 2, "--memory: 'x' is not a size"),
        (("--timeout", "soon"), 2, "'soon' is not a time"),
        (("--cap-add", "NOPE"), 2, "--cap-add NOPE: no capability"),
        (("--tmpfs", "run"), 2, "--tmpfs run: not an absolute path"),
        (("-v", "/nope:/x"), 2, "/nope is not there"),
        (("-v", "/nope"), 2, "not of the form HOST:PATH[:ro]"),
        (("-e", "=x"), 2, "not of the form NAME=VALUE"),
        (("--workdir", "x"), 2, "--workdir x: not an absolute path"),
        (("--entrypoint", "'"), 2, "--entrypoint"),
        (("--entrypoint", ""), 2, "--entrypoint: is empty"),
        (("--runtime", "nope"), 6, "nope: not installed"),
        (("--platform", "linux/arm64"), 4, "arm64"),
    ],
)
def test_what_cannot_be(arguments: Sequence[str], code: int, message: str, image: str, tmp_path: Path) -> None:
    tmp_path.mkdir(exist_ok=True)
    done = attempt(*BRASM, "run", "--runtime", "runc", image, *arguments, env={"TMPDIR": str(tmp_path)})
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert len([line for line in done.stderr.splitlines() if not line.startswith("hint: ")]) == 1
    assert list(tmp_path.iterdir()) == []


def test_no_image(tmp_path: Path) -> None:
    done = attempt(*BRASM, "run", tmp_path / "nope.tar")
    assert (done.returncode, done.stdout) == (4, "")


def test_an_image_that_starts_nothing(root: Path, runc: Brasm, tmp_path: Path) -> None:
    pack("-s", root, "--mode", "all", "-o", "oci:layout:none", cwd=tmp_path)
    done = runc("run", f"oci:{tmp_path}/layout:none")
    assert done.returncode == 4
    assert "says of no program" in done.stderr
    assert runc("run", "--entrypoint", "/bin/echo a 'b c'", f"oci:{tmp_path}/layout:none").stdout == "a b c\n"


def test_hybrid_cgroups_are_not_crun_s(image: str, tmp_path: Path) -> None:
    need("crun", "runc")
    need_root()
    if not os.path.exists("/sys/fs/cgroup/unified/cgroup.controllers"):
        pytest.skip("this machine has no hybrid cgroups")
    done = attempt(*BRASM, "run", "--runtime", "crun", image, env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 6
    assert "crun: it refuses hybrid cgroups" in done.stderr
    assert run(*BRASM, "run", image, "--", "echo", "by another") == "by another\n"


def test_no_runtime_at_all(image: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    code = (
        "import os, sys\nimport assembler.runtime.choose as choose\nchoose._find = lambda name: None\n"
        f"sys.argv = ['brasm', 'run', {image!r}]\nfrom assembler.cli import main\nmain()"
    )
    done = attempt(sys.executable, "-c", code)
    assert done.returncode == 6
    assert "crun: not installed; runc: not installed; podman: not installed; docker: not installed" in done.stderr


def test_the_machine_s_network(runc: Brasm, image: str) -> None:
    script = "ip -o link | wc -l; test -s /etc/resolv.conf; cat /etc/hosts"
    done = runc("run", "--network", "host", image, "--", "sh", "-c", script)
    assert int(done.stdout.split()[0]) == len(os.listdir("/sys/class/net"))
    own = runc(
        "run", image, "--", "sh", "-c", "cat /etc/hosts; ping -c 1 -w 1 127.0.0.1 || nc -z localhost 1; hostname"
    )
    assert "127.0.0.1 localhost brasm-" in own.stdout


def test_kept(image: str, tmp_path: Path) -> None:
    done = attempt(*BRASM, "run", "--keep", image, "--", "true", env={"TMPDIR": str(tmp_path)})
    kept = re.fullmatch(r"kept: (.*)\n", done.stderr)
    assert kept is not None
    assert os.path.exists(f"{kept[1]}/rootfs/bin/busybox")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("trap", [True, False], ids=["handled", "not handled"])
def test_signals_reach_the_program(brasm: Brasm, image: str, number: signal.Signals, trap: bool) -> None:
    name = number.name.removeprefix("SIG")
    script = (
        f"{f'trap {chr(39)}echo got; exit 9{chr(39)} {name}; ' if trap else ''}echo ready; while :; do sleep 0.1; done"
    )
    command = (*brasm.command, "run", "--runtime", brasm.runtime, image, "--", "sh", "-c", script)
    process = subprocess.Popen(
        ("env", "--default-signal=INT,HUP,TERM", *command),
        env=environment(**brasm.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, errors = process.communicate(timeout=60)
    finally:
        end(process)
    assert (process.returncode, out) == ((9, "got\n") if trap else (128 + number, "")), errors
    assert left_behind(brasm.folder) == []


def test_a_program_that_ignores_its_end_is_killed_by_the_second(runc: Brasm, image: str) -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    process = subprocess.Popen(
        (*runc.command, "run", "--runtime", "runc", image, "--", "sh", "-c", script),
        env=environment(**runc.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: signal_is_past(process.pid), "the first signal was handed on")
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60)[0] == ""
        assert process.returncode == 143
    finally:
        end(process)
    assert left_behind(runc.folder) == []


def signal_is_past(pid: int) -> bool:
    """Whether a process sleeps again, with no signal pending."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    return fields["State"].startswith("S") and int(fields["ShdPnd"], 16) == 0


@pytest.mark.parametrize("runtime", ["runc", "podman"])
def test_a_terminal(runtime: str, request: pytest.FixtureRequest, image: str, tmp_path: Path) -> None:
    brasm = brasm_with(runtime, request, tmp_path / "tmp")
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        (
            *brasm.command,
            "run",
            "--runtime",
            runtime,
            image,
            "--",
            "sh",
            "-c",
            "test -t 0 && test -t 1 && echo ready && cat; tty; exit 4",
        ),
        env=environment(**brasm.env),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        said = _until(controller, "ready")
        os.write(controller, b"typed\n\x04")
        said += _until(controller, None)
        assert process.wait(60) == 4, said
    finally:
        end(process)
        os.close(controller)
    assert said.count("typed") == 2, "once as the echo, once from cat"
    assert "/dev/" in said
    assert left_behind(brasm.folder) == []


def _until(controller: int, text: str | None) -> str:
    """Read what a terminal shows until it has a text, or until all who had the terminal are gone."""
    said = ""
    while text is None or text not in said:
        assert select.select([controller], [], [], 60)[0], f"nothing more comes after {said!r}"
        try:
            data = os.read(controller, 4096)
        except OSError:
            data = b""
        if not data:
            break
        said += data.decode()
    return said


AS_A_USER = """
import encodings.ascii, encodings.latin_1, importlib, os, pkgutil, sys
import assembler, deflate, zstandard
for module in pkgutil.walk_packages(assembler.__path__, "assembler."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
from assembler.cli import main
main()
"""
"""brasm as an ordinary user, who may perhaps not enter the folder of this Python: all is imported before."""


@pytest.mark.parametrize(("user", "ids"), [("web", "1000:1000"), ("0:0", "0:0"), ("7:8", "7:8")])
def test_an_ordinary_user_by_crun(request: pytest.FixtureRequest, root: Path, out: Path, user: str, ids: str) -> None:
    image = box_image(root, out / "layout")
    under = brasm_with("crun", request, out / "tmp").under
    os.chown(out / "tmp", 65534, 65534)
    script = "echo $(id -u):$(id -g); touch /srv/data/x && grep CapEff /proc/self/status; ip -o link | wc -l"
    words = ("run", "--memory", "64MB", "--user", user, image, "--", "sh", "-c", script)
    env = {"TMPDIR": str(out / "tmp"), "HOME": "/"}
    done = attempt(*under, sys.executable, "-c", AS_A_USER, *words, env=env)
    if "uid_map" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip("the kernel forbids user namespaces to ordinary users")
    assert done.stdout.splitlines() == [ids, "CapEff:\t0000000000000000", "1"], done.stderr
    assert "memory is not limited" in done.stderr
    assert left_behind(out / "tmp") == []


def test_an_ordinary_user_by_runc(request: pytest.FixtureRequest, root: Path, out: Path) -> None:
    image = box_image(root, out / "layout")
    brasm_with("runc", request, out / "tmp")
    os.chown(out / "tmp", 65534, 65534)
    env = {"TMPDIR": str(out / "tmp"), "HOME": "/"}
    command = (sys.executable, "-c", AS_A_USER, "run", "--runtime", "runc")
    done = attempt(*command, "-u", "1:1", image, "--", "id", env=env)
    assert done.returncode == 6
    assert "runc: without root it runs images only as 0:0, this one is for 1:1" in done.stderr
    assert attempt(*command, image, "--", "id", "-u", env=env).stdout == "0\n"
    assert left_behind(out / "tmp") == []


BINFMT = """
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc || exit 99
cat /usr/lib/binfmt.d/qemu-aarch64.conf >/proc/sys/fs/binfmt_misc/register || exit 99
exec "$@"
"""


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    need("aarch64-linux-gnu-gcc", "qemu-aarch64-static", "unshare", "runc")
    need_root()
    (tmp_path / "root").mkdir()
    source = '#include <stdio.h>\nint main(void) { puts("from arm64"); return 0; }\n'
    run("aarch64-linux-gnu-gcc", "-static", "-x", "c", "-", "-o", tmp_path / "root/app", stdin=source)
    pack("-s", tmp_path / "root", "-e", "/app", "-o", tmp_path / "x.tar")
    return tmp_path / "x.tar"


def test_another_architecture(foreign: Path) -> None:
    done = attempt("unshare", "-m", "-U", "-r", "sh", "-c", BINFMT, "-", *BRASM, "run", foreign)
    if done.returncode == 99:
        pytest.skip("this kernel has no binfmt_misc in user namespaces")
    assert (done.returncode, done.stdout) == (0, "from arm64\n"), done.stderr


def test_another_architecture_without_an_emulator(foreign: Path) -> None:
    empty = 'mount -t tmpfs none /proc/sys/fs/binfmt_misc; exec "$@"'
    done = attempt("unshare", "--mount", "sh", "-c", empty, "-", *BRASM, "run", foreign)
    assert done.returncode == 6
    assert "/app is for arm64, this machine is" in done.stderr
    assert "no entry of binfmt_misc starts it" in done.stderr
