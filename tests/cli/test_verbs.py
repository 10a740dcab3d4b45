"""The command line: what each verb prints, for people and for programs, and its exit code."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner, Result

from assembler.cli import app
from assembler.cli.progress import TerminalProgress
from assembler.pipeline.make import Sources
from assembler.recipe.find import share_folder, shipped_recipes
from assembler.recipe.schema import recipe_schema
from tests.elf.build import elf
from tests.trees import make_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STATIC = elf(static=True, kind=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with one static program, a manual and a configuration."""
    folder = tmp_path / "root"
    folder.mkdir()
    make_folder("/usr/share/man/man1/app.1 file 0644 0:0 text\n/etc/app.conf file 0644 0:0 x\n/bin dir", folder)
    (folder / "bin" / "app").write_bytes(STATIC)
    (folder / "bin" / "app").chmod(0o755)
    return folder


@pytest.fixture
def brasm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*arguments: str | os.PathLike[str]) -> Result:
        return CliRunner().invoke(app.brasm, [os.fspath(one) for one in arguments], catch_exceptions=True)

    return run


def shown(result: Result) -> Any:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return json.loads(result.stdout)


@pytest.mark.parametrize("verb", app.VERBS)
def test_the_group_says_of_a_verb_what_it_says_itself(verb: str) -> None:
    command = importlib.import_module(f"assembler.cli.{verb}").command
    assert isinstance(command, click.Command)
    assert command.short_help == app.VERBS[verb]
    assert command.help, "every verb has its own help"
    assert command.help.startswith(app.VERBS[verb].rstrip("."))


def test_help_imports_no_verb_and_nothing_heavy() -> None:
    code = (
        "import sys; from assembler.cli.app import brasm; brasm(['-h'], standalone_mode=False); print([*sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for module in ("msgspec", "rich", "elftools", "lief", "docker", "zstandard", "assembler.pipeline"):
        assert f"'{module}'" not in done.stdout.splitlines()[-1]


def test_pack_says_what_it_made(brasm: Callable[..., Result], root: Path) -> None:
    result = brasm("pack", "--source", root, "-e", "/bin/app", "-o", "x.tar")
    assert result.stdout.startswith("sha256:")
    for words in ("app:latest  linux/amd64", "transferred", "unpacked", "on disk", "wrote x.tar", "documentation 4 B"):
        assert words in result.stderr


def test_pack_json_has_the_keys_that_are_promised(brasm: Callable[..., Result], root: Path) -> None:
    found = shown(brasm("pack", "--json", "--source", root, "-e", "/bin/app", "-o", "x.tar", "-o", "oci:lay:t"))
    assert {"digest", "size", "layers", "kept", "dropped", "saved", "outputs"} <= found.keys()
    (layer,) = found["layers"]
    assert layer.keys() == {"digest", "diff_id", "media_type", "size", "uncompressed_size", "entries"}
    assert found["outputs"] == ["x.tar", "oci:lay:t"]
    assert found["saved"] == {"documentation": 4, "unreached": 1}
    assert found["kept"] == 3, "the root, /bin, /bin/app"


def test_several_recipes_read_one_source_once(
    brasm: Callable[..., Result], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.toml").write_text(
            f'name = "{name}"\n[source]\ndirectory = "{root}"\n[image]\nentrypoint = ["/bin/app"]\n'
        )
    opened: list[object] = []
    original = Sources.open

    def counted(self: Sources, loaded: Any) -> Any:
        opened.append(original(self, loaded))
        return opened[-1]

    monkeypatch.setattr(Sources, "open", counted)
    found = shown(brasm("pack", "--json", "one", "two", "-o", "{name}.tar"))
    assert [row["outputs"] for row in found] == [["one.tar"], ["two.tar"]]
    assert len({id(source) for source in opened}) == 1
    assert {"one.tar", "two.tar"} <= set(os.listdir())


def test_two_images_for_one_place_are_refused(brasm: Callable[..., Result], root: Path) -> None:
    result = brasm("pack", "shell", "python", "--source", root, "-o", "x.tar")
    assert "two images would be written there" in str(result.exception)


@pytest.mark.parametrize(("budget", "fits"), [("1 B", False), ("1 MB", True)])
def test_a_budget_is_kept(brasm: Callable[..., Result], root: Path, budget: str, fits: bool) -> None:
    result = brasm("pack", "--source", root, "-e", "/bin/app", "--set", f"budget.compressed={budget}", "-o", "x.tar")
    assert (result.exception is None) is fits
    if not fits:
        assert "over budget" in str(result.exception)


def test_plan_sums_up_and_lists(brasm: Callable[..., Result], root: Path) -> None:
    result = brasm("plan", "--files", "--source", root, "-e", "/bin/app")
    assert "documentation" in result.stdout
    assert "/usr/share/man/man1/app.1  (documentation: manual pages (/usr/share/man))" in result.stdout
    found = shown(brasm("plan", "--json", "--source", root, "-e", "/bin/app"))
    rows = {row["path"]: row for row in found["entries"]}
    assert rows["/bin/app"].keys() >= {"path", "type", "size", "verdict", "reason", "rule"}
    assert rows["/usr/share/man/man1/app.1"]["verdict"] == "drop"
    assert {row["reason"] for row in found["totals"]} >= {"reached", "documentation", "unreached"}


def test_why_explains_both_ways(brasm: Callable[..., Result], root: Path) -> None:
    kept = brasm("why", "--source", root, "-e", "/bin/app", "/bin/app")
    assert "image.entrypoint" in kept.stdout
    gone = brasm("why", "--source", root, "-e", "/bin/app", "/etc/app.conf")
    assert 'would be kept by: select.keep = ["/etc/app.conf"]' in gone.stdout
    absent = brasm("why", "--source", root, "-e", "/bin/app", "/nope")
    assert "/nope: not in the root" in str(absent.exception)
    found = shown(brasm("why", "--json", "--source", root, "-e", "/bin/app", "/bin/app"))
    assert found["chain"] == [
        {"from": "image.entrypoint", "to": "/bin/app", "kind": "config", "name": "/bin/app", "found": "absolute name"}
    ]


def test_verify_says_that_an_image_is_sound(brasm: Callable[..., Result], root: Path) -> None:
    brasm("pack", "--source", root, "-e", "/bin/app", "-o", "x.tar")
    assert "sound and closed: 1 layer, 3 entries" in brasm("verify", "x.tar").stdout
    assert shown(brasm("verify", "--json", "x.tar"))["violations"] == []


def test_verify_lists_every_violation_and_finding(brasm: Callable[..., Result], root: Path) -> None:
    (root / "bin" / "su").write_bytes(STATIC)
    (root / "bin" / "su").chmod(0o4757)
    (root / "bin" / "lost").write_bytes(elf(interp="/lib/ld.so", needed=("libnope.so",)))
    (root / "bin" / "lost").chmod(0o755)
    brasm("pack", "--source", root, "--mode", "all", "-o", "x.tar", "--set", "image.cmd=['/bin/app']")
    result = brasm("verify", "x.tar")
    assert "interp: /bin/lost: /lib/ld.so is not found" in result.stdout
    assert "/bin/su: setuid, mode 4757, owner" in result.stderr
    assert "/bin/su: anybody may write to it" in result.stderr


def test_inspect_shows_where_the_bytes_are(brasm: Callable[..., Result], root: Path) -> None:
    brasm("pack", "--source", root, "-e", "/bin/app", "-o", "x.tar")
    text = brasm("inspect", "x.tar").stdout
    for words in ("linux/amd64", "/bin/app", "by directory", "by kind", "program or library", "largest files"):
        assert words in text
    found = shown(brasm("inspect", "--json", "x.tar"))
    assert {"config", "layers", "files", "packages"} <= found.keys()
    (app_row,) = (row for row in found["files"] if row["path"] == "/bin/app")
    assert app_row.keys() == {"path", "type", "mode", "uid", "gid", "size", "package"}


def test_small_verbs(brasm: Callable[..., Result]) -> None:
    assert set(shipped_recipes()) == {row["name"] for row in shown(brasm("recipes", "--json"))}
    assert "A shell and the core utilities" in brasm("recipes").stdout
    assert brasm("schema").stdout.encode() == recipe_schema()
    for shell in ("bash", "zsh", "fish"):
        assert "_BRASM_COMPLETE" in brasm("completion", shell).stdout


def test_names_of_recipes_are_completed(brasm: Callable[..., Result]) -> None:
    env = {**os.environ, "_BRASM_COMPLETE": "bash_complete", "COMP_WORDS": "brasm pack sh", "COMP_CWORD": "2"}
    done = subprocess.run([sys.executable, "-m", "assembler"], env=env, capture_output=True, text=True, check=False)
    assert "plain,shell" in done.stdout
    assert brasm("pack", "--help").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["pak"], 2, "no such command: 'pak'; did you mean 'pack'?"),
        (["pack"], 2, "neither a recipe nor a source is given"),
        (["pack", "--nope"], 2, "No such option"),
        (["pack", "nope"], 3, "nope: no such recipe"),
        (["pack", "shell", "-o", "containers-storage:x"], 2, "brasm does not speak containers-storage: yet"),
        (["pack", "shell", "-o", "foo:x"], 2, "unknown transport 'foo'"),
        (["pack", "shell", "--set", "x"], 3, "not of the form key=value"),
        (["verify", "nope.tar"], 4, "nope.tar"),
        (["why", "shell", "a", "b"], 2, "one path at a time"),
    ],
)
def test_errors_are_one_line_with_an_exit_code(arguments: list[str], code: int, message: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "assembler", *arguments]
    env = {**os.environ, "PYTHONPATH": os.path.dirname(share_folder("recipes"))}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    first, *rest = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert all(line.startswith("hint: ") for line in rest)


def test_output_that_nobody_reads_is_no_error() -> None:
    code = f"{sys.executable} -m assembler schema | sleep 0; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 141
    assert done.stderr == ""


def test_progress_shows_itself_only_after_a_while(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with TerminalProgress() as quick:
        quick.start("walk", unit="files")
        quick.advance(5)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("assembler.cli.progress.DELAY", -1)
    with TerminalProgress() as slow:
        slow.start("walk", unit="files")
        slow.advance(5)
        slow.start("compress", 2_000_000, unit="B")
        slow.advance(1_000_000)
    assert "1.00 MB of 2.00 MB" in capsys.readouterr().err
