"""Programs of the machine that tests run: finding them, and saying what to install where they are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PACKAGES: Final[Mapping[str, str]] = {
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "arm-linux-gnueabihf-gcc": "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross",
    "bc": "bc",
    "buildah": "buildah",
    "busybox": "busybox-static",
    "bzip2": "bzip2",
    "certtool": "gnutls-bin",
    "chromium": "chromium",
    "cpio": "cpio",
    "crun": "crun",
    "diff": "diffutils",
    "disorderfs": "disorderfs",
    "docker": "docker.io",
    "docker-registry": "docker-registry",
    "dockerd": "docker.io",
    "file": "file",
    "fusermount": "fuse3",
    "g++": "g++",
    "gcc": "gcc libc6-dev",
    "getfattr": "attr",
    "git": "git",
    "i686-linux-gnu-gcc": "gcc-i686-linux-gnu libc6-dev-i386-cross",
    "ldconfig": "libc-bin",
    "ldd": "libc-bin",
    "localedef": "locales",
    "make": "make",
    "mmdebstrap": "mmdebstrap",
    "musl-gcc": "musl-tools",
    "nsenter": "util-linux",
    "objcopy": "binutils",
    "openssl": "openssl",
    "patch": "patch",
    "perl": "perl",
    "podman": "podman",
    "powerpc64le-linux-gnu-gcc": "gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross",
    "prlimit": "util-linux",
    "qemu-aarch64-static": "qemu-user-static",
    "qemu-arm-static": "qemu-user-static",
    "qemu-i386-static": "qemu-user-static",
    "qemu-ppc64le-static": "qemu-user-static",
    "qemu-riscv64-static": "qemu-user-static",
    "qemu-s390x-static": "qemu-user-static",
    "readelf": "binutils",
    "riscv64-linux-gnu-gcc": "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross",
    "rsync": "rsync",
    "runc": "runc",
    "s390x-linux-gnu-gcc": "gcc-s390x-linux-gnu libc6-dev-s390x-cross",
    "setcap": "libcap2-bin",
    "setfattr": "attr",
    "setpriv": "util-linux",
    "skopeo": "skopeo",
    "strip": "binutils",
    "tar": "tar",
    "task": "taskwarrior",
    "taskd": "taskd",
    "taskset": "util-linux",
    "umoci": "umoci",
    "unshare": "util-linux",
    "unzip": "unzip",
    "wget": "wget",
    "xz": "xz-utils",
    "zstd": "zstd",
}
"""What Debian calls the package of each program; `.ci/run` installs them all (a test holds it to this)."""

REQUIRED: Final = os.environ.get("BRASM_REQUIRE_TOOLS") == "1"
"""Whether a missing program fails a test instead of skipping it."""

BRASM: Final = (sys.executable, "-m", "assembler")
ROOT: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SEARCH_PATH: Final = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def need(*programs: str) -> None:
    """Skip the test that cannot run without these programs; fail it where all programs must be there."""
    for program in programs:
        if shutil.which(program, path=SEARCH_PATH) is None:
            lack(f"{program} is not installed: apt install {PACKAGES[program]}")


def need_root() -> None:
    """Skip the test that only root can run."""
    if os.geteuid() != 0:
        lack("only root can do this")


def lack(reason: str) -> None:
    """Skip a test for what the machine lacks, or fail it where nothing may be lacking."""
    if REQUIRED:
        pytest.fail(f"{reason} (BRASM_REQUIRE_TOOLS=1)", pytrace=False)
    pytest.skip(reason)


def environment(**changes: str) -> dict[str, str]:
    """Return the environment for a program under test: the checkout importable from any folder, a cache of the run."""
    kept = {key: value for key, value in os.environ.items() if key not in {"SOURCE_DATE_EPOCH", "NO_COLOR"}}
    if "BRASM_TEST_RUN" in os.environ:  # not where `benches` makes the same roots
        kept["XDG_CACHE_HOME"] = os.path.join(os.environ["BRASM_TEST_RUN"], "cache")
    return {**kept, "PATH": SEARCH_PATH, "PYTHONPATH": ROOT, **changes}


def run(
    *command: str | os.PathLike[str],
    cwd: str | os.PathLike[str] | None = None,
    stdin: str = "",
    timeout: float = 120,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a program that must succeed, and return its standard output."""
    done = attempt(*command, cwd=cwd, stdin=stdin, timeout=timeout, env=env)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def attempt(
    *command: str | os.PathLike[str],
    cwd: str | os.PathLike[str] | None = None,
    stdin: str = "",
    timeout: float = 120,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program that may fail; `env` is laid over this process's environment."""
    return subprocess.run(
        [os.fspath(part) for part in command],
        cwd=cwd,
        input=stdin,
        env=environment(**(env or {})),
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=timeout,
        check=False,
    )


def pack(
    *arguments: str | os.PathLike[str],
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    under: Sequence[str] = (),
) -> str:
    """Run `brasm pack`, by another program where `under` names one, and return the image's digest."""
    return run(*under, *BRASM, "pack", "--quiet", *arguments, cwd=cwd, env=env).strip()


def wait_for(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


class Service:
    """A program that runs until the test is over; it is ended by its own process id."""

    def __init__(self, command: Sequence[str], log: str) -> None:
        with open(log, "wb") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment()
            )
        self._log = log

    def wait(self, ready: Callable[[], object], seconds: float = 30) -> None:
        """Wait until it answers; if it ends before, fail with what it wrote."""

        def answered() -> object:
            if self._process.poll() is not None:
                with open(self._log, encoding="utf-8", errors="replace") as log:
                    pytest.fail(f"{self._process.args!r} ended: {log.read()[-2000:]}")
            return ready()

        wait_for(answered, f"{self._process.args!r} answers", seconds)

    def stop(self) -> None:
        """End it, gently first."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
