"""What a search found, written into recipes of many forms: only `select.drop` says something else afterwards."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from assembler.base.digest import Digest
from assembler.base.errors import RecipeError
from assembler.experiments.drops.droppable import exact_glob
from assembler.experiments.drops.findings import Finding, Findings
from assembler.experiments.drops.patch import apply, patch_of, patched
from assembler.recipe import load_recipe
from tests.tools import need, run

if TYPE_CHECKING:
    from pathlib import Path

DROPS = ("/usr/share/x", "/usr/share/y", "/opt/one")


def finding(*globs: str, files: int = 34, number: int = 57) -> Finding:
    return Finding("x", globs, files, 1_200_000, 410_000.0, Digest("sha256:1"), number, ("a test",))


def findings(*found: Finding, measure: str = "compressed") -> Findings:
    return Findings(measure, found or (finding(*DROPS[:2]), finding(DROPS[2], files=1, number=60)), (), (), {}, {}, 61)


LINES = """\
    # unused: 34 files, 1.20 MB, 410.00 kB compressed; tests passed without them (trial 57)
    "/usr/share/x",
    "/usr/share/y",
    # unused: 1 file, 1.20 MB, 410.00 kB compressed; tests passed without it (trial 60)
    "/opt/one",
"""
HEAD = '#:schema recipe.schema.json\n# A thing.\nname = "thing"\n\n[source]\ndirectory = "root"  # beside it\n'
IMAGE = '\n# What it starts.\n[image]\nentrypoint = ["/bin/app"]\n'

FORMS = [
    ("no select", HEAD + IMAGE, f"{HEAD}\n[select]\ndrop = [\n{LINES}]\n{IMAGE}"),
    ("nothing but a source", HEAD, f"{HEAD}\n[select]\ndrop = [\n{LINES}]\n"),
    (
        "a select without drop",
        f'{HEAD}\n[select]\nmode = "prune"   # all of it\n{IMAGE}',
        f'{HEAD}\n[select]\nmode = "prune"   # all of it\ndrop = [\n{LINES}]\n{IMAGE}',
    ),
    (
        "a select with a comment at its end",
        f'{HEAD}\n[select]\nmode = "prune"\n# It is\n# small.\n{IMAGE}',
        f'{HEAD}\n[select]\nmode = "prune"\n# It is\n# small.\ndrop = [\n{LINES}]\n{IMAGE}',
    ),
    (
        "a select with a comment on the next table right below",
        f'{HEAD}\n[select]\nmode = "prune"{IMAGE}',
        f'{HEAD}\n[select]\nmode = "prune"\ndrop = [\n{LINES}]{IMAGE}',
    ),
    (
        "a select at the end with a comment",
        f'{HEAD}\n[select]\nmode = "prune"\n# Last.\n',
        f'{HEAD}\n[select]\nmode = "prune"\n# Last.\ndrop = [\n{LINES}]\n',
    ),
    (
        "one line",
        f"{HEAD}\n[select]\ndrop = [\"/a\", '/b'] # old\nkeep = []\n{IMAGE}",
        f"{HEAD}\n[select]\ndrop = [\n    \"/a\",\n    '/b',\n{LINES}] # old\nkeep = []\n{IMAGE}",
    ),
    ("an empty list", f"{HEAD}\n[select]\ndrop = []\n{IMAGE}", f"{HEAD}\n[select]\ndrop = [\n{LINES}]\n{IMAGE}"),
    (
        "many lines, of another depth",
        f'{HEAD}\n[select]\ndrop = [\n  "/a", # why\n  # and\n  "/b"\n]\n{IMAGE}',
        f'{HEAD}\n[select]\ndrop = [\n  "/a", # why\n  # and\n  "/b",\n{LINES.replace("    ", "  ")}]\n{IMAGE}',
    ),
    (
        "many lines, that end with a comment",
        f'{HEAD}\n[select]\ndrop = [\n    "/a",\n    # end\n]\n{IMAGE}',
        f'{HEAD}\n[select]\ndrop = [\n    "/a",\n    # end\n{LINES}]\n{IMAGE}',
    ),
    (
        "an inline table",
        f'select = {{ mode = "prune" }}\n{HEAD}',
        f'select = {{ mode = "prune", drop = [\n{LINES}]}}\n{HEAD}',
    ),
    ("dotted keys", f'select.mode = "prune"\n{HEAD}', f'select.mode = "prune"\nselect.drop = [\n{LINES}]\n{HEAD}'),
    (
        "a table below it",
        f"{HEAD}\n[select.rules]\ngio = false\n",
        f"{HEAD}\n[select]\ndrop = [\n{LINES}]\n\n[select.rules]\ngio = false\n",
    ),
    ("no newline at the end", HEAD + IMAGE.rstrip(), f"{HEAD}\n[select]\ndrop = [\n{LINES}]\n{IMAGE.rstrip()}"),
    (
        "text that looks like a table",
        f'{HEAD}\n[[files]]\npath = "/x"\ncontent = """\n[select]\n"""\n',
        f'{HEAD}\n[select]\ndrop = [\n{LINES}]\n\n[[files]]\npath = "/x"\ncontent = """\n[select]\n"""\n',
    ),
]


@pytest.mark.parametrize(("old", "new"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_the_list_changes(old: str, new: str, end: str) -> None:
    assert patched(old.replace("\n", end), findings(), "recipe.toml") == new.replace("\n", end)


@pytest.mark.parametrize("old", [form[1] for form in FORMS], ids=[form[0] for form in FORMS])
@pytest.mark.parametrize("name", ["recipe.toml", "my recipe.toml"])
def test_patch_and_git_take_the_difference(old: str, name: str, tmp_path: Path) -> None:
    need("patch", "git")
    path = tmp_path / name
    path.write_text(old)
    before = load_recipe(str(path)).recipe
    text = patch_of(str(path), findings())
    assert path.read_text() == old, "nothing is written"
    (tmp_path / "patch").write_text(text)
    run("git", "init", "--quiet", cwd=tmp_path)
    run("git", "apply", "--check", "-p1", "patch", cwd=tmp_path)
    run("patch", "-p1", "--input=patch", cwd=tmp_path)
    by_patch = path.read_text()
    path.write_text(old)
    apply(str(path), findings())
    assert path.read_text() == by_patch
    after = load_recipe(str(path)).recipe
    assert after.select.drop == (*before.select.drop, *DROPS)
    assert replace(after, select=before.select) == before


def test_what_is_there_already_is_not_added_again(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f'{HEAD}\n[select]\ndrop = ["/usr/share/y"]\n')
    apply(str(path), findings())
    assert load_recipe(str(path)).recipe.select.drop == ("/usr/share/y", "/usr/share/x", "/opt/one")
    status = path.stat()
    assert patch_of(str(path), findings()) == ""
    apply(str(path), findings())
    assert path.stat().st_ino == status.st_ino, "nothing is written where nothing changes"


def test_the_mode_and_a_link_stay(tmp_path: Path) -> None:
    real, path = tmp_path / "real.toml", tmp_path / "recipe.toml"
    real.write_text(HEAD)
    real.chmod(0o640)
    path.symlink_to(real)
    apply(str(path), findings())
    assert path.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert "/opt/one" in real.read_text()


def test_a_variants_own_list_is_meant() -> None:
    old = f'{HEAD}\n[variant.small]\nset = {{ "select.drop" = ["/a"], "layers.level" = 12 }}\n'
    values = tomllib.loads(patched(old, findings(), "recipe.toml", "small"))
    assert values["variant"]["small"]["set"] == {"select.drop": ["/a", *DROPS], "layers.level": 12}
    assert "select" not in values
    assert tomllib.loads(patched(old, findings(), "recipe.toml"))["select"] == {"drop": [*DROPS]}


@pytest.mark.parametrize(
    ("measure", "line"),
    [
        ("files", "# unused: 34 files, 1.20 MB; tests passed without it (trial 57)"),
        ("unpacked", "# unused: 34 files, 1.20 MB; tests passed without it (trial 57)"),
        ("on_disk", "# unused: 34 files, 1.20 MB, 410.00 kB on disk; tests passed without it (trial 57)"),
    ],
)
def test_the_evidence_names_the_measure_where_it_is_another(measure: str, line: str) -> None:
    assert line in patched(HEAD, findings(finding("/x"), measure=measure), "recipe.toml")


def test_what_was_not_saved_is_not_told() -> None:
    worse = replace(finding("/x", files=1), saved=-7.0)
    assert "# unused: 1 file, 1.20 MB; tests passed" in patched(HEAD, findings(worse), "recipe.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [("[select\n", "recipe.toml: not TOML"), ("", "recipe.toml: lines cannot be added to select.drop")],
)
def test_what_cannot_be_patched_is_told(text: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assembler.experiments.drops.patch._says", lambda *_: False)
    with pytest.raises(RecipeError, match=message):
        patched(text, findings(), "recipe.toml")


@pytest.mark.parametrize("data", [None, b"name = '\xff'\n"])
def test_what_cannot_be_read_is_told(data: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(RecipeError, match=r"recipe\.toml: (cannot be read|not TOML)"):
        patch_of(str(path), findings())


KEYS: st.SearchStrategy[Any] = st.sampled_from(
    [
        'mode = "prune"\n',
        "# a comment\n",
        "\n",
        'keep = [\n  "/k", # x\n]\n',
        'drop = ["/d", "/e"]\n',
        'drop = [\n\t"/d"  # one\n\t,"/e"]\n',
        'drop = [ "/d",\n\n# c\n ]  # after\n',
    ]
)


@given(
    st.lists(KEYS, max_size=5, unique_by=lambda line: line.partition(" =")[0]),
    st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), min_size=1),
    st.sampled_from(["", IMAGE, "# last", "[[test]]\nfiles = ['/x']\n"]),
)
def test_any_recipe_and_any_name(lines: list[str], names: list[str], rest: str) -> None:
    old = f"{HEAD}\n[select]\n{''.join(lines)}{rest}"
    drops = tuple(dict.fromkeys(exact_glob(f"/usr/{name}") for name in names))
    values = tomllib.loads(patched(old, findings(finding(*drops)), "recipe.toml"))
    expected = tomllib.loads(old)
    expected["select"]["drop"] = [*expected["select"].get("drop", ()), *drops]
    assert values == expected
