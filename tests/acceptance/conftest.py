"""Images that several acceptance tests look at, made once a worker."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.acceptance.platforms import make_programs
from tests.conftest import once
from tests.tools import need, pack

FORMS = (
    "{name}.tar",
    "oci:layout:{version}",
    "oci-archive:{name}.oci.tar:{version}",
    "docker-archive:{name}.docker.tar:{name}:{version}",
)


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recipes/shell in every form: shell.tar, layout, shell.oci.tar, shell.docker.tar; tag 1.0."""
    folder = tmp_path_factory.mktemp("shell")
    pack("shell", *(word for form in FORMS for word in ("-o", form)), cwd=folder)
    return folder


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of recipes/python, tag 3: its layer has many blocks."""
    folder = tmp_path_factory.mktemp("python")
    pack("python", *(word for form in FORMS for word in ("-o", form)), cwd=folder)
    return folder


@pytest.fixture(scope="session")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root filesystem of one static program, /bin/busybox."""
    need("busybox")
    root = tmp_path_factory.mktemp("static")
    (root / "bin").mkdir()
    busybox = shutil.which("busybox")
    assert busybox is not None
    shutil.copy(busybox, root / "bin/busybox")
    os.symlink("busybox", root / "bin/sh")
    os.symlink("busybox", root / "bin/echo")
    root.chmod(0o755)
    return root


@pytest.fixture(scope="session")
def programs() -> Path:
    """What `make_programs` makes. Nobody writes to it."""
    with once("programs") as (path, fresh):
        if fresh:
            make_programs(Path(path))
    return Path(path)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder to write into, which everybody may write to."""
    folder = tmp_path / "out"
    folder.mkdir()
    folder.chmod(0o777)
    for above in tmp_path.parents:
        if "pytest" in str(above) and above.owner() == "root":
            above.chmod(0o755)
    tmp_path.chmod(0o755)
    return folder
