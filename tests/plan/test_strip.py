"""Stripping with the real tool: what shrinks, what stays, and that nothing a loader sees changes."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from assembler.base.content import Bytes, read
from assembler.base.errors import ProgramError
from assembler.elf.sections import has_symbols, loaded_image
from assembler.plan import strip
from assembler.tree import Regular, Tree
from tests.elf.build import elf
from tests.plan.making import loaded_recipe, plan_of
from tests.tools import need

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.plan.types import Plan


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "brasm" / "strip"


@pytest.fixture
def program(tmp_path: Path) -> bytes:
    need("gcc", "strip")
    source = tmp_path / "main.c"
    source.write_text("static int unused(void) { return 1; }\nint main(void) { return unused() - 1; }\n")
    subprocess.run(["gcc", "-g", "-static", "-o", tmp_path / "main", source], check=True)
    return (tmp_path / "main").read_bytes()


def planned(data: bytes, path: str = "/bin/main", /, **tables: object) -> Plan:
    tree = Tree([Regular(path, 0o755, 0, 0, 0, (), 0, Bytes(data))])
    return plan_of(tree, loaded_recipe(**{"image": {"entrypoint": [path]}, **tables}))


def result(plan: Plan, path: str = "/bin/main") -> bytes:
    entry = plan.decisions[path].result
    assert isinstance(entry, Regular)
    return read(entry.content)


def test_symbols_go_and_the_program_runs(program: bytes, tmp_path: Path) -> None:
    plan = planned(program)
    assert plan.decisions["/bin/main"].verdict == "transform"
    assert "stripped (--strip-unneeded" in plan.decisions["/bin/main"].rule
    stripped = result(plan)
    assert len(stripped) < len(program)
    with Bytes(program).open() as before, Bytes(stripped).open() as after:
        assert loaded_image(before) == loaded_image(after)
        assert not has_symbols(after)
    path = tmp_path / "stripped"
    path.write_bytes(stripped)
    path.chmod(0o755)
    assert subprocess.run([path], check=False).returncode == 0


def test_debug_leaves_the_symbol_table(program: bytes) -> None:
    data = result(planned(program, strip={"mode": "debug"}))
    assert len(data) < len(program)
    with Bytes(data).open() as stream:
        assert has_symbols(stream)


@pytest.mark.parametrize(
    ("tables", "changes"),
    [
        ({"strip": {"mode": "none"}}, False),
        ({"select": {"mode": "all"}}, False),
        ({"select": {"mode": "all"}, "strip": {"mode": "debug"}}, True),
    ],
)
def test_when_nothing_is_stripped(program: bytes, tables: dict[str, object], changes: bool) -> None:
    assert (planned(program, **tables).decisions["/bin/main"].verdict == "transform") is changes


def test_kernel_modules_are_never_stripped(program: bytes) -> None:
    plan = planned(program, "/lib/modules/x.ko", image={}, select={"keep": ["/lib/**"]})
    assert plan.decisions["/lib/modules/x.ko"].verdict == "keep"


def test_a_second_run_takes_it_from_the_cache(program: bytes, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = result(planned(program))
    (cached,) = own_cache.iterdir()
    monkeypatch.setattr(strip, "_run_strip", None)
    assert result(planned(program)) == first
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(own_cache.parent.parent))
    cached.write_bytes(cached.read_bytes()[:-1] + b"!")
    assert result(planned(program)) == first, "a damaged entry is made anew"


def test_a_cache_that_cannot_be_written_is_no_error(program: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nope")
    assert len(result(planned(program))) < len(program)


def _tool(folder: Path, script: str) -> str:
    path = folder / "strip"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_tool_that_changes_what_is_loaded_is_not_believed(program: bytes, tmp_path: Path) -> None:
    """The last two arguments are the output and the input: write something shorter that is no longer the program."""
    script = 'while [ $# -gt 2 ]; do [ "$1" = -o ] && out=$2; shift; done; head -c 100000 "$2" > "$out"'
    plan = planned(program, strip={"tool": _tool(tmp_path, script)})
    assert plan.decisions["/bin/main"].verdict == "keep"
    assert "not stripped: its loadable segments would change" in plan.decisions["/bin/main"].rule
    assert result(plan) == program


def test_a_tool_that_fails_leaves_the_original(program: bytes, tmp_path: Path) -> None:
    plan = planned(program, strip={"tool": _tool(tmp_path, "echo broken >&2; exit 3")})
    assert "not stripped: " in plan.decisions["/bin/main"].rule
    assert "exit code 3: broken" in plan.decisions["/bin/main"].rule
    assert result(plan) == program


def test_a_tool_that_is_not_there(program: bytes) -> None:
    with pytest.raises(ProgramError, match=r"strip\.tool: /nope/strip: not installed"):
        planned(program, strip={"tool": "/nope/strip"})


def test_nothing_to_strip_needs_no_tool() -> None:
    plan = planned(elf(static=True, kind=2), strip={"tool": "/nope/strip"})
    assert plan.decisions["/bin/main"].verdict == "keep"


def test_no_tool_for_the_machine_is_told(program: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    plan = planned(program)
    assert plan.warnings == (
        "1 files could be stripped, but no strip for X86_64 (64 bits, little-endian) is installed",
    )
