"""Running make: the log has all, a failure says where and what to paste, Ctrl-C ends what was started."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from assembler.base.errors import DestinationError, Interrupted, ProgramError
from assembler.buildroot.make import Make, query, run_make
from tests.tools import need, wait_for

if TYPE_CHECKING:
    from pathlib import Path

_MAKEFILE = """
all: $(O)/build/x-1/.stamp_built
$(O)/build/x-1/.stamp_built:
\t@echo '>>> x 1 Building'
\t@echo "flags: $(MAKEFLAGS) level: $(MAKELEVEL) external: $(BR2_EXTERNAL) dir: $$BRASM_RECIPE_DIR"
\t@echo "x.c:1:1: error: no such thing"; exit 1
good:
\t@echo '{"a": 1}'
full:
\t@echo "cc1: error: x.o: No space left on device"; exit 1
odd:
\t@printf 'caf\\351\\n'
slow:
\t@sleep 300 & echo $$! > $(O)/pid; echo started; wait
"""


@pytest.fixture
def make(tmp_path: Path) -> Make:
    need("make")
    (tmp_path / "Makefile").write_text(_MAKEFILE)
    (tmp_path / "out").mkdir()
    environment = {"BRASM_RECIPE_DIR": "/a recipe"}
    return Make(str(tmp_path), str(tmp_path / "out"), ("/one", "/two"), environment)


def test_a_failure(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", "n")
    monkeypatch.setenv("MAKELEVEL", "3")
    told: list[str] = []
    with pytest.raises(ProgramError) as error:
        run_make(make, ["all"], told.append)
    assert error.value.message == "x-1 failed while it was built: x.c:1:1: error: no such thing"
    assert "BRASM_RECIPE_DIR='/a recipe' make --no-print-directory -C" in (error.value.hint or "")
    assert f"the whole log: {make.log}" in (error.value.hint or "")
    assert "x.c:1:1: error: no such thing" in error.value.context
    assert told[0] == ">>> x 1 Building\n"
    assert "level: 0 external: /one:/two dir: /a recipe" in told[1]
    with open(make.log, encoding="utf-8") as log:
        lines = log.read()
    assert lines.startswith("$ BRASM_RECIPE_DIR='/a recipe' make --no-print-directory -C")
    assert "x.c:1:1: error: no such thing" in lines


def test_a_full_disk_is_named(make: Make) -> None:
    with pytest.raises(ProgramError) as error:
        run_make(make, ["full"])
    assert (error.value.hint or "").startswith("the disk is full: free some room and run it again")


def test_bytes_that_are_no_text_are_kept_in_the_log(make: Make) -> None:
    told: list[str] = []
    run_make(make, ["odd"], told.append)
    assert told == ["caf�\n"]
    with open(make.log, "rb") as log:
        assert b"caf\xe9\n" in log.read()


def test_a_target_that_prints(make: Make) -> None:
    assert query(make, "good") == '{"a": 1}\n'
    with pytest.raises(ProgramError, match="No rule to make target 'none'"):
        query(make, "none")


def test_a_machine_without_make(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    with pytest.raises(ProgramError, match="make: not installed"):
        run_make(make, ["good"])
    with pytest.raises(ProgramError, match="make: not installed"):
        query(make, "good")


def test_a_log_that_cannot_be_written(make: Make) -> None:
    os.makedirs(make.log)
    with pytest.raises(DestinationError, match=r"build\.log: cannot be written: Is a directory"):
        run_make(make, ["good"])


def test_an_interruption_ends_all_that_was_started(make: Make) -> None:
    def interrupt(line: str) -> None:
        if line == "started\n":
            raise Interrupted(15)

    with pytest.raises(Interrupted):
        run_make(make, ["slow"], interrupt)
    with open(os.path.join(make.output, "pid"), encoding="ascii") as file:
        pid = int(file.read())
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the program was ended")
