"""Fixtures that all tests share: services and root filesystems that are made once a run.

With pytest-xdist each worker is a process of its own. What is costly is made by the first that asks, under a lock, in
a folder that the controlling process makes and removes (`BRASM_TEST_RUN`); services are cheap, each worker has its own.
"""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import socket
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import roots
from tests.emulators import registered as emulators_registered
from tests.registries import serve_registry
from tests.remote.certificates import make_certificates
from tests.tools import Service, attempt, need, need_root, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.registries import Registry

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
def platform_roots() -> Mapping[str, Path]:
    """For each architecture of `roots.PLATFORMS` a Debian root file system. Nobody writes to them."""
    return {name: Path(made(f"shell-{name}", functools.partial(roots.for_platform, name))) for name in roots.PLATFORMS}


@pytest.fixture(scope="session")
def emulators() -> Iterator[None]:
    """Programs for arm, arm64 and riscv64 start on this machine, also in containers."""
    with emulators_registered(("aarch64", "arm", "riscv64")):
        yield


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry on a loopback port, which deletes nothing: `127.0.0.1:PORT`."""
    with serve_registry(tmp_path_factory.mktemp("registry"), deletes=False) as served:
        yield served.address


@pytest.fixture(scope="session")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Registry]]:
    """Registries that delete where they are asked to, by what they want: "plain", "htpasswd", "tls", "tls htpasswd"."""
    with ExitStack() as stack:

        @functools.cache
        def serving(wants: str) -> Registry:
            folder = tmp_path_factory.mktemp(wants.replace(" ", "-"))
            tls = make_certificates(folder / "certificates") if "tls" in wants.split() else None
            return stack.enter_context(serve_registry(folder, tls=tls, password="htpasswd" in wants.split()))

        yield serving


@pytest.fixture(scope="session")
def docker_host() -> Iterator[str]:
    """A docker daemon of our own: its address."""
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
        yield host
    finally:
        service.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def docker(docker_host: str) -> Runner:
    """A function that runs `docker` with the arguments given, on a daemon of our own, and returns its output."""
    return lambda *arguments: run("docker", f"--host={docker_host}", *arguments)


@contextmanager
def private_podman() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give a folder, and the command that runs `podman` with its storage in it."""
    need("podman", "runc")
    need_root()
    folder = tempfile.mkdtemp(prefix="brasm-podman-")
    private = (f"--root={folder}/root", f"--runroot={folder}/run", f"--tmpdir={folder}/tmp", "--storage-driver=vfs")
    control = ("--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=none", "--log-level=error")
    command = ("podman", *private, *control)
    try:
        yield folder, command
    finally:
        attempt(*command, "rmi", "--all", "--force")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def podman() -> Iterator[Runner]:
    """A function that runs `podman` with storage of our own."""
    with private_podman() as (_, command):
        yield lambda *arguments: run(*command, *arguments)


@pytest.fixture(scope="session")
def podman_host() -> Iterator[str]:
    """A service of podman, with storage of our own: its address."""
    with private_podman() as (folder, command):
        path = f"{folder}/socket"
        service = Service([*command, "system", "service", "--time=0", f"unix://{path}"], f"{folder}/log")
        try:
            service.wait(lambda: _connects(path))
            yield f"unix://{path}"
        finally:
            service.stop()


def _connects(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0
