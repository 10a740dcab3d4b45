"""Recipes, arguments and destinations that are refused before anything is written."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.refusals import refused
from tests.tools import BRASM, environment
from tests.trees import make_folder


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[image]\nentrypiont = ['/app']", "entrypiont"),
        ("[select]\nmode = 'everything'", "select.mode"),
        ("[select]\nroots = '/app'", "select.roots"),
        ("[select]\nkeep = ['etc/**']", "select.keep"),
        ("[select]\nkeep = ['/etc/[a']", "select.keep"),
        ("[image]\nuser = 'a:b:c'", "image.user"),
        ("[image]\nexpose = ['http']", "image.expose"),
        ("[image]\nstop_signal = 'stop!'", "image.stop_signal"),
        ("[image]\nplatform = 'linux'", "image.platform"),
        ("[layers]\nlevel = 13", "layers.level"),
        ("[layers]\ncompression = 'brotli'", "layers.compression"),
        ("[[files]]\npath = '/x'\nmode = '0999'", "files[0].mode"),
        ("[[files]]\npath = 'x'", "files[0].path"),
        ("[[files]]\npath = '/x'\nowner = 'root'", "files[0].owner"),
        ("[[files]]\npath = '/x'\nsource = 'nowhere'", "files[0].source"),
        ("[budget]\ncompressed = 'small'", "budget.compressed"),
        ("[[test]]\nrun = []", "test[0]: nothing is tested"),
        ("[image", "line"),
    ],
)
def test_a_wrong_recipe(text: str, key: str, out: Path, tmp_path: Path) -> None:
    root = make_folder("/app file 0755", tmp_path / "root")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f"name = 'x'\n[source]\ndirectory = {json.dumps(root)}\n{text}\n")
    error = refused(out, 3, "pack", recipe, "-o", "x.tar")
    assert key in error
    assert str(tmp_path) in error


@pytest.mark.parametrize(
    "arguments",
    [
        ("pakc",),
        ("pack", "--nonsense"),
        ("pack",),
        ("pack", "-s", "/", "-e", "/bin/sh", "-o", "ocl:x:1"),
        ("pack", "-s", "/", "-e", "/bin/sh", "-o", "oci:x:not a tag"),
        ("pack", "shell", "python", "-o", "x.tar"),
        ("why",),
        ("verify",),
        ("inspect", "a", "b"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line(arguments: tuple[str, ...], out: Path) -> None:
    refused(out, 2, *arguments)


@pytest.mark.parametrize("arguments", [("pack", "shel"), ("pack", "./nowhere"), ("plan", "/etc")], ids=" ".join)
def test_no_such_recipe(arguments: tuple[str, ...], out: Path) -> None:
    refused(out, 3, *arguments)


def test_a_path_that_is_not_there(static: Path, out: Path) -> None:
    refused(out, 1, "why", "-s", static, "-e", "/bin/sh", "/bin/nowhere")


@pytest.mark.parametrize("output", ["/proc/x.tar", "nowhere/x.tar", "oci:/proc/layout:1", "dir:/proc/x"])
def test_a_destination_that_cannot_be_written(output: str, static: Path, out: Path) -> None:
    refused(out, 5, "pack", "-s", static, "-e", "/bin/sh", "-o", output)


def test_a_folder_that_is_full_of_other_things(static: Path, out: Path) -> None:
    (out / "layout").mkdir()
    (out / "layout/precious").write_text("mine")
    refused(out, 5, "pack", "-s", static, "-e", "/bin/sh", "-o", "oci:layout:1")
    refused(out, 5, "pack", "-s", static, "-e", "/bin/sh", "-o", "dir:layout")
    assert [path.name for path in (out / "layout").iterdir()] == ["precious"]


@pytest.mark.parametrize("command", [("recipes", "--json"), ("schema",), ("rules",), ("completion", "bash")])
def test_standard_output_that_is_full(command: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            (*BRASM, *command), check=False, stdout=full, stderr=subprocess.PIPE, text=True, env=environment()
        )
    assert done.returncode == 5
    assert done.stderr == "error: standard output: cannot be written: No space left on device\n"
