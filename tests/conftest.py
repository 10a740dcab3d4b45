"""Fixtures that all tests share: services and root filesystems that are made once a run.

With pytest-xdist each worker is a process of its own. What is costly is made by the first that asks, under a lock, in
a folder that the controlling process makes and removes (`BRASM_TEST_RUN`); services are cheap, each worker has its own.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import roots
from tests.tools import Service, attempt, need, need_root, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Runner = Callable[..., str]


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of this run, before workers are started."""
    del config
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ["BRASM_TEST_RUN"] = tempfile.mkdtemp(prefix="brasm-tests-")
        os.chmod(os.environ["BRASM_TEST_RUN"], 0o755)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder of this run, after workers have ended."""
    del config
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(os.environ.pop("BRASM_TEST_RUN"), ignore_errors=True)


@contextmanager
def once(name: str) -> Iterator[tuple[str, bool]]:
    """Give the path of something shared by all workers, and whether it is still to be made; others wait meanwhile."""
    path = os.path.join(os.environ["BRASM_TEST_RUN"], name)
    with open(path + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path, not os.path.exists(path)


def made(name: str, make: Callable[[str], None]) -> str:
    """Return the path of a root file system, which the first that asks makes."""
    need("mmdebstrap", "tar")
    need_root()
    with once(name) as (path, fresh):
        if fresh:
            make(path)
    return path


@pytest.fixture(scope="session")
def debian_root() -> str:
    """A Debian root file system (minbase, python3, nginx-light). Nobody writes to it."""
    return made("debian", roots.debian)


@pytest.fixture(scope="session")
def big_debian() -> Path:
    """A Debian root file system with over 800 ELF files. Nobody writes to it."""
    return Path(made("big-debian", roots.big_debian))


@pytest.fixture(scope="session")
def noted_debian() -> Path:
    """Debian's libsystemd, of a suite in which it has a dlopen note, with the libraries that it names."""
    return Path(made("noted-debian", roots.noted_debian))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry on a loopback port: `127.0.0.1:PORT`."""
    need("docker-registry")
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/blobs}}}}\n"
        f"http: {{addr: {address!r}}}\n"
    )
    service = Service(["docker-registry", "serve", str(config)], str(folder / "log"))
    try:
        service.wait(lambda: _answers(f"http://{address}/v2/"))
        yield address
    finally:
        service.stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="session")
def docker() -> Iterator[Runner]:
    """A docker daemon of our own: a function that runs `docker` with the arguments given and returns its output."""
    need("docker", "dockerd", "runc")
    need_root()
    # A socket's path has at most 107 bytes, so the folder stands near the top.
    folder = tempfile.mkdtemp(prefix="brasm-docker-")
    host = f"unix://{folder}/socket"
    with open(f"{folder}/daemon.json", "w", encoding="ascii") as settings:
        settings.write("{}")
    quiet = ("--iptables=false", "--ip6tables=false", "--ip-masq=false", "--bridge=none", "--storage-driver=vfs")
    where = (f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid")
    service = Service(
        ["dockerd", f"--config-file={folder}/daemon.json", f"--host={host}", *where, *quiet], f"{folder}/log"
    )
    try:
        service.wait(lambda: attempt("docker", f"--host={host}", "version").returncode == 0)
        yield lambda *arguments: run("docker", f"--host={host}", *arguments)
    finally:
        service.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def podman() -> Iterator[Runner]:
    """A function that runs `podman` with storage of our own."""
    need("podman", "runc")
    need_root()
    folder = tempfile.mkdtemp(prefix="brasm-podman-")
    private = (f"--root={folder}/root", f"--runroot={folder}/run", f"--tmpdir={folder}/tmp", "--storage-driver=vfs")
    control = ("--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=none", "--log-level=error")
    yield lambda *arguments: run("podman", *private, *control, *arguments)
    attempt("podman", *private, *control, "rmi", "--all", "--force")
    shutil.rmtree(folder, ignore_errors=True)
