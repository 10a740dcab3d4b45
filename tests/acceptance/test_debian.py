"""A Debian root file system of some ten thousand entries: packed whole it comes back the same; a closure runs."""

from __future__ import annotations

import json
import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.images import differences, extract, facts, layer
from tests.tools import BRASM, attempt, need, need_root, pack, run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.acceptance.images import Fact

LATER = "4102444800"
"""A SOURCE_DATE_EPOCH after all times of the root, so that none is clamped."""

NGINX = """
name = "web"
[source]
directory = {root}
[select]
keep = [
    "/etc/nginx/**", "/usr/lib/nginx/modules/*.so", "/usr/share/nginx/**",
    "/etc/{{passwd,group,nsswitch.conf}}", "/usr/lib/*/libnss_files.so.2",
]
[[files]]
path = "/var/log/nginx"
type = "directory"
[[files]]
path = "/var/lib/nginx"
type = "directory"
[[files]]
path = "/run"
type = "directory"
[[files]]
path = "/dev"
type = "directory"
[image]
entrypoint = ["/usr/sbin/nginx", "-g", "daemon off;"]
"""


@pytest.fixture(scope="module")
def whole(debian_root: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout with that root, packed in mode all."""
    folder = tmp_path_factory.mktemp("whole")
    epoch = {"SOURCE_DATE_EPOCH": LATER}
    pack("-s", debian_root, "--mode", "all", "-e", "/bin/sh", "-o", "oci:layout:1", cwd=folder, env=epoch)
    return folder / "layout"


def without_times(found: dict[bytes, Fact], paths: Iterable[bytes]) -> dict[bytes, Fact]:
    """Return facts in which the time of some paths counts for nothing."""
    return {**found, **{path: found[path]._replace(mtime=0) for path in paths if path in found}}


def test_every_entry_comes_back(debian_root: str, whole: Path, tmp_path: Path) -> None:
    need_root()
    expected = facts(debian_root)
    assert len(expected) > 8000
    # GNU tar sets a directory's time when it meets the first path outside; in bytewise order, `python3/x` comes after
    # `python3.11` and touches `python3` again. umoci and brasm itself, below, get these times right.
    directories = [path for path, fact in expected.items() if stat.S_ISDIR(fact.kind)]
    actual = facts(extract(layer(whole, "1"), tmp_path / "root"))
    assert differences(without_times(expected, directories), without_times(actual, directories)) == []
    shutil.rmtree(tmp_path / "root")


def test_umoci_unpacks_the_same(debian_root: str, whole: Path, tmp_path: Path) -> None:
    need("umoci")
    need_root()
    run("umoci", "unpack", "--image", f"{whole}:1", tmp_path / "bundle")
    expected, actual = facts(debian_root), facts(tmp_path / "bundle/rootfs")
    assert differences(without_times(expected, [b"/"]), without_times(actual, [b"/"])) == []
    shutil.rmtree(tmp_path / "bundle")


def test_dir_unpacks_the_same(debian_root: str, tmp_path: Path) -> None:
    need_root()
    epoch = {"SOURCE_DATE_EPOCH": LATER}
    pack("-s", debian_root, "--mode", "all", "-e", "/bin/sh", "-o", f"dir:{tmp_path}/root", env=epoch)
    expected, actual = facts(debian_root), facts(tmp_path / "root")
    assert differences(without_times(expected, [b"/"]), without_times(actual, [b"/"])) == []
    shutil.rmtree(tmp_path / "root")


def test_a_tarball_of_it_is_the_same_image(debian_root: str, whole: Path, tmp_path: Path) -> None:
    need_root()
    tarball = tmp_path / "root.tar"
    how = ("--xattrs", "--xattrs-include=*", "--numeric-owner", "--format=posix")
    run("tar", "--create", *how, "--file", tarball, "--directory", debian_root, ".")
    epoch = {"SOURCE_DATE_EPOCH": LATER}
    pack("-s", tarball, "--mode", "all", "-e", "/bin/sh", "-o", "oci:layout:1", cwd=tmp_path, env=epoch)
    assert layer(tmp_path / "layout", "1").name == layer(whole, "1").name
    shutil.rmtree(tmp_path / "layout")
    tarball.unlink()


def test_an_image_of_it_is_the_same_image(whole: Path, tmp_path: Path) -> None:
    epoch = {"SOURCE_DATE_EPOCH": LATER}
    source = f"oci:{whole}:1"
    pack("-s", source, "--mode", "all", "-e", "/bin/sh", "-o", "oci:layout:1", cwd=tmp_path, env=epoch)
    assert layer(tmp_path / "layout", "1").name == layer(whole, "1").name
    shutil.rmtree(tmp_path / "layout")


def test_verify_finds_it_sound(whole: Path) -> None:
    done = attempt(*BRASM, "verify", "--json", f"oci:{whole}:1")
    assert json.loads(done.stdout)["violations"] == []
    assert done.returncode == 0


def test_nginx_in_closure_mode_answers(debian_root: str, tmp_path: Path) -> None:
    need_root()
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(NGINX.format(root=json.dumps(debian_root)))
    pack(recipe, "-o", "dir:root", "-o", "oci:layout:1", cwd=tmp_path)
    done = attempt("chroot", tmp_path / "root", "/usr/sbin/nginx", "-t")
    assert done.returncode == 0, done.stderr
    assert "test is successful" in done.stderr
    kept = facts(tmp_path / "root")
    assert len(kept) < 400
    assert not any(b"/usr/lib/python3" in path for path in kept)
    assert attempt(*BRASM, "verify", f"oci:{tmp_path}/layout:1").returncode == 0


def test_why_and_plan_agree_with_the_closure(debian_root: str, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(NGINX.format(root=json.dumps(debian_root)))
    entries = json.loads(run(*BRASM, "plan", "--json", recipe))["entries"]
    library = next(row["path"] for row in entries if "libpcre" in row["path"] and row["verdict"] != "drop")
    chain = json.loads(run(*BRASM, "why", "--json", recipe, library))["chain"]
    assert chain[-1]["to"] == library
    assert any(hop["from"] == "/usr/sbin/nginx" for hop in chain)
