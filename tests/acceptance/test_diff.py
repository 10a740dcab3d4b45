"""`brasm diff` of real images, held to what `diff -r` and the standard library see in the unpacked roots."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assembler.base.paths import from_bytes, show
from assembler.recipe.find import find_recipe
from tests.acceptance.images import facts
from tests.acceptance.refusals import refused
from tests.tools import BRASM, attempt, lack, need, need_root, pack, run
from tests.trees import make_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.acceptance.images import Fact

OLD = r"""
/bin/app file 4755 0:0 program
/bin/alias hard /bin/app
/bin/other hard /bin/app
/etc/app.conf file 0644 7:8 one\n
/etc/motd file 0644 0:0 hello
/etc/gone.d/a file 0644 0:0 a
/etc/gone.d/b file 0644 0:0 bb
/lib link usr/lib
/srv dir 0755
/srv/kind file 0644 0:0 x
/srv/empty file
/run/pipe fifo 0600
/dev/null char 0666 0:0 1,3
/tmp dir 1777
/na\xc3\xafve file 0644 0:0 x
/stray\xff file 0644 0:0 x
"""
NEW = r"""
/bin/app file 0755 0:0 program
/bin/alias hard /bin/app
/bin/other file 4755 0:0 program
/etc/app.conf file 0600 7:8 two\n
/etc/motd file 0644 0:0 hello, world
/etc/come.d/a file 0644 0:0 a
/lib link usr/lib64
/srv dir 0750 9:9
/srv/kind dir
/srv/kind/x file 0644 0:0 12345
/srv/empty file
/srv/empty2 hard /srv/empty
/run/pipe fifo 0666
/dev/null char 0666 0:0 1,5
/tmp dir 1777
/na\xc3\xafve file 0644 0:0 y
/new\nline file 0644 0:0 x
"""


def differing(before: str, after: str, cwd: Path, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*BRASM, "diff", "--json", *options, before, after, cwd=cwd))
    return found


def named(found: dict[str, Any]) -> list[str]:
    """Return all paths that differ."""
    return sorted(path for one in found["files"] for path in (one["path"], *one["also"]))


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two images of ours (old.tar, new.tar, layouts), and their roots as umoci unpacks them."""
    need("umoci", "setfattr")
    need_root()
    folder = tmp_path_factory.mktemp("diff")
    for name, text in (("old", OLD), ("new", NEW)):
        make_folder(text, folder / f"{name}.source")
        run("setfattr", "-n", "user.origin", "-v", name, folder / f"{name}.source/srv/empty")
        tar, layout = ("-o", f"{name}.tar"), ("-o", f"oci:{name}.oci:1")
        pack("-s", f"{name}.source", "--mode", "all", "--set", "image.platform=linux/amd64", *tar, *layout, cwd=folder)
        run("umoci", "unpack", "--image", f"{name}.oci:1", f"{name}.bundle", cwd=folder)
    return folder


def expected(old: Mapping[bytes, Fact], new: Mapping[bytes, Fact]) -> dict[str, str]:
    """Return what became of each path that differs, be it in the first name of a hard link."""
    states = {}
    for path in old.keys() | new.keys():
        if _timeless(old.get(path)) != _timeless(new.get(path)):
            state = "added" if path not in old else "removed" if path not in new else "changed"
            states[show(from_bytes(path))] = state
    return states


def _timeless(fact: Fact | None) -> object:
    return fact._replace(mtime=0) if fact is not None else None


@pytest.mark.parametrize("form", ["{}.tar", "oci:{}.oci:1"])
def test_the_paths_that_differ_on_disk(roots: Path, form: str) -> None:
    old, new = (facts(roots / f"{name}.bundle/rootfs") for name in ("old", "new"))
    wanted = expected(old, new)
    found = differing(form.format("old"), form.format("new"), roots)
    assert {path: one["state"] for one in found["files"] for path in (one["path"], *one["also"])} == wanted
    back = differing(form.format("new"), form.format("old"), roots)
    assert named(back) == sorted(wanted)


def test_sizes_are_those_on_disk(roots: Path) -> None:
    found = differing("old.tar", "new.tar", roots)
    totals = found["totals"]
    for name, side in (("old", "before"), ("new", "after")):
        root = roots / f"{name}.bundle/rootfs"
        statuses = (path.lstat() for path in root.rglob("*"))
        regular = {status.st_ino: status.st_size for status in statuses if stat.S_ISREG(status.st_mode)}
        assert totals["unpacked"][side] == sum(regular.values())
        assert totals["files"][side] == len(regular)
        assert totals["compressed"][side] == sum(one["size"] for one in found["layers"][side])
    assert totals["unpacked"]["delta"] == sum(one["delta"] for one in found["files"])


# A recipe with a path and without it


@pytest.fixture(scope="module")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recipes/shell, and with one that is without find: recipes, archives, and roots as umoci unpacks."""
    need("umoci")
    need_root()
    folder = tmp_path_factory.mktemp("shells")
    text = Path(find_recipe("shell")).read_text(encoding="utf-8").partition("\n")[2]
    assert "{find,grep,sed}" in text
    for name, changed in (("with", text), ("without", text.replace("{find,grep,sed}", "{grep,sed}"))):
        (folder / name).mkdir()
        (folder / name / "recipe.toml").write_text(changed.replace("nobody:x:", f"{name}:x:"), encoding="utf-8")
        pack(name, "-o", f"{name}.tar", "-o", f"oci:{name}.oci:1", cwd=folder)
        run("umoci", "unpack", "--image", f"{name}.oci:1", f"{name}.bundle", cwd=folder)
    return folder


def test_what_diff_says(shells: Path) -> None:
    if shutil.which("diff") is None:
        lack("diff is not installed: apt install diffutils")
    roots = ("with.bundle/rootfs", "without.bundle/rootfs")
    done = attempt("diff", "-rq", "--no-dereference", *roots, cwd=shells, env={"LC_ALL": "C"})
    only = {
        f"/{path}/{name}".replace("//", "/")
        for path, name in re.findall(r"(?m)^Only in [^/:]+/rootfs/?([^:]*): (.*)$", done.stdout)
    }
    changed = {
        f"/{path}" for path in re.findall(r"(?m)^(?:Files|Symbolic links) with\.bundle/rootfs/(\S+) and", done.stdout)
    }
    assert len(only) + len(changed) == len(done.stdout.splitlines()), done.stdout
    found = differing("with.tar", "oci:without.oci:1", shells)
    states = {one["path"]: one["state"] for one in found["files"]}
    assert {path for path, state in states.items() if state == "changed"} == changed == {"/etc/passwd"}
    came_or_went = {path for path, state in states.items() if state != "changed"}
    assert {path for path in came_or_went if os.path.dirname(path) not in came_or_went} == only
    assert any(path.endswith("bin/find") for path in only)


def test_a_program_less_in_words(shells: Path) -> None:
    text = run(*BRASM, "diff", "with.tar", "without.tar", cwd=shells)
    find = next(line for line in text.splitlines() if line.endswith("/find"))
    assert find.startswith("-")
    assert "program removed" in text
    assert "changed: 1 path" in text
    assert "content" in text
    done = attempt(*BRASM, "diff", "--exit-code", "-q", "with.tar", "without.tar", cwd=shells)
    assert (done.returncode, done.stderr) == (1, "")
    assert attempt(*BRASM, "diff", "--exit-code", "with.tar", "oci:with.oci", cwd=shells).returncode == 0


def test_a_recipe_against_an_image(shells: Path) -> None:
    before = sorted(shells.iterdir())
    assert differing("with", "with.tar", shells, "--exit-code")["same"] is True
    found = differing("with.tar", "without", shells)
    assert found["after"]["image"] == "without"
    assert any(path.endswith("/find") for path in named(found))
    assert sorted(shells.iterdir()) == before


def test_refusals(shells: Path, out: Path) -> None:
    assert "nope.tar" in refused(out, 4, "diff", shells / "with.tar", "nope.tar")
    assert "nope: no such recipe" in refused(out, 3, "diff", "nope", shells / "with.tar")
    assert "Missing argument" in refused(out, 2, "diff", shells / "with.tar")
    assert "linux/s390x" in refused(out, 4, "diff", "--platform", "linux/s390x", *[shells / "with.tar"] * 2)
    data = (shells / "with.tar").read_bytes()
    (out / "cut.tar").write_bytes(data[: len(data) // 2])
    assert "cut.tar" in refused(out, 4, "diff", shells / "with.tar", "cut.tar")
    at = len(data) // 2  # in the middle of the layer
    (out / "bad.tar").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    assert "it is damaged" in refused(out, 4, "diff", "bad.tar", shells / "with.tar")
