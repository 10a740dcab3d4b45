"""One tree, one digest: whatever the order of directories, umask, time zone, locale, hash seed, folder, user, cores."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.images import mounted
from tests.acceptance.refusals import NOBODY, need_an_ordinary_user
from tests.tools import BRASM, lack, need, need_root, pack, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@pytest.fixture(scope="module")
def tree(debian_root: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Part of a Debian root with some odd entries, that everybody may read."""
    need_root()
    folder = tmp_path_factory.mktemp("reproducible")
    top = folder / "tree"
    (top / "usr/lib").mkdir(parents=True)
    for part in ("usr/bin", "usr/lib/python3*", "srv"):
        run("sh", "-c", f'cp -a "$1"/{part} "$2"', "sh", debian_root, top / os.path.dirname(part))
    run("chmod", "-R", "a+rX", top)
    _open_up(top)
    return top


def _open_up(path: Path) -> None:
    """Let everybody enter the folders that pytest keeps to itself."""
    for above in path.parents:
        if above.owner() == "root" and "pytest" in str(above):
            above.chmod(0o755)


def digest_of(
    tree: Path, folder: Path, env: Mapping[str, str] | None = None, under: Sequence[str] = ()
) -> tuple[str, bytes]:
    """Pack in mode all; return the image's digest and the archive."""
    output = folder / "out"
    output.mkdir(mode=0o777)
    output.chmod(0o777)
    _open_up(output)
    how = ("--mode", "all", "--set", "image.platform=linux/amd64", "--set", "name=same")
    digest = pack("-s", tree, *how, "-o", f"{output}/image.tar", env=env, under=under, cwd="/")
    archive = (output / "image.tar").read_bytes()
    shutil.rmtree(output)
    return digest, archive


@pytest.fixture(scope="module")
def first(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """The digest and archive that all others must be."""
    return digest_of(tree, tmp_path_factory.mktemp("first"))


@pytest.mark.parametrize(
    "env",
    [
        {"TZ": "Pacific/Kiritimati"},
        {"TZ": "America/St_Johns", "LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8", "LANGUAGE": "de"},
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "4294967295", "HOME": "/nonexistent", "COLUMNS": "40"},
    ],
    ids=",".join,
)
def test_environment(env: dict[str, str], tree: Path, first: tuple[str, bytes], tmp_path: Path) -> None:
    assert digest_of(tree, tmp_path, env) == first


def test_a_locale_that_is_not_utf_8(tree: Path, first: tuple[str, bytes], tmp_path: Path) -> None:
    need("localedef")
    if not os.path.exists("/usr/share/i18n/locales/de_DE"):
        lack("the sources of locales are not installed: apt install locales")
    run("localedef", "--inputfile=de_DE", "--charmap=ISO-8859-1", tmp_path / "de_DE.ISO-8859-1")
    env = {"LOCPATH": str(tmp_path), "LC_ALL": "de_DE.ISO-8859-1"}
    encoding = "import locale; locale.setlocale(locale.LC_ALL, ''); print(locale.getpreferredencoding(False))"
    assert "8859" in run(BRASM[0], "-X", "utf8=0", "-c", encoding, env=env)
    assert digest_of(tree, tmp_path, env) == first


@pytest.mark.parametrize("umask", ["0000", "0077", "0777"])
def test_umask(umask: str, tree: Path, first: tuple[str, bytes], tmp_path: Path) -> None:
    assert digest_of(tree, tmp_path, under=("sh", "-c", f'umask {umask}; exec "$@"', "sh")) == first


@pytest.mark.parametrize("cores", ["0", f"0-{(os.cpu_count() or 1) - 1}"])
def test_cores(cores: str, tree: Path, first: tuple[str, bytes], tmp_path: Path) -> None:
    need("taskset")
    assert digest_of(tree, tmp_path, under=("taskset", "--cpu-list", cores)) == first


def test_another_folder(tree: Path, first: tuple[str, bytes], tmp_path: Path) -> None:
    run("cp", "-a", tree, tmp_path / "a b")
    assert digest_of(tmp_path / "a b", tmp_path) == first
    assert digest_of(tmp_path / "../" / tmp_path.name / "a b", tmp_path) == first


def test_shuffled_directories(tree: Path, first: tuple[str, bytes], tmp_path: Path) -> None:
    need("disorderfs", "fusermount")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        lack("/dev/fuse is not there")
    command = ("disorderfs", "--quiet", "--shuffle-dirents=yes", "--multi-user=yes", str(tree))
    with mounted(command, tmp_path / "shuffled") as shuffled:
        assert digest_of(shuffled, tmp_path) == first


def test_an_ordinary_user(tree: Path, first: tuple[str, bytes], tmp_path: Path) -> None:
    need_an_ordinary_user()
    assert digest_of(tree, tmp_path, under=NOBODY) == first
