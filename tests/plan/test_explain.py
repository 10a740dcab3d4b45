"""`brasm why`: chains hop by hop, rules, and the line that would keep what goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from assembler.base.errors import NegativeAnswer
from assembler.base.progress import Silent
from assembler.pipeline.examine import explain_path
from assembler.pipeline.make import Sources
from assembler.plan.explain import Explanation, explain
from assembler.recipe import recipe_from_mapping
from tests.elf.build import elf, note
from tests.plan.making import loaded_recipe, plan_of
from tests.plan.test_planner import APP, LD, ROOT

if TYPE_CHECKING:
    from pathlib import Path


def why(path: str, **tables: Any) -> Explanation:
    recipe = loaded_recipe(**{**APP, **tables})
    return explain(plan_of(ROOT, recipe), recipe, path)


def test_a_library_hop_by_hop() -> None:
    explanation = why("/lib/libz.so.1.3")
    assert [(hop.source, hop.target, hop.kind) for hop in explanation.chain] == [
        ("image.entrypoint", "/usr/bin/app", "config"),
        ("/usr/bin/app", "/lib/libz.so.1.3", "needed"),
    ]
    assert explanation.chain[1].found == "system dir /lib"
    assert explanation.verdict == "keep"


def test_a_symlink_is_on_the_way_to_something() -> None:
    last = why("/lib/libz.so.1").chain[-1]
    assert (last.target, last.kind, last.found) == ("/lib/libz.so.1", "symlink", "on the way to /lib/libz.so.1.3")


def test_a_directory_holds_something() -> None:
    explanation = why("/usr")
    assert explanation.rule == "holds /usr/bin/app"
    assert explanation.chain[-1].kind == "directory"


@pytest.mark.parametrize(
    ("path", "tables", "rule", "keep_with"),
    [
        ("/usr/share/doc/app/example", {}, "package documentation (/usr/share/doc)", 'select.keep = ["/usr/share/doc/'),
        ("/etc/app.conf", {}, "nothing that the roots reach needs it", 'or select.mode = "prune"'),
        ("/etc/app.conf", {"select": {"drop": ["/etc"]}}, "select.drop '/etc'", "select.drop without '/etc'"),
        ("/lib/libunused.so.1", {"select": {"mode": "prune"}}, "no program of the root maps it", "select.keep"),
    ],
)
def test_what_goes_says_what_would_keep_it(path: str, tables: dict[str, Any], rule: str, keep_with: str) -> None:
    explanation = why(path, **tables)
    assert (explanation.verdict, explanation.rule) == ("drop", rule)
    assert keep_with in str(explanation.keep_with)


def test_what_is_not_there_is_a_negative_answer() -> None:
    with pytest.raises(NegativeAnswer, match="/usr/bin/ap: not in the root") as caught:
        why("/usr/bin/ap")
    assert caught.value.hint == "did you mean /usr/bin/app?"


def test_json_has_the_keys_that_are_promised() -> None:
    json = msgspec.to_builtins(why("/lib/libc.so.6"))
    assert {"path", "verdict", "chain", "rule"} <= json.keys()
    assert json["chain"][0].keys() >= {"from", "to", "kind", "found"}


def test_the_setting_that_would_bring_what_is_opened_at_run_time(tmp_path: Path) -> None:
    note_of = note(b"FDO", 0x407C0C0A, b'[{"soname": ["libnoted.so"], "priority": "suggested"}]')
    names = b"\0/etc/app.conf\0"
    program = elf(interp=LD, needed=("libc.so.6",), calls=("dlopen", "pthread_exit"), notes=note_of) + names
    files = {"usr/bin/app": program, "lib/libnoted.so": elf(), "lib/libgcc_s.so.1": elf(), "etc/app.conf": b"x"}
    files |= {LD[1:]: elf(soname="ld-linux-x86-64.so.2"), "lib/libc.so.6": elf(soname="libc.so.6")}
    for path, data in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
        (tmp_path / path).chmod(0o755)
    tables = {**APP, "source": {"directory": str(tmp_path)}, "select": {"rules": {"libgcc": False}}}
    recipe = recipe_from_mapping({"name": "x", **tables}, "/")

    def line(path: str) -> str | None:
        return explain_path(recipe, Sources(Silent()), path, Silent()).keep_with

    assert str(line("/lib/libnoted.so")).startswith(
        'select.keep = ["/lib/libnoted.so"], or select.dlopen = "suggested"'
    )
    assert str(line("/etc/app.conf")).startswith('select.keep = ["/etc/app.conf"], or select.dlopen = "strings"')
    assert "or select.rules.libgcc = true" in str(line("/lib/libgcc_s.so.1"))
