"""What holds for the repository as a whole: docstrings, sizes, layering, and that its documents tell the truth."""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assembler.cli.app import VERBS
from tests.tools import PACKAGES, ROOT, run

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(ROOT)
MODULES = sorted((HERE / "assembler").rglob("*.py"))
MAKEFILE = (HERE / "Makefile").read_text()
DOCUMENTS = [HERE / "README.md", HERE / "CONTRIBUTING.md"]
OF_BUILDROOT = {"menuconfig"}
"""Targets of Buildroot's that documents name."""
HEAVY = {
    *("lief", "docker", "elftools", "rich", "zstandard", "deflate", "jsonschema"),
    *("plotly", "matplotlib", "numpy", "distributed", "dask", "tomlkit"),
}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield all functions of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function, its docstring not counted."""
    assert function.end_lineno is not None
    documented = len((ast.get_docstring(function, clean=False) or "").splitlines())
    return function.end_lineno - function.lineno + 1 - documented


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(HERE)))
def test_modules_are_small_and_say_what_they_are(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    assert len(text.splitlines()) <= 350
    for function in functions(tree):
        assert length(function) <= 50, f"{function.name} has {length(function)} lines"


def test_every_package_has_its_init() -> None:
    folders = {path.parent for path in MODULES}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_layers_are_kept() -> None:
    run(Path(sys.executable).with_name("lint-imports"), "--no-cache", cwd=HERE)


def test_nothing_heavy_is_imported_for_help() -> None:
    code = "import json, sys\nimport assembler.cli.app\nprint(json.dumps(sorted(sys.modules)))"
    loaded = {name.partition(".")[0] for name in json.loads(run(sys.executable, "-c", code))}
    assert loaded & HEAVY == set()


def test_base_imports_nothing_heavy() -> None:
    names = [
        "assembler.base." + path.stem for path in (HERE / "assembler/base").glob("*.py") if path.stem != "__init__"
    ]
    code = f"import json, sys, {', '.join(names)}\nprint(json.dumps(sorted(sys.modules)))"
    loaded = {name.partition(".")[0] for name in json.loads(run(sys.executable, "-c", code))}
    assert loaded & (HEAVY | {"click"}) == set()


def test_the_machine_of_the_gate_installs_what_tests_need() -> None:
    text = (HERE / ".ci/run").read_text()
    listed = re.search(r"^packages=\((.*?)^\)", text, re.DOTALL | re.MULTILINE)
    assert listed is not None
    installed = set(shlex.split(listed[1], comments=True))
    wanted = {package for packages in PACKAGES.values() for package in packages.split()}
    assert wanted - installed == set()


def targets() -> set[str]:
    """Return what `make` can be asked for."""
    return set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def test_make_says_what_it_can_do() -> None:
    declared = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert declared is not None
    assert set(declared[1].split()) == targets()
    described = set(re.findall(r"^\t@echo 'make ([a-z]+) ", MAKEFILE, re.MULTILINE))
    assert described == targets() - {"help"}


def test_the_gate_has_all_its_checks() -> None:
    rules = MAKEFILE[MAKEFILE.index("\ntest:") : MAKEFILE.index("\nbench:")]
    for check in ("ruff check", "ruff format --check", "mypy", "lint-imports", "pytest"):
        assert f"$(BIN)/{check}" in rules


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.name))
def test_documents_name_what_is_there(path: Path) -> None:
    text = path.read_text()
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    assert set(re.findall(r"(?:^|[`\s])make ([a-z]+)", code)) <= targets() | OF_BUILDROOT
    assert set(re.findall(r"(?:^|[`\s$])brasm ([a-z]+)", code)) <= VERBS.keys()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / link).exists(), link


def test_decisions_are_short_and_numbered() -> None:
    records = sorted((HERE / "assembler/decisions").glob("*.md"))
    assert [record.name[:4] for record in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for record in records:
        assert len(record.read_text().splitlines()) < 40, record
