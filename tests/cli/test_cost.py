"""`brasm cost`, and packages of a Buildroot output wherever else they are shown."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from assembler.cli import app
from assembler.oci.packages import PACKAGES
from tests.buildroot.captured import make_output

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GNUTLS = "gnutls 3.8.13, LGPL-2.1+ (core library)"


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The captured output folder. Nobody writes to it."""
    return make_output(tmp_path_factory.mktemp("captured") / "output")


@pytest.fixture
def brasm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(verb: str, source: Path | None, *arguments: str) -> Result:
        given = [] if source is None else ["-s", str(source), "-e", "/usr/bin/taskd"]
        result = CliRunner().invoke(app.brasm, [verb, *given, *arguments])
        assert result.exception is None, result.exception
        return result

    return run


def test_cost_in_words(brasm: Callable[..., Result], output: Path) -> None:
    text = brasm("cost", output).stdout
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "by package: 11.74 MB in the image, 13.91 MB in target"
    assert "1.96 MB 2.03 MB 1 gnutls 3.8.13 LGPL-2.1+ (core library)" in lines
    assert "0 B 158 B 0 (no package)" in lines
    assert "11.74 MB 5.78 MB 5.95 MB 535 BR2_PACKAGE_TASKD configuration gmp, gnutls, libtasn1 and 2 more" in lines
    assert "30.71 kB util-linux BR2_PACKAGE_BUSYBOX, BR2_PACKAGE_TASKD" in lines
    assert "3.18 MB glibc every image" in lines
    assert lines.index("767.64 kB 75 BR2_PACKAGE_BUSYBOX configuration") > lines.index(
        "on, and nothing of it in the image"
    )


def test_cost_json_has_the_keys_that_are_promised(brasm: Callable[..., Result], output: Path) -> None:
    found = json.loads(brasm("cost", output, "--json").stdout)
    weight = {"target_files", "target_size", "files", "size"}
    assert found.keys() == {
        *("output", "total", "packages", "unowned", "symbols", "shared", "unneeded", "options"),
    }
    assert found["output"] == str(output)
    assert found["total"].keys() == found["unowned"].keys() == weight
    assert found["packages"][0].keys() == {"package", "version", "license", *weight}
    symbol = {"symbol", "package", "origin", "packages", "needed_by", "files", "size", "reached_files", "reached_size"}
    assert found["symbols"][0].keys() == {*symbol, "target_size", "seconds", "total"}
    assert found["unneeded"][0].keys() == found["symbols"][0].keys()
    assert found["shared"][0].keys() == {"package", "symbols", "always", "files", "size"}


def test_plan_shows_the_package_of_each_path(brasm: Callable[..., Result], output: Path) -> None:
    assert "/usr/bin/taskd [taskd]  (reached: " in brasm("plan", output, "--files").stdout
    rows = {row["path"]: row for row in json.loads(brasm("plan", output, "--json").stdout)["entries"]}
    assert rows["/usr/lib/libgnutls.so.30.42.0"]["package"] == "gnutls"
    assert rows["/etc/hostname"]["package"] is None


def test_why_names_the_package(brasm: Callable[..., Result], output: Path) -> None:
    lines = brasm("why", output, "/usr/lib/libgnutls.so.30").stdout.splitlines()
    assert lines[1] == f"package {GNUTLS}"
    assert brasm("why", output, "/etc/hosts").stdout.splitlines()[1] == "package skeleton-init-common"
    assert "package" not in brasm("why", output, "/etc/hostname").stdout
    found = json.loads(brasm("why", output, "--json", "/bin/busybox").stdout)
    assert found["package"] == {"name": "busybox", "version": "1.37.0", "license": "GPL-2.0, bzip2-1.0.4"}


def test_an_image_of_ours_knows_its_packages(brasm: Callable[..., Result], output: Path) -> None:
    brasm("pack", output, "-q", "-o", "x.tar")
    assert GNUTLS in brasm("inspect", None, "x.tar").stdout
    found = json.loads(brasm("inspect", None, "--json", "x.tar").stdout)
    rows = {row["name"]: row for row in found["packages"]}
    assert rows["gnutls"] == {
        "name": "gnutls",
        "files": 1,
        "size": 1955232,
        "version": "3.8.13",
        "license": "LGPL-2.1+ (core library)",
    }
    annotation = found["annotations"][PACKAGES]
    assert json.loads(annotation)["taskd"] == {"files": 1, "license": "MIT", "size": 522368, "version": "1.1.0"}
    assert "busybox" not in json.loads(annotation), "nothing of it is in the image"
    assert annotation == json.dumps(json.loads(annotation), sort_keys=True, separators=(",", ":"))


def test_annotations_of_the_recipe_win(brasm: Callable[..., Result], output: Path) -> None:
    own = f'image.annotations={{"{PACKAGES}" = "none"}}'
    brasm("pack", output, "-q", "-o", "x.tar", "--set", own)
    assert "by package" not in brasm("inspect", None, "x.tar").stdout, "what is not of our form is no list of packages"


def test_what_is_of_no_package_is_a_row_of_its_own(brasm: Callable[..., Result], output: Path) -> None:
    brasm("pack", output, "-q", "-o", "x.tar", "--mode", "all")
    rows = {row["name"]: row for row in json.loads(brasm("inspect", None, "--json", "x.tar").stdout)["packages"]}
    assert (rows["(none)"]["files"], rows["(none)"]["size"]) == (4, 158)
    assert rows["busybox"]["files"] == 2


def test_without_facts_there_are_names(brasm: Callable[..., Result], tmp_path: Path) -> None:
    foreign = make_output(tmp_path / "foreign", noted=False)
    brasm("pack", foreign, "-q", "-o", "x.tar")
    rows = {row["name"]: row for row in json.loads(brasm("inspect", None, "--json", "x.tar").stdout)["packages"]}
    assert (rows["gnutls"]["size"], rows["gnutls"]["version"], rows["gnutls"]["license"]) == (1955232, None, None)
    assert brasm("why", foreign, "/usr/bin/taskd").stdout.splitlines()[1] == "package taskd"


def test_a_layer_for_each_package(brasm: Callable[..., Result], output: Path) -> None:
    split = ("--set", "layers.split=package")
    packed: dict[str, Any] = json.loads(brasm("pack", output, "--json", *split, "-o", "dir:root", "-o", "x.tar").stdout)
    names = {row["name"] for row in json.loads(brasm("inspect", None, "--json", "x.tar").stdout)["packages"]}
    # One more: links and directories of the skeleton have no bytes, but are of a package.
    assert len(packed["layers"]) == len(names) + 1
    assert os.path.getsize("root/usr/bin/taskd") == 522368


def test_other_sources_have_no_such_annotation(brasm: Callable[..., Result], output: Path) -> None:
    brasm("pack", None, "-s", str(output / "target" / "lib"), "--mode", "all", "-q", "-o", "x.tar")
    assert json.loads(brasm("inspect", None, "--json", "x.tar").stdout)["annotations"] == {}
